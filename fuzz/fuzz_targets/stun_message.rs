//! Every reader over one packet.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|packet: &[u8]| {
    checks::packet(packet);
});
