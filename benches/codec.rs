//! Costs of the wire format: what every packet pays (ChannelData, indications, framing) and what a request pays.
use std::hint::black_box;
use std::net::SocketAddr;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;

use duologue::auth::nonce::NonceKey;
use duologue::auth::nonce::SecurityFeatures;
use duologue::auth::secret::Secret;
use duologue::stun::AttributeType;
use duologue::stun::ChannelNumber;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::Message;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use duologue::stun::channel_data;
use duologue::stun::data_indication;
use duologue::stun::framing::next_frame;

const ID: TransactionId = TransactionId(*b"transaction1");

fn data(criterion: &mut Criterion) {
    let peer: SocketAddr = "192.0.2.1:4000".parse().expect("address");
    let peer_v6: SocketAddr = "[2001:db8::1]:4000".parse().expect("address");
    let channel = [&channel_data::header(ChannelNumber::MIN, 1200)[..], &[0xA5; 1200]].concat();
    let send = message(Class::Indication, Method::SEND, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, &[0xA5; 1200]);
    });
    let mut group = criterion.benchmark_group("data");
    group.throughput(Throughput::Elements(1));
    group.bench_function("channel_data_parse", |bench| bench.iter(|| channel_data::parse(black_box(&channel))));
    group.bench_function("send_indication_parse", |bench| {
        bench.iter(|| {
            let message = Message::parse(black_box(&send)).ok()?;
            let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS)?.ok()?;
            Some((peer, message.attribute_range(AttributeType::DATA)?))
        });
    });
    for (name, peer) in [("data_indication_header_v4", peer), ("data_indication_header_v6", peer_v6)] {
        let mut head = [0; data_indication::HEADER_MAX];
        group.bench_function(name, |bench| {
            bench.iter(|| data_indication::header(black_box(peer), black_box(1200), ID, &mut head));
        });
    }
    group.bench_function("next_frame", |bench| bench.iter(|| next_frame(black_box(&channel))));
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let key = IntegrityKey::md5("1767225600:s1", "example.org", "AzT30/DVnwyy1JCEffoCl1K1IMw=");
    let client: SocketAddr = "192.0.2.1:4000".parse().expect("address");
    let nonces = NonceKey::derive(&Secret::new(*b"a secret that was persisted"));
    let nonce = nonces.issue(SecurityFeatures::PasswordAlgorithms, client, 1_767_225_600);
    let binding = message(Class::Request, Method::BINDING, |_| {});
    let binding_fingerprint = message(Class::Request, Method::BINDING, |writer| {
        writer.fingerprint();
    });
    let refresh = message(Class::Request, Method::REFRESH, |writer| {
        writer
            .u32(AttributeType::LIFETIME, 600)
            .attribute(AttributeType::USERNAME, b"1767225600:s1")
            .attribute(AttributeType::REALM, b"example.org")
            .attribute(AttributeType::NONCE, nonce.as_bytes())
            .integrity(&key);
    });
    let mut buf = [0; 512];
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    for (name, packet) in [("binding", &binding), ("binding_fingerprint", &binding_fingerprint), ("refresh", &refresh)]
    {
        group.bench_function(format!("{name}_parse"), |bench| bench.iter(|| Message::parse(black_box(packet)).is_ok()));
    }
    group.bench_function("binding_reply", |bench| {
        bench.iter(|| {
            Writer::new(&mut buf, Class::Success, Method::BINDING, ID)
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS, black_box(client))
                .finish()
        });
    });
    let parsed = Message::parse(&refresh).expect("valid");
    group.bench_function("verify_integrity", |bench| bench.iter(|| parsed.verify_integrity(black_box(&key))));
    group.bench_function("nonce_issue", |bench| {
        bench.iter(|| nonces.issue(SecurityFeatures::PasswordAlgorithms, black_box(client), 1_767_225_600))
    });
    group.bench_function("nonce_verify", |bench| {
        bench.iter(|| nonces.verify(black_box(nonce.as_bytes()), client, 1_767_225_700));
    });
    group.finish();
}

fn message(class: Class, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buf = vec![0; 2048];
    let mut writer = Writer::new(&mut buf, class, method, ID);
    fill(&mut writer);
    let len = writer.finish().expect("fits");
    buf.truncate(len);
    buf
}

criterion_group!(benches, data, requests);
criterion_main!(benches);
