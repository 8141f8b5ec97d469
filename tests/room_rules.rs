//! Rooms against the built program: REST, presence, calls, credentials, chat; numbers are those of the protocol's fine
//! print.
mod support;

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;

/// Somebody with a socket and a token.
struct Person {
    client: Client,
    token: String,
}

impl Person {
    async fn come(server: &Server, device: &str) -> Person {
        let (client, hello) = Client::guest(server.addr("http"), device).await;
        Person { client, token: hello["access_token"].as_str().expect("a token").to_owned() }
    }

    /// Asks REST; the status and what came with it.
    fn rest(&self, server: &Server, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        request(server.addr("http"), method, path, &self.token, body)
    }
}

/// One request on a connection of its own.
fn request(addr: SocketAddr, method: &str, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let mut stream = TcpStream::connect(addr).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set a timeout");
    let body = body.map(|body| body.to_string());
    let about_body = body
        .as_ref()
        .map_or(String::new(), |body| format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n{about_body}"
    );
    stream.write_all(format!("{head}\r\n{}", body.unwrap_or_default()).as_bytes()).expect("send");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("read");
    let text = String::from_utf8(answer).expect("UTF-8");
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let (_, body) = text.split_once("\r\n\r\n").expect("a whole head");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A room with three people in it, the owner first: who they are, and what `room.join` answered each.
async fn party(server: &Server) -> (String, Vec<(Person, Value)>) {
    let ann = Person::come(server, "ann").await;
    let (status, room) = ann.rest(server, "POST", "/v1/rooms", Some(json!({"name": "Tea"})));
    assert_eq!((status, &room["name"], &room["role"]), (201, &json!("Tea"), &json!("owner")));
    let id = room["id"].as_str().expect("an id").to_owned();
    let (status, invited) = ann.rest(server, "POST", &format!("/v1/rooms/{id}/invites"), None);
    assert_eq!(status, 201);
    let mut people = vec![ann, Person::come(server, "bob").await, Person::come(server, "cat").await];
    let mut there = Vec::new();
    for mut person in people.drain(..) {
        let ok = person.client.ask("room.join", json!({"room": id, "ticket": invited["ticket"]})).await;
        there.push((person, ok));
    }
    (id, there)
}

fn credential(servers: &Value) -> Credential {
    let server = servers.as_array().expect("a list").iter().find(|one| one["username"].is_string()).expect("TURN");
    let text = |name: &str| server[name].as_str().expect("text").to_owned();
    Credential { username: text("username"), password: text("credential") }
}

#[tokio::test]
async fn rule_38_rooms_are_private_and_opened_by_tickets() {
    let server = Server::start("");
    let ann = Person::come(&server, "ann").await;
    let mut eve = Person::come(&server, "eve").await;
    let (_, room) = ann.rest(&server, "POST", "/v1/rooms", Some(json!({"name": "Tea"})));
    let id = room["id"].as_str().expect("an id");
    assert_eq!(eve.client.refused("room.join", json!({"room": id})).await, "forbidden");
    assert_eq!(eve.client.refused("room.join", json!({"room": id, "ticket": "x"})).await, "forbidden");
    assert_eq!(eve.client.refused("room.join", json!({"room": "nowhere"})).await, "not_found");
    assert_eq!(eve.client.refused("room.join", json!({})).await, "bad_request");
    for (method, path, code) in [
        ("GET", format!("/v1/rooms/{id}"), 403),
        ("GET", format!("/v1/rooms/{id}/members"), 403),
        ("GET", format!("/v1/rooms/{id}/messages"), 403),
        ("POST", format!("/v1/rooms/{id}/invites"), 403),
        ("DELETE", format!("/v1/rooms/{id}"), 403),
        ("GET", "/v1/rooms/nowhere".to_owned(), 404),
    ] {
        assert_eq!(eve.rest(&server, method, &path, None).0, code, "{method} {path}");
    }
    for (body, code) in [(json!({}), 400), (json!({"name": ""}), 400), (json!({"name": "x".repeat(81)}), 413)] {
        assert_eq!(eve.rest(&server, "POST", "/v1/rooms", Some(body)).0, code);
    }
    assert_eq!(request(server.addr("http"), "GET", "/v1/rooms", "no token", None).0, 401);
    let (_, invited) = ann.rest(&server, "POST", &format!("/v1/rooms/{id}/invites"), None);
    let ok = eve.client.ask("room.join", json!({"room": id, "ticket": invited["ticket"]})).await;
    assert_eq!((&ok["role"], &ok["members"], &ok["last_mid"]), (&json!("member"), &json!([]), &Value::Null));
    assert!(ok["ice_expires_at"].is_u64() && ok["ice_servers"][0]["urls"].is_array());
    let (_, listed) = eve.rest(&server, "GET", "/v1/rooms", None);
    assert_eq!((&listed["rooms"][0]["id"], &listed["rooms"][0]["present"]), (&json!(id), &json!(1)));
    assert_eq!(server.metric("duologue_rooms_active", ""), 1.0);
}

#[tokio::test]
async fn rules_26_and_27_three_negotiate_each_with_each() {
    let server = Server::start("");
    let (id, mut there) = party(&server).await;
    let aliases: Vec<Value> = there.iter().map(|(_, ok)| ok["self"].clone()).collect();
    assert_eq!(
        there[2].1["members"],
        json!([{"peer": aliases[0], "role": "owner"}, {"peer": aliases[1], "role": "member"}])
    );
    for (at, newcomers) in [(0, vec![1, 2]), (1, vec![2])] {
        for newcomer in newcomers {
            let joined = there[at].0.client.push("peer.joined").await;
            assert_eq!(joined, json!({"room": id, "peer": aliases[newcomer], "role": "member"}));
        }
    }
    // The newcomer initiates to each.
    for (from, to) in [(1, 0), (2, 0), (2, 1)] {
        let say = |to: &Value, kind: &str| json!({"room": id, "to": to, "neg": 1, "kind": kind, "sdp": "v=0\r\n"});
        there[from].0.client.ask("rtc.description", say(&aliases[to], "offer")).await;
        let offer = there[to].0.client.push("rtc.description").await;
        assert_eq!((&offer["from"], &offer["kind"], &offer["room"]), (&aliases[from], &json!("offer"), &json!(id)));
        there[to].0.client.ask("rtc.description", say(&aliases[from], "answer")).await;
        assert_eq!(there[from].0.client.push("rtc.description").await["from"], aliases[to]);
    }
    let nobody = json!({"room": id, "neg": 1, "kind": "offer", "sdp": "v=0\r\n"});
    assert_eq!(there[0].0.client.refused("rtc.description", nobody).await, "bad_request");
    there[1].0.client.ask("media.state", json!({"room": id, "audio": true, "video": false})).await;
    for at in [0, 2] {
        let media = there[at].0.client.push("peer.media").await;
        assert_eq!((&media["from"], &media["video"]), (&aliases[1], &json!(false)));
    }
    there[1].0.client.ask("room.leave", json!({"room": id})).await;
    for at in [0, 2] {
        let left = there[at].0.client.push("peer.left").await;
        assert_eq!((&left["peer"], &left["reason"]), (&aliases[1], &json!("left")));
    }
    assert_eq!(there[1].0.client.refused("room.leave", json!({"room": id})).await, "not_in_session");
}

#[tokio::test]
async fn whoever_is_put_out_of_a_room_is_off_the_relay_and_the_others_stay() {
    let server = Server::start("");
    let (id, mut there) = party(&server).await;
    let turn = server.addr("turn-udp");
    let aliases: Vec<Value> = there.iter().map(|(_, ok)| ok["self"].clone()).collect();
    let mut relays = Vec::new();
    for (_, ok) in &there {
        relays.push(TurnClient::allocate_udp(turn, credential(&ok["ice_servers"])).expect("allocates"));
    }
    let between = there[1].0.client.ask("ice.refresh", json!({"room": id, "to": aliases[0]})).await;
    let _of_call = TurnClient::allocate_udp(turn, credential(&between["ice_servers"])).expect("allocates");
    assert_eq!(server.allocations(), 4.0);
    let alias = aliases[1].as_str().expect("an alias");
    let path = format!("/v1/rooms/{id}/members/{alias}");
    assert_eq!(there[2].0.rest(&server, "DELETE", &path, None).0, 403);
    assert_eq!(there[0].0.rest(&server, "DELETE", &path, None).0, 204);
    for (person, _) in &mut there {
        let left = person.client.push("peer.left").await;
        assert_eq!((&left["peer"], &left["reason"]), (&aliases[1], &json!("kicked")));
    }
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 2.0), "the relay lets go");
    for dead in [&there[1].1["ice_servers"], &between["ice_servers"]] {
        assert_eq!(TurnClient::allocate_udp(turn, credential(dead)).err(), Some(401));
    }
    assert_eq!(relays[1].refresh(600), Err(437));
    assert_eq!((relays[0].refresh(600), relays[2].refresh(600)), (Ok(()), Ok(())));
    assert_eq!(there[1].0.client.refused("room.join", json!({"room": id})).await, "forbidden");
    let (_, members) = there[0].0.rest(&server, "GET", &format!("/v1/rooms/{id}/members"), None);
    assert_eq!(members["members"].as_array().map(Vec::len), Some(2));
    // The end of the room is the end for all.
    assert_eq!(there[0].0.rest(&server, "DELETE", &format!("/v1/rooms/{id}"), None).0, 204);
    for at in [0, 2] {
        let left = there[at].0.client.push("peer.left").await;
        assert_eq!((&left["peer"], &left["reason"]), (&aliases[at], &json!("kicked")));
    }
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
}

#[tokio::test]
async fn a_lost_socket_keeps_its_place_until_the_window_is_over() {
    let server = Server::start("[session]\nresume_window = \"2s\"\n");
    let (id, mut there) = party(&server).await;
    let aliases: Vec<Value> = there.iter().map(|(_, ok)| ok["self"].clone()).collect();
    let (lost, _) = there.remove(2);
    drop(lost.client);
    let left = there[0].0.client.push("peer.left").await;
    assert_eq!((&left["reason"], &left["can_reconnect"]), (&json!("lost"), &json!(true)));
    let mut back = Client::connect(server.addr("http")).await;
    // A hello with the same token takes the place over.
    let ok = back.ask("hello", json!({"token": lost.token})).await;
    assert_eq!((&ok["resumed"], &ok["gap"]), (&json!(false), &json!(true)));
    let rooms = back.push("sync").await["rooms"].clone();
    assert_eq!((&rooms[0]["room"], &rooms[0]["self"]), (&json!(id), &aliases[2]));
    assert_eq!(there[0].0.client.push("peer.resumed").await, json!({"room": id, "peer": aliases[2]}));
    drop(back);
    assert_eq!(there[0].0.client.push("peer.left").await["reason"], "lost");
    let gone = there[0].0.client.push("peer.left").await;
    assert_eq!((&gone["reason"], &gone["can_reconnect"]), (&json!("timeout"), &json!(false)));
}

#[tokio::test]
async fn rules_36_and_37_chat_in_a_room_reaches_all_in_one_order() {
    let server = Server::start("");
    let (id, mut there) = party(&server).await;
    let text = |n: usize| {
        let cid = format!("6f2b1b1e-62f5-4a53-9a52-{n:012}");
        json!({"room": id, "cid": cid, "kind": "text", "text": n.to_string()})
    };
    let mut mids = Vec::new();
    for n in 0..30 {
        mids.push(there[n % 3].0.client.ask("chat.send", text(n)).await["mid"].clone());
    }
    let again = there[0].0.client.ask("chat.send", text(0)).await;
    assert_eq!(again["mid"], mids[0]);
    for (at, (person, _)) in there.iter_mut().enumerate() {
        for n in (0..30).filter(|n| n % 3 != at) {
            let got = person.client.push("chat.message").await;
            assert_eq!((&got["text"], &got["mid"]), (&json!(n.to_string()), &mids[n]));
        }
        person.client.nothing_of("chat.message").await;
    }
    there[1].0.client.ask("chat.receipt", json!({"room": id, "read_to": mids[29]})).await;
    assert_eq!(there[2].0.client.push("chat.receipt").await["read_to"], mids[29]);
    there[2].0.client.ask("room.leave", json!({"room": id})).await;
    let page = there[2].0.client.ask("chat.history", json!({"room": id, "limit": 5})).await;
    assert_eq!((page["messages"].as_array().map(Vec::len), &page["more"]), (Some(5), &json!(true)));
    let path = format!("/v1/rooms/{id}/messages?limit=100");
    let (status, by_rest) = there[2].0.rest(&server, "GET", &path, None);
    let read: Vec<Value> =
        by_rest["messages"].as_array().expect("a list").iter().map(|one| one["mid"].clone()).collect();
    assert_eq!((status, read), (200, mids));
    let mut eve = Person::come(&server, "eve").await;
    assert_eq!(eve.client.refused("chat.history", json!({"room": id})).await, "not_in_session");
    assert_eq!(eve.client.refused("chat.send", text(31)).await, "not_in_session");
}

#[tokio::test]
async fn rooms_members_tickets_and_what_was_written_outlive_a_restart() {
    let mut server = Server::start("");
    let (id, mut there) = party(&server).await;
    let line = json!({"room": id, "cid": "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11", "kind": "text", "text": "hello"});
    let sent = there[1].0.client.ask("chat.send", line.clone()).await;
    let (_, invited) = there[0].0.rest(&server, "POST", &format!("/v1/rooms/{id}/invites"), None);
    server.restart();
    let http = server.addr("http");
    for (person, before) in &mut there {
        person.client = Client::connect(http).await;
        person.client.ask("hello", json!({"token": person.token})).await;
        let ok = person.client.ask("room.join", json!({"room": id})).await;
        assert_eq!((&ok["self"], &ok["role"], &ok["name"]), (&before["self"], &before["role"], &json!("Tea")));
        assert_eq!(ok["last_mid"], sent["mid"]);
        let page = person.client.ask("chat.history", json!({"room": id})).await;
        assert_eq!((&page["messages"][0]["mid"], &page["messages"][0]["text"]), (&sent["mid"], &json!("hello")));
    }
    // The same words again are the same message, and nobody hears them twice.
    assert_eq!(there[1].0.client.ask("chat.send", line).await, sent);
    there[0].0.client.nothing_of("chat.message").await;
    let mut late = Person::come(&server, "late").await;
    let ok = late.client.ask("room.join", json!({"room": id, "ticket": invited["ticket"]})).await;
    assert_eq!(ok["members"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn whoever_is_put_out_after_kill_9_has_no_credentials_of_before() {
    let mut server = Server::start("");
    let (id, mut there) = party(&server).await;
    let aliases: Vec<Value> = there.iter().map(|(_, ok)| ok["self"].clone()).collect();
    let between = there[1].0.client.ask("ice.refresh", json!({"room": id, "to": aliases[0]})).await;
    let own = there[1].1["ice_servers"].clone();
    // Answered once all that was to be written before it is.
    let line = json!({"room": id, "cid": "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11", "kind": "text", "text": "hello"});
    there[1].0.client.ask("chat.send", line).await;
    server.crash_and_restart();
    let path = format!("/v1/rooms/{id}/members/{}", aliases[1].as_str().expect("an alias"));
    assert_eq!(there[0].0.rest(&server, "DELETE", &path, None).0, 204);
    let turn = server.addr("turn-udp");
    for dead in [&own, &between["ice_servers"]] {
        // The relay may be there a moment before it is told.
        let is_refused = || TurnClient::allocate_udp(turn, credential(dead)).err() == Some(401);
        assert!(support::eventually(Duration::from_secs(20), is_refused), "the credential is dead");
    }
}

/// Three who were matched as a group: who they are, and what `match.found` told each.
async fn group(server: &Server) -> Vec<(Person, Value)> {
    let mut people = Vec::new();
    for device in ["ann", "bob", "cat"] {
        let mut person = Person::come(server, device).await;
        person.client.ask("queue.join", json!({"size": 3, "tags": ["tea", device]})).await;
        people.push(person);
    }
    let mut there = Vec::new();
    for mut person in people {
        let found = person.client.push("match.found").await;
        there.push((person, found));
    }
    there
}

#[tokio::test]
async fn a_group_is_matched_into_a_room_of_its_own() {
    let server = Server::start("");
    let mut there = group(&server).await;
    let id = there[0].1["room"].clone();
    let aliases: Vec<Value> = there.iter().map(|(_, found)| found["self"].clone()).collect();
    for (at, (_, found)) in there.iter().enumerate() {
        assert_eq!((&found["room"], &found["size"], &found["tags_common"]), (&id, &json!(3), &json!(["tea"])));
        let others = (0..3).filter(|other| *other != at);
        let members: Vec<Value> =
            others.map(|other| json!({"peer": aliases[other], "role": "member", "initiator": other < at})).collect();
        assert_eq!(found["members"], json!(members));
    }
    // Each two of them: whoever came later opens.
    for (from, to) in [(1, 0), (2, 0), (2, 1)] {
        let say = |to: &Value, kind: &str| json!({"room": id, "to": to, "neg": 1, "kind": kind, "sdp": "v=0\r\n"});
        there[from].0.client.ask("rtc.description", say(&aliases[to], "offer")).await;
        assert_eq!(there[to].0.client.push("rtc.description").await["from"], aliases[from]);
        there[to].0.client.ask("rtc.description", say(&aliases[from], "answer")).await;
        assert_eq!(there[from].0.client.push("rtc.description").await["from"], aliases[to]);
    }
    let turn = server.addr("turn-udp");
    let between = there[2].0.client.ask("ice.refresh", json!({"room": id, "to": aliases[0]})).await;
    for servers in [&there[0].1["ice_servers"], &between["ice_servers"]] {
        TurnClient::allocate_udp(turn, credential(servers)).expect("allocates");
    }
    let mut eve = Person::come(&server, "eve").await;
    assert_eq!(eve.client.refused("room.join", json!({"room": id})).await, "not_found");
    assert_eq!(there[0].0.client.refused("queue.join", json!({})).await, "conflict");
    let (status, listed) = there[0].0.rest(&server, "GET", "/v1/rooms", None);
    assert_eq!((status, &listed["rooms"]), (200, &json!([])));
    assert_eq!(server.metric("duologue_groups_created_total", ""), 1.0);
    for (person, _) in &mut there {
        person.client.ask("room.leave", json!({"room": id})).await;
        assert_eq!(person.client.refused("room.join", json!({"room": id})).await, "not_found");
    }
    assert_eq!(server.metric("duologue_rooms_active", ""), 0.0);
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
    assert_eq!(TurnClient::allocate_udp(turn, credential(&between["ice_servers"])).err(), Some(401));
    there[0].0.client.ask("queue.join", json!({"size": 3})).await;
}

#[tokio::test]
async fn a_block_in_a_group_parts_two_and_leaves_the_rest_as_it_is() {
    let server = Server::start("");
    let mut there = group(&server).await;
    let id = there[0].1["room"].clone();
    let aliases: Vec<Value> = there.iter().map(|(_, found)| found["self"].clone()).collect();
    let turn = server.addr("turn-udp");
    let between = there[0].0.client.ask("ice.refresh", json!({"room": id, "to": aliases[1]})).await;
    let mut relay = TurnClient::allocate_udp(turn, credential(&between["ice_servers"])).expect("allocates");
    there[0].0.client.ask("block.add", json!({"room": id, "peer": aliases[1]})).await;
    for (at, other) in [(0, 1), (1, 0)] {
        let left = there[at].0.client.push("peer.left").await;
        assert_eq!((&left["peer"], &left["reason"]), (&aliases[other], &json!("left")));
        let offer = json!({"room": id, "to": aliases[other], "neg": 1, "kind": "offer", "sdp": "v=0\r\n"});
        assert_eq!(there[at].0.client.refused("rtc.description", offer).await, "not_found");
    }
    assert!(support::eventually(Duration::from_secs(20), || relay.refresh(600) == Err(437)), "the relay lets go");
    let line = json!({"room": id, "cid": "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11", "kind": "text", "text": "hello"});
    there[0].0.client.ask("chat.send", line).await;
    assert_eq!(there[2].0.client.push("chat.message").await["from"], aliases[0]);
    there[1].0.client.nothing_of("chat.message").await;
}
