//! What REST answers is what `docs/openapi.json` tells, no more and no less, where there is something to tell.
#[path = "asyncapi/schemas.rs"]
mod schemas;
mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::http;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair_of_users;

/// Asks, and keeps what is answered by the name that the document gives to it.
struct Asker {
    server: Server,
    samples: BTreeMap<String, Vec<Value>>,
}

impl Asker {
    /// Asks for a path of the document whose variables are `names`, in their order.
    fn ask(&mut self, line: &str, names: &[&str], token: &str, body: &Value) -> Value {
        let mut asked = line.to_owned();
        for name in names {
            let (begin, end) = (asked.find('{').expect("a variable"), asked.find('}').expect("its end"));
            asked.replace_range(begin..=end, name);
        }
        let body = Some(body).filter(|body| !body.is_null());
        let reply = http::request_as(self.server.addr("http"), &asked, token, body);
        assert!(reply.status < 300, "{asked}: {reply:?}");
        let told = reply.json();
        self.samples.entry(format!("{line} {}", reply.status)).or_default().push(told.clone());
        told
    }

    fn get(&mut self, path: &str, token: &str) -> Value {
        self.ask(&format!("GET {path}"), &[], token, &Value::Null)
    }
}

fn text<'a>(told: &'a Value, name: &str) -> &'a str {
    told[name].as_str().unwrap_or_else(|| panic!("no {name} in {told}"))
}

/// That a list has something in it, or nothing would be judged.
fn filled<'a>(told: &'a Value, name: &str) -> &'a Value {
    assert!(told[name].as_array().is_some_and(|list| !list.is_empty()), "{name} is empty: {told}");
    &told[name][0]
}

/// Calls, a room, somebody who waits, accounts: what goes on, as people and admins see it.
async fn look_at_what_goes_on(asker: &mut Asker, admin: &str) -> (Client, Value, Value, Value) {
    let http = asker.server.addr("http");
    let ((mut a, a_user, found), (mut b, b_user, _)) = matched_pair_of_users(http, "answers").await;
    let session = found["session"].clone();
    let state =
        json!({"session": session, "state": "connected", "path": "relay", "relay_protocol": "udp", "setup_ms": 80});
    a.ask("rtc.state", state).await;
    a.ask("rtc.quality", json!({"session": session, "score": 80, "rtt_ms": 12, "loss": 0.01})).await;
    let line =
        json!({"session": session, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000001", "kind": "text", "text": "hello"});
    a.ask("chat.send", line).await;
    let message = b.push("chat.message").await;
    b.ask("chat.receipt", json!({"session": session, "read_to": message["mid"]})).await;
    b.ask("chat.react", json!({"session": session, "mid": message["mid"], "emoji": "+"})).await;
    let token = text(&a_user, "access_token");
    let wish = json!({"session": session, "kind": "file", "name": "note.txt", "size": 4, "type": "text/plain"});
    let upload = asker.ask("POST /v1/uploads", &[], token, &wish);
    let put = http::request(http, &format!("PUT {}", text(&upload, "url")), &[], b"note");
    assert_eq!(put.status, 200, "{put:?}");
    asker.ask("POST /v1/uploads", &[], token, &wish);

    let room = asker.ask("POST /v1/rooms", &[], token, &json!({"name": "Tea"}));
    let room = text(&room, "room");
    asker.ask("POST /v1/rooms/{id}/invites", &[room], token, &Value::Null);
    a.ask("room.join", json!({"room": room, "media": {"audio": true, "video": false}})).await;
    let line = json!({"room": room, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000002", "kind": "text", "text": "hello"});
    a.ask("chat.send", line).await;
    asker.ask("GET /v1/rooms/{id}", &[room], token, &Value::Null);
    for (path, list) in [("GET /v1/rooms/{id}/members", "members"), ("GET /v1/rooms/{id}/messages", "messages")] {
        filled(&asker.ask(path, &[room], token, &Value::Null), list);
    }
    filled(&asker.get("/v1/rooms", token), "rooms");
    for path in ["/v1/stats", "/v1/auth/me", "/v1/auth/verify", "/v1/turn/credentials"] {
        asker.get(path, token);
    }

    let (mut waiting, _) = Client::guest(http, "waiting").await;
    waiting.ask("queue.join", json!({"tags": ["nobody else"], "languages": ["en"], "region": "eu"})).await;
    let _relay =
        TurnClient::allocate_udp(asker.server.addr("turn-udp"), Credential::for_session("s1")).expect("allocates");
    let form = json!({"username": "grace", "password": "a phrase that is long"});
    let (status, told) = support::post_json(http, "/v1/auth/register", &form);
    assert_eq!(status, 201, "{told}");
    let lists = ["sessions", "rooms", "queue", "allocations", "users"];
    for (path, list) in lists.map(|path| (path, if path == "queue" { "waiting" } else { path })) {
        filled(&asker.get(&format!("/v1/admin/{path}"), admin), list);
    }
    asker.get("/v1/admin/config", admin);
    filled(&asker.get("/v1/admin/series", admin), "samples");
    let grace = text(&told["user"], "id").to_owned();
    asker.ask("PATCH /v1/admin/users/{id}", &[&grace], admin, &json!({"role": "moderator"}));
    asker.ask("POST /v1/admin/rooms/{id}/clear", &[room], admin, &json!({"reason": "late"}));
    (a, session, a_user, b_user)
}

/// A report, what is made of it, an appeal, and what both sides may know of all that.
async fn look_at_what_is_decided(asker: &mut Asker, admin: &str, call: (Client, Value, Value, Value)) {
    let (_a, session, a_user, b_user) = call;
    let (a_token, b_token) = (text(&a_user, "access_token"), text(&b_user, "access_token"));
    let complaint = json!({"session": session, "reason": "spam", "comment": "watches"});
    let report = asker.ask("POST /v1/reports", &[], a_token, &complaint);
    let report = text(&report, "report");
    asker.ask("POST /v1/reports/{id}/claim", &[report], admin, &Value::Null);
    asker.ask("POST /v1/reports/{id}/notes", &[report], admin, &json!({"text": "look"}));
    asker.ask("PUT /v1/reports/{id}/hold", &[report], admin, &Value::Null);
    let decision = json!({"decision": "accept", "action": "ban", "until": 4_102_444_800_000_u64});
    asker.ask("POST /v1/reports/{id}/decision", &[report], admin, &decision);
    filled(&asker.get("/v1/reports", admin), "reports");
    asker.ask("GET /v1/reports/{id}", &[report], admin, &Value::Null);
    filled(&asker.get("/v1/bans", admin), "bans");
    asker.ask("POST /v1/bans", &[], admin, &json!({"network": "192.0.2.0/24", "action": "mute"}));

    let own = asker.get("/v1/appeals", b_token);
    let plea = json!({"ban": filled(&own, "sanctions")["ban"], "text": "I was only joking"});
    let appeal = asker.ask("POST /v1/appeals", &[], b_token, &plea);
    filled(&asker.get("/v1/appeals/open", admin), "appeals");
    asker.ask(
        "POST /v1/appeals/{id}/decision",
        &[text(&appeal, "appeal")],
        admin,
        &json!({"decision": "lift", "note": "well"}),
    );
    filled(&asker.get("/v1/appeals", b_token), "appeals");
    filled(&asker.get("/v1/admin/audit", admin), "deeds");

    filled(&asker.get("/v1/blocks", a_token), "blocks");
    for token in [a_token, b_token] {
        filled(&asker.get("/v1/history/sessions", token), "sessions");
        let export = asker.get("/v1/me/export", token);
        filled(filled(&export, "sessions"), "chat");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_answered_is_told_of_as_it_is() {
    let admin = backend::token("root", "admin");
    let mut asker = Asker { server: Server::start(&backend::config()), samples: BTreeMap::new() };
    let call = look_at_what_goes_on(&mut asker, &admin).await;
    look_at_what_is_decided(&mut asker, &admin, call).await;

    let document = asker.server.get("/openapi.json").1;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let schema_of = |name: &String| {
        let [method, path, status] = name.split(' ').collect::<Vec<_>>()[..] else { panic!("{name}") };
        let answer = &document["paths"][path][method.to_lowercase()]["responses"][status];
        schemas::closed(&answer["content"]["application/json"]["schema"], &document)
    };
    let schemas: BTreeMap<String, Value> = asker.samples.keys().map(|name| (name.clone(), schema_of(name))).collect();
    assert_eq!(schemas::complaints(&schemas, &asker.samples), None);
    assert!(asker.samples.len() > 30, "only {} answers", asker.samples.len());

    // The judge is no rubber stamp.
    let name = "GET /v1/admin/sessions 200";
    asker.samples.get_mut(name).expect("it was asked for")[0]["sessions"][0]["sides"][0]["surprise"] = json!(1);
    assert!(schemas::complaints(&schemas, &asker.samples).is_some_and(|said| said.contains("surprise")));
}
