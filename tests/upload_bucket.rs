//! Files in a bucket: the built program with a foreign server that speaks S3 (moto).
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use support::caller::Call;
use support::eventually;
use support::http::request;
use support::ports;

/// The Python that `make test` sets up with `tests/requirements.txt`.
const MOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/moto_server");
/// How long what happens behind a request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The foreign server, with one bucket.
struct Bucket {
    child: Child,
    at: SocketAddr,
}

impl Bucket {
    fn start() -> Self {
        assert!(std::path::Path::new(MOTO).exists(), "{MOTO} is missing: make test makes it");
        let at = SocketAddr::from(([127, 0, 0, 1], ports::fixed()));
        let child = Command::new(MOTO)
            .args(["-H", "127.0.0.1", "-p", &at.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start moto");
        let bucket = Self { child, at };
        assert!(eventually(PATIENCE, || TcpStream::connect(at).is_ok()), "moto listens");
        let made = request(at, "PUT /talk", &[], b"");
        assert_eq!(made.status, 200, "{made:?}");
        bucket
    }

    fn settings(&self) -> String {
        format!(
            "[files]\nstorage = \"s3\"\n[files.s3]\nbucket = \"talk\"\nendpoint = \"http://{}\"\nregion = \"us-east-1\"\n\
             prefix = \"node-1\"\naccess_key_id = \"a key\"\nsecret_access_key = \"a secret of the bucket\"\n",
            self.at
        )
    }

    /// The names of the objects.
    fn objects(&self) -> Vec<String> {
        self.texts("/talk?list-type=2", "Key")
    }

    /// Uploads in parts that were begun and not ended.
    fn unfinished(&self) -> Vec<String> {
        self.texts("/talk?uploads", "UploadId")
    }

    fn texts(&self, path: &str, tag: &str) -> Vec<String> {
        let answer = request(self.at, &format!("GET {path}"), &[], b"");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let inside = |part: &str| part.split("</").next().unwrap_or_default().to_owned();
        text.split(&format!("<{tag}>")).skip(1).map(inside).filter(|found| !found.is_empty()).collect()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn files_of_any_length_go_to_the_bucket_and_come_back() {
    let bucket = Bucket::start();
    let mut call = Call::start(&bucket.settings()).await;
    // In one piece, and in three parts.
    for (n, len) in [1_000, 12_000_000].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..len).map(|at: usize| (at / 3 % 251) as u8).collect();
        let message = call.show("file", "numbers", &bytes, n).await;
        let url = &message["file"]["url"];
        assert!(call.get(url, &[]).body == bytes, "{len}");
        let part = call.get(url, &["range: bytes=500-999"]);
        assert_eq!((part.status, part.body.as_slice()), (206, &bytes[500..1000]));
        let id = message["file"]["id"].as_str().expect("an id");
        assert_eq!(bucket.objects(), [format!("node-1/{}/{id}", &id[..2])]);
        call.delete(&message).await;
        assert!(eventually(PATIENCE, || bucket.objects().is_empty()), "{:?}", bucket.objects());
        assert_eq!(call.get(url, &[]).problem(404), "not_found");
    }
    assert_eq!(bucket.unfinished(), Vec::<String>::new());
    let log = call.server.log();
    assert!(!log.contains("a secret of the bucket") && !log.contains("a key"), "secrets are no matter of the log");
}

#[tokio::test]
async fn what_breaks_off_is_ended_in_the_bucket_too() {
    let bucket = Bucket::start();
    let call = Call::start(&bucket.settings()).await;
    let whole = vec![7; 12_000_000];
    let asked = call.ask(json!({"kind": "file", "name": "a.bin", "size": whole.len()})).json();
    let line = format!("PUT {}", asked["url"].as_str().expect("a URL"));
    {
        let mut stream = TcpStream::connect(call.http()).expect("connect");
        let head = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", whole.len());
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&whole[..11_000_000]).expect("sent");
        assert!(eventually(PATIENCE, || !bucket.unfinished().is_empty()), "the first parts arrive");
    }
    assert!(eventually(PATIENCE, || bucket.unfinished().is_empty()), "{:?}", bucket.unfinished());
    assert_eq!(bucket.objects(), Vec::<String>::new());
    assert!(eventually(PATIENCE, || call.put(&asked["url"], &whole).status == 200));
    assert_eq!(bucket.objects().len(), 1);
}

#[tokio::test]
async fn a_bucket_that_is_away_is_told_and_tried_again() {
    let mut bucket = Bucket::start();
    let mut call = Call::start(&bucket.settings()).await;
    let message = call.show("file", "a", b"somebody's words", 1).await;
    bucket.child.kill().expect("end moto");
    bucket.child.wait().expect("moto ends");
    assert_eq!(call.get(&message["file"]["url"], &[]).problem(503), "unavailable");
    let asked = call.ask(json!({"kind": "file", "name": "b", "size": 3})).json();
    assert_eq!(call.put(&asked["url"], b"abc").problem(503), "unavailable");
    assert!(!call.server.log().contains("panicked"));
    let (status, _) = call.server.get("/health");
    assert_eq!(status, 200);
    // Words need no bucket.
    let words =
        json!({"session": call.session, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000009", "kind": "text", "text": "x"});
    call.a.client.ask("chat.send", words).await;
    assert_eq!(call.b.client.push("chat.message").await["text"], "x");
}
