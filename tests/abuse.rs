//! The built program under abuse: guessing, flooding, hogging, dawdling, and addresses that come later.
//!
//! What can be shown without sockets and real time is shown in `src/relay/tests`; docs/SECURITY.md lists all of it.
mod support;

use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::Message;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use support::Server;
use support::eventually;
use support::tls_config;
use support::turn::Credential;
use support::turn::TurnClient;
use support::wire::SILENCE;
use support::wire::UDP;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;
use support::wire::ways;

/// Nobody is exempt, as on a server that faces the world.
const NOBODY_EXEMPT: &str = "[limits]\nexempt = []\n[relay]\nshards = 1\n";
/// How long the server may take to notice and to tell.
const SOON: Duration = Duration::from_secs(5);

fn request(method: Method, build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let mut writer = Writer::new(&mut bytes, Class::Request, method, TransactionId([7; 12]));
    build(&mut writer);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// Asks, and waits for an answer that may not come.
fn ask(socket: &UdpSocket, server: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    socket.send_to(question, server).expect("send");
    heard(socket, SILENCE * 5).map(|(answer, _)| answer)
}

/// An Allocate of a user whose password is wrong, answering the challenge that this socket gets.
fn guess(socket: &UdpSocket, server: SocketAddr) -> Option<u16> {
    let challenge = ask(socket, server, &request(Method::ALLOCATE, |_| {}))?;
    let challenge = Message::parse(&challenge).expect("a STUN message");
    let nonce = challenge.attribute(AttributeType::NONCE).expect("a nonce");
    let realm = challenge.text(AttributeType::REALM).expect("a realm").expect("UTF-8");
    let credential = Credential::for_session("guessed");
    let guess = request(Method::ALLOCATE, |writer| {
        writer
            .u32(AttributeType::REQUESTED_TRANSPORT, UDP)
            .attribute(AttributeType::USERNAME, credential.username.as_bytes())
            .attribute(AttributeType::REALM, realm.as_bytes())
            .attribute(AttributeType::NONCE, nonce)
            .integrity(&IntegrityKey::md5(&credential.username, realm, "wrong"));
    });
    let answer = ask(socket, server, &guess)?;
    Message::parse(&answer).expect("a STUN message").error_code().map(|code| code.number())
}

#[test]
fn a_guesser_is_barred_and_the_log_names_its_network_once() {
    let server = Server::start(&format!("{NOBODY_EXEMPT}[relay.limits]\nfailures_per_minute = 5\n"));
    let turn = server.addr("turn-udp");
    let guesser = UdpSocket::bind("127.9.8.7:0").expect("bind");
    let told: Vec<Option<u16>> = (0..8).map(|_| guess(&guesser, turn)).collect();
    assert_eq!(told, [[Some(401); 6].as_slice(), [None; 2].as_slice()].concat());
    let barred = |server: &Server| server.metric("duologue_relay_dropped_total", "reason=\"barred\"");
    assert!(barred(&server) >= 2.0);
    TurnClient::allocate_udp(turn, Credential::for_session("neighbour")).expect("others are served");
    let lines = |server: &Server| server.log().matches("127.9.8.0/24").count();
    assert!(eventually(SOON, || lines(&server) > 0), "{}", server.log());
    assert_eq!(lines(&server), 1, "{}", server.log());
    assert!(!server.log().contains("127.9.8.7"), "{}", server.log());
}

#[test]
fn a_network_gets_its_ration_of_answers_and_others_are_served() {
    let server = Server::start(&format!("{NOBODY_EXEMPT}[relay.limits]\nunauthenticated_per_second = 10\n"));
    let turn = server.addr("turn-udp");
    let begun = Instant::now();
    let mut answers = 0;
    for host in 1..=100 {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 9, 8, host), 0)).expect("bind");
        socket.send_to(&request(Method::ALLOCATE, |_| {}), turn).expect("send");
        answers += usize::from(heard(&socket, SILENCE / 6).is_some());
    }
    let earned = 30 + 10 * (begun.elapsed().as_secs() as usize + 1);
    assert!((30..=earned).contains(&answers), "{answers} of 100");
    let rationed = server.metric("duologue_relay_dropped_total", "reason=\"rationed\"");
    assert!(rationed >= (100 - earned) as f64, "{rationed}");
    TurnClient::allocate_udp(turn, Credential::for_session("elsewhere")).expect("others are served");
}

#[test]
fn a_flood_from_thousands_of_addresses_leaves_no_memory_behind() {
    let server = Server::start(NOBODY_EXEMPT);
    let turn = server.addr("turn-udp");
    let questions = [
        request(Method::BINDING, |_| {}),
        request(Method::ALLOCATE, |writer| _ = writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP)),
        request(Method::REFRESH, |writer| _ = writer.u32(AttributeType::LIFETIME, 600)),
        b"\x40\x00\x00\x04data".to_vec(),
    ];
    let flood = |second: u8| {
        for third in 0..40 {
            for fourth in 1..=250 {
                let socket = UdpSocket::bind((Ipv4Addr::new(127, second, third, fourth), 0)).expect("bind");
                for question in &questions {
                    socket.send_to(question, turn).expect("send");
                }
            }
            // Lets the server keep up: what the kernel drops tests nothing.
            let probe = UdpSocket::bind((Ipv4Addr::new(127, second, third, 251), 0)).expect("bind");
            heard_eventually(&probe, turn, &questions[0]);
        }
    };
    flood(100);
    let before = server.rss_kib();
    flood(101);
    flood(102);
    let after = server.rss_kib();
    println!("{before} KiB before, {after} KiB after 80,000 packets from 20,000 addresses");
    // A hundred bytes for each address would be 2 MiB; the receive buffers are warm by now.
    assert!(after <= before + 2 * 1024, "{before} KiB before, {after} KiB after");
    assert_eq!(server.allocations(), 0.0);
}

/// Asks until there is an answer, as long as the ration of the flooded network leaves one.
fn heard_eventually(probe: &UdpSocket, server: SocketAddr, question: &[u8]) {
    assert!(eventually(SOON, || {
        probe.send_to(question, server).expect("send");
        heard(probe, SILENCE).is_some()
    }));
}

#[test]
fn a_hog_is_held_to_its_rate_and_its_drops_are_told() {
    let server = Server::start("[relay.limits]\npackets_per_second = 100\n");
    let (sink, sink_addr) = peer("127.0.0.1");
    let (mut hog, _) = Wire::allocated(&ways(&server)[0], "hog");
    assert_eq!(hog.permit(&[sink_addr]).code(), 0);
    let begun = Instant::now();
    for _ in 0..200 {
        hog.indicate(sink_addr, b"more");
    }
    // The last request is answered after everything before it was judged.
    assert_eq!(hog.refresh(600).code(), 0);
    let most = 26 + (begun.elapsed().as_millis() / 10) as usize;
    let passed = std::iter::from_fn(|| heard(&sink, SILENCE)).count();
    assert!((26..=most.max(26)).contains(&passed), "{passed} of at most {most}");
    let dropped = server.metric("duologue_relay_dropped_total", "reason=\"bandwidth\"");
    assert_eq!(passed as f64 + dropped, 200.0);
}

/// Writes `bytes` and returns how long the server bears with what does not come.
fn borne(addr: SocketAddr, bytes: &[u8]) -> Duration {
    let mut socket = TcpStream::connect(addr).expect("connect");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("set a timeout");
    let begun = Instant::now();
    socket.write_all(bytes).expect("write");
    let mut answer = Vec::new();
    // A reset ends it as well as a close does.
    let _ended = socket.read_to_end(&mut answer);
    begun.elapsed()
}

fn borne_inside_tls(server: &Server, addr: SocketAddr) -> Duration {
    let name = "localhost".try_into().expect("a name");
    let mut tls = rustls::ClientConnection::new(tls_config(server), name).expect("a TLS client");
    let mut socket = TcpStream::connect(addr).expect("connect");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("set a timeout");
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).expect("a handshake");
    }
    let begun = Instant::now();
    // Whatever the server still has to say, and then the end.
    let _ended = socket.read_to_end(&mut Vec::new());
    begun.elapsed()
}

/// Real time, the cases all at once. What is shorter by fake time is in `listener::tests` and `transport::tests`.
#[test]
fn those_who_dawdle_on_a_connection_are_closed() {
    let server = Server::start("");
    let (tcp, tls, shared) = (server.addr("turn-tcp"), server.addr("turn-tls"), server.addr("shared"));
    let (server, ten, five) = (&server, Duration::from_secs(10), Duration::from_secs(5));
    let half_hello = [0x16, 3, 1, 2, 0, 1];
    let half_frame = [&request(Method::BINDING, |_| {})[..], b"\x00\x01\x00\x08"].concat();
    thread::scope(|scope| {
        let cases = [
            ("nothing", ten, scope.spawn(move || borne(tcp, b""))),
            ("nothing at the shared door", ten, scope.spawn(move || borne(shared, b""))),
            ("half a header", ten, scope.spawn(move || borne(tcp, b"\x00\x01\x00"))),
            ("half a handshake", ten, scope.spawn(move || borne(tls, &half_hello))),
            ("nothing inside TLS", ten, scope.spawn(move || borne_inside_tls(server, tls))),
            ("half a frame", five, scope.spawn(move || borne(tcp, &half_frame))),
        ];
        for (what, limit, case) in cases {
            let borne = case.join().expect("no panic");
            // The sweep comes once a second, and the machine may be slow.
            assert!((limit..limit + Duration::from_secs(8)).contains(&borne), "{what}: {borne:?}");
        }
    });
}

/// A network namespace of this test's own.
struct Namespace(String);

impl Namespace {
    fn make() -> Self {
        let namespace = Self(format!("duologue-abuse-{}", std::process::id()));
        namespace.ip(&["netns", "add", &namespace.0]);
        namespace
    }

    fn ip(&self, words: &[&str]) {
        let output = Command::new("ip").args(words).output().expect("ip is missing: apt-get install iproute2");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "ip {words:?} (needs root): {said}");
    }

    fn ip_inside(&self, words: &[&str]) {
        self.ip(&[&["-n", &self.0], words].concat());
    }

    /// Moves this thread, and the programs it starts, into the namespace.
    fn enter(&self) {
        let link = std::fs::File::open(format!("/run/netns/{}", self.0)).expect("the namespace");
        let network = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&link), network).expect("needs root");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nobody is helped by a panic in a panic.
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn an_address_that_the_machine_gets_later_is_no_peer_from_then_on() {
    let namespace = Namespace::make();
    namespace.ip_inside(&["link", "set", "lo", "up"]);
    let (later, later_v6) = ("198.18.7.7", "2001:db8:7::7");
    thread::scope(|scope| {
        let life = scope.spawn(|| {
            namespace.enter();
            let allowed = "[\"127.0.0.0/8\", \"::1/128\", \"198.18.0.0/15\", \"2001:db8::/32\"]";
            let server = Server::start(&format!("[relay]\nallow_peers = {allowed}\n"));
            let [udp, udp6] = [0, 1].map(|at| ways(&server)[at].clone());
            let (mut client, _) = Wire::allocated(&udp, "early");
            let mut client6 = Wire::open(&udp6, "early");
            client6.allocate(|writer| _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, support::wire::IPV6));
            let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), 9000);
            assert_eq!(client.bind(0x4000, at(later)).code(), 0, "nobody's yet");
            assert_eq!(client6.permit(&[at(later_v6)]).code(), 0, "nobody's yet");

            namespace.ip_inside(&["address", "add", &format!("{later}/32"), "dev", "lo"]);
            namespace.ip_inside(&["address", "add", &format!("{later_v6}/128"), "dev", "lo", "nodad"]);
            let victim = UdpSocket::bind(at(later)).expect("bind at the new address");
            assert!(eventually(SOON, || client.permit(&[at(later)]).code() == 403), "{}", server.log());
            assert!(eventually(SOON, || client6.permit(&[at(later_v6)]).code() == 403), "{}", server.log());
            assert_eq!(client.bind(0x4000, at(later)).code(), 403);
            client.channel(0x4000, b"through the old channel");
            client.indicate(at(later), b"through the old permission");
            assert_eq!(heard(&victim, SILENCE), None);
        });
        if let Err(panic) = life.join() {
            std::panic::resume_unwind(panic);
        }
    });
}
