//! No packet and no stream makes a reader panic or contradict itself. The fuzz targets run the same checks.
use std::net::SocketAddr;

use duologue::stun::AttributeType;
use duologue::stun::ChannelNumber;
use duologue::stun::Class;
use duologue::stun::ErrorCode;
use duologue::stun::IntegrityKey;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use duologue::stun::channel_data;

#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "support/random.rs"]
mod random;
#[path = "support/seeds.rs"]
mod seeds;

use random::Random;
use seeds::seeds;

/// Mutations per test.
const ROUNDS: usize = 100_000;

#[test]
fn kept_packets_and_streams_are_read_without_contradiction() {
    for packet in seeds("stun_message") {
        checks::packet(&packet);
    }
    for input in seeds("stream_framing") {
        let (cut, stream) = input.split_first().expect("a cut and a stream");
        checks::stream(stream, *cut);
    }
}

#[test]
fn mutated_packets_are_read_without_contradiction() {
    let packets = packets();
    let mut random = Random(1);
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let mut packet = random.choose(&packets).clone();
        mutate(&mut packet, &packets, &mut random);
        if random.below(2) == 0 {
            repair_length(&mut packet);
        }
        accepted += usize::from(checks::packet(&packet));
    }
    // Else the mutations never get past the header.
    assert!((ROUNDS / 10..ROUNDS * 9 / 10).contains(&accepted), "{accepted} accepted");
}

#[test]
fn random_bytes_are_read_without_contradiction() {
    let mut random = Random(2);
    for _ in 0..ROUNDS {
        let len = random.below(120);
        let packet: Vec<u8> = (0..len).map(|_| random.byte()).collect();
        checks::packet(&packet);
        checks::stream(&packet, random.byte());
    }
}

#[test]
fn mutated_streams_are_followed_the_same_way_however_they_are_cut() {
    let packets = packets();
    let mut random = Random(3);
    for _ in 0..ROUNDS / 10 {
        let mut stream = Vec::new();
        for _ in 0..random.below(6) {
            stream.extend(random.choose(&packets));
            stream.resize(stream.len().next_multiple_of(4), 0);
        }
        if random.below(3) > 0 {
            mutate(&mut stream, &packets, &mut random);
        }
        checks::stream(&stream, random.byte());
    }
}

/// Good packets of every kind, as seeds.
fn packets() -> Vec<Vec<u8>> {
    let id = TransactionId(*b"transaction1");
    let key = IntegrityKey::md5("1767225600:s1", "example.org", "AzT30/DVnwyy1JCEffoCl1K1IMw=");
    let v4: SocketAddr = "192.0.2.1:4000".parse().expect("address");
    let v6: SocketAddr = "[2001:db8::1]:4000".parse().expect("address");
    let write = |class, method, fill: &dyn Fn(&mut Writer<'_>)| {
        let mut buf = vec![0; 1024];
        let mut writer = Writer::new(&mut buf, class, method, id);
        fill(&mut writer);
        let len = writer.finish().expect("fits");
        buf.truncate(len);
        buf
    };
    let long_term = |writer: &mut Writer<'_>| {
        writer
            .attribute(AttributeType::USERNAME, b"1767225600:s1")
            .attribute(AttributeType::REALM, b"example.org")
            .attribute(AttributeType::NONCE, b"obMatJos2AAAAabcdefghijklmnop")
            .integrity(&key);
    };
    vec![
        write(Class::Request, Method::BINDING, &|_| {}),
        write(Class::Request, Method::BINDING, &|writer| {
            writer.attribute(AttributeType::SOFTWARE, b"client").fingerprint();
        }),
        write(Class::Request, Method::ALLOCATE, &|writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, 17 << 24).attribute(AttributeType(0xFF05), b"\0\x01");
            long_term(writer);
        }),
        write(Class::Request, Method::CREATE_PERMISSION, &|writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, v4).xor_address(AttributeType::XOR_PEER_ADDRESS, v6);
            long_term(writer);
            writer.integrity_sha256(&key).fingerprint();
        }),
        write(Class::Request, Method::CHANNEL_BIND, &|writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, 0x4000 << 16).xor_address(AttributeType::XOR_PEER_ADDRESS, v6);
            long_term(writer);
        }),
        write(Class::Indication, Method::SEND, &|writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, v4).attribute(AttributeType::DATA, &[0xA5; 33]);
        }),
        write(Class::Success, Method::ALLOCATE, &|writer| {
            writer
                .xor_address(AttributeType::XOR_RELAYED_ADDRESS, v4)
                .u32(AttributeType::LIFETIME, 600)
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS, v6)
                .integrity(&key);
        }),
        write(Class::Error, Method::REFRESH, &|writer| {
            writer.error_code(ErrorCode::UNKNOWN_ATTRIBUTE).unknown_attributes(&[AttributeType(1), AttributeType(2)]);
        }),
        [&channel_data::header(ChannelNumber::MIN, 21)[..], &[0xA5; 21]].concat(),
    ]
}

/// Changes a few places: bits, bytes, lengths, cuts, repetitions, and parts of other packets.
fn mutate(packet: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        if packet.is_empty() {
            return;
        }
        let at = random.below(packet.len());
        match random.below(7) {
            0 => packet[at] ^= 1 << random.below(8),
            1 => packet[at] = random.byte(),
            2 => packet[at] = *random.choose(&[0, 1, 3, 4, 0x7F, 0x80, 0xFC, 0xFF]),
            3 => packet.truncate(at),
            4 => {
                // A whole attribute's place, most likely.
                let from = at & !3;
                let part = packet[from..].to_vec();
                packet.extend_from_slice(&part[..random.below(part.len() + 1)]);
            }
            5 => {
                let other = random.choose(others);
                let from = random.below(other.len()) & !3;
                packet.splice(at & !3..at & !3, other[from..].iter().copied());
            }
            _ => {
                packet.drain(at & !3..(at & !3) + 4.min(packet.len() - (at & !3)));
            }
        }
    }
}

/// Makes the packet whole words long and its header say so, so that the mutation is judged by the attributes.
fn repair_length(packet: &mut Vec<u8>) {
    packet.resize(packet.len().next_multiple_of(4), 0);
    let length = u16::try_from(packet.len().saturating_sub(20)).expect("short");
    if let Some(field) = packet.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
