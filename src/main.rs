//! The `duologue` binary.
use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Many small allocations of many connections: less memory and less waiting than the allocator of the C library.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    duologue::cli::run()
}
