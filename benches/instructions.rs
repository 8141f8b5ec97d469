//! Runs each operation of the relay core a fixed number of times, for benches/instructions.py to count instructions.
mod world;

use world::operations::Operations;

/// How often each operation runs; benches/instructions.py divides by it. Keys of hash tables are drawn anew in every
/// process: with so many runs over several clients the count of one run differs by less than a thousandth.
const RUNS: usize = 1000;

fn main() {
    let mut operations = Operations::new();
    for operation in [
        Operations::channel_data_to_peer,
        Operations::peer_to_channel_data,
        Operations::send_indication_to_peer,
        Operations::peer_to_data_indication,
        Operations::hand_over,
        Operations::binding,
        Operations::challenge,
        Operations::refresh,
        Operations::allocate_and_delete,
    ] {
        (0..RUNS).for_each(|_| operation(&mut operations));
    }
}
