//! libnice, the ICE library of GStreamer's webrtcbin, as TURN client over UDP and TCP.
mod support;

use std::process::Command;
use std::process::Stdio;

use support::Server;
use support::require_program;
use support::turn::Credential;

/// Debian's own Python: its bindings of libnice are packages of Debian.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libnice/relay.py");

fn relay(server: &Server, listener: &str, kind: &str) {
    let addr = server.addr(listener);
    let credential = Credential::for_session("libnice");
    let output = Command::new(require_program("timeout", "coreutils"))
        .args(["100", PYTHON, SCRIPT])
        .args([&addr.ip().to_string(), &addr.port().to_string(), kind, &credential.username, &credential.password])
        .stdin(Stdio::null())
        .output()
        .expect("run the script");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("No module named 'gi'"), "apt-get install python3-gi gir1.2-nice-0.1 (make test does it)");
    assert!(!said.contains("Namespace Nice not available"), "apt-get install gir1.2-nice-0.1 (make test does it)");
    assert!(output.status.success(), "{kind}: {said}");
    assert!(said.contains("600000 bytes between two agents"), "{said}");
}

#[test]
fn over_udp() {
    let server = Server::start("");
    relay(&server, "turn-udp", "udp");
    assert!(server.metric("duologue_relay_packets_total", "handed_over") > 0.0, "pairs meet in memory");
}

#[test]
fn over_tcp() {
    relay(&Server::start(""), "turn-tcp", "tcp");
}

#[test]
fn over_tcp_on_the_shared_port() {
    relay(&Server::start(""), "shared", "tcp");
}

#[test]
fn in_single_port_mode() {
    relay(&Server::start("[relay]\nmode = \"single-port\"\n"), "turn-udp", "udp");
}
