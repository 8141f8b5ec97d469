//! A backend of the operator's own beside the built program: tokens that it signs, its public keys fetched, exchanged, out of
//! reach; and guests that it judges.
mod support;

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use rcgen::KeyPair;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use support::Server;
use support::eventually;
use support::ws::Client;

/// Longer than the server rests between two fetches.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key of a backend under its name.
struct Key {
    name: &'static str,
    private: EncodingKey,
    public: Value,
}

impl Key {
    fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("made");
        let point = pair.public_key_raw();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public =
            json!({"kty": "EC", "crv": "P-256", "kid": name, "x": text(&point[1..33]), "y": text(&point[33..])});
        Self { name, private: EncodingKey::from_ec_der(pair.serialized_der()), public }
    }

    fn token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let header = Header { kid: Some(self.name.to_owned()), ..Header::new(Algorithm::ES256) };
        let claims = json!({"sub": "42", "exp": now + 600, "iss": "shop", "aud": "calls", "role": "moderator"});
        jsonwebtoken::encode(&header, &claims, &self.private).expect("signs")
    }
}

fn set(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| &key.public).collect::<Vec<_>>()}).to_string()
}

/// A backend that publishes keys; what it answers, status and headers included, changes with the test.
struct Backend {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    answer: String,
    asked: usize,
    /// The last request.
    question: String,
}

impl Backend {
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Mutex::new(Shared { answer, asked: 0, question: String::new() }));
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let question = read_request(&mut stream);
                let answer = {
                    let mut shared = served.lock().expect("lock");
                    shared.asked += 1;
                    shared.question = question;
                    shared.answer.clone()
                };
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, shared }
    }

    fn answers(&self, answer: String) {
        self.shared.lock().expect("lock").answer = answer;
    }

    fn asked(&self) -> usize {
        self.shared.lock().expect("lock").asked
    }

    fn question(&self) -> String {
        self.shared.lock().expect("lock").question.clone()
    }

    fn config(&self) -> String {
        format!(
            "[auth]\njwks_url = \"http://{}/keys\"\nissuer = \"shop\"\naudience = \"calls\"\n[limits]\nhttp_requests_per_minute = 100000\n",
            self.address
        )
    }
}

/// Head and body of a request, as far as it comes.
fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !is_whole(&bytes) && stream.read(&mut byte).is_ok_and(|len| len == 1) {
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    body.len() >= announced
}

fn ok(document: &str) -> String {
    answer("200 OK", "", document)
}

fn answer(status: &str, header: &str, document: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{header}content-type: application/json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
}

fn is_good(server: &Server, token: &str) -> bool {
    let authorization = format!("authorization: Bearer {token}");
    let reply = support::http::request(server.addr("http"), "GET /v1/auth/verify", &[&authorization], b"");
    assert!([200, 401].contains(&reply.status), "{reply:?}");
    reply.status == 200
}

#[tokio::test]
async fn rule_17_keys_of_a_backend_are_fetched_and_exchanged_while_the_server_runs() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let backend = Backend::start(ok(&set(&[&old])));
    let server = Server::start(&backend.config());
    // The first fetch may be under way: whoever comes waits for it.
    let mut client = Client::connect(server.addr("http")).await;
    let hello = client.ask("hello", json!({"token": old.token()})).await;
    assert_eq!(hello["user"], json!({"id": "shop:42", "role": "moderator", "guest": false}));
    assert!(is_good(&server, &old.token()) && !is_good(&server, &new.token()));
    backend.answers(ok(&set(&[&old, &new])));
    assert!(eventually(PATIENCE, || is_good(&server, &new.token())), "an unknown key is asked for");
    client.ask("auth.refresh", json!({"token": new.token()})).await;
    let stranger = Key { name: "new", ..Key::new("x") };
    assert!(is_good(&server, &old.token()) && !is_good(&server, &stranger.token()));
}

#[test]
fn what_is_known_stays_when_the_backend_fails_and_nobody_else_answers_for_it() {
    let (known, evil) = (Key::new("known"), Key::new("evil"));
    let backend = Backend::start(ok(&set(&[&known])));
    let elsewhere = Backend::start(ok(&set(&[&evil])));
    let server = Server::start(&backend.config());
    assert!(eventually(PATIENCE, || is_good(&server, &known.token())));
    let location = format!("location: http://{}/keys\r\n", elsewhere.address);
    let long = format!("{{\"keys\":[{}],\"x\":\"{}\"}}", evil.public, "x".repeat(300_000));
    for bad in [answer("500 Internal Server Error", "", &set(&[&evil])), answer("302 Found", &location, ""), ok(&long)]
    {
        let before = backend.asked();
        backend.answers(bad.clone());
        // Each unknown key asks for a newer set, but not all the time.
        assert!(eventually(PATIENCE, || {
            assert!(!is_good(&server, &evil.token()));
            backend.asked() > before
        }));
        assert!(is_good(&server, &known.token()), "{bad:.60}");
    }
    assert_eq!(elsewhere.asked(), 0, "redirects are not followed");
}

#[test]
fn unknown_keys_do_not_make_the_server_hammer_the_backend() {
    let (known, other) = (Key::new("known"), Key::new("other"));
    let backend = Backend::start(ok(&set(&[&known])));
    let server = Server::start(&backend.config());
    assert!(eventually(PATIENCE, || is_good(&server, &known.token())));
    let before = backend.asked();
    let start = std::time::Instant::now();
    for _ in 0..200 {
        assert!(!is_good(&server, &other.token()));
    }
    let most = 1 + start.elapsed().as_secs() as usize / 5;
    let asked = backend.asked() - before;
    assert!(asked <= most, "{asked} fetches in {:?}", start.elapsed());
}

#[test]
fn keys_may_be_in_a_file() {
    let (first, second) = (Key::new("first"), Key::new("second"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("keys.json");
    std::fs::write(&path, set(&[&first])).expect("written");
    let server = Server::start(&format!("[auth]\njwks_file = \"{}\"\nissuer = \"shop\"\n", path.display()));
    assert!(eventually(PATIENCE, || is_good(&server, &first.token())));
    std::fs::write(&path, set(&[&second])).expect("written");
    assert!(eventually(PATIENCE, || is_good(&server, &second.token())));
    assert!(!is_good(&server, &first.token()));
}

#[tokio::test]
async fn guests_come_with_a_proof_where_a_service_judges_them() {
    let service = Backend::start(answer("204 No Content", "", ""));
    let url = format!("http://{}/judge", service.address);
    let server = Server::start(&format!("[auth]\nguest_check_url = \"{url}\"\nguest_check_secret = \"a key\"\n"));
    let http = server.addr("http");
    let ask = |proof: &str| {
        support::http::request(
            http,
            "POST /v1/auth/guest",
            &["content-type: application/json"],
            json!({"device_id": "d 1", "proof": proof}).to_string().as_bytes(),
        )
    };
    let guest = ask("right");
    assert_eq!(guest.status, 200, "{guest:?}");
    let question = service.question();
    let (head, body) = question.split_once("\r\n\r\n").expect("a whole head");
    let asked: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(asked, json!({"device_id": "d 1", "address": "127.0.0.1", "proof": "right"}));
    let signature = head.lines().find_map(|line| line.strip_prefix("duologue-signature: ")).expect("a signature");
    let (moment, code) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("both parts");
    assert_eq!(code, hmac_sha256_hex(b"a key", format!("{moment}.{body}").as_bytes()));
    let mut client = Client::connect(http).await;
    let ok = client.ask("hello", json!({"token": guest.json()["access_token"]})).await;
    assert_eq!(ok["user"]["guest"], true);
    // Nobody comes past it.
    let mut client = Client::connect(http).await;
    assert_eq!(client.refused("hello", json!({"guest": {"device_id": "d"}})).await, "forbidden");
    assert_eq!(client.closed().await, 4403);
    service.answers(answer("403 Forbidden", "", ""));
    assert_eq!(ask("wrong").problem(403), "forbidden");
    assert_eq!(ask(&"x".repeat(9000)).problem(413), "too_large");
    for silence in
        [answer("500 Internal Server Error", "", ""), answer("302 Found", "location: /\r\n", ""), String::new()]
    {
        service.answers(silence);
        let refused = ask("right");
        assert_eq!(refused.problem(503), "unavailable");
        assert_eq!(refused.header("retry-after"), "2");
    }
}

fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
