use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use crate::matchmaking::UserId;

const CID: &str = "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11";

#[test]
fn rule_27_the_server_names_the_sender_and_passes_on_only_what_is_documented() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    let (own, peer) = (&found[0]["data"]["self"], &found[0]["data"]["peer"]["id"]);
    let data = json!({
        "session": session, "to": peer, "from": "somebody else", "neg": 2, "kind": "offer", "sdp": "v=0\r\n", "x": 1,
    });
    assert_eq!(hub.ask(a, "rtc.description", data), Ok(json!({})));
    let got = hub.take_one(b, "rtc.description");
    assert_eq!(
        got["data"],
        json!({"session": session, "from": own, "to": peer, "neg": 2, "kind": "offer", "sdp": "v=0\r\n"})
    );
    let data = json!({"session": session, "neg": 2, "candidates": [{"candidate": "c", "odd": [1]}], "end": true});
    assert_eq!(hub.ask(a, "rtc.candidates", data), Ok(json!({})));
    let got = hub.take_one(b, "rtc.candidates");
    assert_eq!(
        got["data"],
        json!({"session": session, "from": own, "neg": 2, "candidates": [{"candidate": "c", "odd": [1]}], "end": true})
    );
    assert_eq!(hub.stats.offers_total.value(), 1);
}

#[test]
fn rule_27_a_wrong_receiver_and_oneself_are_not_found() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    for to in [&found[0]["data"]["self"], &json!("nobody")] {
        let data = json!({"session": session, "to": to, "neg": 1, "kind": "rollback"});
        assert_eq!(hub.ask(a, "rtc.description", data), Err("not_found".into()));
        let data = json!({"session": session, "to": to, "neg": 1, "candidates": []});
        assert_eq!(hub.ask(a, "rtc.candidates", data), Err("not_found".into()));
    }
    assert!(hub.take(b).is_empty());
}

#[test]
fn rule_42_credentials_over_rest_belong_to_the_live_session_else_to_the_user() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, _, session, _) = hub.pair_up(a, b);
    let ann = UserId("shop:ann".into());
    let name = |hub: &mut Fixture| {
        let told = hub.hub.handle_ice_ask(&ann, None, hub.now);
        assert!(told["expires_at"].as_u64().is_some_and(|expires| expires > START.0), "{told}");
        told["ice_servers"][1]["username"].as_str().expect("a name").to_owned()
    };
    assert!(name(&mut hub).contains(&format!(":{session}.")));
    hub.ask(a, "session.end", json!({"session": session})).expect("ends");
    let alone = name(&mut hub);
    assert!(!alone.contains(&session) && !alone.contains("ann"), "{alone}");
    assert_eq!(name(&mut hub), alone, "the quotas of the relay count by this name");
}

#[test]
fn rule_29_states_qualities_and_media_arrive_with_the_same_fields() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    let from = &found[0]["data"]["self"];
    for (kind, pushed, fields) in [
        ("rtc.state", "peer.state", json!({"state": "connected", "path": "relay", "setup_ms": 812})),
        ("rtc.state", "peer.state", json!({"state": "failed", "fail_reason": "no route"})),
        (
            "rtc.quality",
            "peer.quality",
            json!({"score": 87, "rtt_ms": 40.5, "loss": 0, "jitter_ms": 3, "bitrate": 1e6}),
        ),
        ("media.state", "peer.media", json!({"audio": true, "video": false, "screen": true})),
    ] {
        let mut data = fields;
        data["session"] = json!(session);
        assert_eq!(hub.ask(a, kind, data.clone()), Ok(json!({})));
        data["from"] = from.clone();
        let got = hub.take_one(b, pushed);
        assert_eq!(got["data"], data);
        assert!(got.get("seq").is_none());
    }
}

#[test]
fn rule_29_a_quality_faster_than_5_s_is_ok_and_the_latest_comes_in_time() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    for score in 1..=4 {
        assert!(hub.ask(a, "rtc.quality", json!({"session": session, "score": score})).is_ok());
        hub.advance(Duration::from_secs(1));
    }
    assert_eq!(hub.take_one(b, "peer.quality")["data"]["score"], 1);
    hub.advance(Duration::from_millis(999));
    assert!(hub.take(b).is_empty());
    hub.advance(Duration::from_millis(1));
    assert_eq!(hub.take_one(b, "peer.quality")["data"]["score"], 4);
    hub.advance(Duration::from_secs(10));
    assert!(hub.take(b).is_empty());
}

#[test]
fn rule_26_nobody_is_in_a_room_here() {
    let mut hub = Fixture::new();
    let (a, ..) = hub.pair();
    let text = json!({"room": "r", "cid": CID, "kind": "text", "text": "hi"});
    assert_eq!(hub.ask(a, "chat.send", text), Err("not_in_session".into()));
    assert_eq!(hub.ask(a, "chat.typing", json!({"on": true})), Err("bad_request".into()));
}

#[test]
fn ice_refresh_mints_for_the_session_and_without_one_for_the_user() {
    let mut hub = Fixture::new();
    let stranger = hub.guest();
    let own = hub.ask(stranger, "ice.refresh", json!({})).expect("is granted");
    assert_eq!(own["expires_at"], json!(START.0 + 600_000));
    let username = own["ice_servers"][1]["username"].as_str().expect("a name");
    assert!(username.starts_with(&format!("{}:user-", START.as_secs() + 600)));
    let (_, b, session, _) = hub.pair();
    hub.advance(Duration::from_secs(60));
    let expiry = START.as_secs() + 660;
    for data in [json!({}), json!({"session": session})] {
        let refreshed = hub.ask(b, "ice.refresh", data).expect("is granted");
        assert_eq!(refreshed["ice_servers"][1]["username"], json!(format!("{expiry}:{session}.b")));
        assert_eq!(refreshed["expires_at"], json!(expiry * 1000));
    }
}
