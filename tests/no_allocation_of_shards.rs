//! A whole shard relays without the heap: real sockets, counted by the allocator itself. One test, for it counts all threads.
#[path = "support/heap.rs"]
mod heap;
mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;

use duologue::auth::nonce::NonceKey;
use duologue::auth::nonce::SecurityFeatures;
use duologue::auth::secret::Secret;
use duologue::auth::turn::Verifier;
use duologue::relay::Config;
use duologue::relay::Limits;
use duologue::relay::Mode;
use duologue::relay::PeerPolicy;
use duologue::relay::Quotas;
use duologue::relay::RelayAddress;
use duologue::relay::Strangers;
use duologue::stun::ChannelRange;
use duologue::time::Clock;
use duologue::transport::DataPlane;
use duologue::transport::IoEvent;
use duologue::transport::Settings;
use support::TURN_SECRET;
use support::wire::Data;
use support::wire::PATIENCE;
use support::wire::Way;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;

/// Datagrams of one kind that are sent before any is read.
const TOGETHER: usize = 10;
/// Kinds of a round: see `round`.
const KINDS: usize = 5;
/// Datagrams whose heap calls are counted.
const DATAGRAMS: usize = 100_000;
const PAYLOAD: [u8; 160] = [0xA5; 160];
const CHANNEL: u16 = 0x4000;
const PAIR: u16 = 0x4001;

fn settings() -> Settings {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let nets = vec!["127.0.0.0/8".parse().expect("a network")];
    let secret = || Secret::new(TURN_SECRET.as_bytes().to_vec());
    Settings {
        udp_listen: vec![SocketAddr::new(here, 0)],
        shards: 2,
        pin: false,
        moderation: Duration::from_micros(200),
        relay: Config {
            mode: Mode::Ports,
            // As fast as it goes.
            limits: Limits { bytes_per_second: 0, packets_per_second: 0, ..Limits::default() },
            strangers: Strangers { exempt: nets.clone(), ..Strangers::default() },
            policy: PeerPolicy { allow: nets, ..PeerPolicy::default() },
            verifier: Verifier::new("tests", vec![secret()], BTreeMap::new()),
            nonce_key: NonceKey::derive(&secret()),
            features: SecurityFeatures::PasswordAlgorithms,
            strict_expiry: false,
            is_traced: false,
            channel_range: ChannelRange::Rfc8656,
            alternate_server: None,
            dont_fragment: true,
        },
        relay_addresses: vec![RelayAddress { local: here, external: here }],
        port_range: 30_000..=31_999,
        quotas: Quotas::default(),
    }
}

/// Each way of data, with channels and without.
fn round(a: &mut (Wire, SocketAddr), b: &mut (Wire, SocketAddr), friend: &(UdpSocket, SocketAddr)) {
    let ((a, at_a), (b, at_b)) = (a, b);
    for _ in 0..TOGETHER {
        a.channel(CHANNEL, &PAYLOAD);
        b.indicate(friend.1, &PAYLOAD);
        a.channel(PAIR, &PAYLOAD);
        friend.0.send_to(&PAYLOAD, *at_a).expect("send");
        friend.0.send_to(&PAYLOAD, *at_b).expect("send");
    }
    for _ in 0..2 * TOGETHER {
        assert_eq!(heard(&friend.0, PATIENCE).map(|(payload, _)| payload.len()), Some(PAYLOAD.len()));
        assert!(matches!(b.data(PATIENCE), Some(Data::Indication(from, _)) if from == friend.1 || from == *at_a));
    }
    for _ in 0..TOGETHER {
        assert!(matches!(a.data(PATIENCE), Some(Data::Channel(CHANNEL, _))));
    }
}

#[test]
fn shards_relay_without_the_heap() {
    heap::leave_this_thread_out();
    let (usage, _records) = tokio::sync::mpsc::channel(8);
    let plane = DataPlane::start(settings(), Clock::start(), usage).expect("the data plane starts");
    let way = Way::udp(plane.udp_addresses()[0]);
    let friend = peer("127.0.0.1");
    let [mut a, mut b] = ["a", "b"].map(|session| Wire::allocated(&way, session));
    assert_eq!((a.0.bind(CHANNEL, friend.1).code(), a.0.bind(PAIR, b.1).code()), (0, 0));
    assert_eq!(b.0.permit(&[friend.1]).code(), 0);
    for _warm_up in 0..20 {
        round(&mut a, &mut b, &friend);
    }
    let sent = || plane.io_counters().iter().map(|counters| counters.count(IoEvent::DatagramSent)).sum::<u64>();
    let (calls, sent_before) = (heap::calls_of_all_threads(), sent());
    assert!(calls > 0, "the counter counts what shards ask for when they start");
    for _ in 0..DATAGRAMS / KINDS / TOGETHER {
        round(&mut a, &mut b, &friend);
    }
    assert_eq!(heap::calls_of_all_threads() - calls, 0);
    assert!(sent() - sent_before >= DATAGRAMS as u64 - 10 * TOGETHER as u64, "they went through the shards");
}
