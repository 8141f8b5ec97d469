use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use crate::signal::protocol::CloseCode;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn rule_2_welcome_comes_first_and_tells_the_limits_in_force() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    let welcome = hub.take_one(id, "welcome");
    assert_eq!(welcome["data"]["server"], json!({"name": "duologue", "version": "0", "node": "n1"}));
    assert_eq!(welcome["data"]["features"], json!(["resume", "rooms", "chat"]));
    assert_eq!(welcome["data"]["time"], json!(START));
    assert_eq!(welcome["data"]["limits"]["messages_per_second"], 50);
    assert_eq!(welcome["data"]["limits"]["message_bytes"], 65_536);
    assert!(welcome.get("seq").is_none());
}

#[test]
fn rule_1_each_guest_hello_makes_a_new_user() {
    let mut hub = Fixture::new();
    let ids = [hub.connect(), hub.connect()];
    let hello = json!({"guest": {"device_id": "tab"}, "client": {"name": "sdk", "version": "1"}, "features": []});
    let [one, two] = ids.map(|id| hub.ask(id, "hello", hello.clone()).expect("is welcome"));
    assert_ne!(one["user"]["id"], two["user"]["id"]);
    assert_eq!(one["user"]["role"], "user");
    assert_eq!(one["user"]["guest"], true);
    assert_eq!(one["auth_expires_at"], json!(START.0 + 300_000));
    assert_eq!((&one["resumed"], &one["gap"], &one["heartbeat_ms"]), (&json!(false), &json!(false), &json!(25_000)));
    assert!(one["access_token"].is_string() && one["refresh_token"].is_string());
    assert_ne!(one["connection"], two["connection"]);
}

#[test]
fn a_guests_own_tokens_work_in_a_later_hello() {
    let mut hub = Fixture::new();
    let (first, second) = (hub.connect(), hub.connect());
    let guest = hub.ask(first, "hello", json!({"guest": {"device_id": "tab"}})).expect("is welcome");
    let again = hub.ask(second, "hello", json!({"token": guest["access_token"]})).expect("is welcome");
    assert_eq!(again["user"], guest["user"]);
    assert!(again.get("access_token").is_none());
    assert_eq!(hub.close_code(first), Some(CloseCode::Replaced));
    assert_eq!(hub.close_code(second), None);
}

#[test]
fn rule_4_a_bearer_of_the_upgrade_is_identity_enough() {
    let mut hub = Fixture::new();
    let token = hub.token("ann", 60);
    let id = hub.connect_as("192.0.2.1", Some(token));
    assert_eq!(hub.ask(id, "hello", json!({})).expect("is welcome")["user"]["id"], "shop:ann");
}

#[test]
fn rule_9_before_hello_everything_else_is_unauthorized_and_the_deadline_goes_on() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    hub.advance(4 * SECOND);
    for kind in ["queue.join", "bye", "no.such.type"] {
        assert_eq!(hub.ask(id, kind, json!({})), Err("unauthorized".into()), "{kind}");
    }
    assert_eq!(hub.close_code(id), None);
    hub.advance(SECOND);
    assert_eq!(hub.close_code(id), Some(CloseCode::HelloTimeout));
}

#[test]
fn rule_9_a_second_hello_is_a_conflict() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    assert_eq!(hub.ask(id, "hello", json!({"guest": {"device_id": "x"}})), Err("conflict".into()));
    hub.advance(10 * SECOND);
    assert_eq!(hub.close_code(id), None);
}

#[test]
fn rule_9_a_hello_without_or_with_two_identities_can_be_repeated() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    assert_eq!(hub.ask(id, "hello", json!({})), Err("bad_request".into()));
    let both = json!({"token": "t", "guest": {"device_id": "d"}});
    assert_eq!(hub.ask(id, "hello", both), Err("bad_request".into()));
    assert!(hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})).is_ok());
}

#[test]
fn rule_9_a_wrong_token_is_answered_then_closed_with_4401() {
    let mut hub = Fixture::new();
    let expired = hub.token("ann", 0);
    for data in
        [json!({"token": "nonsense"}), json!({"token": expired}), json!({"resume": {"token": "r", "last_seq": 3}})]
    {
        let id = hub.connect();
        assert_eq!(hub.ask(id, "hello", data), Err("unauthorized".into()));
        assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    }
}

#[test]
fn where_guests_are_not_accepted_their_hello_is_forbidden() {
    let mut hub = Fixture::with(crate::signal::Settings { guests: false, ..settings() });
    let id = hub.connect();
    assert_eq!(hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})), Err("forbidden".into()));
    assert_eq!(hub.close_code(id), Some(CloseCode::Forbidden));
}

#[test]
fn where_somebody_judges_guests_their_hello_is_forbidden_and_their_token_is_welcome() {
    let mut hub = Fixture::with(crate::signal::Settings { guests_by_hello: false, ..settings() });
    let id = hub.connect();
    assert_eq!(hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})), Err("forbidden".into()));
    assert_eq!(hub.close_code(id), Some(CloseCode::Forbidden));
    let judged =
        hub.hub.handle_guest("192.0.2.1".parse().expect("an address"), "d", hub.now).expect("within the budget");
    let id = hub.connect();
    assert!(hub.ask(id, "hello", json!({"token": judged.access_token})).is_ok());
}

#[test]
fn rule_7_hello_is_answered_without_an_id_and_other_failures_are_not() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    hub.take(id);
    hub.send(id, r#"{"type":"queue.join"}"#);
    assert!(hub.take(id).is_empty());
    hub.send(id, r#"{"type":"hello","data":{"guest":{"device_id":"d"}}}"#);
    let reply = hub.take_one(id, "ok");
    assert!(reply.get("re").is_none());
    hub.send(id, r#"{"type":"no.such.type"}"#);
    hub.send(id, r#"{"type":"session.end","data":{"session":"x"}}"#);
    assert!(hub.take(id).is_empty());
}

#[test]
fn rule_15_expiry_is_announced_60_s_before_and_enforced_25_s_after() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    hub.advance(239 * SECOND);
    assert!(hub.take(id).is_empty());
    hub.advance(SECOND);
    assert_eq!(hub.take_one(id, "auth.expiring")["data"], json!({"at": START.0 + 300_000}));
    hub.advance(84 * SECOND);
    assert_eq!(hub.close_code(id), None);
    hub.advance(SECOND);
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
}

#[test]
fn rule_15_a_refreshed_socket_lives_on() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    let guest = hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})).expect("is welcome");
    hub.advance(250 * SECOND);
    let refresh_token = guest["refresh_token"].as_str().expect("a token");
    let issued = hub.refresh(refresh_token).expect("is fresh");
    let ok = hub.ask(id, "auth.refresh", json!({"token": issued.access_token})).expect("is valid");
    assert_eq!(ok, json!({"auth_expires_at": START.0 + 550_000}));
    hub.take(id);
    hub.advance(239 * SECOND);
    assert!(hub.take(id).is_empty());
    hub.advance(SECOND);
    assert_eq!(hub.take_kinds(id), ["auth.expiring"]);
    hub.advance(85 * SECOND);
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
}

#[test]
fn rule_15_the_token_of_another_user_is_forbidden_and_a_bad_one_unauthorized() {
    let mut hub = Fixture::new();
    let id = hub.user("ann");
    let (other, own) = (hub.token("bob", 60), hub.token("ann", 7200));
    assert_eq!(hub.ask(id, "auth.refresh", json!({"token": other})), Err("forbidden".into()));
    assert_eq!(hub.ask(id, "auth.refresh", json!({"token": "x"})), Err("unauthorized".into()));
    assert!(hub.ask(id, "auth.refresh", json!({"token": own})).is_ok());
    assert_eq!(hub.close_code(id), None);
}

#[test]
fn rule_17_a_refresh_token_used_twice_closes_the_live_sockets_of_its_family() {
    let mut hub = Fixture::new();
    let (id, bystander) = (hub.connect(), hub.guest());
    let guest = hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})).expect("is welcome");
    let refresh_token = guest["refresh_token"].as_str().expect("a token");
    assert!(hub.refresh(refresh_token).is_ok());
    assert!(hub.refresh(refresh_token).is_err());
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    assert_eq!(hub.close_code(bystander), None);
    let again = hub.connect();
    assert_eq!(hub.ask(again, "hello", json!({"token": guest["access_token"]})), Err("unauthorized".into()));
}

#[test]
fn rule_13_bye_is_answered_and_closed_with_1000() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    assert_eq!(hub.ask(id, "bye", json!({})), Ok(json!({})));
    assert_eq!(hub.close_code(id), Some(CloseCode::Normal));
}

#[test]
fn ack_is_accepted() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    assert_eq!(hub.ask(id, "ack", json!({"seq": 5})), Ok(json!({})));
    assert_eq!(hub.ask(id, "ack", json!({})), Err("bad_request".into()));
}
