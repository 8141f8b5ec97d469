//! A server of the operator's that events are posted to; it can refuse, and it checks who posts.
use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use sha2::Sha256;

const SECRET: &str = "what the receiver knows too";

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Posted {
    header_by_name: HashMap<String, String>,
    pub body: String,
    pub at: Instant,
}

impl Posted {
    /// Reads the next request of a connection, which must begin with that line; nothing once nobody asks any more.
    pub fn read(reader: &mut BufReader<TcpStream>, first: &str) -> Option<Posted> {
        let mut header_by_name = HashMap::new();
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
        assert_eq!(line.trim_end(), first);
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            header_by_name.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body = vec![0; header_by_name["content-length"].parse().expect("a length")];
        reader.read_exact(&mut body).ok()?;
        Some(Posted { header_by_name, body: String::from_utf8(body).expect("text"), at: Instant::now() })
    }

    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.header_by_name.get(name).map_or("", String::as_str)
    }

    /// Checks the signature of the server's events and the names of Standard Webhooks.
    pub fn is_genuine(&self) {
        self.is_signed_by(SECRET);
    }

    /// The same for another secret.
    pub fn is_signed_by(&self, secret: &str) {
        let header = |name: &str| self.header_by_name[name].as_str();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
        mac.update(format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), self.body).as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), signature);
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(self.event()["id"], header("webhook-id"));
    }
}

/// See the module's documentation. It refuses until [`Receiver::come_up`].
pub struct Receiver {
    addr: SocketAddr,
    is_up: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    taken: Arc<Mutex<Vec<Posted>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let receiver = Self { addr, is_up: Arc::default(), refused: Arc::default(), taken: Arc::default() };
        let (is_up, refused, taken) = (receiver.is_up.clone(), receiver.refused.clone(), receiver.taken.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (is_up, refused, taken) = (is_up.clone(), refused.clone(), taken.clone());
                thread::spawn(move || {
                    let mut writer = stream.try_clone().expect("a second handle");
                    let mut reader = BufReader::new(stream);
                    while let Some(posted) = Posted::read(&mut reader, "POST /events HTTP/1.1") {
                        let status = if is_up.load(Ordering::SeqCst) {
                            taken.lock().expect("lock").push(posted);
                            "204 No Content"
                        } else {
                            refused.fetch_add(1, Ordering::SeqCst);
                            "503 Service Unavailable"
                        };
                        // In one piece: the kernel would hold the second one back until the first is acknowledged.
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                        let _ = writer.write_all(answer.as_bytes());
                    }
                });
            }
        });
        receiver
    }

    /// What the server's configuration says of it.
    pub fn settings(&self) -> String {
        format!("[events]\nwebhook_url = \"http://{}/events\"\nwebhook_secret = \"{SECRET}\"\n", self.addr)
    }

    /// Takes what comes from now on.
    pub fn come_up(&self) {
        self.is_up.store(true, Ordering::SeqCst);
    }

    /// Requests that were refused.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Requests that were taken, in their order.
    pub fn taken(&self) -> Vec<Posted> {
        self.taken.lock().expect("lock").clone()
    }
}
