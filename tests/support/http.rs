//! HTTP by hand: one request per connection, every byte of the head in the test's hands.
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A response, taken apart.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts a problem of that status; its code.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.json()["code"].as_str().expect("a code").to_owned()
    }
}

/// A request whose body has its true length.
pub fn request(to: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Reply {
    let length = format!("content-length: {}", body.len());
    send(to, line, &[headers, &[&length]].concat(), body)
}

/// Sends one request with an access token, and a body of JSON if there is one.
pub fn request_as(to: SocketAddr, line: &str, token: &str, body: Option<&Value>) -> Reply {
    let authorization = format!("authorization: Bearer {token}");
    match body {
        None => request(to, line, &[&authorization], b""),
        Some(body) => {
            let headers = [authorization.as_str(), "content-type: application/json"];
            request(to, line, &headers, body.to_string().as_bytes())
        }
    }
}

/// A request whose headers say all that is said about its body.
pub fn send(to: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(to).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut head = format!("{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("send the head");
    // A server that refuses may not read everything.
    let _ = stream.write_all(body);
    let _ = stream.flush();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

/// Takes a whole answer apart.
pub fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer with a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let mut body = answer[end + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunk(&body);
    }
    Reply { status, head, body }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let len = usize::from_str_radix(&String::from_utf8_lossy(&body[..end]), 16).expect("a length");
        whole.extend_from_slice(&body[end + 2..end + 2 + len]);
        body = &body[(end + 4 + len).min(body.len())..];
    }
    whole
}
