//! Clients over TCP and TLS that stop reading: nobody else on their shard waits for them or loses anything, what waits for
//! them is bounded in bytes and in time, and what is dropped is dropped whole and counted.
mod support;

use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use support::Server;
use support::turn::Credential;
use support::wire::Data;
use support::wire::PATIENCE;
use support::wire::Way;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;

/// Everybody is on one shard, and no limit drops what the test counts.
const CONFIG: &str = "\
[relay]
shards = 1
[relay.limits]
bytes_per_second = 0
packets_per_second = 0
total_bytes_per_second = 0
";
const CHANNEL: u16 = 0x4000;
const LEN: usize = 1200;
/// Packets to each slow client in a round.
const BURST: u32 = 16;
/// Three times what can wait for a slow client, and more.
const ROUNDS: u32 = 100;
/// What the server keeps for a client at most, in packets; the kernel has some of its own.
const QUEUE: usize = 256 * 1024 / LEN;
/// The kernel's buffer of a slow client, in bytes.
const SMALL: usize = 16 * 1024;
/// Longer than what the server lets media wait for a reader.
const TOO_OLD: Duration = Duration::from_millis(700);

/// A packet that tells which one it is.
fn packet(number: u32) -> Vec<u8> {
    let mut packet = vec![number.to_le_bytes()[0]; LEN];
    packet[..4].copy_from_slice(&number.to_be_bytes());
    packet
}

/// A client with a channel to the peer, and its relayed address.
fn joined(mut wire: Wire, peer: SocketAddr) -> (Wire, SocketAddr) {
    let answer = wire.allocate(|_| {});
    assert_eq!((answer.code(), wire.bind(CHANNEL, peer).code()), (0, 0), "{}", wire.way.name);
    (wire, answer.relayed())
}

/// A connection whose kernel takes little that nobody reads.
fn connect_small(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(SMALL).expect("a small buffer");
    socket.connect(&to.into()).expect("connect");
    socket.into()
}

/// One packet to the client and one back.
fn assert_passes(wire: &mut Wire, relayed: SocketAddr, peer: &UdpSocket, number: u32) {
    peer.send_to(&packet(number), relayed).expect("send");
    assert_eq!(wire.data(PATIENCE), Some(Data::Channel(CHANNEL, packet(number))), "{} in {number}", wire.way.name);
    wire.channel(CHANNEL, &packet(number));
    assert_eq!(heard(peer, PATIENCE), Some((packet(number), relayed)), "{} in {number}", wire.way.name);
}

/// Reads up to the packet with the number `last`, and returns how many came.
fn read_on(wire: &mut Wire, last: u32) -> usize {
    let mut newest = None;
    for count in 1.. {
        let Some(Data::Channel(CHANNEL, data)) = wire.data(PATIENCE) else { panic!("{}: no data", wire.way.name) };
        let number = data.first_chunk().map(|number| u32::from_be_bytes(*number)).expect("a number");
        assert_eq!(data, packet(number), "{}: packets are whole", wire.way.name);
        assert!(newest < Some(number), "{}: {number} after {newest:?}", wire.way.name);
        if number == last {
            return count;
        }
        newest = Some(number);
    }
    0
}

#[test]
fn clients_that_stop_reading_cost_nobody_else_a_packet() {
    let server = Server::start(CONFIG);
    let ways = ["udp", "tcp", "tls"].map(|name| Way::to(&server, name, server.addr(&format!("turn-{name}"))));
    let (peer, peer_addr) = peer("127.0.0.1");
    let mut slow: Vec<_> = ways[1..]
        .iter()
        .map(|way| Wire::over_stream(way, Credential::for_session("slow"), connect_small(way.addr)))
        .map(|wire| joined(wire, peer_addr))
        .collect();
    let mut others: Vec<_> = ways.iter().map(|way| joined(Wire::open(way, "other"), peer_addr)).collect();
    let dropped = || server.metric("duologue_relay_io_total", "event=\"stream_media_dropped\"") as usize;

    for round in 0..ROUNDS {
        for number in round * BURST..(round + 1) * BURST {
            for (_, relayed) in &slow {
                peer.send_to(&packet(number), relayed).expect("send");
            }
        }
        for (wire, relayed) in &mut others {
            assert_passes(wire, *relayed, &peer, round);
        }
    }
    assert!(dropped() > QUEUE, "both of them were full");

    // What is too old gives way to what is new.
    thread::sleep(TOO_OLD);
    let last = ROUNDS * BURST;
    let mut read = 0;
    for (wire, relayed) in &mut slow {
        peer.send_to(&packet(last), *relayed).expect("send");
        let came = read_on(wire, last);
        assert!(came < QUEUE, "{}: {came} packets are more than the kernel kept", wire.way.name);
        read += came;
    }
    let sent = slow.len() * (last as usize + 1);
    assert_eq!(read + dropped(), sent, "what did not arrive was counted");
    assert_eq!(server.metric("duologue_relay_io_total", "event=\"kernel_drop\""), 0.0);
    for (wire, relayed) in slow.iter_mut().chain(&mut others) {
        assert_passes(wire, *relayed, &peer, last + 1);
    }
}
