//! One stream, cut in two ways. The first byte chooses the cut.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((&seed, stream)) = input.split_first() {
        checks::stream(stream, seed);
    }
});
