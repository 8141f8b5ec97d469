//! Reloads of the built program: each key that one carries out changes what the running server does.
//!
//! That the list of these keys is whole, and that the rest waits for a restart, is checked beside it (`app::reloading`).
mod support;

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::caller::Call;
use support::collector::Collector;
use support::collector::Mood;
use support::eventually;
use support::http::Reply;
use support::http::request;
use support::http::request_as;
use support::receiver::Receiver;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair;

/// How long what happens behind a reload may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has the server go by these lines too, and waits until it does.
fn reload(server: &Server, extra: &str) {
    let count = || server.log().matches(" reloaded").count();
    let before = count();
    std::fs::write(server.state.path().join("conf.d/zz-reload.toml"), extra).expect("write the configuration");
    server.signal("HUP");
    assert!(eventually(PATIENCE, || count() > before), "{}", server.log());
}

fn get(server: &Server, path: &str, headers: &[&str]) -> Reply {
    request(server.addr("http"), &format!("GET {path}"), headers, b"")
}

fn post(server: &Server, path: &str, body: &Value) -> Reply {
    let headers = ["content-type: application/json"];
    request(server.addr("http"), &format!("POST {path}"), &headers, body.to_string().as_bytes())
}

fn guest(server: &Server) -> Reply {
    post(server, "/v1/auth/guest", &json!({"device_id": "a device of these tests"}))
}

#[test]
fn whose_pages_and_proxies_are_believed() {
    let server = Server::start(&backend::config());
    let origin = "origin: https://www.example.org";
    assert_eq!(get(&server, "/v1/stats", &[origin]).header("access-control-allow-origin"), "");
    reload(&server, "[http]\nallowed_origins = [\"https://www.example.org\"]\n");
    let allowed = get(&server, "/v1/stats", &[origin]);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://www.example.org");

    // One request a minute, which does not count for this machine; so who a proxy speaks for is seen.
    let from = "x-forwarded-for: 192.0.2.9";
    reload(&server, "[limits]\nhttp_requests_per_minute = 1\n");
    assert_eq!([get(&server, "/v1/stats", &[from]).status, get(&server, "/v1/stats", &[from]).status], [200, 200]);
    reload(&server, "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nhttp_requests_per_minute = 1\n");
    assert_eq!([get(&server, "/v1/stats", &[from]).status, get(&server, "/v1/stats", &[from]).status], [200, 429]);
    reload(&server, "[limits]\nhttp_requests_per_minute = 1\nexempt = []\n");
    assert_eq!([get(&server, "/v1/stats", &[]).status, get(&server, "/v1/stats", &[]).status], [200, 429]);
}

#[test]
fn what_admins_see_and_what_the_server_tries_and_how_long_it_waits() {
    let server = Server::start(&backend::config());
    let _allocation = TurnClient::allocate_udp(server.addr("turn-udp"), Credential::for_session("seen.a"));
    let admin = backend::token("ann", "admin");
    let client = || {
        let told = request_as(server.addr("http"), "GET /v1/admin/allocations", &admin, None).json();
        told["allocations"][0]["client"].as_str().expect("an address").to_owned()
    };
    assert!(client().starts_with("127.0.0.1:"));
    reload(&server, "[http]\nadmins_see_addresses = false\n");
    assert_eq!(client(), "127.0.0.0/24");

    let tried = || server.metric("duologue_probe_total", "echoed");
    assert_eq!(tried(), 0.0);
    reload(&server, "[server]\nprobe_interval = \"1s\"\nshutdown_grace = \"7s\"\n");
    assert!(eventually(PATIENCE, || tried() >= 2.0));
    let told = request_as(server.addr("http"), "POST /v1/admin/drain", &admin, None).json();
    assert_eq!(told["grace_ms"], 7000);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_calls_begin() {
    let server = Server::start("[matchmaking]\nlevels = [\"1h\", \"2h\", \"3h\", \"4h\"]\n");
    let http = server.addr("http");
    let (_, welcome) = Client::welcomed(http).await;
    let has_resume = |welcome: &Value| welcome["features"].as_array().expect("a list").contains(&json!("resume"));
    assert!(has_resume(&welcome));
    let ((mut a, found), (mut b, _)) = matched_pair(http, "one").await;
    assert_eq!((&found["ice_policy"], found["deadline"].is_u64()), (&json!("all"), true));
    a.ask("session.end", json!({"session": found["session"]})).await;
    b.push("session.ended").await;

    reload(
        &server,
        "[session]\nlimit = \"0s\"\nice_policy = \"relay\"\nresume_window = \"0s\"\n\
         [matchmaking]\nrecent_partner_pause = \"0s\"\n[moderation]\nauto_restrict_reports = 1\n",
    );
    // They have just met, which holds nobody off any more.
    let wish = json!({"tags": ["one"]});
    a.ask("queue.join", wish.clone()).await;
    b.ask("queue.join", wish.clone()).await;
    let found = a.push("match.found").await;
    b.push("match.found").await;
    assert_eq!((&found["ice_policy"], &found["deadline"]), (&json!("relay"), &Value::Null));
    assert!(!has_resume(&Client::welcomed(http).await.1));

    a.ask("report.submit", json!({"session": found["session"], "reason": "spam"})).await;
    b.push("session.ended").await;
    assert_eq!(b.refused("queue.join", wish.clone()).await, "forbidden");
    reload(&server, "[matchmaking]\ncapacity = 2\n");
    a.ask("queue.join", wish).await;
    let (mut c, _) = Client::guest(http, "a third one").await;
    c.ask("queue.join", json!({"tags": ["another"]})).await;
    let (mut d, _) = Client::guest(http, "a fourth one").await;
    assert_eq!(d.refused("queue.join", json!({"tags": ["other"]})).await, "queue_full");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_one_may_do() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut a, _) = Client::guest(http, "one device").await;
    let keys = [
        "guests_per_minute",
        "logins_per_minute",
        "messages_per_second",
        "messages_burst",
        "queue_joins_per_minute",
        "room_joins_per_minute",
        "skips_per_minute",
        "calls_per_minute",
        "blocks_per_minute",
        "reports_per_minute",
        "uploads_per_minute",
        "http_requests_per_minute",
        "connections_per_address",
    ];
    let told = |welcome: &Value| keys.map(|key| welcome["limits"][key].as_u64().expect("a number"));
    let (_, welcome) = Client::welcomed(http).await;
    assert!(!told(&welcome).contains(&1));
    let ones = |keys: &[&str]| keys.iter().map(|key| format!("{key} = 1\n")).collect::<String>();
    reload(&server, &format!("[limits]\nconnections = 3\n{}", ones(&keys)));
    assert_eq!(told(&Client::welcomed(http).await.1), [1; 13]);

    // On a socket that was open before: more than one message a second is too many.
    let codes = async {
        let mut codes = Vec::new();
        for _ in 0..20 {
            a.send(json!({"type": "ack", "id": 99, "data": {"seq": 0}})).await;
            codes.push(a.message(|message| message["re"] == 99).await["type"] == "ok");
        }
        codes
    };
    assert!(codes.await.contains(&false));

    let paces = ones(&["room_joins_per_minute", "blocks_per_minute", "reports_per_minute"]);
    reload(&server, &format!("[matchmaking]\nrecent_partner_pause = \"0s\"\n[limits]\n{paces}"));
    let ((mut a, found), (mut b, _)) = matched_pair(http, "pace").await;
    for (kind, data) in [
        ("room.join", json!({"room": "none"})),
        ("report.submit", json!({"session": "none", "reason": "spam"})),
        ("block.add", json!({"session": "none"})),
    ] {
        assert_ne!(a.refused(kind, data.clone()).await, "rate_limited", "{kind}");
        assert_eq!(a.refused(kind, data).await, "rate_limited", "{kind}");
    }
    reload(
        &server,
        &format!("[matchmaking]\nrecent_partner_pause = \"0s\"\n[limits]\n{}", ones(&["skips_per_minute"])),
    );
    a.ask("session.next", json!({"session": found["session"]})).await;
    b.push("session.ended").await;
    b.ask("queue.join", json!({"tags": ["pace"]})).await;
    b.push("match.found").await;
    let again = a.push("match.found").await;
    // That of the first call was read above.
    let next = json!({"session": again["session"]});
    assert_eq!(a.refused("session.next", next).await, "rate_limited");
    a.ask("session.end", json!({"session": again["session"]})).await;
    reload(&server, &format!("[limits]\n{}", ones(&["calls_per_minute"])));
    assert_eq!(a.refused("queue.join", json!({})).await, "rate_limited");
    reload(&server, &format!("[limits]\n{}", ones(&["queue_joins_per_minute"])));
    let (mut c, _) = Client::guest(http, "who joins twice").await;
    c.ask("queue.join", json!({})).await;
    assert_eq!(c.refused("queue.join", json!({})).await, "rate_limited");

    reload(&server, &format!("[limits]\nexempt = []\n{}", ones(&["guests_per_minute", "logins_per_minute"])));
    assert_eq!([guest(&server).status, guest(&server).status], [200, 429]);
    let login =
        || post(&server, "/v1/auth/login", &json!({"username": "nobody", "password": "not the right one"})).status;
    assert_eq!([login(), login()], [401, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_sockets_there_may_be() {
    let server = Server::start("");
    let http = server.addr("http");
    let _first = Client::connect(http).await;
    let upgrade = || {
        let origin = format!("origin: http://localhost:{}", http.port());
        let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
        let protocol = "sec-websocket-protocol: duologue.v1";
        let switch = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", key, protocol, &origin];
        support::http::request(http, "GET /ws", &switch, b"").status
    };
    reload(&server, "[limits]\nconnections = 1\n");
    assert_eq!(upgrade(), 503);
    reload(&server, "[limits]\nconnections_per_address = 1\nexempt = []\n");
    assert_eq!(upgrade(), 429);
    reload(&server, "");
    let _second = Client::connect(http).await;
}

#[test]
fn who_may_come_and_for_how_long() {
    let server = Server::start("");
    let http = server.addr("http");
    assert_eq!(
        (guest(&server).json()["expires_in"].clone(), get(&server, "/v1/auth/challenge", &[]).status),
        (json!(300), 404)
    );
    let me = || request_as(http, "GET /v1/auth/me", &backend::token("ann", "user"), None).status;
    assert_eq!(me(), 401);
    reload(&server, &format!("[auth]\njwt_secrets = [\"{}\"]\naccess_ttl = \"1m\"\n", backend::KEY));
    assert_eq!((me(), guest(&server).json()["expires_in"].clone()), (200, json!(60)));
    let with = |more: &str| format!("[auth]\njwt_secrets = [\"{}\"]\n{more}\n", backend::KEY);
    reload(&server, &with("issuer = \"shop\""));
    assert_eq!(me(), 200);
    reload(&server, &with("issuer = \"another\""));
    assert_eq!(me(), 401);
    reload(&server, &with("audience = \"another\""));
    assert_eq!(me(), 401);

    let form = json!({"username": "Anna", "password": "correct horse battery staple"});
    reload(&server, "[auth]\nregistration = false\n");
    assert_eq!(post(&server, "/v1/auth/register", &form).status, 403);
    reload(&server, "[auth]\nguest_proof_of_work_bits = 4\n");
    assert_eq!((guest(&server).status / 100, get(&server, "/v1/auth/challenge", &[]).status), (4, 200));
    reload(&server, "[auth]\nguest_check_url = \"http://127.0.0.1:1/\"\nguest_check_secret = \"another one\"\n");
    assert_eq!((guest(&server).status, get(&server, "/v1/auth/challenge", &[]).status), (503, 404));
    reload(&server, "[auth]\nguests = false\n");
    assert_eq!(guest(&server).status, 403);
    reload(&server, "");
    assert_eq!((guest(&server).status, post(&server, "/v1/auth/register", &form).status), (200, 201));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_is_taken_and_kept() {
    let mut call = Call::start("").await;
    let wish = |kind: &str, size: u64| json!({"kind": kind, "name": "n", "size": size});
    reload(
        &call.server,
        "[files]\nvoice_bytes = 11\nimage_bytes = 12\nfile_bytes = 13\nlink_life = \"1m\"\n[retention]\nsession_chat = \"0s\"\n",
    );
    let most = [("voice", 11), ("image", 12), ("file", 13)];
    for (kind, bytes) in most {
        assert_eq!(call.ask(wish(kind, bytes + 1)).problem(413), "too_large", "{kind}");
    }
    let message = json!({
        "session": call.session, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000001", "kind": "text", "text": "gone with the wind",
    });
    call.a.client.ask("chat.send", message).await;
    call.b.client.push("chat.message").await;
    let history = call.a.client.ask("chat.history", json!({"session": call.session})).await;
    assert_eq!(history["messages"], json!([]), "what is said now is not kept");

    reload(&call.server, "[files]\nfiles_per_user = 1\n");
    let shown = call.show("file", "one.txt", b"kept", 2).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let life_ms = |shown: &Value| shown["file"]["expires_at"].as_u64().expect("a moment").abs_diff(now as u64);
    assert!(life_ms(&shown) > 1_800_000, "{shown}");
    assert_eq!(call.ask(wish("file", 1)).problem(409), "conflict");
    reload(&call.server, "[files]\nbytes_per_user = 5\n");
    assert_eq!(call.ask(wish("file", 2)).problem(409), "conflict");
    reload(&call.server, "[files]\ntotal_bytes = 4\n");
    assert_eq!(call.ask(wish("file", 2)).problem(503), "unavailable");
    reload(&call.server, "[limits]\nuploads_per_minute = 1\n");
    assert_eq!(call.ask(wish("file", 2)).problem(429), "rate_limited");
    reload(&call.server, "[files]\nlink_life = \"1m\"\n");
    let shown = call.show("file", "two.txt", b"kept", 3).await;
    assert!(life_ms(&shown) < 1_800_000, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_of_events() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    receiver.come_up();
    other.come_up();
    let server = Server::start("");
    let http = server.addr("http");
    reload(&server, &receiver.settings());
    drop(matched_pair(http, "one").await);
    let started = |receiver: &Receiver| {
        receiver.taken().iter().filter(|posted| posted.event()["type"] == "session.started").count()
    };
    assert!(eventually(PATIENCE, || started(&receiver) == 1));
    let file = server.state.path().join("events.jsonl");
    // Redis is nowhere there, which is told in a metric; the entries beside it matter to no other sink.
    let redis = "redis_url = \"redis://127.0.0.1:1/0\"\nredis_stream = \"another\"\nredis_max_len = 7\n";
    reload(&server, &format!("{}file = \"{}\"\n{redis}", other.settings(), file.display()));
    drop(matched_pair(http, "two").await);
    assert!(eventually(PATIENCE, || started(&other) == 1));
    other.taken().iter().for_each(support::receiver::Posted::is_genuine);
    let in_file = || std::fs::read_to_string(&file).unwrap_or_default().matches("session.started").count();
    assert!(eventually(PATIENCE, || in_file() == 1));
    assert!(eventually(PATIENCE, || server.metric("duologue_events_failures_total", "redis") > 0.0));
    reload(&server, "");
    drop(matched_pair(http, "three").await);
    assert!(eventually(PATIENCE, || !server.get("/metrics").1.contains("duologue_events_waiting{")));
    assert_eq!(
        (started(&receiver), started(&other), in_file()),
        (1, 1, 1),
        "each is told once, and of nothing when it is over"
    );
}

#[test]
fn who_is_told_of_spans() {
    let (collector, other) = (Collector::start(Mood::Taking), Collector::start(Mood::Taking));
    let server = Server::start("");
    assert_eq!(guest(&server).status, 200);
    reload(&server, &format!("{}otlp_headers = [\"x-tenant: seven\"]\n", collector.settings()));
    assert_eq!(guest(&server).status, 200);
    let spans = |collector: &Collector| collector.named("POST /v1/auth/guest").len();
    assert!(eventually(PATIENCE, || spans(&collector) == 1));
    assert_eq!(collector.header("x-tenant"), "seven");

    // Of so many that begin here next to none is kept, but a caller that is believed decides itself.
    let rare = format!("{}sample_one_in = 1000000\nparents_from = [\"127.0.0.1/32\"]\n", other.settings());
    reload(&server, &rare);
    assert_eq!(guest(&server).status, 200);
    let from = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(get(&server, "/v1/stats", &[from]).status, 200);
    assert!(eventually(PATIENCE, || other.named("GET /v1/stats").len() == 1));
    let allocated = TurnClient::allocate_udp(server.addr("turn-udp"), Credential::for_session("spans.a"));
    assert!(allocated.is_ok());
    assert_eq!((spans(&collector), spans(&other)), (1, 0));
    reload(&server, &rare.replace("127.0.0.1/32", "192.0.2.0/24"));
    assert_eq!(get(&server, "/v1/stats", &[from]).status, 200);
    reload(&server, "");
    assert_eq!(get(&server, "/v1/stats", &[from]).status, 200);
    assert_eq!(other.named("GET /v1/stats").len(), 1);
}

#[test]
fn what_nobody_can_carry_out_changes_nothing_and_is_told() {
    let server = Server::start("");
    reload(
        &server,
        "[events]\nwebhook_url = \"https://app.example.org/\"\nwebhook_secret = \"whsec_?\"\n[http]\nlisten = []\n",
    );
    let log = server.log();
    assert!(log.contains("those who are told of events stay as they were"), "{log}");
    assert!(log.contains("only a restart carries it out") && log.contains("http.listen"), "{log}");
    assert_eq!(get(&server, "/health", &[]).status, 200);
}
