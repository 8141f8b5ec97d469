use super::fixture::*;
use crate::auth::secret::Secret;
use crate::auth::turn::Minter;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::IntegrityKey;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::stun::Writer;

const ID: TransactionId = TransactionId([5; 12]);
const CHALLENGE: [AttributeType; 4] =
    [AttributeType::ERROR_CODE, AttributeType::REALM, AttributeType::NONCE, AttributeType::PASSWORD_ALGORITHMS];
const METHODS: [Method; 4] = [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];

fn request(build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    message(Class::Request, Method::ALLOCATE, ID, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        build(writer);
    })
}

#[test]
fn a_request_without_integrity_is_challenged_with_realm_and_nonce() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    for method in METHODS {
        let reply = relay.exchange(client.address, &message(Class::Request, method, ID, |_| {})).unwrap();
        assert_eq!((reply.code(), reply.types()), (401, CHALLENGE.to_vec()));
        assert!(!reply.message().has_integrity());
        assert_eq!(reply.message().text(AttributeType::REALM), Some(Ok(REALM)));
    }
    assert_eq!(relay.requests(RequestKind::Allocate, RequestResult::Challenged), 1);
    assert_eq!(relay.requests(RequestKind::Allocate, RequestResult::Unauthenticated), 0);
}

#[test]
fn the_nonce_of_a_challenge_lets_the_client_in() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let challenge = relay.exchange(client.address, &request(|_| {})).unwrap();
    let nonce = challenge.message().attribute(AttributeType::NONCE).unwrap();
    relay.pass_secs(60);
    let signed = request(|writer| {
        writer.attribute(AttributeType::USERNAME, client.username.as_bytes());
        writer.attribute(AttributeType::REALM, REALM.as_bytes());
        writer.attribute(AttributeType::NONCE, nonce);
        writer.integrity(&client.key());
    });
    assert_eq!(relay.exchange(client.address, &signed).unwrap().code(), 0);
}

#[test]
fn integrity_without_username_realm_or_nonce_is_a_bad_request_without_challenge() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let nonce = nonce_key().issue(FEATURES, client.address.remote, START_UNIX_SECS);
    let parts = [
        (AttributeType::USERNAME, client.username.as_bytes()),
        (AttributeType::REALM, REALM.as_bytes()),
        (AttributeType::NONCE, &nonce.as_bytes()[..]),
    ];
    for (missing, _) in parts {
        let incomplete = request(|writer| {
            for (ty, value) in parts.into_iter().filter(|(ty, _)| *ty != missing) {
                writer.attribute(ty, value);
            }
            writer.integrity(&client.key());
        });
        let reply = relay.exchange(client.address, &incomplete).unwrap();
        assert_eq!((reply.code(), reply.types()), (400, vec![AttributeType::ERROR_CODE]), "{missing:?}");
    }
}

#[test]
fn a_username_that_is_too_long_or_no_text_is_a_bad_request() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    for username in [&[b'a'; 509][..], b"\xFF\xFE"] {
        let packet = request(|writer| {
            writer.attribute(AttributeType::USERNAME, username);
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, b"x");
            writer.integrity(&client.key());
        });
        assert_eq!(relay.exchange(client.address, &packet).unwrap().code(), 400);
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let mut relay = Fixture::new();
    let wrong = Client { password: "wrong".into(), ..Client::udp(1, "s1") };
    let unknown = Client { username: "nobody".into(), ..Client::udp(1, "s1") };
    let answers = [wrong, unknown].map(|client| {
        let packet = client.signed(Method::ALLOCATE, ID, relay.now, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        });
        relay.exchange(client.address, &packet).unwrap()
    });
    assert_eq!((answers[0].code(), answers[0].types()), (401, CHALLENGE.to_vec()));
    assert_eq!(answers[0], answers[1]);
    assert_eq!(relay.requests(RequestKind::Allocate, RequestResult::Unauthenticated), 2);
}

#[test]
fn another_realm_is_refused_byte_by_byte() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let nonce = nonce_key().issue(FEATURES, client.address.remote, START_UNIX_SECS);
    for realm in ["Example.org", "example.org ", "example.or", ""] {
        for key_realm in [realm, REALM] {
            let packet = request(|writer| {
                writer.attribute(AttributeType::USERNAME, client.username.as_bytes());
                writer.attribute(AttributeType::REALM, realm.as_bytes());
                writer.attribute(AttributeType::NONCE, nonce.as_bytes());
                writer.integrity(&IntegrityKey::md5(&client.username, key_realm, client.password.as_bytes()));
            });
            assert_eq!(relay.exchange(client.address, &packet).unwrap().code(), 401, "{realm:?}");
        }
    }
}

#[test]
fn an_old_or_foreign_nonce_is_stale_and_a_fresh_one_comes_with_the_answer() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let old = client.signed(Method::REFRESH, ID, relay.now, |_| {});
    let foreign = Client { address: Client::udp(2, "s1").address, ..client.clone() };
    let foreign = foreign.signed(Method::REFRESH, ID, relay.now, |_| {});
    assert_eq!(relay.exchange(client.address, &foreign).unwrap().code(), 438);

    relay.pass_secs(3600);
    let reply = relay.exchange(client.address, &old).unwrap();
    assert_eq!((reply.code(), reply.types()), (438, CHALLENGE.to_vec()));
    let fresh = nonce_key().issue(FEATURES, client.address.remote, relay.now.unix.as_secs());
    assert_eq!(reply.message().attribute(AttributeType::NONCE), Some(&fresh.as_bytes()[..]));
    assert_eq!(relay.requests(RequestKind::Refresh, RequestResult::StaleNonce), 2);
}

#[test]
fn a_wrong_password_with_a_stale_nonce_learns_nothing_about_the_nonce() {
    let mut relay = Fixture::new();
    let client = Client { password: "wrong".into(), ..Client::udp(1, "s1") };
    let packet = client.signed(Method::REFRESH, ID, relay.now, |_| {});
    relay.pass_secs(7200);
    assert_eq!(relay.exchange(client.address, &packet).unwrap().code(), 401);
}

#[test]
fn answers_after_authentication_are_signed_with_the_key_of_the_request() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let success = relay.try_allocate(&client, |_| {});
    assert!(success.message().verify_integrity(&client.key()));
    let error = relay.try_allocate(&client, |_| {});
    assert_eq!(error.code(), 437);
    assert!(error.message().verify_integrity(&client.key()));
    let unknown = relay.request(&client, Method::REFRESH, |writer| {
        writer.u32(AttributeType(0x7F01), 0);
    });
    assert_eq!(unknown.code(), 420);
    assert!(unknown.message().verify_integrity(&client.key()));
}

#[test]
fn attributes_after_the_integrity_are_not_acted_upon() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let mut packet = client.signed(Method::ALLOCATE, ID, relay.now, |_| {});
    packet.extend_from_slice(&[0x00, 0x19, 0x00, 0x04, 17, 0, 0, 0]);
    let length = u16::try_from(packet.len() - 20).unwrap();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(relay.exchange(client.address, &packet).unwrap().code(), 400);
}

#[test]
fn a_credential_is_refused_at_allocate_from_the_second_it_expires() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.pass_secs(3600);
    let reply = relay.try_allocate(&client, |_| {});
    assert_eq!((reply.code(), reply.types()), (401, CHALLENGE.to_vec()));

    let mut relay = Fixture::new();
    relay.pass_secs(3599);
    assert_eq!(relay.try_allocate(&client, |_| {}).code(), 0);
}

#[test]
fn an_allocation_outlives_its_credential_by_default() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.refresh(&client, 3600);
    relay.pass_secs(3599);
    assert_eq!(relay.refresh(&client, 3600).lifetime(), 3600);
    relay.pass_secs(1);
    assert_eq!(relay.refresh(&client, 600).code(), 0);
    assert_eq!(relay.permit(&client, &[address("9.9.1.1:5000")]), 0);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5000")), 0);
}

#[test]
fn strict_expiry_ends_an_allocation_with_its_credential() {
    let mut relay = Fixture::with(&Setup { strict_expiry: true, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.pass_secs(3000);
    let reply = relay.try_allocate(&client, |writer| {
        writer.u32(AttributeType::LIFETIME, 3600);
    });
    assert_eq!(reply.lifetime(), 600);
    relay.pass_secs(100);
    assert_eq!(relay.refresh(&client, 3600).lifetime(), 500);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5000")), 0);
    relay.pass_secs(500);
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    assert_eq!(relay.server.allocations(), 0);
}

#[test]
fn old_and_new_secret_are_both_accepted() {
    let mut relay = Fixture::with(&Setup { secrets: vec![b"south", SECRET], ..Setup::default() });
    relay.allocate(&Client::udp(1, "s1"));
    let minted = Minter::new(Secret::new(*b"south")).mint("s2", START_UNIX_SECS + 3600);
    let client = Client { username: minted.username, password: minted.password, ..Client::udp(2, "s2") };
    relay.allocate(&client);
}

#[test]
fn an_allocation_survives_the_removal_of_its_secret() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.server.reconfigure(Setup { secrets: vec![b"south"], ..Setup::default() }.config());
    assert_eq!(relay.refresh(&client, 600).code(), 0);
    assert_eq!(relay.try_allocate(&Client::udp(2, "s1"), |_| {}).code(), 401);
}

#[test]
fn a_static_user_never_expires() {
    let mut relay = Fixture::new();
    let client = Client { username: "alice".into(), password: "wonder".into(), ..Client::udp(1, "") };
    relay.pass_secs(86_400 * 365);
    relay.allocate(&client);
    assert_eq!(relay.refresh(&client, 600).code(), 0);
}

#[test]
fn the_owners_name_without_its_password_is_refused() {
    let mut relay = Fixture::new();
    let owner = Client::udp(1, "s1");
    relay.allocate(&owner);
    let thief = Client { password: "wrong".into(), ..owner.clone() };
    for (method, lifetime) in [(Method::REFRESH, 0), (Method::CHANNEL_BIND, 600), (Method::ALLOCATE, 600)] {
        let packet = thief.signed(method, ID, relay.now, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime);
        });
        let reply = relay.exchange(thief.address, &packet).unwrap();
        assert_eq!((reply.code(), reply.types()), (401, CHALLENGE.to_vec()));
    }
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn another_valid_user_gets_wrong_credentials() {
    let mut relay = Fixture::new();
    let owner = Client::udp(1, "s1");
    relay.allocate(&owner);
    let other = Client { username: "alice".into(), password: "wonder".into(), ..owner.clone() };
    assert_eq!(relay.refresh(&other, 600).code(), 441);
    assert_eq!(relay.permit(&other, &[address("9.9.1.1:5000")]), 441);
    assert_eq!(relay.bind(&other, 0x4000, address("9.9.1.1:5000")), 441);
    assert_eq!(relay.try_allocate(&other, |_| {}).code(), 437);
    assert_eq!(relay.refresh(&owner, 600).code(), 0);
}

#[test]
fn requests_without_allocation_are_a_mismatch() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    assert_eq!(relay.refresh(&client, 600).code(), 437);
    assert_eq!(relay.refresh(&client, 0).code(), 437);
    assert_eq!(relay.permit(&client, &[address("9.9.1.1:5000")]), 437);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5000")), 437);
    let reply = relay.refresh(&client, 600);
    assert!(reply.message().verify_integrity(&client.key()));
}
