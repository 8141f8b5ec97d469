//! The life of a relay: several clients, right and wrong requests, data, time, and an operator, on two shards.
//!
//! An input is a plan, one step after another. A model keeps what the answers promised, and nothing else: whatever the
//! relay lets through must be in it, and when everything has ended nothing may be left.
mod cast;
mod held;
mod packets;
mod steps;
mod tally;
mod verdicts;
mod world;

pub(crate) use tally::Tally;
use world::World;

use crate::choices::Choices;

/// Steps of one plan; the rest of the input is not read.
const STEPS: usize = 200;

/// Plays the plan to its end, and then to the end of everything that it made.
pub(crate) fn check(input: &[u8]) -> Tally {
    let mut choices = Choices::of(input);
    let mut world = World::new(&mut choices);
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    world.finish()
}
