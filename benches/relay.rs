//! What the relay core costs without sockets: per packet with a thousand allocations, per hand-over, per allocation.
mod world;

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;

use duologue::relay::FromClient;
use duologue::relay::FromPeer;
use duologue::relay::Mode;
use duologue::relay::REPLY_MAX;
use duologue::stun::AttributeType;
use duologue::stun::ChannelNumber;
use duologue::stun::Class;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::channel_data;

use world::NOW;
use world::RELAY_IP;
use world::Relay;
use world::Ticking;
use world::UDP;
use world::client;
use world::message;
use world::peer;
use world::send;

const ALLOCATIONS: u32 = 1000;

/// Packets of single allocations in turn, so that the tables do not stay in the nearest cache.
fn data(criterion: &mut Criterion) {
    let mut relay = Relay::new(Mode::Ports);
    let (mut channels, mut indications) = (Vec::new(), Vec::new());
    for number in 0..ALLOCATIONS {
        let (here, there) = (client(number), client(number + ALLOCATIONS));
        channels.push((here, peer(number), relay.allocate(here)));
        relay.bind(here, peer(number));
        indications.push((there, peer(number), relay.allocate(there)));
        relay.permit(there, peer(number));
    }
    let channel = [&channel_data::header(ChannelNumber::MIN, 160)[..], &[0xA5; 160]].concat();
    let sends: Vec<Vec<u8>> = (0..ALLOCATIONS).map(|number| send(peer(number))).collect();
    let mut reply = [0; REPLY_MAX];
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    let mut turn = (0..ALLOCATIONS as usize).cycle();
    let mut clock = Ticking(NOW);
    group.bench_function("channel_data_to_peer", |bench| {
        bench.iter(|| {
            let (from, _, _) = channels[turn.next().unwrap_or(0)];
            let verdict = relay.server.handle_client(from, black_box(&channel), clock.next(), &mut reply);
            assert!(matches!(verdict, FromClient::ToPeer { .. }));
        });
    });
    group.bench_function("peer_to_channel_data", |bench| {
        bench.iter(|| {
            let (_, peer, at) = channels[turn.next().unwrap_or(0)];
            let verdict = relay.server.handle_peer(at, black_box(peer), 160, clock.next());
            assert!(matches!(verdict, FromPeer::ToClient(_)));
        });
    });
    group.bench_function("send_indication_to_peer", |bench| {
        bench.iter(|| {
            let number = turn.next().unwrap_or(0);
            let (from, _, _) = indications[number];
            let verdict = relay.server.handle_client(from, black_box(&sends[number]), clock.next(), &mut reply);
            assert!(matches!(verdict, FromClient::ToPeer { .. }));
        });
    });
    group.bench_function("peer_to_data_indication", |bench| {
        bench.iter(|| {
            let (_, peer, at) = indications[turn.next().unwrap_or(0)];
            let verdict = relay.server.handle_peer(at, black_box(peer), 160, clock.next());
            assert!(matches!(verdict, FromPeer::ToClient(_)));
        });
    });
    group.finish();
}

fn hand_over(criterion: &mut Criterion) {
    let mut relay = Relay::new(Mode::SinglePort);
    let mut relayed = Vec::new();
    for number in 0..ALLOCATIONS {
        relay.allocate(client(number));
    }
    for port in 1024..=65535 {
        let address = SocketAddr::new(RELAY_IP.into(), port);
        relayed.extend(relay.directory.find(address).map(|entry| (entry.client, address)));
    }
    for (here, there) in relayed.iter().zip(relayed.iter().rev()) {
        relay.bind(here.0, there.1);
    }
    let channel = [&channel_data::header(ChannelNumber::MIN, 160)[..], &[0xA5; 160]].concat();
    let mut reply = [0; REPLY_MAX];
    let mut turn = relayed.iter().cycle();
    let mut clock = Ticking(NOW);
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    group.bench_function("hand_over", |bench| {
        bench.iter(|| {
            let from = turn.next().map_or(client(0), |(client, _)| *client);
            let verdict = relay.server.handle_client(from, black_box(&channel), clock.next(), &mut reply);
            assert!(matches!(verdict, FromClient::HandOver { .. }));
        });
    });
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut relay = Relay::new(Mode::SinglePort);
    let mut reply = [0; REPLY_MAX];
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    let binding = message(Class::Request, Method::BINDING, TransactionId([1; 12]), |_| {});
    group.bench_function("binding", |bench| {
        bench.iter(|| relay.server.handle_client(client(1), black_box(&binding), NOW, &mut reply));
    });
    let bare = message(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), |_| {});
    group.bench_function("challenge", |bench| {
        bench.iter(|| relay.server.handle_client(client(1), black_box(&bare), NOW, &mut reply));
    });
    let allocate = relay.request(client(1), Method::ALLOCATE, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    let delete = relay.request(client(1), Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, 0);
    });
    group.bench_function("allocate_and_delete", |bench| {
        bench.iter(|| {
            let at = relay.send(client(1), black_box(&allocate));
            assert!(at.is_some());
            relay.send(client(1), black_box(&delete));
        });
    });
    group.finish();
}

criterion_group!(benches, data, hand_over, requests);
criterion_main!(benches);
