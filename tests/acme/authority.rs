//! A real ACME server (pebble) behind a small HTTPS front, which adds what that version does not know (renewal information,
//! RFC 9773) and plays the moods of authorities: out of order, too busy, sending rubbish.
//!
//! Pebble itself makes its part of the trouble: it rejects some sound nonces, as authorities do.
#![allow(unreachable_pub, reason = "a module of one test")]
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use duologue::listener::local_ca;
use duologue::time::Clock;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use serde_json::json;

use crate::support::eventually;
use crate::support::ports;
use crate::support::require_program;

/// How long an exchange may take, and the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the front treats new orders, and what it does to certificates.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    /// Orders are answered with 500, as by a proxy whose server is gone.
    Down,
    /// One order is answered with 429 and that `Retry-After`; then all is good.
    Busy(u64),
    /// Certificates are cut off.
    Rubbish,
}

/// What the front has seen, and what it is to do.
pub struct Books {
    pub mood: Mood,
    /// When each order came that was let through or refused.
    pub orders: Vec<Instant>,
    /// The certificates that orders said to replace.
    pub replaced: Vec<String>,
    /// Whether the next certificate that is asked about is to be renewed at once.
    pub is_recall: bool,
    recalled: Option<String>,
}

/// The authority; it ends with the test.
pub struct Authority {
    children: Vec<Child>,
    front: SocketAddr,
    management: u16,
    directory: tempfile::TempDir,
    pub books: Arc<Mutex<Books>>,
    /// Where it looks for the server that asks for certificates.
    pub http_port: u16,
    pub tls_port: u16,
}

impl Authority {
    pub fn start() -> Authority {
        Authority::start_for(ports::fixed(), ports::fixed())
    }

    /// The same, which comes to these ports.
    pub fn start_for(http_port: u16, tls_port: u16) -> Authority {
        let directory = tempfile::tempdir().expect("a directory");
        let own = local_ca::ensure(directory.path(), "localhost", Clock::start().now().unix).expect("a pair");
        let [api, management, dns, dns_management] = [(); 4].map(|()| ports::fixed());
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{api}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": own.cert, "privateKey": own.key,
            "httpPort": http_port, "tlsPort": tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": true,
            "externalAccountMACKeys": {"kid-1": URL_SAFE_NO_PAD.encode(EXTERNAL_KEY)},
        }});
        let file = directory.path().join("pebble.json");
        std::fs::write(&file, config.to_string()).expect("written");
        let mut names = quiet(require_program("pebble-challtestsrv", "pebble"));
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        names.args(["-dns01", &format!("127.0.0.1:{dns}"), "-management", &format!("127.0.0.1:{dns_management}")]);
        let mut pebble = quiet(require_program("pebble", "pebble"));
        pebble.arg("-config").arg(&file).args(["-strict", "-dnsserver", &format!("127.0.0.1:{dns}")]);
        pebble.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0"), ("PEBBLE_WFE_NONCEREJECT", "5")]);
        let children = [names, pebble].map(|mut command| command.spawn().expect("it starts")).into();
        let is_up = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(eventually(PATIENCE, || [api, management, dns_management].into_iter().all(is_up)), "pebble is up");

        let books =
            Books { mood: Mood::Good, orders: Vec::new(), replaced: Vec::new(), is_recall: false, recalled: None };
        let books = Arc::new(Mutex::new(books));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let front = listener.local_addr().expect("an address");
        let door = Door { own, api, books: Arc::clone(&books), client: client(&directory) };
        std::thread::spawn(move || door.serve(&listener));
        Authority { children, front, management, directory, books, http_port, tls_port }
    }

    /// `[tls.acme]` and what else a server needs to be seen from here.
    pub fn settings(&self, challenge: &str) -> String {
        let (http, tls, port) = (self.http_port, self.tls_port, self.front.port());
        let ca = self.directory.path().join("tls/local-ca.pem");
        format!(
            "[http]\nlisten = [\"127.0.0.1:{http}\"]\ntls_listen = [\"127.0.0.1:{tls}\"]\n[tls.acme]\n\
             domains = [\"chat.example.test\", \"turn.example.test\"]\ncontact = [\"admin@example.test\"]\n\
             directory_url = \"https://localhost:{port}/dir\"\nca_file = {ca:?}\nchallenge = \"{challenge}\"\n\
             eab_kid = \"kid-1\"\neab_key = \"{}\"\n",
            URL_SAFE_NO_PAD.encode(EXTERNAL_KEY),
        )
    }

    pub fn is_in(&self, mood: Mood) {
        self.books.lock().expect("not poisoned").mood = mood;
    }

    /// The next certificate that is asked about is to be renewed.
    pub fn recall(&self) {
        self.books.lock().expect("not poisoned").is_recall = true;
    }

    /// A client that trusts what this authority issues and nothing else.
    pub fn trusting(&self) -> Arc<ClientConfig> {
        let target =
            format!("GET /roots/0 HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", self.management);
        let answer = exchange(&client(&self.directory), self.management, target.as_bytes());
        let (_, pem) = split(&answer);
        let root = CertificateDer::from_pem_slice(pem).expect("the root of pebble");
        trust(root)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const EXTERNAL_KEY: &[u8; 32] = b"a key of an account outside ACME";

fn quiet(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn client(directory: &tempfile::TempDir) -> Arc<ClientConfig> {
    trust(CertificateDer::from_pem_file(directory.path().join("tls/local-ca.pem")).expect("its own authority"))
}

fn trust(root: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a sound certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth())
}

/// One request on a connection of its own; all of the answer.
fn exchange(client: &Arc<ClientConfig>, port: u16, request: &[u8]) -> Vec<u8> {
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("connect to pebble");
    socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    let name = "localhost".try_into().expect("a name");
    let tls = ClientConnection::new(Arc::clone(client), name).expect("a TLS client");
    let mut stream = StreamOwned::new(tls, socket);
    stream.write_all(request).expect("written");
    let mut answer = Vec::new();
    // Whether it says goodbye properly is not ours to judge.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn split(message: &[u8]) -> (String, &[u8]) {
    let at = message.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&message[..at]).into_owned(), &message[at..])
}

/// The front itself.
struct Door {
    own: local_ca::LocalPair,
    api: u16,
    books: Arc<Mutex<Books>>,
    client: Arc<ClientConfig>,
}

impl Door {
    fn serve(&self, listener: &TcpListener) {
        let chain =
            CertificateDer::pem_file_iter(&self.own.cert).expect("PEM").collect::<Result<_, _>>().expect("a chain");
        let key = PrivateKeyDer::from_pem_file(&self.own.key).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        let config = Arc::new(config);
        std::thread::scope(|threads| {
            for socket in listener.incoming().map_while(Result::ok) {
                let tls = ServerConnection::new(Arc::clone(&config)).expect("a TLS server");
                threads.spawn(move || self.attend(StreamOwned::new(tls, socket)));
            }
        });
    }

    /// Answers one request.
    fn attend(&self, mut stream: StreamOwned<ServerConnection, TcpStream>) {
        let _ = stream.sock.set_read_timeout(Some(PATIENCE));
        let Some(request) = read_request(&mut stream) else { return };
        let (head, body) = split(&request);
        let path = head.split(' ').nth(1).expect("a target").to_owned();
        let answer = if let Some(certificate) = path.strip_prefix("/renewal/") {
            self.renewal(certificate)
        } else if path.starts_with("/order-plz") {
            self.order(&head, body)
        } else {
            self.pass_on(&head, body, &path)
        };
        let _ = stream.write_all(&answer);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }

    fn renewal(&self, certificate: &str) -> Vec<u8> {
        let mut books = self.books.lock().expect("not poisoned");
        if std::mem::take(&mut books.is_recall) {
            books.recalled = Some(certificate.to_owned());
        }
        let (start, end) = match books.recalled.as_deref() == Some(certificate) {
            true => ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),
            false => ("2090-01-01T00:00:00Z", "2090-01-02T00:00:00Z"),
        };
        json_answer("200 OK", "retry-after: 21600\r\n", &json!({"suggestedWindow": {"start": start, "end": end}}))
    }

    fn order(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let mut books = self.books.lock().expect("not poisoned");
        books.orders.push(Instant::now());
        match books.mood {
            Mood::Good | Mood::Rubbish => {}
            Mood::Down => return b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops".to_vec(),
            Mood::Busy(seconds) => {
                books.mood = Mood::Good;
                let problem = json!({"type": "urn:ietf:params:acme:error:rateLimited", "detail": "not so fast"});
                return json_answer("429 Too Many Requests", &format!("retry-after: {seconds}\r\n"), &problem);
            }
        }
        let message: Value = serde_json::from_slice(body).expect("a JWS");
        let payload = URL_SAFE_NO_PAD.decode(message["payload"].as_str().expect("a payload")).expect("base64url");
        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
        drop(books);
        let answer = exchange(&self.client, self.api, &request_again(head, body));
        let Some(replaces) = payload["replaces"].as_str() else { return answer };
        // Pebble does not know the member; who knows it repeats it.
        let (head, body) = split(&answer);
        let Ok(mut order) = serde_json::from_slice::<Value>(body) else { return answer };
        if !head.starts_with("HTTP/1.1 201") {
            return answer;
        }
        self.books.lock().expect("not poisoned").replaced.push(replaces.to_owned());
        order["replaces"] = json!(replaces);
        with_body(&head, order.to_string().as_bytes())
    }

    fn pass_on(&self, head: &str, body: &[u8], path: &str) -> Vec<u8> {
        let answer = exchange(&self.client, self.api, &request_again(head, body));
        let (answered, content) = split(&answer);
        if path == "/dir" {
            let host = head.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
            let mut directory: Value = serde_json::from_slice(content).expect("a directory");
            directory["renewalInfo"] = json!(format!("https://{host}/renewal"));
            return with_body(&answered, directory.to_string().as_bytes());
        }
        if path.starts_with("/certZ/") && self.books.lock().expect("not poisoned").mood == Mood::Rubbish {
            return with_body(&answered, &content[..content.len() / 3]);
        }
        answer
    }
}

fn read_request(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut room = [0; 4096];
    loop {
        if request.windows(4).any(|window| window == b"\r\n\r\n") {
            let (head, body) = split(&request);
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|text| text.trim().parse().ok()).unwrap_or(0) {
                return Some(request);
            }
        }
        let len = stream.read(&mut room).ok().filter(|len| *len > 0)?;
        request.extend_from_slice(&room[..len]);
    }
}

/// The same request for a connection that ends with its answer. The host stays: the signed URL is the front's.
fn request_again(head: &str, body: &[u8]) -> Vec<u8> {
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    [head.as_bytes(), body].concat()
}

/// The same answer with another body.
fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    let kept = head.lines().filter(|line| !line.is_empty());
    let kept = kept.filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("transfer-encoding:")
    });
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn json_answer(status: &str, headers: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
