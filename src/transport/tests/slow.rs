//! Clients that stall: those that do not read, do not finish a frame, or say nothing at all.
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::time::Duration;

use socket2::SockRef;

use super::client::Client;
use super::client::Received;
use super::plane::PATIENCE;
use super::plane::Plane;
use super::plane::credential;
use super::plane::peer;
use super::plane::settings;
use super::plane::tcp_pair;
use super::still::StillShard;
use crate::stun::Method;
use crate::transport::IoEvent;
use crate::transport::TurnStream;

const CHANNEL: u16 = 0x4001;
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn a_slow_reader_loses_media_but_no_answer() {
    let plane = Plane::start(settings());
    let (ours, theirs) = tcp_pair();
    SockRef::from(&ours).set_recv_buffer_size(16 * 1024).expect("a small buffer");
    plane.handle.adopt(TurnStream { socket: theirs, tls: None, early: Vec::new(), place: None });
    let mut client = Client::stream(ours, credential("session"));
    let relayed = client.allocate();
    let peer = peer(LOCALHOST);
    client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
    // The client reads nothing while its peer sends as fast as it can.
    plane.until_counted(IoEvent::StreamMediaDropped, || {
        peer.send_to(&[0x77; 1200], relayed).expect("sending");
    });
    let request = client.write_request(Method::REFRESH, |_| {});
    client.send(&request);
    let mut media = 0;
    loop {
        match client.receive() {
            Received::Channel(CHANNEL, data) => {
                // Dropped packets are dropped as a whole: what comes is what was sent.
                assert_eq!(data, [0x77; 1200]);
                media += 1;
            }
            Received::Channel(number, _) => panic!("data on channel {number:#x}"),
            Received::Stun(answer) => {
                let answer = crate::stun::Message::parse(&answer).expect("a STUN message");
                assert_eq!((answer.method(), answer.error_code()), (Method::REFRESH, None));
                break;
            }
        }
    }
    assert!(media > 0);
}

#[test]
fn a_client_that_reads_no_answers_is_closed() {
    let plane = Plane::start(settings());
    let (mut ours, theirs) = tcp_pair();
    SockRef::from(&ours).set_recv_buffer_size(16 * 1024).expect("a small buffer");
    ours.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let request = Client::stream(std::io::empty(), credential("session")).write_request(Method::BINDING, |_| {});
    plane.handle.adopt(TurnStream { socket: theirs, tls: None, early: Vec::new(), place: None });
    let requests = request.repeat(500);
    plane.until_counted(IoEvent::StreamStuck, || {
        // The server stops reading when it closes, and then this fails, which is right.
        let _ = ours.write(&requests);
    });
}

#[test]
fn a_frame_that_stays_unfinished_closes_the_connection_after_five_seconds() {
    let mut still = StillShard::new();
    let now = still.now;
    let (mut ours, theirs) = tcp_pair();
    still
        .shard
        .on_adopt(TurnStream { socket: theirs, tls: None, early: b"\x00\x01\x00\x08".to_vec(), place: None }, now);
    still.turn(now.plus(Duration::from_secs(5)), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 0);
    still.turn(now.plus(Duration::from_millis(6001)), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 1);
    assert_eq!(ours.read(&mut [0]).expect("a close"), 0);
}

#[test]
fn bytes_that_drip_do_not_prolong_a_frame() {
    let mut still = StillShard::new();
    let now = still.now;
    let (mut ours, theirs) = tcp_pair();
    still.shard.on_adopt(TurnStream { socket: theirs, tls: None, early: b"\x00".to_vec(), place: None }, now);
    for (second, byte) in (1..7).zip(b"\x01\x00\x08\x21\x12\xa4") {
        assert_eq!(still.io.count(IoEvent::StreamIdle), 0);
        ours.write_all(&[*byte]).expect("sending");
        still.turn(now.plus(Duration::from_secs(second)), PATIENCE);
    }
    assert_eq!(still.io.count(IoEvent::StreamIdle), 1);
}

#[test]
fn a_connection_without_an_allocation_is_closed_after_a_minute_of_silence() {
    let mut still = StillShard::new();
    let now = still.now;
    let later = |seconds| now.plus(Duration::from_secs(seconds));
    let (ours, theirs) = tcp_pair();
    let mut client = Client::stream(ours, credential("session"));
    let binding = client.write_request(Method::BINDING, |_| {});
    still.shard.on_adopt(TurnStream { socket: theirs, tls: None, early: binding.clone(), place: None }, later(0));
    still.turn(later(0), Duration::ZERO);
    client.receive_answer();
    // A request that is answered begins a new minute.
    client.send(&binding);
    still.turn(later(50), PATIENCE);
    client.receive_answer();
    // An indication that clients have no use for does not.
    client.send(&[0x00, 0x11, 0, 0]);
    client.send(&crate::stun::MAGIC_COOKIE.to_be_bytes());
    client.send(&[0; 12]);
    still.turn(later(90), PATIENCE);
    still.turn(later(110), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 0);
    still.turn(later(111), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 1);
    client.wait_for_close();
}

#[test]
fn a_silent_connection_stays_as_long_as_its_allocation() {
    let mut still = StillShard::new();
    let now = still.now;
    let later = |seconds| now.plus(Duration::from_secs(seconds));
    let (ours, theirs) = tcp_pair();
    still.shard.on_adopt(TurnStream { socket: theirs, tls: None, early: Vec::new(), place: None }, now);
    // The client blocks in its own thread while this one is the server.
    let allocating = std::thread::spawn(move || {
        let mut client = Client::stream(ours, credential("session"));
        client.allocate();
        client
    });
    for _request in ["without credentials", "with credentials"] {
        still.turn(now, PATIENCE);
    }
    let mut client = allocating.join().expect("an allocation");
    still.turn(later(599), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 0);
    // The allocation expires after 600 s, and the connection has a minute from there.
    still.turn(later(601), Duration::ZERO);
    still.turn(later(660), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 0);
    still.turn(later(663), Duration::ZERO);
    assert_eq!(still.io.count(IoEvent::StreamIdle), 1);
    client.wait_for_close();
}
