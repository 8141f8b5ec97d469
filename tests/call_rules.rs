//! The rules of queue, match, session and rtc, one by one, against the built program; numbers are those of the
//! protocol's fine print.
mod support;

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::ws::Client;
use support::ws::matched_pair;

const CID: &str = "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11";

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("fits")
}

/// A new guest in the queue.
async fn waiting(http: SocketAddr, device: &str, wish: Value) -> Client {
    let (mut client, _) = Client::guest(http, device).await;
    client.ask("queue.join", wish).await;
    client
}

/// Whether two guests with these wishes meet at once.
async fn meet(http: SocketAddr, a: Value, b: Value) -> bool {
    let mut a_client = waiting(http, "meet-a", a).await;
    let mut b_client = waiting(http, "meet-b", b).await;
    // The engine answers in microseconds; a leave tells whether it has matched before.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let left = [
        a_client.ask("queue.leave", json!({})).await["left"].clone(),
        b_client.ask("queue.leave", json!({})).await["left"].clone(),
    ];
    for client in [&mut a_client, &mut b_client] {
        client.ask("bye", json!({})).await;
    }
    assert_eq!(left[0], left[1]);
    left[0] == false
}

#[tokio::test]
async fn rules_10_19_and_21_what_queue_join_takes_and_refuses() {
    let server = Server::start("[limits]\nqueue_joins_per_minute = 1000\n");
    let (mut client, _) = Client::guest(server.addr("http"), "d").await;
    let tags = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>();
    for (wish, code) in [
        (json!({"tags": tags(11)}), "bad_request"),
        (json!({"tags": ["x".repeat(33)]}), "too_large"),
        (json!({"tags": [""]}), "bad_request"),
        (json!({"tags": ["  "]}), "bad_request"),
        (json!({"tags": [7]}), "bad_request"),
        (json!({"tags": "music"}), "bad_request"),
        (json!({"languages": tags(11)}), "bad_request"),
        (json!({"languages": ["x".repeat(33)]}), "too_large"),
        (json!({"region": "x".repeat(33)}), "too_large"),
        (json!({"region": 5}), "bad_request"),
        (json!({"mode": "x".repeat(33)}), "too_large"),
        (json!({"mode": ""}), "bad_request"),
        (json!({"tag_wait_ms": 60_001}), "bad_request"),
        (json!({"tag_wait_ms": -1}), "bad_request"),
        (json!({"tag_wait_ms": 1.5}), "bad_request"),
        (json!({"attrs": {"k": {}}}), "bad_request"),
        (json!({"attrs": []}), "bad_request"),
        (json!({"want": {"k": {"a": 1}}}), "bad_request"),
        (json!({"want": {"k": [[]]}}), "bad_request"),
    ] {
        assert_eq!(client.refused("queue.join", wish.clone()).await, code, "{wish}");
    }
    // 32 characters, though more bytes; ten entries; the longest wait.
    let wish = json!({"tags": tags(9).into_iter().chain(["\u{e9}".repeat(32)]).collect::<Vec<_>>(),
        "languages": ["en", "EN ", "de"], "region": "eu", "mode": "m".repeat(32), "tag_wait_ms": 60_000,
        "attrs": {"k": "v", "n": 5, "b": true}, "want": {"k": ["v", "w"]}, "media": {"audio": true, "video": false}});
    let before = unix_millis();
    let status = client.ask("queue.join", wish).await;
    assert_eq!((&status["state"], &status["level"], &status["ahead"]), (&json!("searching"), &json!(0), &json!(0)));
    assert_eq!(status["waiting"], 1);
    assert!(status.get("eta_ms").is_some_and(|eta| eta.is_null() || eta.is_u64()), "{status}");
    let since = status["since"].as_u64().expect("a time");
    assert!((before - 5..=unix_millis()).contains(&since), "{since}");
    let pushed = client.message(|message| message["type"] == "queue.status").await;
    assert!(pushed["ts"].is_u64() && pushed.get("seq").is_none(), "{pushed}");
    assert_eq!(pushed["data"]["since"], status["since"]);
    assert_eq!(client.refused("queue.join", json!({})).await, "already_queued");
    assert_eq!(client.ask("queue.leave", json!({})).await, json!({"left": true}));
    assert_eq!(client.ask("queue.leave", json!({})).await, json!({"left": false}));
}

#[tokio::test]
async fn rules_21_and_22_who_meets_whom() {
    let server = Server::start("[limits]\nqueue_joins_per_minute = 1000\n");
    let http = server.addr("http");
    let with = |wish: Value| {
        let mut all = json!({"tags": ["t"]});
        all.as_object_mut().expect("an object").extend(wish.as_object().expect("an object").clone());
        all
    };
    for (a, b, expected) in [
        (json!({"tags": ["Caf\u{e9} "]}), json!({"tags": [" cafe\u{301}"]}), true),
        (json!({"tags": ["a", "b"]}), json!({"tags": ["c", "b"]}), true),
        (json!({"tags": ["a"]}), json!({"tags": ["b"]}), false),
        (json!({"tags": ["a"]}), json!({"tags": ["any"]}), true),
        (json!({"tags": ["a"]}), json!({"tags": ["x", "any"]}), true),
        (json!({"tags": ["a"]}), json!({}), true),
        (with(json!({"languages": ["en"]})), with(json!({"languages": ["de"]})), false),
        (with(json!({"languages": ["en", "de"]})), with(json!({"languages": ["DE"]})), true),
        (with(json!({"languages": ["en"]})), with(json!({"languages": []})), true),
        (with(json!({"region": "eu"})), with(json!({"region": "us"})), false),
        (with(json!({"region": "eu"})), with(json!({"region": "any"})), true),
        (with(json!({"region": "eu"})), with(json!({"region": "EU"})), true),
        (with(json!({"mode": "audio"})), with(json!({})), false),
        (with(json!({"mode": "video"})), with(json!({})), true),
        (with(json!({"want": {"k": "v"}})), with(json!({})), false),
        (with(json!({"want": {"k": "v"}})), with(json!({"attrs": {"k": "v"}})), true),
        (with(json!({"want": {"k": ["u", "v"]}})), with(json!({"attrs": {"k": "v"}})), true),
        (with(json!({"want": {"k": "v"}})), with(json!({"attrs": {"k": "w"}})), false),
        (
            with(json!({"want": {"k": "v"}, "attrs": {"j": 1}})),
            with(json!({"attrs": {"k": "v"}, "want": {"j": 2}})),
            false,
        ),
        (
            with(json!({"media": {"audio": true, "video": false}})),
            with(json!({"media": {"audio": true, "video": true}})),
            true,
        ),
    ] {
        assert_eq!(meet(http, a.clone(), b.clone()).await, expected, "{a} and {b}");
    }
    // Two users of one device are never matched (rule 1).
    let mut a = waiting(http, "same", json!({"tags": ["d"]})).await;
    let mut b = waiting(http, "same", json!({"tags": ["d"]})).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(a.ask("queue.leave", json!({})).await["left"], true);
    assert_eq!(b.ask("queue.leave", json!({})).await["left"], true);
}

#[tokio::test]
async fn rule_19_levels_widen_by_the_own_wait_and_are_told() {
    let server = Server::start("[matchmaking]\nlevels = [\"1s\", \"2s\", \"3s\", \"4s\"]\n");
    let http = server.addr("http");
    let begun = Instant::now();
    let wish =
        |tag: &str, region: &str, language: &str| json!({"tags": [tag], "region": region, "languages": [language]});
    let mut a = waiting(http, "a", wish("x", "eu", "en")).await;
    let mut b = waiting(http, "b", wish("y", "us", "de")).await;
    let mut levels = Vec::new();
    let found = loop {
        let message = a.message(|message| message["type"] == "queue.status" || message["type"] == "match.found").await;
        if message["type"] == "match.found" {
            break message;
        }
        let level = message["data"]["level"].as_u64().expect("a level");
        let state = if level == 0 { "searching" } else { "widening" };
        assert_eq!(message["data"]["state"], state, "{message}");
        levels.push((level, begun.elapsed()));
    };
    assert!((2_900..4_500).contains(&begun.elapsed().as_millis()), "any language at 3 s: {:?}", begun.elapsed());
    assert!(
        levels.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[1].1 - pair[0].1 > Duration::from_millis(1_900)
            || pair[1].1 < Duration::from_millis(1_900)),
        "one queue.status in 2 s: {levels:?}"
    );
    assert_eq!(found["data"]["peer"]["tags_common"], json!([]));
    b.push("match.found").await;
}

#[tokio::test]
async fn rules_24_and_25_match_found_has_its_fields_and_roles() {
    let server = Server::start("");
    let http = server.addr("http");
    let before = unix_millis();
    let ((mut a, a_found), (_b, b_found)) = matched_pair(http, "fields").await;
    for (own, other) in [(&a_found, &b_found), (&b_found, &a_found)] {
        assert_eq!((&own["session"], &own["peer"]["id"]), (&other["session"], &other["self"]));
        assert_eq!(own["peer"]["tags_common"], json!(["fields"]));
        assert_eq!(own["initiator"] == true, own["role"] == "impolite", "{own}");
        assert_eq!(own["ice_policy"], "all");
        let time = own["server_time"].as_u64().expect("a time");
        assert!((before..=unix_millis()).contains(&time));
        assert!(own["waited_ms"].as_u64().is_some_and(|waited| waited < 5_000), "{own}");
        assert_eq!(own["deadline"].as_u64(), Some(time + 300_000));
        let expires = own["ice_expires_at"].as_u64().expect("a time");
        assert!((599_000..=601_000).contains(&(expires - time)), "max(10 min, left + 5 min): {own}");
        for server in own["ice_servers"].as_array().expect("a list") {
            assert!(server["urls"].as_array().is_some_and(|urls| !urls.is_empty()), "{server}");
            if let Some(username) = server["username"].as_str() {
                let (expiry, id) = username.split_once(':').expect("expiry and id");
                assert_eq!(expiry.parse::<u64>().expect("seconds") * 1000, expires);
                let (session, side) = id.split_once('.').expect("session and side");
                assert!(own["session"] == session && ["a", "b"].contains(&side), "{username}");
            }
        }
    }
    assert_ne!(a_found["role"], b_found["role"]);
    assert_ne!(a_found["self"], b_found["self"]);
    assert_eq!(a.refused("queue.join", json!({})).await, "conflict");
    let first = a.ask("ice.refresh", json!({"session": a_found["session"]})).await;
    assert!(first["ice_servers"].is_array() && first["expires_at"].is_u64(), "{first}");
    assert!(a.ask("ice.refresh", json!({})).await["ice_servers"].is_array());
    assert_eq!(a.refused("ice.refresh", json!({"session": "x"})).await, "not_in_session");

    let endless = Server::start("[session]\nlimit = \"0s\"\nice_policy = \"relay\"\n");
    let ((mut a, found), _b) = matched_pair(endless.addr("http"), "endless").await;
    assert_eq!((found.get("deadline"), &found["ice_policy"]), (Some(&Value::Null), &json!("relay")));
    assert_eq!(a.refused("session.extend", json!({"session": found["session"]})).await, "conflict");
}

#[tokio::test]
async fn rules_26_to_29_what_the_peers_tell_each_other() {
    let server = Server::start("");
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "rtc").await;
    let (session, own, peer) = (found["session"].clone(), found["self"].clone(), found["peer"]["id"].clone());
    let sdp = |len: usize| json!({"session": session, "to": peer, "neg": 1, "kind": "offer", "sdp": "v".repeat(len)});
    a.ask("rtc.description", sdp(48 * 1024)).await;
    let got = b.message(|message| message["type"] == "rtc.description").await;
    assert!(got["seq"].is_u64() && got["ts"].is_u64());
    assert_eq!((&got["data"]["from"], &got["data"]["to"], &got["data"]["neg"]), (&own, &peer, &json!(1)));
    assert_eq!(a.refused("rtc.description", sdp(48 * 1024 + 1)).await, "too_large");
    for to in [own.clone(), json!("x"), json!("")] {
        let offer = json!({"session": session, "to": to, "neg": 1, "kind": "offer", "sdp": "v=0"});
        assert_eq!(a.refused("rtc.description", offer).await, "not_found");
        let list = json!({"session": session, "to": to, "neg": 1, "candidates": []});
        assert_eq!(a.refused("rtc.candidates", list).await, "not_found");
    }
    a.ask("rtc.description", json!({"session": session, "neg": -3, "kind": "rollback"})).await;
    assert_eq!(b.push("rtc.description").await.get("sdp"), None);
    let candidates = |count: usize, len: usize| {
        let frame = json!({"candidate": ""}).to_string().len();
        let list = vec![json!({"candidate": "x".repeat(len - frame)}); count];
        json!({"session": session, "neg": 1, "ufrag": "u", "candidates": list, "end": true, "evil": 1, "from": "evil"})
    };
    a.ask("rtc.candidates", candidates(64, 100)).await;
    let got = b.push("rtc.candidates").await;
    assert_eq!((&got["from"], got["candidates"].as_array().map(Vec::len)), (&own, Some(64)));
    assert_eq!((&got["ufrag"], &got["end"], got.get("evil")), (&json!("u"), &json!(true), None));
    a.ask("rtc.candidates", candidates(1, 1024)).await;
    assert_eq!(a.refused("rtc.candidates", candidates(1, 1025)).await, "too_large");
    assert_eq!(a.refused("rtc.candidates", candidates(65, 100)).await, "bad_request");
    // JSON that many parsers refuse must not reach the peer.
    for raw in [r#"{"candidate":"\ud800"}"#, r#"{"candidate":1e999}"#] {
        let frame = format!(
            r#"{{"type":"rtc.candidates","id":900,"data":{{"session":{session},"neg":1,"candidates":[{raw}]}}}}"#
        );
        a.send_frame(tokio_tungstenite::tungstenite::Message::text(frame)).await;
        let answer = a.message(|message| message["re"] == 900).await;
        assert_eq!(answer["error"]["code"], "bad_request", "{raw}: {answer}");
    }
    let frame = format!(
        r#"{{"type":"rtc.description","id":901,"data":{{"session":{session},"neg":1,"kind":"offer","sdp":"\udc00"}}}}"#
    );
    a.send_frame(tokio_tungstenite::tungstenite::Message::text(frame)).await;
    assert_eq!(a.message(|message| message["re"] == 901).await["error"]["code"], "bad_request");

    a.ask("rtc.state", json!({"session": session, "state": "connected", "path": "relay", "setup_ms": 812})).await;
    let got = b.push("peer.state").await;
    assert_eq!((&got["from"], &got["path"], &got["setup_ms"]), (&own, &json!("relay"), &json!(812)));
    a.ask("media.state", json!({"session": session, "audio": true, "video": false, "screen": true})).await;
    let got = b.push("peer.media").await;
    assert_eq!((&got["audio"], &got["video"], &got["screen"]), (&json!(true), &json!(false), &json!(true)));
    let begun = Instant::now();
    for score in [90, 80, 70] {
        a.ask("rtc.quality", json!({"session": session, "score": score, "rtt_ms": 31, "loss": 0.01})).await;
    }
    assert_eq!(b.push("peer.quality").await["score"], 90);
    let held = b.message(|message| message["type"] == "peer.quality").await;
    assert_eq!((&held["data"]["score"], held.get("seq")), (&json!(70), None));
    assert!((4_500..7_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());

    let (mut stranger, _) = Client::guest(server.addr("http"), "stranger").await;
    let offer = json!({"session": session, "neg": 1, "kind": "offer", "sdp": "v=0"});
    for (kind, data) in [
        ("rtc.description", offer.clone()),
        ("rtc.candidates", json!({"session": session, "neg": 1, "candidates": []})),
        ("rtc.state", json!({"session": session, "state": "new"})),
        ("media.state", json!({"session": session, "audio": true, "video": true})),
        ("chat.send", json!({"session": session, "cid": CID, "kind": "text", "text": "x"})),
        ("chat.typing", json!({"session": session, "on": true})),
        ("chat.react", json!({"session": session, "emoji": "x"})),
        ("session.next", json!({"session": session})),
        ("session.end", json!({"session": session})),
        ("session.extend", json!({"session": session})),
        ("ice.refresh", json!({"session": session})),
    ] {
        assert_eq!(stranger.refused(kind, data.clone()).await, "not_in_session", "{kind}");
        let mut unknown = data.clone();
        unknown["session"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(
            stranger.error(kind, data).await["message"],
            stranger.error(kind, unknown).await["message"],
            "{kind} tells which"
        );
    }
    b.ask("session.end", json!({"session": session})).await;
    a.push("session.ended").await;
    assert_eq!(a.refused("rtc.description", offer).await, "not_in_session");
}

#[tokio::test]
async fn rules_30_to_32_extend_warn_and_end_at_the_limit() {
    let server = Server::start("[session]\nlimit = \"11s\"\n");
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "limit").await;
    let (session, deadline) = (found["session"].clone(), found["deadline"].as_u64().expect("a deadline"));
    let warning = a.push("session.warning").await;
    assert_eq!(warning, json!({"session": session, "remaining_ms": 10_000}));
    let late = unix_millis().abs_diff(deadline - 10_000);
    assert!(late < 1_000, "{late} ms");
    b.push("session.warning").await;
    assert_eq!(a.ask("session.extend", json!({"session": session})).await, json!({"pending": true}));
    assert_eq!(b.push("session.extend").await, json!({"session": session, "from": found["self"]}));
    assert_eq!(b.ask("session.extend", json!({"session": session})).await, json!({"pending": false}));
    for side in [&mut a, &mut b] {
        let extended = side.push("session.extended").await;
        assert_eq!(extended, json!({"session": session, "deadline": deadline + 11_000}));
    }
    b.ask("bye", json!({})).await;
    assert_eq!(a.push("session.ended").await["reason"], "ended");
    assert_eq!(b.closed().await, 1000);
}

#[tokio::test]
async fn rule_31_next_requeues_the_skipper_only_under_a_budget_and_with_its_preferences() {
    let server = Server::start("[limits]\nskips_per_minute = 1\n");
    let http = server.addr("http");
    let ((mut a, found), (mut b, _)) = matched_pair(http, "skip").await;
    let status = a.ask("session.next", json!({"session": found["session"]})).await;
    assert_eq!((&status["state"], &status["level"]), (&json!("searching"), &json!(0)));
    for side in [&mut a, &mut b] {
        assert_eq!(side.push("session.ended").await["reason"], "skipped");
    }
    assert_eq!(b.ask("queue.leave", json!({})).await["left"], false);
    assert_eq!(a.refused("session.next", json!({"session": found["session"]})).await, "not_in_session");
    let mut other = waiting(http, "other", json!({"tags": ["other"]})).await;
    let mut c = waiting(http, "c", json!({"tags": ["skip"]})).await;
    let again = a.push("match.found").await;
    assert_eq!(again["peer"]["tags_common"], json!(["skip"]));
    c.push("match.found").await;
    let refused = a.error("session.next", json!({"session": again["session"]})).await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 30_000), "{refused}");
    a.ask("chat.send", json!({"session": again["session"], "cid": CID, "kind": "text", "text": "still here"})).await;
    assert_eq!(c.push("chat.message").await["text"], "still here");
    assert_eq!(other.ask("queue.leave", json!({})).await["left"], true);
}

#[tokio::test]
async fn rules_12_and_33_a_newer_socket_takes_the_session_over_and_seq_has_no_holes() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut a, hello) = Client::guest(http, "a").await;
    a.ask("queue.join", json!({"tags": ["over"]})).await;
    let mut b = waiting(http, "b", json!({"tags": ["over"]})).await;
    let found = a.push("match.found").await;
    b.push("match.found").await;
    let session = found["session"].clone();
    a.ask("rtc.description", json!({"session": session, "neg": 4, "kind": "offer", "sdp": "v=0"})).await;
    let mut newer = Client::connect(http).await;
    let ok = newer.ask("hello", json!({"token": hello["access_token"]})).await;
    assert_eq!((&ok["resumed"], &ok["gap"], &ok["user"]), (&json!(false), &json!(true), &hello["user"]));
    assert_eq!(a.closed().await, 4409);
    let sync = newer.push("sync").await;
    let shown = &sync["sessions"][0];
    for field in ["session", "self", "peer", "role", "initiator", "deadline"] {
        assert_eq!(shown[field], found[field], "{field}: {sync}");
    }
    assert_eq!(shown["neg"], 4);
    assert_eq!(b.push("peer.resumed").await["session"], session);
    newer.ask("chat.send", json!({"session": session, "cid": CID, "kind": "text", "text": "back"})).await;
    newer.ask("session.end", json!({"session": session})).await;
    let mut seqs = Vec::new();
    loop {
        let message = b.message(|message| message.get("seq").is_some()).await;
        seqs.push(message["seq"].as_u64().expect("a number"));
        assert!(message["ts"].is_u64(), "{message}");
        if message["type"] == "session.ended" {
            break;
        }
    }
    // match.found (1) and peer.resumed were taken before.
    assert_eq!((seqs.first(), seqs.last()), (Some(&2), Some(&5)), "{seqs:?}");
    let first = newer.message(|message| message["type"] == "session.ended").await;
    assert_eq!(first["seq"], 1, "a fresh hello begins a new chain");
}
