use super::fixture::*;
use crate::relay::*;
use crate::stun::Class;
use crate::stun::Method;
use crate::time::UnixMillis;

#[test]
fn the_record_says_who_when_and_how_much() {
    let mut relay = Fixture::new();
    let client = Client::tcp(1, "s1.a");
    let peer = address("9.9.1.1:5000");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, peer);
    for _ in 0..3 {
        relay.send_channel(&client, 0x4000);
    }
    relay.send_indication(&client, peer);
    relay.peer_data(peer, 1000);
    relay.peer_data(peer, 200);
    relay.send_channel(&client, 0x4001);
    relay.peer_data(address("9.9.1.2:5000"), 9);
    relay.pass_secs(42);
    relay.refresh(&client, 0);

    let usage = relay.ended()[0];
    assert_eq!(usage.session.as_deref(), Some("s1"));
    assert_eq!(usage.user_hash, user_hash("s1.a"));
    assert_eq!((usage.transport, usage.families, usage.end), (ClientTransport::Tcp, Families::V4, EndReason::Deleted));
    let started = UnixMillis(START_UNIX_SECS * 1000);
    assert_eq!((usage.started, usage.ended), (started, UnixMillis(started.0 + 42_000)));
    assert_eq!(usage.to_peers, Traffic { packets: 4, bytes: 20 });
    assert_eq!(usage.to_client, Traffic { packets: 2, bytes: 1200 });
    assert_eq!((usage.handed_out, usage.handed_in), (Traffic::default(), Traffic::default()));
    assert_eq!(usage.dropped(DropReason::NoChannel), 1);
    assert_eq!(usage.dropped(DropReason::PeerNotPermitted), 1);
    assert_eq!(usage.dropped.iter().sum::<u32>(), 2);
}

#[test]
fn a_static_user_has_no_session() {
    let mut relay = Fixture::new();
    let alice = Client { username: "alice".into(), password: "wonder".into(), ..Client::udp(1, "") };
    relay.allocate(&alice);
    relay.refresh(&alice, 0);
    assert_eq!((relay.ended()[0].session.as_deref(), relay.ended()[0].user_hash), (None, user_hash("alice")));
}

#[test]
fn the_gauge_returns_to_zero_however_an_allocation_ends() {
    let mut relay = Fixture::new();
    let clients = [Client::udp(1, "s1"), Client::tcp(2, "s1"), Client::udp(3, "s3"), Client::udp(4, "s1")];
    for client in &clients {
        relay.allocate(client);
    }
    relay.refresh(&clients[0], 0);
    relay.server.handle_stream_closed(StreamId(2), relay.now);
    relay.server.revoke("s3", UnixMillis(u64::MAX), relay.now);
    relay.pass_secs(600);
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    let ends: Vec<EndReason> = relay.ended().iter().map(|usage| usage.end).collect();
    assert_eq!(ends, [EndReason::Deleted, EndReason::StreamClosed, EndReason::Revoked, EndReason::Expired]);
    assert!(relay.counters.allocations().all(|(_, _, count)| count == 0));
    assert_eq!(relay.ledger.total(), 0);
    assert_eq!(relay.server.allocations.index_len(), 0);
}

#[test]
fn a_credential_without_id_has_no_session() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "");
    relay.allocate(&client);
    relay.server.revoke("", UnixMillis(u64::MAX), relay.now);
    relay.refresh(&client, 0);
    assert_eq!((relay.ended()[0].session.as_deref(), relay.ended()[0].end), (None, EndReason::Deleted));
}

#[test]
fn a_shell_that_wants_to_hears_of_answers_to_somebody_proved_alone() {
    for is_traced in [true, false] {
        let mut relay = Fixture::with(&Setup { is_traced, ..Setup::default() });
        let client = Client::udp(1, "s1.a");
        let stranger = message(Class::Request, Method::ALLOCATE, relay.id(), |_| {});
        assert_eq!(relay.exchange(client.address, &stranger).expect("a challenge").code(), 401);
        relay.allocate(&client);
        relay.bind(&client, 0x4000, address("9.9.1.1:5000"));
        relay.send_channel(&client, 0x4000);
        relay.peer_data(address("9.9.1.1:5000"), 10);
        assert_eq!(relay.try_allocate(&Client::udp(1, "s2.a"), |_| {}).code(), 437);
        relay.refresh(&client, 0);
        let told: Vec<_> = relay.effects.iter().filter_map(answer).collect();
        let story = [
            (RequestKind::Allocate, RequestResult::Success, "s1"),
            (RequestKind::ChannelBind, RequestResult::Success, "s1"),
            (RequestKind::Allocate, RequestResult::AllocationMismatch, "s2"),
            (RequestKind::Refresh, RequestResult::Success, "s1"),
        ];
        assert_eq!(told, if is_traced { story.to_vec() } else { Vec::new() });
    }
}

fn answer(effect: &Effect) -> Option<(RequestKind, RequestResult, &str)> {
    match effect {
        Effect::Answered { kind, result, user } => Some((*kind, *result, user.session().unwrap_or_default())),
        _ => None,
    }
}
