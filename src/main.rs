//! The `duologue` binary.
fn main() {}
