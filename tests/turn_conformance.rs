//! STUN and TURN of the built program as an outside tester sees them: one client per way (UDP, TCP, TLS, both families,
//! the shared port), one test per chapter of RFC 8489 and RFC 8656.
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use support::Server;
use support::eventually;
use support::turn::Credential;
use support::wire::Data;
use support::wire::IPV6;
use support::wire::PATIENCE;
use support::wire::SILENCE;
use support::wire::UDP;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;
use support::wire::ways;

/// Type and value.
type Attribute = (AttributeType, &'static [u8]);

/// Payloads of every alignment, of a usual size, and nearly as long as a datagram can be.
const PAYLOAD_LENS: [usize; 8] = [0, 1, 2, 3, 4, 5, 1200, 65_000];

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// RFC 8489 §5, §6.3, §14.
#[test]
fn messages_that_are_not_sound_requests_are_ignored() {
    let server = Server::start("");
    for way in ways(&server).iter().filter(|way| way.is_udp()) {
        let mut client = Wire::open(way, "s1");
        let binding = client.message(Class::Request, Method::BINDING, |_| {});
        let altered = |at: usize, value: u8| {
            let mut bytes = binding.clone();
            bytes[at] = value;
            bytes
        };
        assert!(client.is_ignored(&altered(0, 0xC0)), "top bits");
        assert!(client.is_ignored(&altered(4, 0)), "magic cookie");
        assert!(client.is_ignored(&altered(3, 4)), "length beyond the datagram");
        assert!(client.is_ignored(&[&binding[..], b"tail"].concat()), "datagram beyond the length");
        assert!(client.is_ignored(&[&binding[..3], &[2], &binding[4..], &[0; 2]].concat()), "length % 4");
        let overrun = client.message(Class::Request, Method::BINDING, |writer| {
            writer.attribute(AttributeType::SOFTWARE, b"four");
        });
        assert!(client.is_ignored(&[&overrun[..23], &[9], &overrun[24..]].concat()), "attribute beyond the message");
        let mut marked = client.message(Class::Request, Method::BINDING, |writer| {
            writer.fingerprint();
        });
        *marked.last_mut().expect("a byte") ^= 1;
        assert!(client.is_ignored(&marked), "wrong fingerprint");
        for class in [Class::Indication, Class::Success, Class::Error] {
            let other = client.message(class, Method::BINDING, |_| {});
            assert!(client.is_ignored(&other), "{class:?}");
        }
    }
}

/// RFC 8489 §6.3.1, §14.9, §14.13; the answer is no longer than it must be.
#[test]
fn a_binding_tells_the_address_and_unknown_attributes_are_named() {
    let server = Server::start("");
    for way in &ways(&server) {
        let mut client = Wire::open(way, "s1");
        let answer = client.plain(Method::BINDING, |_| {});
        assert_eq!((answer.code(), answer.types()), (0, vec![AttributeType::XOR_MAPPED_ADDRESS]), "{}", way.name);
        assert_eq!(answer.address(AttributeType::XOR_MAPPED_ADDRESS), client.local, "{}", way.name);
        assert!(!answer.message().has_fingerprint());
        let marked = client.plain(Method::BINDING, |writer| {
            writer.attribute(AttributeType(0xFF05), b"optional").fingerprint();
        });
        assert!(marked.code() == 0 && marked.message().has_fingerprint(), "{}", way.name);
        let unknown = client.plain(Method::BINDING, |writer| {
            writer.attribute(AttributeType(0x0003), &[0, 0, 0, 6]).attribute(AttributeType(0x7777), b"");
        });
        let named = unknown.message().attribute(AttributeType::UNKNOWN_ATTRIBUTES).map(<[u8]>::to_vec);
        assert_eq!((unknown.code(), named), (420, Some(vec![0, 3, 0x77, 0x77])), "{}", way.name);
    }
}

/// RFC 8489 §9.2.4.
#[test]
fn every_way_to_fail_authentication_has_its_answer() {
    const CHALLENGE: [AttributeType; 3] = [AttributeType::ERROR_CODE, AttributeType::REALM, AttributeType::NONCE];
    let server = Server::start("");
    for way in &ways(&server) {
        let mut client = Wire::open(way, "s1");
        let challenge = client.challenge();
        assert_eq!((challenge.code(), challenge.types()), (401, CHALLENGE.to_vec()), "{}", way.name);
        assert!(client.nonce.starts_with(b"obMatJos2") && challenge.0.len() <= 120);

        let (credential, nonce, key) = (client.credential.clone(), client.nonce.clone(), client.key());
        let parts = [
            (AttributeType::USERNAME, credential.username.as_bytes()),
            (AttributeType::REALM, b"duologue"),
            (AttributeType::NONCE, &nonce),
        ];
        for missing in 0..parts.len() {
            let answer = client.plain(Method::ALLOCATE, |writer| {
                writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
                for (_, (ty, value)) in parts.iter().enumerate().filter(|(at, _)| *at != missing) {
                    writer.attribute(*ty, value);
                }
                writer.integrity(&key);
            });
            assert_eq!((answer.code(), answer.types()), (400, vec![AttributeType::ERROR_CODE]), "{}", way.name);
        }

        let wrong = Credential { password: "wrong".to_owned(), ..credential.clone() };
        let nobody = Credential { username: "nobody".to_owned(), password: "wrong".to_owned() };
        for credential in [wrong, nobody] {
            let answer = Wire::with(way, credential).allocate(|_| {});
            assert_eq!((answer.code(), answer.types()), (401, CHALLENGE.to_vec()), "{}", way.name);
        }

        let mut foreign = Wire::open(way, "s1");
        foreign.challenge();
        let own = std::mem::replace(&mut foreign.nonce, nonce.clone());
        let stale = foreign.allocate(|_| {});
        assert_eq!((stale.code(), stale.types()), (438, CHALLENGE.to_vec()), "a nonce of another address");
        foreign.nonce = stale.message().attribute(AttributeType::NONCE).expect("a nonce").to_vec();
        assert_eq!(foreign.allocate(|_| {}).code(), 0, "the fresh nonce of a 438 is good");
        for bad in [b"x".to_vec(), own[..own.len() - 1].to_vec(), [&own[..own.len() - 1], b"?"].concat()] {
            foreign.nonce = bad;
            assert_eq!(foreign.refresh(600).code(), 438, "{}", way.name);
        }
    }
}

/// RFC 8656 §7.2.
#[test]
fn an_allocate_is_refused_for_the_right_reason() {
    let server = Server::start("");
    let way = &ways(&server)[0];
    let (family, second) = (AttributeType::REQUESTED_ADDRESS_FAMILY, AttributeType::ADDITIONAL_ADDRESS_FAMILY);
    let (transport, token) = (AttributeType::REQUESTED_TRANSPORT, AttributeType::RESERVATION_TOKEN);
    let udp: Attribute = (transport, &[17, 0, 0, 0]);
    let cases: [(u16, &[Attribute]); 13] = [
        (400, &[]),
        (400, &[(transport, &[17])]),
        (442, &[(transport, &[6, 0, 0, 0])]),
        (440, &[udp, (family, &[3, 0, 0, 0])]),
        (400, &[udp, (token, &[1; 8]), (AttributeType::EVEN_PORT, &[0])]),
        (400, &[udp, (token, &[1; 8]), (family, &[1, 0, 0, 0])]),
        (400, &[udp, (token, &[1; 8]), (second, &[2, 0, 0, 0])]),
        (400, &[udp, (token, &[1; 7])]),
        (508, &[udp, (token, &[1; 8])]),
        (400, &[udp, (family, &[1, 0, 0, 0]), (second, &[2, 0, 0, 0])]),
        (400, &[udp, (second, &[1, 0, 0, 0])]),
        (400, &[udp, (AttributeType::EVEN_PORT, &[0x80]), (second, &[2, 0, 0, 0])]),
        (420, &[udp, (AttributeType(0x7777), b"")]),
    ];
    for (code, attributes) in cases {
        let mut client = Wire::open(way, "s1");
        client.challenge();
        let answer = client.signed(Method::ALLOCATE, |writer| {
            for (ty, value) in attributes {
                writer.attribute(*ty, value);
            }
        });
        assert_eq!(answer.signed_code(&client.key()), Some(code), "{attributes:?}");
    }
    assert_eq!(server.allocations(), 0.0);
}

/// RFC 8656 §5, §7.3, §8.
#[test]
fn an_allocation_lives_from_allocate_to_refresh_zero() {
    let server = Server::start("");
    for way in &ways(&server) {
        let mut client = Wire::open(way, "s1");
        client.challenge();
        let key = client.key();
        let somebody = address("127.0.0.1:9999");
        let orphans = [client.refresh(600), client.permit(&[somebody]), client.bind(0x4000, somebody)];
        assert!(orphans.iter().all(|answer| answer.signed_code(&key) == Some(437)), "{}", way.name);

        let request = client.signed_message(Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        });
        let success = client.ask(&request);
        assert_eq!(success.signed_code(&key), Some(0), "{}", way.name);
        assert_eq!(success.address(AttributeType::XOR_MAPPED_ADDRESS), client.local, "{}", way.name);
        assert_eq!(success.lifetime(), 600);
        // No family was named: IPv4, also for a client that comes over IPv6.
        assert!(success.relayed().is_ipv4() && success.relayed().port() >= 49152);
        assert_eq!(client.ask(&request), success, "the same transaction gets the same answer");
        assert_eq!(client.allocate(|_| {}).signed_code(&key), Some(437), "another one does not");

        let mine = std::mem::replace(&mut client.credential, Credential::for_session("other"));
        let thefts = [client.refresh(0), client.permit(&[somebody]), client.bind(0x4000, somebody)];
        let other = client.key();
        assert!(thefts.iter().all(|answer| answer.signed_code(&other) == Some(441)), "{}", way.name);
        client.credential = mine;

        for (asked, granted) in [(1, 600), (1200, 1200), (u32::MAX, 3600)] {
            let answer = client.refresh(asked);
            assert_eq!((answer.signed_code(&key), answer.lifetime()), (Some(0), granted), "{}", way.name);
        }
        let family = client.signed(Method::REFRESH, |writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, IPV6);
        });
        assert_eq!(family.signed_code(&key), Some(443));
        let gone = client.refresh(0);
        assert_eq!((gone.signed_code(&key), gone.lifetime()), (Some(0), 0));
        assert_eq!(client.refresh(0).signed_code(&key), Some(437));
    }
    assert_eq!(server.allocations(), 0.0);
}

/// RFC 8489 §14, §14.5.
#[test]
fn the_first_of_two_counts_and_nothing_behind_the_integrity() {
    let server = Server::start("");
    let (mut client, _) = Wire::allocated(&ways(&server)[0], "s1");
    let twice = client.signed(Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, 1000).u32(AttributeType::LIFETIME, 0);
    });
    assert_eq!(twice.lifetime(), 1000);
    let mut request = client.signed_message(Method::REFRESH, |_| {});
    request.extend_from_slice(&[0, 0x0D, 0, 4, 0, 0, 0, 0]);
    let len = u16::try_from(request.len() - 20).expect("a short message").to_be_bytes();
    request[2..4].copy_from_slice(&len);
    assert_eq!(client.ask(&request).lifetime(), 600, "LIFETIME 0 behind the integrity is not seen");
}

/// RFC 8656 §7.2, §18.7, §18.10.
#[test]
fn an_even_port_keeps_its_neighbour_for_the_token() {
    let server = Server::start("");
    for way in &ways(&server) {
        let even = |flags: u8| move |writer: &mut Writer<'_>| _ = writer.attribute(AttributeType::EVEN_PORT, &[flags]);
        let (mut rtp, mut rtcp, mut late) = (Wire::open(way, "a"), Wire::open(way, "b"), Wire::open(way, "c"));
        let first = rtp.allocate(even(0x80));
        let token = first.message().attribute(AttributeType::RESERVATION_TOKEN).expect("a token").to_vec();
        let redeem = |writer: &mut Writer<'_>| _ = writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        let second = rtcp.allocate(redeem);
        assert_eq!((first.relayed().port() % 2, second.relayed().port()), (0, first.relayed().port() + 1));
        assert_eq!(late.allocate(redeem).code(), 508, "a token works once");
        let alone = late.allocate(even(0));
        assert_eq!(alone.relayed().port() % 2, 0);
        assert_eq!(alone.message().attribute(AttributeType::RESERVATION_TOKEN), None);
    }
}

/// RFC 8656 §10, §21.
#[test]
fn peers_that_nobody_may_reach_are_forbidden_one_and_all() {
    let server = Server::start("");
    let way = &ways(&server)[0];
    let (mut client, relayed) = Wire::allocated(way, "s1");
    let key = client.key();
    let (friend, friend_addr) = peer("127.0.0.1");
    let denied_v4 = "0.1.2.3 10.0.0.1 100.64.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.31.196.1 \
                     192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.19.255.1 198.51.100.1 203.0.113.1 \
                     224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200";
    for ip in denied_v4.split_whitespace() {
        let peer = SocketAddr::new(ip.parse().expect("an address"), 5000);
        assert_eq!(client.permit(&[friend_addr, peer]).signed_code(&key), Some(403), "{ip}");
        assert_eq!(client.bind(0x4001, peer).signed_code(&key), Some(403), "{ip}");
    }
    let own = ["turn-udp", "turn-tcp", "turn-tls", "shared", "http"].map(|kind| server.addr(kind).port());
    for port in own {
        assert_eq!(client.permit(&[SocketAddr::new(relayed.ip(), port)]).code(), 403, "{port}");
    }
    for port in own.into_iter().chain([0, 53, 443, 1023, 1900, 5353, 11211]) {
        assert_eq!(client.bind(0x4001, SocketAddr::new(relayed.ip(), port)).code(), 403, "{port}");
    }
    assert_eq!(client.bind(0x4001, relayed).code(), 403, "its own relayed address");
    assert_eq!(client.permit(&[address("[::1]:5000")]).code(), 443);
    assert_eq!(client.permit(&[]).code(), 400);
    client.indicate(friend_addr, b"no");
    friend.send_to(b"no", relayed).expect("send");
    assert_eq!(heard(&friend, SILENCE), None, "a refused request permits nobody");
    assert_eq!(client.data(SILENCE), None);

    let mut client = Wire::open(way, "s6");
    let six = client.allocate(|writer| _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, IPV6));
    assert!(six.relayed().is_ipv6());
    let key = client.key();
    let denied_v6 = ":: ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 \
                     2001::1 2001:10::1 2001:db8::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 \
                     ff02::1 4000::1 2a00::5efe:7f00:1 2a00::200:5efe:8.8.8.8";
    for ip in denied_v6.split_whitespace() {
        let peer = SocketAddr::new(ip.parse().expect("an address"), 5000);
        assert_eq!(client.permit(&[peer]).signed_code(&key), Some(403), "{ip}");
        assert_eq!(client.bind(0x4001, peer).signed_code(&key), Some(403), "{ip}");
    }
}

/// RFC 8656 §11.
#[test]
fn indications_carry_every_payload_both_ways() {
    let server = Server::start("");
    for way in &ways(&server) {
        let (mut client, relayed) = Wire::allocated(way, "s1");
        let ((friend, friend_addr), (other, other_addr)) = (peer("127.0.0.1"), peer("127.0.0.1"));
        friend.send_to(b"early", relayed).expect("send");
        assert_eq!(client.data(SILENCE), None, "no permission yet");
        // The port of a permission does not matter, not even one that nobody may send to.
        assert_eq!(client.permit(&[address("127.0.0.1:80")]).code(), 0);
        for len in PAYLOAD_LENS {
            let payload = vec![0x5A; len];
            client.indicate(friend_addr, &payload);
            assert_eq!(heard(&friend, PATIENCE), Some((payload.clone(), relayed)), "{} {len}", way.name);
            friend.send_to(&payload, relayed).expect("send");
            let data = client.data(PATIENCE);
            assert!(data == Some(Data::Indication(friend_addr, payload)), "{} {len}", way.name);
        }
        other.send_to(b"another port", relayed).expect("send");
        assert_eq!(client.data(PATIENCE), Some(Data::Indication(other_addr, b"another port".to_vec())));

        let empty = client.message(Class::Indication, Method::SEND, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, friend_addr);
        });
        let lost =
            client.message(Class::Indication, Method::SEND, |writer| _ = writer.attribute(AttributeType::DATA, b"x"));
        let strange = client.message(Class::Indication, Method::SEND, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, friend_addr).attribute(AttributeType::DATA, b"x");
            writer.attribute(AttributeType(0x7777), b"");
        });
        for message in [empty, lost, strange] {
            assert!(client.is_ignored(&message), "{}", way.name);
        }
        let whole = client.message(Class::Indication, Method::SEND, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, friend_addr).attribute(AttributeType::DATA, b"whole");
            writer.attribute(AttributeType::DONT_FRAGMENT, b"");
        });
        client.send(&whole);
        assert_eq!(heard(&friend, PATIENCE), Some((b"whole".to_vec(), relayed)), "and the bad ones were not relayed");
    }
}

/// RFC 8656 §12.
#[test]
fn channels_carry_every_payload_and_obey_their_rules() {
    let server = Server::start("");
    for way in &ways(&server) {
        let (mut client, relayed) = Wire::allocated(way, "s1");
        let key = client.key();
        let ((friend, friend_addr), (_other, other_addr)) = (peer("127.0.0.1"), peer("127.0.0.1"));
        for number in [0, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF] {
            assert_eq!(client.bind(number, friend_addr).signed_code(&key), Some(400), "{number:#x}");
        }
        assert_eq!(client.bind(0x4000, address("[::1]:5000")).signed_code(&key), Some(443));
        for _ in 0..2 {
            assert_eq!(client.bind(0x4000, friend_addr).signed_code(&key), Some(0));
        }
        assert_eq!(client.bind(0x4000, other_addr).signed_code(&key), Some(400), "the number is another peer's");
        assert_eq!(client.bind(0x4FFF, friend_addr).signed_code(&key), Some(400), "the peer has another number");
        for len in PAYLOAD_LENS {
            let payload = vec![0xA5; len];
            client.channel(0x4000, &payload);
            assert_eq!(heard(&friend, PATIENCE), Some((payload.clone(), relayed)), "{} {len}", way.name);
            friend.send_to(&payload, relayed).expect("send");
            assert!(client.data(PATIENCE) == Some(Data::Channel(0x4000, payload)), "{} {len}", way.name);
        }
        let unbound = client.channel_data(0x4001, b"unbound");
        assert!(client.is_ignored(&unbound));
        if way.is_udp() {
            assert!(client.is_ignored(&[0x40, 0, 0, 9, 1, 2, 3]), "shorter than it says");
            client.send(&[0x40, 0, 0, 3, b'c', b'u', b't', 0, 9]);
        } else {
            // Too long for a datagram, but a frame like any other.
            client.channel(0x4000, &[0; 0xFFFF]);
            client.channel(0x4000, b"cut");
        }
        assert_eq!(heard(&friend, PATIENCE), Some((b"cut".to_vec(), relayed)), "{}", way.name);
        assert_eq!(client.refresh(0).code(), 0);
        let late = client.channel_data(0x4000, b"late");
        assert!(client.is_ignored(&late));
        assert_eq!(heard(&friend, SILENCE), None);
    }
}

/// RFC 8489 §6.2.2, RFC 8656 §12.5.
#[test]
fn streams_are_followed_however_they_are_cut() {
    let server = Server::start("");
    for way in ways(&server).iter().filter(|way| !way.is_udp()) {
        let (mut client, relayed) = Wire::allocated(way, "s1");
        let (friend, friend_addr) = peer("127.0.0.1");
        assert_eq!(client.bind(0x4000, friend_addr).code(), 0);
        let indication = client.message(Class::Indication, Method::SEND, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, friend_addr).attribute(AttributeType::DATA, b"two");
        });
        let frames =
            [client.channel_data(0x4000, b"first"), indication, client.channel_data(0x4000, b"third!")].concat();
        let expect = |rounds: usize| {
            for _ in 0..rounds {
                for payload in [&b"first"[..], b"two", b"third!"] {
                    assert_eq!(heard(&friend, PATIENCE), Some((payload.to_vec(), relayed)), "{}", way.name);
                }
            }
        };
        for byte in &frames {
            client.send(&[*byte]);
        }
        expect(1);
        client.send(&frames.repeat(30));
        expect(30);
    }
}

/// RFC 8656 §5; the place is free before the client could come back.
#[test]
fn closing_the_connection_frees_the_allocation() {
    let server = Server::start("");
    for way in ways(&server).iter().filter(|way| !way.is_udp()) {
        let (client, _) = Wire::allocated(way, "s1");
        assert_eq!(server.allocations(), 1.0, "{}", way.name);
        drop(client);
        assert!(eventually(Duration::from_secs(2), || server.allocations() == 0.0), "{}", way.name);
    }
    for way in ways(&server).iter().filter(|way| !way.is_udp()) {
        let (mut client, _) = Wire::allocated(way, "s1");
        client.send(&[0xFF; 4]);
        assert!(client.is_closed(), "neither STUN nor ChannelData: {}", way.name);
    }
    assert!(eventually(Duration::from_secs(2), || server.allocations() == 0.0));
}

/// RFC 8489 §5: the method and the transaction come back, whatever was asked.
#[test]
fn answers_belong_to_their_requests() {
    let server = Server::start("");
    for way in &ways(&server) {
        let mut client = Wire::open(way, "s1");
        for method in [Method::BINDING, Method::ALLOCATE, Method::REFRESH, Method::new(0x5A5).expect("12 bits")] {
            let request = client.message(Class::Request, method, |_| {});
            let answer = client.ask(&request);
            let id: [u8; 12] = request[8..20].try_into().expect("12 bytes");
            assert_eq!((answer.message().method(), answer.message().transaction_id()), (method, TransactionId(id)));
        }
    }
}
