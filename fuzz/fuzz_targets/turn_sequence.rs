//! Plans for clients, peers, an operator and the clock of a whole relay.
#![no_main]

#[path = "../choices.rs"]
mod choices;
#[path = "../turn_sequence/mod.rs"]
mod turn_sequence;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    turn_sequence::check(input);
});
