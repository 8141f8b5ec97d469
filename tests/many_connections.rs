//! 10,000 browsers behind TLS that hold an allocation each and say nothing: what they cost, whether a call still works
//! beside them, and whether they leave anything behind.
mod support;

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Resource;
use rustix::process::Rlimit;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use support::Server;
use support::turn::Credential;
use support::turn::TurnClient;
use support::wire::Way;
use support::wire::Wire;
use support::wire::ways;

const CONNECTIONS: usize = 10_000;
/// Each side needs a descriptor per connection and some for itself.
const DESCRIPTORS: u64 = CONNECTIONS as u64 + 500;
/// Addresses that the clients come from: 127.0.0.2 and on.
const SOURCES: u8 = 8;
/// What a connection may cost the server, twice what was measured: the TLS state, the allocation, a share of the tables.
const KIB_PER_CONNECTION: f64 = 32.0;
const DATAGRAMS: usize = 200;

/// No limit stands in the way; no socket but the connection itself, so that descriptors suffice.
const CONFIG: &str = "\
[relay]
mode = \"single-port\"
[relay.limits]
allocations_per_user = 20000
";

/// Allows this process, and the server that it starts, as many descriptors as the test needs.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(most >= DESCRIPTORS, "only {most} open files are allowed here: ulimit -Hn must be {DESCRIPTORS} or more");
    let raised = Rlimit { current: Some(most.min(4 * DESCRIPTORS)), maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).expect("raise the soft limit");
}

/// A TLS client with an allocation, from the given loopback address.
fn hold(way: &Way, source: u8, number: usize) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let local = SocketAddr::from((Ipv4Addr::new(127, 0, 0, source), 0));
    socket.bind(&local.into()).expect("bind to a loopback address");
    socket.connect(&way.addr.into()).expect("connect");
    let credential = Credential::for_session(&format!("idle-{number}"));
    let mut wire = Wire::over_stream(way, credential, TcpStream::from(socket));
    assert_eq!(wire.allocate(|_| {}).code(), 0, "connection {number}");
    wire
}

fn hold_all(way: &Way) -> Vec<Wire> {
    let share = CONNECTIONS / usize::from(SOURCES);
    std::thread::scope(|scope| {
        let holders: Vec<_> = (0..SOURCES)
            .map(|index| {
                let first = usize::from(index) * share;
                scope.spawn(move || {
                    (first..first + share).map(|number| hold(way, 2 + index, number)).collect::<Vec<_>>()
                })
            })
            .collect();
        holders.into_iter().flat_map(|holder| holder.join().expect("all connections")).collect()
    })
}

/// Two clients send each other datagrams, one after the other, so none may be lost.
fn assert_call_works(server: &Server) {
    let client = |name| TurnClient::allocate_udp(server.addr("turn-udp"), Credential::for_session(name));
    let mut ada = client("ada").expect("an allocation");
    let mut ben = client("ben").expect("an allocation");
    let (at_ada, at_ben) = (ada.relayed(), ben.relayed());
    ada.create_permission(at_ben).expect("a permission");
    ben.create_permission(at_ada).expect("a permission");
    for number in 0..DATAGRAMS {
        let payload = number.to_be_bytes();
        ada.send_to(at_ben, &payload);
        assert_eq!(ben.receive(), Some((at_ada, payload.to_vec())));
        ben.send_to(at_ada, &payload);
        assert_eq!(ada.receive(), Some((at_ben, payload.to_vec())));
    }
    ada.refresh(0).expect("an end");
    ben.refresh(0).expect("an end");
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the program runs").count()
}

#[test]
#[ignore = "takes a minute of both cores: make test-heavy runs it"]
fn ten_thousand_idle_tls_clients_are_held_and_leave_nothing_behind() {
    raise_descriptor_limit();
    let server = Server::start(CONFIG);
    let way = ways(&server).into_iter().find(|way| way.name == "tls").expect("TURN over TLS");
    // What the first clients make the server allocate once is not theirs.
    assert_call_works(&server);
    drop(hold(&way, 2, CONNECTIONS));
    assert!(support::eventually(Duration::from_secs(5), || server.allocations() == 0.0), "one client is gone");
    let (rss_before, descriptors_before) = (server.rss_kib(), descriptors(&server));

    let start = Instant::now();
    let clients = hold_all(&way);
    let connect_s = start.elapsed().as_secs_f64();
    assert_eq!(clients.len(), CONNECTIONS);
    assert_eq!(server.metric("duologue_relay_allocations", "transport=\"tls\""), 10_000.0);
    let kib = (server.rss_kib() - rss_before) as f64 / CONNECTIONS as f64;
    println!(
        "{CONNECTIONS} TLS clients with an allocation each in {connect_s:.1} s; {kib:.1} KiB of the server per client"
    );
    assert!(kib < KIB_PER_CONNECTION, "{kib:.1} KiB per client");

    assert_call_works(&server);

    drop(clients);
    assert!(
        support::eventually(Duration::from_secs(20), || server.allocations() == 0.0),
        "allocations outlive clients"
    );
    assert!(
        support::eventually(Duration::from_secs(10), || descriptors(&server) <= descriptors_before + 8),
        "{} descriptors are open, {descriptors_before} were before",
        descriptors(&server)
    );
    assert_call_works(&server);
}
