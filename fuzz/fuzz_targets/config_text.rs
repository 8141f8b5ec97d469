//! The text of a configuration file.
#![no_main]

#[path = "../config_text.rs"]
mod config_text;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    config_text::check(input);
});
