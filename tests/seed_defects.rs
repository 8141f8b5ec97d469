//! What the systems that this one replaces really did wrong, each shown to be impossible here.
//!
//! S0 is Speed Connect, self-hosted; S1 Speed Connect, AWS-managed; S2 the Video Chat Backend; S3 Socket.IO random-video
//! signaling; S4 the realtime chat and video platform; OC a well-known clone of Omegle. Some of their defects have tests
//! elsewhere:
//!
//! - S0, the five-minute timer is lost on a restart: `restart.rs`.
//! - S1, the heartbeat throws: `protocol_rules.rs`, rule 13.
//! - S2, two matchers take the same people because they read, create and remove in three steps: one step here, see
//!   `no_pair_is_wrong_doubled_or_left_waiting` and `whatever_is_lost_when_nothing_is_forgotten_or_done_twice` of the library.
//! - S2, the block check fails open: there is no check that could fail, the engine itself holds the blocks; the same properties.
//! - S1, pairing sees the sockets of one process alone, and S2, other nodes never learn of an end: what nodes tell each other is
//!   for the tests of `bus`.
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use duologue::matchmaking::AgeBand;
use duologue::matchmaking::Engine;
use duologue::matchmaking::Match;
use duologue::matchmaking::Preferences;
use duologue::matchmaking::Settings;
use duologue::matchmaking::Ticket;
use duologue::matchmaking::TicketId;
use duologue::matchmaking::UserId;
use duologue::time::Mono;
use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::post_json;
use support::ws::Client;
use support::ws::matched_pair;

const CID: &str = "9b1f6a3e-2f77-4c0e-8f5c-5d7d3c9a1e21";
const PATIENCE: Duration = Duration::from_secs(30);

/// A new guest in the queue.
async fn waiting(http: SocketAddr, device: &str, wish: Value) -> Client {
    let (mut client, _) = Client::guest(http, device).await;
    client.ask("queue.join", wish).await;
    client
}

async fn is_waiting(client: &mut Client) -> bool {
    client.ask("queue.leave", json!({})).await["left"] == true
}

fn ticket(number: u64, tags: &[&str], now: Mono) -> Ticket {
    Ticket {
        id: TicketId(number),
        user: UserId(format!("user-{number}").into()),
        device: None,
        age_band: AgeBand::unknown(),
        preferences: Preferences { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..Preferences::default() },
        since: now,
    }
}

fn at(seconds: u64) -> Mono {
    Mono::from_start(Duration::from_secs(seconds))
}

fn matches(engine: &mut Engine, now: Mono) -> Vec<Match> {
    let mut found = Vec::new();
    while engine.next_deadline().is_some_and(|due| due <= now) {
        found.extend(engine.poll_match(now));
    }
    found
}

/// S0: a user stands in the list of every tag, and a match under one leaves him in the others.
#[tokio::test]
async fn s0_a_match_under_one_tag_ends_the_wait_under_all_of_them() {
    let server = Server::start("");
    let http = server.addr("http");
    let mut ann = waiting(http, "ann", json!({"tags": ["chess", "music", "films"]})).await;
    let mut bob = waiting(http, "bob", json!({"tags": ["chess"]})).await;
    let session = ann.push("match.found").await["session"].clone();
    assert_eq!(bob.push("match.found").await["session"], session);
    let mut cem = waiting(http, "cem", json!({"tags": ["music"]})).await;
    let mut dan = waiting(http, "dan", json!({"tags": ["films", "music"]})).await;
    // Whoever comes later meets those who wait, not her.
    let theirs = cem.push("match.found").await["session"].clone();
    assert_eq!(dan.push("match.found").await["session"], theirs);
    assert_ne!(theirs, session);
    ann.nothing_of("match.found").await;
}

/// S0: repeated `queue` leaves duplicates. S3: repeated `find-random-partner` has one matched with himself.
#[tokio::test]
async fn s0_s3_joining_again_makes_no_second_ticket_and_nobody_meets_himself() {
    let server = Server::start("");
    let http = server.addr("http");
    let mut ann = waiting(http, "ann", json!({"tags": ["chess"]})).await;
    for _ in 0..5 {
        assert_eq!(ann.refused("queue.join", json!({"tags": ["chess"]})).await, "already_queued");
    }
    ann.nothing_of("match.found").await;
    assert_eq!(server.metric("video_chat_queue_length", ""), 1.0);
    let mut bob = waiting(http, "bob", json!({"tags": ["chess"]})).await;
    ann.push("match.found").await;
    bob.push("match.found").await;
    let mut cem = waiting(http, "cem", json!({"tags": ["chess"]})).await;
    cem.nothing_of("match.found").await;
    assert!(is_waiting(&mut cem).await, "no ghost of the others is left to meet");
}

/// S0: the life of a whole list ends at once, also for who came a second ago. S1: one of two removals fails and leaves a ghost.
#[test]
fn s0_s1_tickets_end_one_by_one_and_leave_no_ghost() {
    let mut engine = Engine::new(Settings::default());
    engine.join(ticket(1, &["chess", "music"], at(0)), at(0)).expect("there is room");
    assert_eq!(matches(&mut engine, at(29)), []);
    engine.leave(TicketId(1)).expect("it waits");
    engine.join(ticket(2, &["chess", "music", "films"], at(29)), at(29)).expect("there is room");
    assert_eq!(matches(&mut engine, at(3_600)), []);
    engine.join(ticket(3, &["films", "chess"], at(3_600)), at(3_600)).expect("there is room");
    let found = matches(&mut engine, at(3_600));
    assert_eq!(found.iter().map(|found| (found.a.id, found.b.id)).collect::<Vec<_>>(), [(TicketId(2), TicketId(3))]);
    assert!(engine.is_empty());
    for (number, tag) in [(4, "music"), (5, "films"), (6, "chess")] {
        engine.join(ticket(number, &[tag], at(3_600)), at(3_600)).expect("there is room");
    }
    assert_eq!(matches(&mut engine, at(3_601)), [], "nobody meets a ticket that is gone");
    assert_eq!(engine.len(), 3);
}

/// S0, OC: `signal` goes to any user id. S2: who is no member may send offers. S3: anybody may emit into any room.
#[tokio::test]
async fn s0_s2_s3_a_stranger_who_knows_the_session_reaches_nobody() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((mut ann, found), (mut bob, _)) = matched_pair(http, "members").await;
    let (mut eve, _) = Client::guest(http, "eve").await;
    let session = &found["session"];
    for (kind, more) in [
        ("rtc.description", json!({"neg": 1, "kind": "offer", "sdp": "v=0"})),
        ("rtc.candidates", json!({"neg": 1, "candidates": []})),
        ("rtc.state", json!({"state": "connected", "path": "direct"})),
        ("media.state", json!({"audio": true, "video": true})),
        ("chat.send", json!({"cid": CID, "kind": "text", "text": "hello"})),
        ("chat.typing", json!({"on": true})),
        ("chat.history", json!({"limit": 10})),
        ("session.end", json!({})),
        ("session.next", json!({})),
    ] {
        for to in [Value::Null, found["self"].clone(), found["peer"]["id"].clone()] {
            let mut data = more.clone();
            data["session"] = session.clone();
            if !to.is_null() {
                data["to"] = to;
            }
            assert_eq!(eve.refused(kind, data).await, "not_in_session", "{kind}");
        }
    }
    for side in [&mut ann, &mut bob] {
        for kind in ["rtc.description", "rtc.candidates", "peer.state", "peer.media", "chat.message", "session.ended"] {
            side.nothing_of(kind).await;
        }
    }
}

/// S0: chat goes to a room that nobody has joined.
#[tokio::test]
async fn s0_chat_arrives_without_joining_anything_further() {
    let server = Server::start("");
    let ((mut ann, found), (mut bob, _)) = matched_pair(server.addr("http"), "chat").await;
    let message = json!({"session": found["session"], "cid": CID, "kind": "text", "text": "hello"});
    let sent = ann.ask("chat.send", message).await;
    let heard = bob.push("chat.message").await;
    assert_eq!((&heard["mid"], &heard["text"]), (&sent["mid"], &json!("hello")));
}

/// S0: one static TURN user for all.
#[tokio::test]
async fn s0_every_side_of_every_session_has_a_turn_credential_of_its_own() {
    let server = Server::start("");
    let http = server.addr("http");
    let mut names = Vec::new();
    for tag in ["one", "two"] {
        let ((_ann, a), (_bob, b)) = matched_pair(http, tag).await;
        for found in [a, b] {
            let servers = found["ice_servers"].as_array().expect("a list");
            let name = servers.iter().find_map(|server| server["username"].as_str()).expect("a credential").to_owned();
            let session = found["session"].as_str().expect("a session");
            assert!(name.contains(session), "{name} belongs to {session}");
            names.push(name);
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4);
}

/// S0: `disconnect` does not dequeue, and the next one meets a dead socket.
#[tokio::test]
async fn s0_nobody_meets_one_whose_socket_is_gone() {
    let server = Server::start("");
    let http = server.addr("http");
    drop(waiting(http, "gone", json!({"tags": ["chess"]})).await);
    assert!(eventually(PATIENCE, || server.metric("video_chat_active_connections", "") == 0.0));
    let mut bob = waiting(http, "bob", json!({"tags": ["chess"]})).await;
    bob.nothing_of("match.found").await;
    let mut cem = waiting(http, "cem", json!({"tags": ["chess"]})).await;
    assert_eq!(bob.push("match.found").await["session"], cem.push("match.found").await["session"]);
}

/// S0: pages of any origin may use the API.
#[test]
fn s0_a_foreign_origin_is_let_in_nowhere() {
    let server = Server::start("");
    for line in ["GET /v1/stats", "OPTIONS /v1/auth/guest"] {
        let headers = ["origin: https://elsewhere.example", "access-control-request-method: POST"];
        let reply = support::http::request(server.addr("http"), line, &headers, b"");
        assert_eq!(reply.header("access-control-allow-origin"), "", "{line}");
    }
}

/// S1: the token is a user id that the client chose. S2: anybody gets a token for any device. S3: the client says who it is.
#[tokio::test]
async fn s1_s2_s3_nobody_becomes_another_by_naming_him() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut ann, hello) = Client::guest(http, "a device that is known").await;
    let user = hello["user"]["id"].clone();
    let mut eve = Client::connect(http).await;
    assert_eq!(eve.refused("hello", json!({"token": user})).await, "unauthorized");
    assert_eq!(eve.closed().await, 4401);
    // To know the device makes one nobody but a new guest.
    let (mut eve, hello) = Client::guest(http, "a device that is known").await;
    assert_ne!(hello["user"]["id"], user);
    for client in [&mut ann, &mut eve] {
        client.ask("ack", json!({"seq": 0})).await;
    }
    let ((mut bob, found), (mut cem, cem_found)) = matched_pair(http, "claims").await;
    let offer = json!({"session": found["session"], "neg": 1, "kind": "offer", "sdp": "v=0", "from": cem_found["self"],
        "user": user, "userId": user});
    bob.ask("rtc.description", offer).await;
    let heard = cem.push("rtc.description").await;
    assert_eq!(heard["from"], found["self"]);
    assert!(heard.get("user").is_none() && heard.get("userId").is_none(), "{heard}");
}

/// S2: the block list is never applied.
#[tokio::test]
async fn s2_a_block_keeps_two_apart_whoever_set_it() {
    let server = Server::start("[matchmaking]\nrecent_partner_pause = \"0s\"\n");
    let http = server.addr("http");
    let ((mut ann, found), (mut bob, _)) = matched_pair(http, "block").await;
    ann.ask("block.add", json!({"session": found["session"]})).await;
    for side in [&mut ann, &mut bob] {
        assert_eq!(side.push("session.ended").await["reason"], "ended");
        side.ask("queue.join", json!({"tags": ["block"]})).await;
    }
    for side in [&mut ann, &mut bob] {
        side.nothing_of("match.found").await;
    }
    // It is the block alone: both meet others.
    let mut sessions = Vec::new();
    for device in ["cem", "dan"] {
        let mut other = waiting(http, device, json!({"tags": ["block"]})).await;
        sessions.push(other.push("match.found").await["session"].clone());
    }
    for side in [&mut ann, &mut bob] {
        let session = side.push("match.found").await["session"].take();
        assert!(sessions.contains(&session), "{session} is not in {sessions:?}");
    }
}

/// S2: the end of a session is published to nobody, and the peer never learns.
#[tokio::test]
async fn s2_both_sides_learn_of_the_end() {
    let server = Server::start("");
    let ((mut ann, found), (mut bob, _)) = matched_pair(server.addr("http"), "end").await;
    ann.ask("session.end", json!({"session": found["session"]})).await;
    assert_eq!(ann.push("session.ended").await["reason"], "ended");
    assert_eq!(bob.push("session.ended").await["reason"], "ended");
}

/// S2: `position` is the length of the queue.
#[tokio::test]
async fn s2_those_ahead_are_those_who_came_before() {
    let server = Server::start("");
    let http = server.addr("http");
    let mut clients = Vec::new();
    for (ahead, tag) in ["one", "two", "three"].into_iter().enumerate() {
        let (mut client, _) = Client::guest(http, tag).await;
        let status = client.ask("queue.join", json!({"tags": [tag]})).await;
        assert_eq!((&status["ahead"], &status["waiting"]), (&json!(ahead), &json!(ahead + 1)));
        clients.push(client);
    }
}

/// S2: who came last is matched first. OC: one whose only candidate is ruled out is lost from the queue.
#[tokio::test]
async fn s2_the_oldest_is_served_first_and_who_is_ruled_out_waits_on() {
    let server = Server::start("");
    let http = server.addr("http");
    // Two of one device never meet.
    let mut first = waiting(http, "one device", json!({"tags": ["chess"]})).await;
    let mut second = waiting(http, "one device", json!({"tags": ["chess"]})).await;
    let mut ann = waiting(http, "ann", json!({"tags": ["chess"]})).await;
    assert_eq!(first.push("match.found").await["session"], ann.push("match.found").await["session"]);
    second.nothing_of("match.found").await;
    let mut bob = waiting(http, "bob", json!({"tags": ["chess"]})).await;
    assert_eq!(second.push("match.found").await["session"], bob.push("match.found").await["session"]);
}

/// S2: the region `global` is a bucket of its own that never meets `us-east`.
#[tokio::test]
async fn s2_any_region_meets_every_region_at_once() {
    let server = Server::start("");
    let http = server.addr("http");
    for (any, tag) in [(json!("any"), "named"), (Value::Null, "missing")] {
        let wish = |region: &Value| match region {
            Value::Null => json!({"tags": [tag]}),
            region => json!({"tags": [tag], "region": region}),
        };
        let mut ann = waiting(http, &format!("ann {tag}"), wish(&any)).await;
        let mut bob = waiting(http, &format!("bob {tag}"), wish(&json!("us-east"))).await;
        assert_eq!(ann.push("match.found").await["session"], bob.push("match.found").await["session"]);
    }
}

/// S2: the example configuration makes access tokens of "5 minutes" live for a week.
#[test]
fn s2_access_tokens_live_five_minutes_where_nothing_is_configured() {
    let server = Server::start("");
    let (status, answer) = post_json(server.addr("http"), "/v1/auth/guest", &json!({"device_id": "d"}));
    assert_eq!((status, &answer["expires_in"]), (200, &json!(300)));
}

/// S3: `next-partner` drops the preferences.
#[tokio::test]
async fn s3_next_keeps_what_was_asked_for() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((mut ann, found), (_bob, _)) = matched_pair(http, "kept").await;
    ann.ask("session.next", json!({"session": found["session"]})).await;
    let mut other = waiting(http, "other", json!({"tags": ["other"]})).await;
    other.nothing_of("match.found").await;
    let mut cem = waiting(http, "cem", json!({"tags": ["kept"]})).await;
    assert_eq!(ann.push("match.found").await["peer"]["tags_common"], json!(["kept"]));
    cem.push("match.found").await;
    assert!(is_waiting(&mut other).await);
}

/// S3: `canReconnect` is true only for a reason that nothing ever sends.
#[tokio::test]
async fn s3_a_lost_socket_can_come_back_and_the_peer_knows_until_when() {
    let server = Server::start("");
    let ((ann, _), (mut bob, found)) = matched_pair(server.addr("http"), "lost").await;
    drop(ann);
    let left = bob.push("peer.left").await;
    assert_eq!((&left["reason"], &left["can_reconnect"]), (&json!("lost"), &json!(true)));
    assert!(left["until"].as_u64() > found["server_time"].as_u64(), "{left}");
}

/// S3: `activeUsers` only falls while somebody waits.
#[tokio::test]
async fn s3_whoever_leaves_is_counted_out_whatever_he_was_doing() {
    let server = Server::start("");
    let http = server.addr("http");
    let idle = Client::guest(http, "idle").await;
    let queued = waiting(http, "queued", json!({"tags": ["nobody else"]})).await;
    let pair = matched_pair(http, "talking").await;
    let connections = || server.metric("video_chat_active_connections", "");
    assert_eq!(connections(), 4.0);
    drop(queued);
    assert!(eventually(PATIENCE, || connections() == 3.0));
    drop(idle);
    assert!(eventually(PATIENCE, || connections() == 2.0));
    drop(pair);
    assert!(eventually(PATIENCE, || connections() == 0.0));
}

/// S4: there is one refresh token per user, and a second device logs the first one out.
#[test]
fn s4_a_second_login_leaves_the_first_one_alone() {
    let server = Server::start("");
    let http = server.addr("http");
    let login = || post_json(http, "/v1/auth/guest", &json!({"device_id": "shared"})).1["refresh_token"].clone();
    let refresh = |token: &Value| post_json(http, "/v1/auth/refresh", &json!({"refresh_token": token}));
    let (first, second) = (login(), login());
    let (status, again) = refresh(&second);
    assert_eq!(status, 200);
    // Even the misuse of one family ends that one alone.
    assert_eq!(refresh(&second).0, 401);
    assert_eq!(refresh(&again["refresh_token"]).0, 401);
    assert_eq!(refresh(&first).0, 200);
}
