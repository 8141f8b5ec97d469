//! The built program tries its own relay and says when that fails.
mod support;

use std::time::Duration;

use support::Server;
use support::eventually;

/// However busy the machine is: an attempt that fails in silence takes six seconds, and three are needed.
const PATIENCE: Duration = Duration::from_secs(60);

fn attempts(server: &Server, outcome: &str) -> f64 {
    server.metric("duologue_probe_total", &format!("outcome=\"{outcome}\""))
}

#[test]
fn a_relay_that_works_echoes_and_leaves_no_trace_of_it() {
    let server = Server::start("[server]\nprobe_interval = \"100ms\"\n");
    assert!(eventually(PATIENCE, || attempts(&server, "echoed") >= 3.0), "{}", server.log());
    assert!(server.metric("duologue_probe_round_trip_seconds_count", "") >= 3.0);
    assert_eq!((attempts(&server, "failed"), attempts(&server, "refused")), (0.0, 0.0));
    assert_eq!(server.get("/health/ready").0, 200);
    assert!(eventually(PATIENCE, || server.allocations() == 0.0), "an attempt gives back what it took");
    assert!(!server.log().contains("allocation ended"), "{}", server.log());
}

#[test]
fn without_udp_a_connection_is_tried() {
    let server = Server::start("[server]\nprobe_interval = \"100ms\"\n[turn]\nudp_listen = []\n");
    assert!(eventually(PATIENCE, || attempts(&server, "echoed") >= 1.0), "{}", server.log());
}

#[test]
fn a_relay_without_ports_is_not_ready() {
    let one_port = "[server]\nprobe_interval = \"100ms\"\n[relay]\nport_range = \"50501-50501\"\n";
    let server = Server::start(one_port);
    assert!(eventually(PATIENCE, || server.get("/health/ready").0 == 503), "{}", server.log());
    assert!(server.get("/health/ready").1.contains("relay"), "{}", server.get("/health/ready").1);
    assert!(attempts(&server, "failed") >= 3.0);
    assert!(server.log().contains("the relay failed its own test"), "{}", server.log());
}

#[test]
fn a_relay_whose_quota_is_used_up_is_as_configured() {
    let server = Server::start("[server]\nprobe_interval = \"100ms\"\n[relay.limits]\nallocations_per_session = 1\n");
    assert!(eventually(PATIENCE, || attempts(&server, "refused") >= 3.0), "{}", server.log());
    assert_eq!(server.get("/health/ready").0, 200);
}

#[test]
fn a_disk_with_too_little_room_is_told_before_writes_fail() {
    let server = Server::start("[server]\nmin_free_disk_bytes = 9000000000000000000\n");
    let (status, told) = server.get("/health/ready");
    assert!(status == 503 && told.contains("disk"), "{status} {told}");
    assert!(server.metric("duologue_disk_free_bytes", "") > 0.0);
    std::fs::write(server.state.path().join("conf.d/test.toml"), "[server]\nmin_free_disk_bytes = 1\n")
        .expect("written");
    server.signal("HUP");
    assert!(eventually(PATIENCE, || server.get("/health/ready").0 == 200), "{}", server.log());
}
