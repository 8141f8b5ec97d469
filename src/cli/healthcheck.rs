//! `healthcheck`: asks `/health` of the running server, for containers and service managers.
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;

use crate::config::Config;

/// For connecting and for each read: a server that is alive answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// The status line is all that is read.
const ANSWER_MAX_BYTES: u64 = 64;

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let Some(listener) = config.http.listen.first() else {
        bail!("http.listen is empty, so there is no plain listener to ask");
    };
    if listener.port() == 0 {
        bail!("http.listen takes any free port, so it is not known where to ask");
    }
    ask(reachable(*listener))
}

fn ask(server: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).with_context(|| format!("connect to {server}"))?;
    stream.set_read_timeout(Some(PATIENCE)).context("limit the wait")?;
    stream.set_write_timeout(Some(PATIENCE)).context("limit the wait")?;
    let request = format!("GET /health HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(|| format!("ask {server}"))?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer).with_context(|| format!("wait for {server}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    // RFC 9112 §4: the version, a space, three digits.
    if !status.starts_with("HTTP/1.") || status.split(' ').nth(1) != Some("200") {
        bail!("{server} answers {status:?}");
    }
    Ok(())
}

/// A listener on every address is asked on the loopback one.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with `answer` and returns what was asked.
    fn asked(answer: &'static str) -> (anyhow::Result<()>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = vec![0; 256];
            let count = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("the client listens");
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let told = ask(address);
        (told, server.join().expect("the server ended well"))
    }

    #[test]
    fn only_200_is_alive() {
        let (told, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}");
        assert!(told.is_ok(), "{told:?}");
        assert!(request.starts_with("GET /health HTTP/1.0\r\n") && request.ends_with("\r\n\r\n"), "{request:?}");
        for answer in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "SSH-2.0-x\r\n", ""] {
            assert!(asked(answer).0.is_err(), "{answer:?}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        let asked = |text: &str| reachable(text.parse().expect("an address")).to_string();
        assert_eq!(asked("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(asked("[::]:80"), "[::1]:80");
        assert_eq!(asked("10.0.0.5:80"), "10.0.0.5:80");
    }
}
