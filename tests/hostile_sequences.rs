//! No sequence of requests, data, time and operation makes the relay break what it promised, or leaves anything behind.
//! The fuzz target `turn_sequence` runs the same checks.
#[path = "../fuzz/choices.rs"]
mod choices;
#[path = "support/random.rs"]
mod random;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "../fuzz/turn_sequence/mod.rs"]
mod turn_sequence;

use random::Random;
use seeds::seeds;
use turn_sequence::Tally;

/// Random plans.
const PLANS: usize = 500;

#[test]
fn kept_plans_keep_every_promise() {
    for plan in seeds("turn_sequence") {
        turn_sequence::check(&plan);
    }
}

#[test]
fn random_plans_keep_every_promise() {
    let mut random = Random(4);
    let mut tally = Tally::default();
    for _ in 0..PLANS {
        let plan: Vec<u8> = (0..random.below(1000)).map(|_| random.byte()).collect();
        tally += turn_sequence::check(&plan);
    }
    // Else the plans never get past the credentials.
    let enough = [
        tally.allocations,
        tally.permissions,
        tally.channels,
        tally.refused,
        tally.to_peers,
        tally.to_clients,
        tally.handed_over,
    ];
    assert!(enough.iter().all(|count| *count > 30), "{tally:?}");
}
