//! USERHASH: static users who do not show their names. RFC 8489 §9.2.4, §14.4.
use super::fixture::*;
use super::password_algorithms::Signing;
use crate::auth::nonce::SecurityFeatures;
use crate::stun::AttributeType;
use crate::stun::IntegrityKind;
use crate::stun::Method;
use crate::stun::PasswordAlgorithm;
use crate::stun::UserHash;

fn alice() -> Client {
    Client { username: "alice".into(), password: "wonder".into(), ..Client::udp(1, "") }
}

fn signing() -> Signing {
    Signing {
        features: SecurityFeatures::UsernameAnonymity,
        ..Signing::with(PasswordAlgorithm::Sha256, IntegrityKind::Sha256)
    }
}

fn ask(relay: &mut Fixture, client: &Client, method: Method, name: (AttributeType, &[u8])) -> Reply {
    let id = relay.id();
    let packet = signing().request_as(name, relay, client, method, id);
    relay.exchange(client.address, &packet).expect("an answer")
}

fn ask_by_hash(relay: &mut Fixture, client: &Client, method: Method) -> Reply {
    let hash = UserHash::of(&client.username, REALM);
    ask(relay, client, method, (AttributeType::USERHASH, hash.as_bytes()))
}

#[test]
fn a_static_user_may_send_a_hash_in_place_of_the_name() {
    let mut relay = Fixture::new();
    let reply = ask_by_hash(&mut relay, &alice(), Method::ALLOCATE);
    assert_eq!(reply.code(), 0);
    assert!(reply.message().verify(&signing().key(&alice())));
    assert_eq!(ask_by_hash(&mut relay, &alice(), Method::REFRESH).code(), 0);
}

#[test]
fn name_and_hash_are_one_owner() {
    let mut relay = Fixture::new();
    assert_eq!(ask_by_hash(&mut relay, &alice(), Method::ALLOCATE).code(), 0);
    assert_eq!(relay.refresh(&alice(), 600).code(), 0);
    relay.refresh(&alice(), 0);
    relay.allocate(&alice());
    assert_eq!(ask_by_hash(&mut relay, &alice(), Method::REFRESH).code(), 0);
    assert_eq!(relay.refresh(&Client::udp(1, "s1"), 600).code(), 441);
}

#[test]
fn an_unknown_hash_and_a_wrong_password_look_the_same() {
    let unknown = ask_by_hash(&mut Fixture::new(), &Client { username: "bob".into(), ..alice() }, Method::ALLOCATE);
    let wrong = ask_by_hash(&mut Fixture::new(), &Client { password: "wrong".into(), ..alice() }, Method::ALLOCATE);
    assert_eq!(unknown.code(), 401);
    assert_eq!(unknown, wrong);
}

#[test]
fn a_time_limited_name_is_not_found_by_its_hash() {
    let mut relay = Fixture::new();
    assert_eq!(ask_by_hash(&mut relay, &Client::udp(1, "s1"), Method::ALLOCATE).code(), 401);
    relay.allocate(&Client::udp(1, "s1"));
    assert_eq!(ask_by_hash(&mut relay, &Client::udp(1, "s1"), Method::REFRESH).code(), 401);
}

#[test]
fn a_hash_of_another_length_is_a_bad_request() {
    let hash = UserHash::of("alice", REALM);
    for value in [&b""[..], &hash.as_bytes()[..31], &[hash.as_bytes(), &b"\0"[..]].concat()] {
        let reply = ask(&mut Fixture::new(), &alice(), Method::ALLOCATE, (AttributeType::USERHASH, value));
        assert_eq!((reply.code(), reply.types()), (400, vec![AttributeType::ERROR_CODE]));
    }
}

#[test]
fn name_and_hash_at_once_are_a_bad_request() {
    let mut relay = Fixture::new();
    let hash = UserHash::of("alice", REALM);
    let reply = relay.try_allocate(&alice(), |writer| {
        writer.attribute(AttributeType::USERHASH, hash.as_bytes());
    });
    assert_eq!(reply.code(), 400);
}

#[test]
fn a_nonce_outlives_a_change_of_the_offered_features() {
    let mut relay = Fixture::new();
    assert_eq!(ask_by_hash(&mut relay, &alice(), Method::ALLOCATE).code(), 0);
    assert_eq!(relay.refresh(&alice(), 600).code(), 0, "with the features of this configuration");
}
