//! coturn's own client programs against the built server: every packet comes back.
//!
//! `turnutils_uclient` 4.6.1 binds channels in the range of RFC 5766 (0x4000-0x7FFF), of which RFC 8656 left a quarter:
//! the channel runs therefore switch `turn.channel_numbers` to the old range, as an operator with such clients would.
//! Its `-Z` is not run: it asks for a second family by a number from before RFC 8656 (0x8032, which servers ignore), then
//! refreshes a family at random and gives up at the 443 that is due. Both families are tried in `foreign_turn_proto.rs`.
mod support;

use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use support::Server;
use support::TURN_SECRET;
use support::require_program;

const MESSAGES: u32 = 200;
const CLIENTS: u32 = 4;
/// For what ends by itself within ten seconds on a quiet machine.
const LIMIT_S: u32 = 60;
const OLD_CHANNELS: &str = "[turn]\nchannel_numbers = \"rfc5766\"\n[relay.limits]\nallocations_per_user = 1000\n";

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
        let bound = support::eventually(Duration::from_secs(5), || {
            let target =
                if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
            let local = if address.contains(':') { "[::1]:0" } else { "127.0.0.1:0" };
            let socket = std::net::UdpSocket::bind(local).expect("bind a probe");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
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

/// What `turnutils_uclient` is told beside its mode.
fn uclient(server: &Server, kind: &str, flags: &[&str], peer: Option<(&str, u16)>, limit_s: u32) -> Command {
    let addr = if flags.contains(&"-x") { server.addr_v6(kind) } else { server.addr(kind) };
    // Some of its modes can wait for ever.
    let mut command = Command::new(require_program("timeout", "coreutils"));
    command.arg(limit_s.to_string()).arg(require_program("turnutils_uclient", "coturn"));
    command.args(["-u", "tester", "-W", TURN_SECRET, "-p", &addr.port().to_string()]);
    command.args(["-n", &MESSAGES.to_string(), "-m", &CLIENTS.to_string(), "-l", "170", "-z", "5"]);
    command.args(flags);
    if let Some((peer, port)) = peer {
        command.args(["-e", peer, "-r", &port.to_string()]);
    }
    command.arg(addr.ip().to_string()).stdin(Stdio::null());
    command
}

/// Runs `turnutils_uclient` and demands that it ends well; the messages it sent and got back, and what it wrote.
fn run_uclient(server: &Server, kind: &str, flags: &[&str], peer: Option<(&str, u16)>) -> (u32, u32, String) {
    let output = uclient(server, kind, flags, peer, LIMIT_S).output().expect("run turnutils_uclient");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().rev().take(12).collect::<Vec<_>>().join("\n");
    assert!(output.status.success(), "{flags:?}: {}\n{last}", output.status);
    // The totals stand in many lines; those in the last one count.
    let total = |name: &str| {
        let found = text.lines().rev().find_map(|line| line.split(name).nth(1)?.split([',', ' ']).next()?.parse().ok());
        found.unwrap_or_else(|| panic!("{flags:?}: no {name}\n{last}"))
    };
    (total("tot_send_msgs="), total("tot_recv_msgs="), text)
}

fn assert_nothing_lost(server: &Server, kind: &str, flags: &[&str], peer: Option<(&str, u16)>) {
    let (sent, received, text) = run_uclient(server, kind, flags, peer);
    assert!(sent >= CLIENTS * MESSAGES, "{flags:?}: sent {sent} messages only");
    assert!(received >= sent, "{flags:?}: {received} of {sent} came back");
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{flags:?}: packets were lost\n{text}");
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
fn each_way_to_ask_loses_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_504);
    let peer = Some(("127.0.0.1", 13_504));
    // Padded ChannelData over UDP, no permission beside the
    // channel's, IPv4 asked for by name, no second allocation for RTCP, DONT-FRAGMENT.
    std::thread::scope(|runs| {
        for flags in [&["-D"][..], &["-I"], &["-X"], &["-c"], &["-g"]] {
            let server = &server;
            runs.spawn(move || assert_nothing_lost(server, "turn-udp", flags, peer));
        }
    });
}

#[test]
fn each_way_to_ask_over_streams_loses_nothing() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_508);
    let peer = Some(("127.0.0.1", 13_508));
    std::thread::scope(|runs| {
        let server = &server;
        for flags in [&["-t", "-D"][..], &["-t", "-s"], &["-t", "-g"]] {
            runs.spawn(move || assert_nothing_lost(server, "turn-tcp", flags, peer));
        }
        runs.spawn(move || assert_nothing_lost(server, "turn-tls", &["-t", "-S", "-s"], peer));
        runs.spawn(move || assert_nothing_lost(server, "turn-tcp", &["-t", "-y"], None));
    });
}

#[test]
fn without_a_permission_nothing_comes_back() {
    let server = Server::start("");
    let _peer = EchoPeer::start("127.0.0.1", 13_516);
    let (sent, received, _) = run_uclient(&server, "turn-udp", &["-s", "-I"], Some(("127.0.0.1", 13_516)));
    assert!(sent > 0, "indications were sent");
    assert_eq!(received, 0);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let server = Server::start(OLD_CHANNELS);
    let _peer = EchoPeer::start("127.0.0.1", 13_520);
    let (sent, received, _) = run_uclient(&server, "turn-tcp", &["-t", "-B"], Some(("127.0.0.1", 13_520)));
    assert!(received > 0 && received <= sent, "{received} of {sent}");
    assert!(
        support::eventually(Duration::from_secs(5), || server.allocations() == 0.0),
        "an allocation outlives its connection"
    );
}

/// Channels of random numbers, headers with random bytes, requests for random peers of both families, clients that come
/// and go: it ends well, with an error or never, as chance will have it, so only the server is judged.
#[test]
fn wild_clients_end_as_they_must_and_leave_the_server_well() {
    let server = Server::start("[relay.limits]\nallocations_per_user = 1000\n");
    let _peer = EchoPeer::start("127.0.0.1", 13_524);
    let peer = Some(("127.0.0.1", 13_524));
    let modes = ["-N", "-R", "-N -R", "-G", "-O", "-t -N", "-t -N -R", "-t -G", "-t -O"];
    for flags in modes.map(|mode| mode.split(' ').collect::<Vec<_>>()) {
        let kind = if flags.contains(&"-t") { "turn-tcp" } else { "turn-udp" };
        let ended = uclient(&server, kind, &flags, peer, 3).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ended.expect("run turnutils_uclient");
    }
    assert!(server.metric("duologue_stun_requests_total", "method=\"channel_bind\",result=\"bad_request\"") > 0.0);
    assert_nothing_lost(&server, "turn-udp", &["-s"], peer);
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
