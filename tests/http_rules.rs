//! The rules of `/ws` and REST, one by one, against the built program: numbers are those of the protocol's fine print.
mod support;

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use support::Server;

/// An answer: status, head in lower case, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks that it is a problem of that status and code. Rules 41 and 42.
    fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.header("content-type")), (status, Some("application/problem+json")));
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)), "{problem}");
        assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{}", self.head);
    }
}

/// Sends one request and reads the answer: its head, and as much body as that announces.
fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set a timeout");
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "connection") {
        text += "connection: close\r\n";
    }
    if !body.is_empty() {
        text += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).expect("send");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !is_whole(&bytes) {
        match stream.read(&mut chunk).expect("read") {
            0 => break,
            len => bytes.extend_from_slice(&chunk[..len]),
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, head: head.replace("\r\n", "\n").to_lowercase(), body: body.to_owned() }
}

/// Whether an answer is there; one that announces no length has no body here.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    head.starts_with("http/1.1 101") || body.len() >= announced
}

fn post(addr: SocketAddr, path: &str, body: &Value) -> Answer {
    request(addr, "POST", path, &[("content-type", "application/json")], &body.to_string())
}

fn get_as(addr: SocketAddr, path: &str, token: &str) -> Answer {
    request(addr, "GET", path, &[("authorization", &format!("Bearer {token}"))], "")
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Asks for a WebSocket with the usual headers and some more.
fn upgrade(addr: SocketAddr, path: &str, more: &[(&str, &str)]) -> Answer {
    request(addr, "GET", path, &[&UPGRADE[..], more].concat(), "")
}

/// An open WebSocket.
fn socket(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("connect");
    let origin = format!("http://localhost:{}", addr.port());
    let headers = [("sec-websocket-protocol", "duologue.v1"), ("origin", &origin)];
    let lines: String = [&UPGRADE[..], &headers].concat().iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    write!(stream, "GET /ws HTTP/1.1\r\nhost: {addr}\r\n{lines}\r\n").expect("send");
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("read");
    assert_eq!(&start, b"HTTP/1.1 101");
    stream
}

fn from_origin(addr: SocketAddr, origin: &str) -> u16 {
    upgrade(addr, "/ws", &[("sec-websocket-protocol", "duologue.v1"), ("origin", origin)]).status
}

#[test]
fn rule_3_the_origin_must_be_ours_byte_for_byte() {
    let server = Server::start("[http]\nallowed_origins = [\"https://app.example\"]\n");
    let addr = server.addr("http");
    let (http, https) = (addr.port(), server.addr("shared").port());
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(from_origin(addr, &format!("http://{host}:{http}")), 101, "{host}");
        assert_eq!(from_origin(addr, &format!("https://{host}:{https}")), 101, "{host}");
        assert_eq!(from_origin(addr, &format!("https://{host}:{http}")), 403, "{host}");
        assert_eq!(from_origin(addr, &format!("http://{host}")), 403, "{host}");
    }
    assert_eq!(from_origin(addr, "https://app.example"), 101);
    let own = format!("http://localhost:{http}");
    for origin in [
        "null",
        "",
        "*",
        "http://app.example",
        "https://app.example:443",
        "https://app.example/",
        "https://app.example.evil.example",
        "https://APP.example",
        &format!("{own}/"),
        &format!("{own}, {own}"),
        &own.replace("localhost", "localhost.evil.example"),
        &own.replace("localhost", "127.0.0.2"),
    ] {
        assert_eq!(from_origin(addr, origin), 403, "{origin}");
    }
    // The Host header is the client's claim and makes no origin.
    let headers = [("sec-websocket-protocol", "duologue.v1"), ("origin", "http://evil.example")];
    let mut stream = TcpStream::connect(addr).expect("connect");
    let lines: String = [&UPGRADE[..], &headers].concat().iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    write!(stream, "GET /ws HTTP/1.1\r\nhost: evil.example\r\n{lines}\r\n").expect("send");
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("read");
    assert_eq!(&start, b"HTTP/1.1 403");
    let twice = [("sec-websocket-protocol", "duologue.v1"), ("origin", &own), ("origin", "http://evil.example")];
    upgrade(addr, "/ws", &twice).is_problem(403, "forbidden");
}

#[test]
fn rules_3_and_4_without_an_origin_a_good_token_is_needed_and_never_in_the_url() {
    let server = Server::start("");
    let addr = server.addr("http");
    let own = format!("http://localhost:{}", addr.port());
    let protocol = ("sec-websocket-protocol", "duologue.v1");
    upgrade(addr, "/ws", &[protocol]).is_problem(403, "forbidden");
    let token = post(addr, "/v1/auth/guest", &json!({"device_id": "d"})).json()["access_token"].clone();
    let bearer = format!("Bearer {}", token.as_str().expect("a token"));
    assert_eq!(upgrade(addr, "/ws", &[protocol, ("authorization", &bearer)]).status, 101);
    assert_eq!(upgrade(addr, "/ws", &[protocol, ("authorization", &bearer.replace("Bearer", "bearer"))]).status, 101);
    let foreign_page = [protocol, ("authorization", &bearer), ("origin", "https://evil.example")];
    upgrade(addr, "/ws", &foreign_page).is_problem(403, "forbidden");
    for bad in ["Bearer x", "Bearer ", "Basic YTpi", "Bearer", &format!("{bearer}x"), &bearer.replace("Bearer ", "")] {
        let answer = upgrade(addr, "/ws", &[protocol, ("authorization", bad), ("origin", &own)]);
        answer.is_problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").is_some(), "RFC 9110 section 15.5.2: {}", answer.head);
    }
    for name in ["token", "access_token", "jwt"] {
        let path = format!("/ws?a=b&{name}={}", token.as_str().expect("a token"));
        upgrade(addr, &path, &[protocol, ("origin", &own)]).is_problem(400, "bad_request");
    }
    assert_eq!(upgrade(addr, "/ws?theme=dark", &[protocol, ("origin", &own)]).status, 101);
}

#[test]
fn rule_5_subprotocol_and_upgrade_are_checked_before_the_switch() {
    let server = Server::start("");
    let addr = server.addr("http");
    let origin = format!("http://localhost:{}", addr.port());
    let origin = ("origin", origin.as_str());
    for offered in ["duologue.v1", "x, duologue.v1", "duologue.v1,y"] {
        let answer = upgrade(addr, "/ws", &[origin, ("sec-websocket-protocol", offered)]);
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, Some("duologue.v1")));
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pplmbitxaq9kygzzhzrbk+xoo="));
        assert_eq!(answer.header("sec-websocket-extensions"), None);
    }
    let deflate = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
    let answer = upgrade(addr, "/ws", &[origin, deflate, ("sec-websocket-protocol", "duologue.v1")]);
    assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None));
    upgrade(addr, "/ws", &[origin]).is_problem(400, "bad_request");
    for offered in ["duologue.v2", "Duologue.V1", ""] {
        upgrade(addr, "/ws", &[origin, ("sec-websocket-protocol", offered)]).is_problem(400, "bad_request");
    }
    let plain = request(addr, "GET", "/ws", &[], "");
    plain.is_problem(426, "bad_request");
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let mut old = UPGRADE.to_vec();
    old[2].1 = "8";
    old.extend([origin, ("sec-websocket-protocol", "duologue.v1")]);
    let answer = request(addr, "GET", "/ws", &old, "");
    answer.is_problem(426, "bad_request");
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
}

#[test]
fn rule_2_too_many_sockets_are_429_of_one_address_and_503_in_total() {
    for (limit, status, code) in
        [("connections_per_address = 2", 429, "rate_limited"), ("connections = 2", 503, "unavailable")]
    {
        let server = Server::start(&format!("[limits]\nexempt = []\n{limit}\n"));
        let addr = server.addr("http");
        let (first, _second) = (socket(addr), socket(addr));
        let headers =
            [("sec-websocket-protocol", "duologue.v1"), ("origin", &format!("http://localhost:{}", addr.port()))];
        let refused = upgrade(addr, "/ws", &headers);
        refused.is_problem(status, code);
        assert!(refused.header("retry-after").and_then(|secs| secs.parse::<u64>().ok()).is_some_and(|secs| secs > 0));
        drop(first);
        let begun = Instant::now();
        while upgrade(addr, "/ws", &headers).status != 101 {
            assert!(begun.elapsed() < Duration::from_secs(5), "a place that is left is given again");
        }
    }
}

#[test]
fn rule_2_requests_and_guests_over_the_budget_are_429_with_retry_after() {
    let server = Server::start("[limits]\nexempt = []\nguests_per_minute = 2\nhttp_requests_per_minute = 8\n");
    let addr = server.addr("http");
    for _ in 0..2 {
        assert_eq!(post(addr, "/v1/auth/guest", &json!({"device_id": "d"})).status, 200);
    }
    let refused = post(addr, "/v1/auth/guest", &json!({"device_id": "d"}));
    refused.is_problem(429, "rate_limited");
    let wait = refused.header("retry-after").and_then(|secs| secs.parse::<u64>().ok()).expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    let refused = (0..9).map(|_| request(addr, "GET", "/v1/auth/me", &[], "")).find(|answer| answer.status == 429);
    refused.expect("the budget of requests ends").is_problem(429, "rate_limited");
    // Whoever watches the node is still told.
    assert_eq!(request(addr, "GET", "/health", &[], "").status, 200);
    assert_eq!(server.get("/metrics").0, 200);
}

#[test]
fn rules_16_and_17_refresh_tokens_rotate_and_reuse_kills_the_family() {
    let server = Server::start("");
    let addr = server.addr("http");
    let first = post(addr, "/v1/auth/guest", &json!({"device_id": "tab"}));
    assert_eq!((first.status, first.header("cache-control")), (200, Some("no-store")));
    let first = first.json();
    assert_eq!((&first["token_type"], &first["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!((&first["user"]["role"], &first["user"]["guest"]), (&json!("user"), &json!(true)));
    let token = |reply: &Value, name: &str| reply[name].as_str().expect("a token").to_owned();
    let second = post(addr, "/v1/auth/refresh", &json!({"refresh_token": first["refresh_token"]})).json();
    assert_eq!(second["user"], first["user"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let verified = get_as(addr, "/v1/auth/verify", &token(&second, "access_token")).json();
    assert_eq!((&verified["valid"], &verified["user"]), (&json!(true), &first["user"]));
    assert!(verified["expires_at"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "milliseconds: {verified}");
    assert_eq!(get_as(addr, "/v1/auth/me", &token(&second, "access_token")).json(), first["user"]);

    let reused = post(addr, "/v1/auth/refresh", &json!({"refresh_token": first["refresh_token"]}));
    reused.is_problem(401, "unauthorized");
    for dead in [&first, &second] {
        get_as(addr, "/v1/auth/verify", &token(dead, "access_token")).is_problem(401, "unauthorized");
        post(addr, "/v1/auth/refresh", &json!({"refresh_token": dead["refresh_token"]}))
            .is_problem(401, "unauthorized");
    }
    let log = server.log();
    for reply in [&first, &second] {
        for name in ["access_token", "refresh_token"] {
            assert!(!log.contains(&token(reply, name)), "{name} is in the log");
        }
    }
}

#[test]
fn rule_18_the_aliases_answer_like_their_twins() {
    let server = Server::start("");
    let addr = server.addr("http");
    let guest = post(addr, "/auth/token", &json!({"deviceId": "d"}));
    assert_eq!(guest.status, 200, "{}", guest.body);
    let renewed = post(addr, "/auth/refresh", &json!({"refreshToken": guest.json()["refresh_token"]}));
    assert_eq!(renewed.status, 200, "{}", renewed.body);
    let token = renewed.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(get_as(addr, "/auth/verify", &token).status, 200);
}

#[test]
fn rule_41_each_mistake_has_its_status_and_code() {
    let server = Server::start("");
    let addr = server.addr("http");
    let json_type = [("content-type", "application/json")];
    for (path, method) in [("/v1/auth/guest", "GET"), ("/v1/auth/me", "POST"), ("/ws", "POST"), ("/health", "DELETE")] {
        let answer = request(addr, method, path, &[], "");
        answer.is_problem(405, "bad_request");
        assert!(answer.header("allow").is_some(), "RFC 9110 section 15.5.6: {path} {}", answer.head);
    }
    for path in ["/v1/nothing", "/nothing", "/v1", "/ws/", "/../etc/passwd", "/%2e%2e/Cargo.toml", "//ws"] {
        request(addr, "GET", path, &[], "").is_problem(404, "not_found");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        request(addr, "POST", "/v1/auth/guest", &[("content-type", kind)], "{}").is_problem(415, "bad_request");
    }
    request(addr, "POST", "/v1/auth/guest", &[], "{}").is_problem(415, "bad_request");
    for bad in ["", "{", "[]", "null", "{}", "{\"device_id\":7}", "{\"device_id\":\"\"}", "{\"device_id\":\"\u{e9}\"}"]
    {
        request(addr, "POST", "/v1/auth/guest", &json_type, bad).is_problem(400, "bad_request");
    }
    let deep = format!("{{\"device_id\":{}", "[".repeat(60_000));
    request(addr, "POST", "/v1/auth/guest", &json_type, &deep).is_problem(400, "bad_request");
    let body = |len: usize| {
        let frame = json!({"device_id": "d", "pad": ""}).to_string().len();
        json!({"device_id": "d", "pad": "x".repeat(len - frame)}).to_string()
    };
    assert_eq!(request(addr, "POST", "/v1/auth/guest", &json_type, &body(65_536)).status, 200);
    for len in [65_537, 500_000] {
        request(addr, "POST", "/v1/auth/guest", &json_type, &body(len)).is_problem(413, "too_large");
    }
    let long = json!({"device_id": "d".repeat(129)}).to_string();
    request(addr, "POST", "/v1/auth/guest", &json_type, &long).is_problem(413, "too_large");
    for path in ["/v1/auth/verify", "/v1/auth/me"] {
        request(addr, "GET", path, &[], "").is_problem(401, "unauthorized");
        get_as(addr, path, "a.b.c").is_problem(401, "unauthorized");
    }
    post(addr, "/v1/auth/refresh", &json!({"refresh_token": "x".repeat(2000)})).is_problem(401, "unauthorized");
}

#[test]
fn rule_42_headers_ids_and_cors() {
    let server = Server::start("");
    let addr = server.addr("http");
    let own = format!("http://localhost:{}", addr.port());
    for path in ["/", "/health", "/v1/auth/me", "/nothing", "/metrics", "/ws"] {
        let answer = request(addr, "GET", path, &[], "");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("frame-ancestors"), "{path}: {policy}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    }
    for (id, kept) in [("Trace-1.2_3", true), (&"x".repeat(64), true), (&"x".repeat(65), false), ("a b", false)] {
        let answer = request(addr, "GET", "/health", &[("x-request-id", id)], "");
        assert_eq!(answer.header("x-request-id") == Some(&id.to_lowercase()), kept, "{id}");
    }
    for (origin, allowed) in [(own.as_str(), true), ("https://evil.example", false), ("null", false)] {
        let answer = request(addr, "GET", "/v1/auth/me", &[("origin", origin)], "");
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{}", answer.head);
        let asked = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = request(addr, "OPTIONS", "/v1/auth/guest", &asked, "");
        assert_eq!(preflight.status, if allowed { 204 } else { 403 });
        assert_eq!(preflight.header("access-control-allow-origin"), allowed.then_some(origin));
    }
}

#[test]
fn health_readiness_and_metrics_have_their_names_and_no_ids() {
    let mut server = Server::start("[server]\nshutdown_grace = \"4s\"\n");
    let addr = server.addr("http");
    let health = request(addr, "GET", "/health", &[], "");
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    assert_eq!(request(addr, "GET", "/health/ready", &[], "").status, 200);
    let (_, page) = server.get("/metrics");
    for name in [
        "video_chat_active_connections",
        "video_chat_sessions_created_total",
        "video_chat_match_latency_seconds_count",
        "video_chat_webrtc_offers_total",
        "video_chat_reports_submitted_total",
        "duologue_relay_allocations{",
        "duologue_relay_packets_total{direction=",
        "duologue_relay_bytes_total{direction=",
        "duologue_relay_dropped_total{reason=",
        // A counter without samples until the first request.
        "# TYPE duologue_stun_requests counter",
    ] {
        assert!(page.lines().any(|line| line.starts_with(name)), "{name} is missing");
    }
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
        assert!(!labels.contains("127.0.0.1") && !labels.contains("g_") && !labels.contains("::1"), "{line}");
    }
    request(server.addr("shared"), "GET", "/metrics", &[], "").is_problem(404, "not_found");
    // Open sockets keep the drain going; their closes are spread over the grace.
    let _sockets: Vec<TcpStream> = (0..20).map(|_| socket(addr)).collect();
    server.signal("TERM");
    let begun = Instant::now();
    let refused = loop {
        let answer = request(addr, "GET", "/health/ready", &[], "");
        if answer.status == 503 || begun.elapsed() > Duration::from_secs(3) {
            break answer;
        }
    };
    refused.is_problem(503, "unavailable");
    assert_eq!(refused.json()["check"], "draining");
    assert_eq!(server.wait_exit(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_client_that_says_nothing_or_half_a_request_is_let_go() {
    let server = Server::start("");
    let addr = server.addr("http");
    let begun = Instant::now();
    let clients: Vec<TcpStream> = ["", "G", "PRI * HT", "GET /health HTTP/1.1\r\nhost", "GET /health HTTP/1.1\r\n"]
        .iter()
        .map(|start| {
            let mut stream = TcpStream::connect(addr).expect("connect");
            stream.write_all(start.as_bytes()).expect("send");
            stream.set_read_timeout(Some(Duration::from_secs(25))).expect("set a timeout");
            stream
        })
        .collect();
    for (at, mut stream) in clients.into_iter().enumerate() {
        let mut rest = Vec::new();
        let _reset_or_end = stream.read_to_end(&mut rest);
        assert!(begun.elapsed() < Duration::from_secs(22), "client {at} is kept for {:?}", begun.elapsed());
    }
}
