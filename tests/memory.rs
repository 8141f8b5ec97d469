//! What an allocation costs the process in memory.
mod support;

use std::process::Command;

use serde_json::Value;

use support::Server;
use support::TURN_SECRET;

/// Keeps so many allocations with a channel each for a moment; returns the server's resident memory before and meanwhile, in KiB.
fn held_kib(server: &Server, allocations: u32) -> [f64; 2] {
    let (address, pid) = (server.addr("turn-udp").to_string(), server.pid().to_string());
    let allocations = allocations.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.args(["bench", "hold", "--server", &address, "--server-pid", &pid, "--allocations", &allocations]);
    command.args(["--duration", "100ms", "--json"]).env("DUOLOGUE_BENCH_SECRET", TURN_SECRET);
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    ["/rss_before_kib", "/rss_held_kib"].map(|field| report.pointer(field).and_then(Value::as_f64).expect("a number"))
}

/// What each allocation adds to a server that has just begun, also by the code and the buffers that the first ones touch.
fn kib_per_allocation(mode: &str) -> f64 {
    let server = Server::start(&format!("[relay]\nmode = \"{mode}\"\n[limits]\nexempt = [\"127.0.0.0/8\"]\n"));
    let allocations = 4000;
    let [before, held] = held_kib(&server, allocations);
    (held - before) / f64::from(allocations)
}

#[test]
fn an_allocation_with_a_socket_takes_little_memory() {
    let kib = kib_per_allocation("ports");
    assert!((0.2..1.4).contains(&kib), "{kib} KiB");
}

#[test]
fn an_allocation_without_a_socket_takes_less() {
    let kib = kib_per_allocation("single-port");
    assert!((0.2..1.25).contains(&kib), "{kib} KiB");
}
