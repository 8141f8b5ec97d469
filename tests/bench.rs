//! `duologue bench` against the built server: every load gets through, over every transport, and is counted right.
mod support;

use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;

use support::Server;
use support::TURN_SECRET;

/// Runs one load with a secret that the server knows.
fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.env_clear().env("DUOLOGUE_BENCH_SECRET", TURN_SECRET).arg("bench").args(arguments);
    command.output().expect("the binary runs")
}

/// Runs a load of 16 clients for a moment against a server and reads the report.
fn report(server: &Server, transport: &str, load: &[&str]) -> Value {
    let kind = format!("turn-{transport}");
    let authority = server.state.path().join("tls/local-ca.pem");
    let trust = if transport == "tls" { vec!["--ca", utf8(&authority)] } else { Vec::new() };
    report_of(server.addr(&kind), server.pid(), transport, &[load, &trust].concat())
}

fn report_of(address: SocketAddr, pid: u32, transport: &str, load: &[&str]) -> Value {
    let (address, pid) = (address.to_string(), pid.to_string());
    let common = [
        "--transport",
        transport,
        "--server",
        &address,
        "--server-pid",
        &pid,
        "--allocations",
        "16",
        "--duration",
        "1s",
        "--warm-up",
        "100ms",
        "--json",
    ];
    let output = bench(&[load, &common].concat());
    assert!(output.status.success(), "{load:?} over {transport}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {report}"))
}

/// Everything that was sent arrived, as it was meant to.
fn assert_sound(report: &Value) {
    assert!(number(report, "/sent") >= 100.0, "{report}");
    assert_eq!(number(report, "/sent"), number(report, "/received"), "{report}");
    for none in ["/loss_percent", "/reordered", "/wrong", "/generator/drops"] {
        assert_eq!(number(report, none), 0.0, "{none} in {report}");
    }
    assert!(number(report, "/delivered_kpps") > 0.0 && number(report, "/latency_us/p50") > 0.0, "{report}");
    assert!(number(report, "/latency_us/p50") <= number(report, "/latency_us/max"), "{report}");
    assert!(number(report, "/server_process/cpu_us_each") > 0.0, "{report}");
}

#[test]
fn every_load_gets_through_over_every_transport() {
    let server = Server::start("");
    for transport in ["udp", "tcp", "tls"] {
        for load in [
            &["relay", "--rate", "2000"][..],
            &["relay", "--rate", "2000", "--direction", "to-peer", "--burst", "8", "--size", "1000"],
            &["relay", "--rate", "2000", "--direction", "to-client", "--burst", "3", "--no-segmentation"],
            &["pair", "--rate", "2000", "--size", "161"],
            &["indications", "--rate", "2000", "--burst", "5", "--size", "123"],
            &["indications", "--rate", "2000", "--pair"],
            &["binding", "--rate", "2000"],
        ] {
            assert_sound(&report(&server, transport, load));
        }
    }
    assert_eq!(server.allocations(), 0.0, "a load gives back what it allocated");
}

#[test]
fn allocations_are_cycled_from_new_and_from_old_addresses() {
    let server = Server::start("");
    for (transport, reuse) in [("udp", false), ("udp", true), ("tcp", false)] {
        let load = if reuse { &["allocate", "--reuse"][..] } else { &["allocate"] };
        let report = report(&server, transport, load);
        assert!(number(&report, "/cycles") >= 10.0, "{report}");
        assert_eq!(number(&report, "/refused"), 0.0, "{report}");
        assert!(number(&report, "/server_process/cpu_us_each") > 0.0, "{report}");
    }
}

#[test]
fn the_memory_of_kept_allocations_is_told() {
    for mode in ["ports", "single-port"] {
        let server = Server::start(&format!("[relay]\nmode = \"{mode}\"\n"));
        let report = report(&server, "udp", &["hold"]);
        assert!(number(&report, "/rss_held_kib") >= number(&report, "/rss_before_kib"), "{report}");
        assert!(number(&report, "/rss_after_kib") > 1000.0, "{report}");
        assert_eq!(server.allocations(), 0.0);
    }
}

/// The forwarder without protocol, ended with the test.
struct Floor {
    child: Child,
    address: SocketAddr,
}

impl Floor {
    fn start(merging: &str) -> Floor {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
        command.args(["bench", "floor", "--merging", merging]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("ready ").and_then(|address| address.parse().ok());
        Floor { child, address: address.unwrap_or_else(|| panic!("not ready: {line}")) }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_floor_forwards_the_same_loads() {
    for merging in ["plain", "send", "both"] {
        let floor = Floor::start(merging);
        for load in [
            &["relay", "--rate", "2000"][..],
            &["relay", "--rate", "2000", "--burst", "8", "--size", "1200"],
            &["relay", "--rate", "2000", "--burst", "5", "--no-segmentation"],
            &["pair", "--rate", "2000", "--burst", "8"],
            &["pair", "--rate", "2000"],
        ] {
            assert_sound(&report_of(floor.address, floor.child.id(), "udp", load));
        }
    }
}

#[test]
fn the_maximum_is_looked_for_and_reported() {
    let server = Server::start("");
    let report = report(&server, "udp", &["relay", "--max"]);
    assert!(number(&report, "/delivered_kpps") > 1.0, "{report}");
    assert_eq!(number(&report, "/wrong"), 0.0, "{report}");
}

#[test]
fn people_get_lines_and_a_refusal_with_its_reason() {
    let server = Server::start("");
    let address = server.addr("turn-udp").to_string();
    let output = bench(&["relay", "--server", &address, "--duration", "100ms", "--allocations", "4"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in ["relay at ", "delivered ", "latency ", "generator "] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    for (arguments, reason) in [
        (&["relay", "--server", "192.0.2.1:3478"][..], "--i-own-this-server"),
        (&["pair", "--allocations", "3"], "even number"),
        (&["hold", "--server", &address], "--server-pid"),
        (&["relay", "--server", &address, "--secret", "another"], "refuses Allocate of client"),
        (&["relay", "--server", &address, "--transport", "tls"], "--insecure"),
    ] {
        let output = bench(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains(reason), "{arguments:?}: {told}");
    }
}
