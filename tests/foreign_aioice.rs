//! aioice, the ICE library of aiortc, as TURN client over UDP, TCP and TLS.
mod support;

use std::process::Command;
use std::process::Stdio;

use support::Server;
use support::turn::Credential;

/// The Python that `make test` sets up with `tests/requirements.txt`.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aioice/relay.py");

fn relay(server: &Server, listener: &str, kind: &str) {
    assert!(std::path::Path::new(PYTHON).exists(), "{PYTHON} is missing: make test makes it");
    let addr = server.addr(listener);
    let credential = Credential::for_session("aioice");
    let output = Command::new(PYTHON)
        .arg(SCRIPT)
        .args([&addr.ip().to_string(), &addr.port().to_string(), kind, &credential.username, &credential.password])
        .stdin(Stdio::null())
        .output()
        .expect("run the script");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{kind}: {said}");
    assert!(said.contains("200 datagrams between two clients"), "{said}");
}

#[test]
fn over_udp() {
    let server = Server::start("");
    relay(&server, "turn-udp", "udp");
    assert!(
        support::eventually(std::time::Duration::from_secs(5), || server.allocations() == 0.0),
        "closing a client's transport frees its allocation"
    );
}

#[test]
fn over_tcp() {
    relay(&Server::start(""), "turn-tcp", "tcp");
}

#[test]
fn over_tls() {
    relay(&Server::start(""), "turn-tls", "tls");
}

#[test]
fn over_tls_on_the_shared_port() {
    relay(&Server::start(""), "shared", "tls");
}

#[test]
fn over_tcp_on_the_shared_port() {
    relay(&Server::start(""), "shared", "tcp");
}
