//! `duologue load` against the built server: every load runs, is counted right and ends by itself.
mod support;

use std::process::Command;
use std::process::Output;

use serde_json::Value;

use support::Server;

const SECRET: &str = "a key that only these tests and their server know";

/// Nothing is counted by address but for flooders, and nobody is kept from looking for a partner again and again.
const CONFIG: &str = "\
[auth]
jwt_secrets = [\"a key that only these tests and their server know\"]
[limits]
queue_joins_per_minute = 100000
calls_per_minute = 100000
exempt = [\"127.2.0.0/16\", \"127.0.0.1/32\"]
";

fn load(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.env_clear().env("DUOLOGUE_LOAD_SECRET", SECRET).arg("load").args(arguments);
    command.output().expect("the binary runs")
}

fn report(server: &Server, is_tls: bool, task: &[&str]) -> Value {
    let address = server.addr(if is_tls { "shared" } else { "http" }).to_string();
    let (pid, authority) = (server.pid().to_string(), server.state.path().join("tls/local-ca.pem"));
    let mut arguments = task.to_vec();
    arguments.extend(["--server", &address, "--server-pid", &pid, "--warm-up", "100ms", "--json"]);
    if is_tls {
        arguments.extend(["--ca", authority.to_str().expect("UTF-8")]);
    }
    let output = load(&arguments);
    assert!(output.status.success(), "{task:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {report}"))
}

/// Nothing took no time, and the slowest was not faster than the others.
fn assert_timed(report: &Value, latency: &str) {
    let quantile = |name: &str| number(report, &format!("{latency}/{name}"));
    assert!(quantile("p50") > 0.0 && quantile("p50") <= quantile("max"), "{report}");
}

#[test]
fn clients_come_by_window_and_by_rate_plain_and_over_tls_and_are_weighed() {
    let server = Server::start(CONFIG);
    for is_tls in [false, true] {
        for pace in [["--window", "8"], ["--rate", "500"]] {
            let task = ["signaling", "connect", "--connections", "100", "--duration", "200ms"];
            let report = report(&server, is_tls, &[&task[..], &pace].concat());
            assert_eq!(number(&report, "/connections"), 100.0);
            assert_eq!(report["tls"], is_tls);
            assert!(number(&report, "/connects_per_s") > 1.0, "{report}");
            // Later ones may find room that earlier ones left behind.
            assert!(
                number(&report, "/rss_held_kib") > 1000.0 && number(&report, "/kib_per_connection") >= 0.0,
                "{report}"
            );
            assert!(number(&report, "/server_process/cpu_us_each") > 0.0, "{report}");
            assert_timed(&report, "/latency_us");
            assert_eq!(report.pointer("/generator/late_us").is_some(), pace[0] == "--rate", "{report}");
        }
    }
    for (door, connections) in [("http", 200.0), ("shared", 200.0)] {
        let of_door = format!("door=\"{door}\",outcome=\"http\"");
        assert_eq!(server.metric("duologue_tcp_connections_total", &of_door) - f64::from(door == "http"), connections);
    }
}

#[test]
fn every_message_of_a_pair_arrives_and_is_timed() {
    let server = Server::start(CONFIG);
    for is_tls in [false, true] {
        let task = ["signaling", "relay", "--connections", "40", "--rate", "400", "--duration", "500ms"];
        let report = report(&server, is_tls, &[&task[..], &["--size", "1000"]].concat());
        assert_eq!(number(&report, "/message_bytes"), 1000.0);
        assert!((195.0..=205.0).contains(&number(&report, "/sent")), "{report}");
        assert_eq!(number(&report, "/sent"), number(&report, "/received"), "{report}");
        assert_eq!(number(&report, "/refused"), 0.0, "{report}");
        assert_timed(&report, "/latency_us");
    }
}

#[test]
fn a_flooder_is_thrown_out_and_its_neighbours_lose_nothing() {
    let server = Server::start(CONFIG);
    let task = ["signaling", "flood", "--connections", "20", "--rate", "200", "--duration", "5s"];
    let report = report(&server, false, &task);
    assert_eq!(number(&report, "/beside_flood/sent"), number(&report, "/beside_flood/received"), "{report}");
    assert_timed(&report, "/beside_flood/latency_us");
    assert!(number(&report, "/beside_flood/flood/messages") > 300.0, "{report}");
    assert!(number(&report, "/beside_flood/flood/closed/4429") >= 1.0, "{report}");
}

#[test]
fn a_reader_that_does_not_read_is_held_to_256_kib_and_closed_4408() {
    // A large message counts as several.
    let server = Server::start(&format!("{CONFIG}messages_per_second = 2000\nmessages_burst = 4000\n"));
    let task = ["signaling", "stall", "--connections", "8", "--duration", "60s", "--size", "40000"];
    let report = report(&server, false, &task);
    assert_eq!(number(&report, "/readers"), 4.0);
    assert_eq!(report.pointer("/closed"), Some(&serde_json::json!({"4408": 4})), "{report}");
    assert!((128.0..=256.0).contains(&number(&report, "/held_kib_max")), "{report}");
}

#[test]
fn who_is_killed_comes_back_and_the_others_notice_nothing() {
    let server = Server::start(CONFIG);
    for (is_tls, pace) in [(false, ["--window", "8"]), (true, ["--rate", "200"])] {
        let task = ["signaling", "resume", "--connections", "60", "--kill", "20"];
        let report = report(&server, is_tls, &[&task[..], &pace].concat());
        assert_eq!((number(&report, "/killed"), number(&report, "/resumed")), (20.0, 20.0), "{report}");
        assert_eq!(number(&report, "/gaps"), 0.0, "{report}");
        assert!(number(&report, "/seconds_to_all") > 0.0, "{report}");
        assert_timed(&report, "/latency_us");
    }
}

#[test]
fn people_meet_whom_they_can_and_are_timed() {
    let server = Server::start(CONFIG);
    for pace in [["--rate", "200"], ["--window", "4"]] {
        let task = ["matching", "--connections", "40", "--duration", "2s"];
        let report = report(&server, false, &[&task[..], &pace].concat());
        assert!(number(&report, "/matches") >= 10.0, "{report}");
        assert_eq!(number(&report, "/wrong"), 0.0, "{report}");
        assert_timed(&report, "/latency_us");
    }
}

#[test]
fn people_get_lines_and_a_refusal_with_its_reason() {
    let server = Server::start(CONFIG);
    let address = server.addr("http").to_string();
    let near = ["--server", &address, "--duration", "100ms", "--connections", "4"];
    let output = load(&[&["signaling", "connect"][..], &near].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in ["connect at ", "connects ", "latency ", "generator "] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    for (arguments, reason) in [
        (&["signaling", "relay", "--server", "192.0.2.1:80"][..], "--i-own-this-server"),
        (&["matching", "--connections", "3"], "even number"),
        (&[&["signaling", "connect", "--secret", "another"][..], &near].concat(), "unauthorized"),
        (&[&["signaling", "connect", "--origin", "https://evil.example"][..], &near].concat(), "HTTP/1.1 403"),
    ] {
        let output = load(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains(reason), "{arguments:?}: {told}");
    }
}
