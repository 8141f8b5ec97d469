//! What those get who have proved nothing: a ration of small answers, and silence after too many wrong passwords.
use std::net::SocketAddr;
use std::time::Duration;

use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Method;
use crate::stun::TransactionId;

fn setup(strangers: Strangers) -> Setup {
    Setup { strangers, ..Setup::default() }
}

fn from(remote: &str) -> ClientAddr {
    ClientAddr { remote: address(remote), ..Client::udp(1, "s1").address }
}

fn bare(method: Method) -> Vec<u8> {
    message(Class::Request, method, TransactionId([1; 12]), |_| {})
}

/// Asks until there is no answer; returns how many there were.
fn answers(relay: &mut Fixture, from: ClientAddr, packet: &[u8]) -> usize {
    (0..10_000).take_while(|_| relay.exchange(from, packet).is_some()).count()
}

#[test]
fn a_network_gets_a_ration_of_answers_whatever_it_asks() {
    let mut relay = Fixture::with(&setup(Strangers { answers_per_second: 200, ..Strangers::default() }));
    assert_eq!(answers(&mut relay, from("9.8.7.6:1"), &bare(Method::BINDING)), 600);
    let wrong = Client { password: "wrong".to_owned(), ..Client::udp(7, "s1") };
    let stale = Client::udp(8, "s1").signed(Method::ALLOCATE, TransactionId([1; 12]), relay.now, |_| {});
    let questions = [
        bare(Method::ALLOCATE),
        bare(Method::REFRESH),
        bare(Method::BINDING),
        bare(Method::new(0x7F).unwrap()),
        wrong.signed(Method::ALLOCATE, TransactionId([1; 12]), relay.now, |_| {}),
        stale,
        message(Class::Request, Method::BINDING, TransactionId([1; 12]), |writer| {
            writer.u32(AttributeType(0x0003), 6);
        }),
        message(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), |writer| {
            writer.integrity(&wrong.key());
        }),
    ];
    for question in &questions {
        assert_eq!(answers(&mut relay, from("9.8.7.200:999"), question), 0);
    }
    assert_eq!(relay.dropped(DropReason::Rationed), 1 + questions.len() as u64);
    assert_eq!(answers(&mut relay, from("9.8.8.6:1"), &bare(Method::ALLOCATE)), 600, "another network");
    relay.pass(Duration::from_millis(50));
    assert_eq!(answers(&mut relay, from("9.8.7.6:1"), &bare(Method::ALLOCATE)), 10);
}

#[test]
fn who_proves_a_password_is_answered_however_many_strangers_ask() {
    let mut relay = Fixture::with(&setup(Strangers { answers_per_second: 10, ..Strangers::default() }));
    let client = Client::udp(1, "s1");
    answers(&mut relay, client.address, &bare(Method::BINDING));
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[address("9.9.1.1:5000")]), 0);
}

#[test]
fn connections_have_proved_their_address_and_are_not_rationed() {
    let mut relay = Fixture::with(&setup(Strangers { answers_per_second: 1, ..Strangers::default() }));
    let client = Client::tcp(1, "s1");
    assert_eq!(answers(&mut relay, client.address, &bare(Method::BINDING)), 10_000);
}

#[test]
fn shards_share_the_rations() {
    let setup = setup(Strangers { answers_per_second: 10, ..Strangers::default() });
    let mut here = Fixture::with(&setup);
    let mut there = here.beside(&setup, ShardId(1));
    assert_eq!(answers(&mut here, from("9.8.7.6:1"), &bare(Method::BINDING)), 30);
    assert_eq!(answers(&mut there, from("9.8.7.6:2"), &bare(Method::BINDING)), 0);
}

#[test]
fn an_exempt_network_is_neither_rationed_nor_barred() {
    let exempt = vec!["9.8.7.0/24".parse().unwrap()];
    let strangers = Strangers { answers_per_second: 1, failures_per_minute: 1, exempt };
    let mut relay = Fixture::with(&setup(strangers));
    let wrong = Client { password: "wrong".to_owned(), ..Client::udp(1, "s1") };
    let guess = wrong.signed(Method::ALLOCATE, TransactionId([1; 12]), relay.now, |_| {});
    assert_eq!(answers(&mut relay, wrong.address, &guess), 10_000);
}

/// The answer to a stranger is at most 3.6 times its question, as clients ask it.
#[test]
fn answers_to_strangers_are_small() {
    let mut relay = Fixture::new();
    let mut size = |from: ClientAddr, packet: &[u8]| relay.exchange(from, packet).unwrap().0.len();
    let v6 =
        ClientAddr { remote: address("[2a00:1::1]:40000"), local: address("[2a00:9::1]:3478"), ..from("9.8.7.6:1") };
    assert_eq!(size(from("9.8.7.6:1"), &bare(Method::BINDING)), 32);
    assert_eq!(size(v6, &bare(Method::BINDING)), 44);
    let allocate = message(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    let challenge = size(from("9.8.7.6:1"), &allocate);
    assert!(challenge * 10 <= allocate.len() * 36, "{challenge} for {}", allocate.len());
    for question in [
        bare(Method::new(0x7F).unwrap()),
        message(Class::Request, Method::BINDING, TransactionId([1; 12]), |writer| {
            writer.u32(AttributeType(0x0003), 6);
        }),
    ] {
        let answer = size(from("9.8.7.6:1"), &question);
        assert!(answer * 10 <= question.len() * 36, "{answer} for {}", question.len());
    }
}

/// Sends an Allocate with a wrong password and a good nonce.
fn guess(relay: &mut Fixture, client: &Client) -> Option<Reply> {
    let wrong = Client { password: "wrong".to_owned(), ..client.clone() };
    let id = relay.id();
    let packet = wrong.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    relay.exchange(client.address, &packet)
}

fn guess_until_barred(relay: &mut Fixture, client: &Client) {
    assert!((0..100).any(|_| guess(relay, client).is_none()), "never barred");
}

fn barred(relay: &Fixture) -> usize {
    relay.effects.iter().filter(|effect| matches!(effect, Effect::Barred { .. })).count()
}

#[test]
fn who_guesses_passwords_gets_silence_for_a_minute() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    for _ in 0..61 {
        assert_eq!(guess(&mut relay, &client).unwrap().code(), 401);
    }
    assert_eq!(relay.effects, [Effect::Barred { network: "9.8.7.0/24".parse().unwrap() }]);
    let other = Client::udp(2, "s2");
    for _ in 0..3 {
        assert!(guess(&mut relay, &other).is_none());
    }
    let right = other.signed(Method::ALLOCATE, TransactionId([2; 12]), relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    assert!(relay.exchange(other.address, &right).is_none(), "a right guess is not told either");
    assert!(relay.exchange(other.address, &bare(Method::ALLOCATE)).is_none());
    assert_eq!(relay.dropped(DropReason::Barred), 5);
    assert!(relay.exchange(other.address, &bare(Method::BINDING)).is_some(), "a Binding gives nothing to guess");
    let mut neighbour = Client::udp(1, "s3");
    neighbour.address.remote = address("9.8.7.7:1");
    relay.allocate(&neighbour);
    relay.pass_secs(60);
    relay.allocate(&other);
}

#[test]
fn allocations_of_a_barred_source_live_on() {
    let mut relay = Fixture::new();
    let (client, guesser) = (Client::udp(1, "s1"), Client::udp(2, "s2"));
    relay.allocate(&client);
    guess_until_barred(&mut relay, &guesser);
    assert_eq!(relay.refresh(&client, 600).code(), 0);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5000")), 0);
    assert!(matches!(relay.send_channel(&client, 0x4000), FromClient::ToPeer { .. }));
}

#[test]
fn what_could_be_forged_bars_nobody() {
    let mut relay = Fixture::new();
    let victim = Client::udp(1, "s1");
    // Whoever forges the source does not see the nonce that was told there.
    let elsewhere = Client { password: "wrong".to_owned(), ..Client::udp(2, "s1") };
    let forged = elsewhere.signed(Method::ALLOCATE, TransactionId([1; 12]), relay.now, |_| {});
    for _ in 0..200 {
        assert_eq!(relay.exchange(victim.address, &forged).unwrap().code(), 401);
        relay.exchange(victim.address, &bare(Method::ALLOCATE));
    }
    relay.allocate(&victim);
    assert_eq!(relay.dropped(DropReason::Barred), 0);
}

#[test]
fn an_expired_nonce_is_no_guess() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let old = relay.now;
    relay.pass_secs(3601);
    let packet = client.signed(Method::ALLOCATE, TransactionId([1; 12]), old, |_| {});
    for _ in 0..200 {
        assert!(relay.exchange(client.address, &packet).is_some());
    }
}

#[test]
fn connections_that_guess_are_not_heard_either() {
    let mut relay = Fixture::new();
    let client = Client::tcp(1, "s1");
    assert_eq!((0..200).take_while(|_| guess(&mut relay, &client).is_some()).count(), 61);
}

#[test]
fn bars_are_reported_once_a_second_at_most() {
    let mut relay = Fixture::new();
    for host in 1..=20 {
        let mut client = Client::udp(1, "s1");
        client.address.remote = SocketAddr::new(ip(&format!("9.8.{host}.1")), 1000);
        guess_until_barred(&mut relay, &client);
    }
    assert_eq!(barred(&relay), 1);
    relay.pass_secs(1);
    let client = Client::udp(1, "s1");
    guess_until_barred(&mut relay, &client);
    assert_eq!(barred(&relay), 2);
}

#[test]
fn guessing_is_not_counted_where_it_is_switched_off() {
    let mut relay = Fixture::with(&setup(Strangers {
        answers_per_second: 1_000_000,
        failures_per_minute: 0,
        ..Strangers::default()
    }));
    let client = Client::udp(1, "s1");
    for _ in 0..200 {
        assert!(guess(&mut relay, &client).is_some());
    }
}
