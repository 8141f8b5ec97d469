//! coturn's own client programs against the built server: every packet comes back.
//!
//! `turnutils_uclient` 4.6.1 binds channels in the range of RFC 5766 (0x4000-0x7FFF), of which RFC 8656 left a quarter:
//! the channel runs therefore switch `turn.channel_numbers` to the old range, as an operator with such clients would.
mod support;

use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use support::Server;
use support::TURN_SECRET;
use support::require_program;

const MESSAGES: u32 = 200;
const CLIENTS: u32 = 4;
const OLD_CHANNELS: &str = "[turn]\nchannel_numbers = \"rfc5766\"\n";

/// `turnutils_peer`: echoes every datagram it gets. It cannot say its port, so each test has an own one.
struct EchoPeer(Child);

impl EchoPeer {
    fn start(address: &str, port: u16) -> EchoPeer {
        let program = require_program("turnutils_peer", "coturn");
        let child = Command::new(program)
            .args(["-L", address, "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start turnutils_peer");
        let bound = support::eventually(std::time::Duration::from_secs(5), || {
            let target =
                if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
            let local = if address.contains(':') { "[::1]:0" } else { "127.0.0.1:0" };
            let socket = std::net::UdpSocket::bind(local).expect("bind a probe");
            socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).expect("set a timeout");
            let _ = socket.send_to(b"are you there", target);
            socket.recv(&mut [0; 64]).is_ok()
        });
        assert!(bound, "turnutils_peer does not answer on {address}:{port}");
        EchoPeer(child)
    }
}

impl Drop for EchoPeer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `turnutils_uclient` and demands that it ends well and lost nothing.
fn assert_nothing_lost(server: &Server, kind: &str, flags: &[&str], peer: Option<(&str, u16)>) {
    let addr = if flags.contains(&"-x") { server.addr_v6(kind) } else { server.addr(kind) };
    let mut command = Command::new(require_program("turnutils_uclient", "coturn"));
    command.args(["-u", "tester", "-W", TURN_SECRET, "-p", &addr.port().to_string()]);
    command.args(["-n", &MESSAGES.to_string(), "-m", &CLIENTS.to_string(), "-l", "170", "-z", "5"]);
    command.args(flags);
    if let Some((peer, port)) = peer {
        command.args(["-e", peer, "-r", &port.to_string()]);
    }
    let output = command.arg(addr.ip().to_string()).stdin(Stdio::null()).output().expect("run turnutils_uclient");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rev().take(12).collect::<Vec<_>>().join("\n");
    assert!(output.status.success(), "{flags:?}: {}\n{last}", output.status);
    let sent = CLIENTS * MESSAGES;
    let received = text
        .lines()
        .rev()
        .find_map(|line| line.split("tot_recv_msgs=").nth(1)?.split([',', ' ']).next()?.parse::<u32>().ok())
        .unwrap_or_else(|| panic!("{flags:?}: no totals\n{last}"));
    assert!(received >= sent, "{flags:?}: {received} of at least {sent} came back\n{last}");
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{flags:?}: packets were lost\n{last}");
}

#[test]
fn udp_channels_lose_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_480);
    assert_nothing_lost(&server, "turn-udp", &[], Some(("127.0.0.1", 13_480)));
}

#[test]
fn send_indications_lose_nothing() {
    let server = Server::start("");
    let _peer = EchoPeer::start("127.0.0.1", 13_484);
    assert_nothing_lost(&server, "turn-udp", &["-s"], Some(("127.0.0.1", 13_484)));
}

#[test]
fn tcp_clients_lose_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_488);
    assert_nothing_lost(&server, "turn-tcp", &["-t"], Some(("127.0.0.1", 13_488)));
}

#[test]
fn tls_clients_lose_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_492);
    assert_nothing_lost(&server, "turn-tls", &["-t", "-S"], Some(("127.0.0.1", 13_492)));
}

#[test]
fn tls_clients_on_the_shared_port_lose_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_496);
    assert_nothing_lost(&server, "shared", &["-t", "-S"], Some(("127.0.0.1", 13_496)));
}

#[test]
fn clients_reach_each_other_without_leaving_the_process() {
    let server = Server::start(OLD_CHANNELS);
    assert_nothing_lost(&server, "turn-udp", &["-y"], None);
    assert_nothing_lost(&server, "turn-udp", &["-y", "-s"], None);
    assert!(server.metric("duologue_relay_packets_total", "handed_over") > 0.0, "pairs meet in memory");
}

#[test]
fn clients_reach_each_other_in_single_port_mode() {
    let server = Server::start(&format!("{OLD_CHANNELS}[relay]\nmode = \"single-port\"\n"));
    assert_nothing_lost(&server, "turn-udp", &["-y"], None);
}

#[test]
fn ipv6_clients_and_peers_lose_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("::1", 13_500);
    assert_nothing_lost(&server, "turn-udp", &["-x"], Some(("::1", 13_500)));
}

#[test]
fn stunclient_learns_its_address() {
    let server = Server::start("");
    let addr = server.addr("turn-udp");
    let output = Command::new(require_program("turnutils_stunclient", "coturn"))
        .args(["-p", &addr.port().to_string(), &addr.ip().to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("run turnutils_stunclient");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{text}", output.status);
    assert!(text.contains("reflexive addr: 127.0.0.1:"), "{text}");
}
