//! The bytes of a WebSocket client.
#![no_main]

#[path = "../choices.rs"]
mod choices;
#[path = "../websocket_frame.rs"]
mod websocket_frame;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    websocket_frame::check(input);
});
