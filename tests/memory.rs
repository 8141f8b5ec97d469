//! What an allocation costs the process in memory.
mod support;

use std::process::Command;

use serde_json::Value;

use support::Server;
use support::TURN_SECRET;

/// Keeps so many allocations with a channel each for a moment; returns the server's resident memory meanwhile, in KiB.
fn held_kib(server: &Server, allocations: u32) -> f64 {
    let (address, pid) = (server.addr("turn-udp").to_string(), server.pid().to_string());
    let allocations = allocations.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.args(["bench", "hold", "--server", &address, "--server-pid", &pid, "--allocations", &allocations]);
    command.args(["--duration", "100ms", "--json"]).env("DUOLOGUE_BENCH_SECRET", TURN_SECRET);
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    report.pointer("/rss_held_kib").and_then(Value::as_f64).expect("a number")
}

/// What each of many more allocations adds: what the first ones make resident (code, buffers) is no part of it.
fn kib_per_allocation(mode: &str) -> f64 {
    // They would round what is resident up to 2 MiB here and there. The server inherits it.
    rustix::thread::disable_transparent_huge_pages(true).expect("a choice of pages");
    let server = Server::start(&format!("[relay]\nmode = \"{mode}\"\n[limits]\nexempt = [\"127.0.0.0/8\"]\n"));
    let (few, many) = (500, 3500);
    let before = held_kib(&server, few);
    (held_kib(&server, many) - before) / f64::from(many - few)
}

#[test]
fn an_allocation_with_a_socket_takes_little_memory() {
    let kib = kib_per_allocation("ports");
    assert!((0.2..2.0).contains(&kib), "{kib} KiB");
}

#[test]
fn an_allocation_without_a_socket_takes_less() {
    let kib = kib_per_allocation("single-port");
    assert!((0.2..1.6).contains(&kib), "{kib} KiB");
}
