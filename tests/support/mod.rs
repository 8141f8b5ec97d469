//! Starts the built program for whole-program tests and ends it with them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of the support")]

pub mod backend;
pub mod caller;
pub mod collector;
pub mod disk;
pub mod http;
pub mod netns;
pub mod ports;
pub mod receiver;
pub mod turn;
pub mod wire;
pub mod ws;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

/// How long the program may take from its start to its first line per listener.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end after SIGTERM.
const STOP: Duration = Duration::from_secs(15);

/// A secret that the tests share with the server, in the convention of time-limited credentials.
pub const TURN_SECRET: &str = "a shared secret that only these tests know";

/// The built program, running on ports of its own with its own state directory.
pub struct Server {
    child: Child,
    listeners: Vec<(String, SocketAddr)>,
    pub state: tempfile::TempDir,
    log: PathBuf,
}

impl Server {
    /// Starts the program with loopback listeners on ports of its own and `extra` lines of configuration.
    ///
    /// `extra` is TOML whose tables are merged by the program's own rule: it is the last file of `conf.d`.
    pub fn start(extra: &str) -> Server {
        Server::start_by(&[], extra)
    }

    /// The same, started by a program that turns into ours.
    pub fn start_by(starter: &[&str], extra: &str) -> Server {
        let state = tempfile::tempdir().expect("a temporary directory");
        let config = state.path().join("duologue.toml");
        std::fs::write(&config, base_config(state.path())).expect("write the configuration");
        let conf_d = state.path().join("conf.d");
        std::fs::create_dir(&conf_d).expect("make conf.d");
        std::fs::write(conf_d.join("test.toml"), extra).expect("write the test's configuration");
        let log = state.path().join("log");
        let (child, listeners) = launch(starter, &config, &log);
        Server { child, listeners, state, log }
    }

    /// Stops the program without a drain and starts it with the same state, at the same ports unless `extra` named port 0.
    pub fn restart(&mut self) {
        self.stop();
        (self.child, self.listeners) = launch(&[], &self.state.path().join("duologue.toml"), &self.log);
    }

    /// Kills the program, as the kernel would when memory is short, and starts it with the same state at the same ports.
    pub fn crash_and_restart(&mut self) {
        self.end_and_restart(false, || {});
    }

    /// Stops the program or kills it, does something to what it has left, and starts it with that at the same ports.
    pub fn end_and_restart(&mut self, in_order: bool, work: impl FnOnce()) {
        if in_order {
            self.stop();
        } else {
            self.child.kill().expect("SIGKILL");
            self.child.wait().expect("it has ended");
        }
        work();
        let ports = self.state.path().join("conf.d/zz-ports.toml");
        std::fs::write(ports, fixed_ports(&self.listeners)).expect("write the ports");
        (self.child, self.listeners) = launch(&[], &self.state.path().join("duologue.toml"), &self.log);
    }

    fn stop(&mut self) {
        self.signal("TERM");
        // A second SIGTERM stops without the grace of a drain.
        self.signal("TERM");
        if self.wait_exit(STOP).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// The first bound address of a listener kind as the program printed it, such as `turn-udp`.
    pub fn addr(&self, kind: &str) -> SocketAddr {
        self.find(kind, |_| true)
    }

    /// The bound IPv6 address of a listener kind.
    pub fn addr_v6(&self, kind: &str) -> SocketAddr {
        self.find(kind, SocketAddr::is_ipv6)
    }

    /// The bound address of a listener kind on this IP address.
    pub fn addr_on(&self, kind: &str, ip: &str) -> SocketAddr {
        let ip: IpAddr = ip.parse().expect("an address");
        self.find(kind, |addr| addr.ip() == ip)
    }

    fn find(&self, kind: &str, wanted: impl Fn(&SocketAddr) -> bool) -> SocketAddr {
        self.listeners
            .iter()
            .find(|(name, addr)| name == kind && wanted(addr))
            .unwrap_or_else(|| panic!("no such listener: {kind} in {:?}", self.listeners))
            .1
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the program has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The body of a GET on the plain HTTP listener.
    pub fn get(&self, path: &str) -> (u16, String) {
        http_get(self.addr("http"), path)
    }

    /// The value of a metric: the sum over its samples whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, 200, "{body}");
        sum_metric(&body, name, labels)
    }

    /// Live allocations as the metrics tell them.
    pub fn allocations(&self) -> f64 {
        self.metric("duologue_relay_allocations", "")
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the program runs");
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .expect("VmRSS in /proc")
    }

    /// Time on a core that the threads of the program have had.
    pub fn cpu_time(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the program runs");
        // A thread may end between being listed and being read.
        let told = threads.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
        let nanos = told.filter_map(|told| told.split(' ').next()?.parse::<u64>().ok());
        Duration::from_nanos(nanos.sum())
    }

    /// Sends a signal to the program.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("run kill");
        assert!(status.success(), "kill -{name}");
    }

    /// Whether the program ends within `limit`, and with which code.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<i32> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("wait for the program") {
                return status.code();
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the program ---\n{}", self.log());
        }
    }
}

/// Starts the program by another one, if any; what it listens on. What it logs is appended.
fn launch(starter: &[&str], config: &Path, log: &Path) -> (Child, Vec<(String, SocketAddr)>) {
    let stderr = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("open the log");
    let words = [starter, &[env!("CARGO_BIN_EXE_duologue"), "serve", "--config"]].concat();
    let (program, arguments) = words.split_first().expect("a program");
    let mut child = Command::new(program)
        .args(arguments)
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("start the program");
    let listeners = read_listeners(child.stdout.take().expect("stdout is piped")).unwrap_or_else(|problem| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("the program did not start: {problem}\n{}", std::fs::read_to_string(log).unwrap_or_default());
    });
    (child, listeners)
}

/// Waits until `condition` holds, looking again every few milliseconds; false when `limit` is over.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Fails with the way to get it when a foreign program is not installed.
pub fn require_program(name: &str, package: &str) -> PathBuf {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
    });
    found.unwrap_or_else(|| panic!("{name} is not installed: apt-get install {package} (make test does it)"))
}

/// A GET over a fresh connection; status and body.
pub fn http_get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).expect("connect to the HTTP listener");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n").expect("send a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("read the answer");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

/// A POST of JSON over a fresh connection; status and body.
pub fn post_json(addr: SocketAddr, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(addr).expect("connect to the HTTP listener");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set a timeout");
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len(),
    );
    stream.write_all((head + &body).as_bytes()).expect("send a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("read the answer");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status, serde_json::from_str(body).expect("JSON"))
}

/// A TLS client that trusts the authority which the server made for itself.
pub fn tls_config(server: &Server) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let ca =
        CertificateDer::from_pem_file(server.state.path().join("tls/local-ca.pem")).expect("the server's local CA");
    roots.add(ca).expect("a sound certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn sum_metric(text: &str, name: &str, labels: &str) -> f64 {
    let samples: Vec<f64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(key, _)| key.split('{').next() == Some(name) && key.contains(labels))
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .collect();
    samples.iter().sum()
}

/// Configuration that names the addresses of these listeners.
fn fixed_ports(listeners: &[(String, SocketAddr)]) -> String {
    let of = |kind: &str| {
        let addresses = listeners.iter().filter(|(name, _)| name == kind).map(|(_, address)| format!("\"{address}\""));
        addresses.collect::<Vec<_>>().join(", ")
    };
    format!(
        "[http]\nlisten = [{}]\ntls_listen = [{}]\n[turn]\nudp_listen = [{}]\ntcp_listen = [{}]\ntls_listen = [{}]\n",
        of("http"),
        of("shared"),
        of("turn-udp"),
        of("turn-tcp"),
        of("turn-tls"),
    )
}

fn base_config(state: &Path) -> String {
    format!(
        r#"
[server]
state_dir = "{state}"
shutdown_grace = "2s"
# Tests count allocations and packets.
probe_interval = "0s"
[http]
listen = ["127.0.0.1:{http}"]
tls_listen = ["127.0.0.1:{shared}"]
[turn]
udp_listen = ["127.0.0.1:{turn}", "[::1]:{turn}"]
tcp_listen = ["127.0.0.1:{turn}", "[::1]:{turn}"]
tls_listen = ["127.0.0.1:{turns}"]
secrets = ["{TURN_SECRET}"]
[relay]
addresses = ["127.0.0.1", "::1"]
allow_peers = ["127.0.0.0/8", "::1/128"]
[limits]
exempt = ["127.0.0.0/8", "::1/128"]
"#,
        state = state.display(),
        http = ports::fixed(),
        shared = ports::fixed(),
        turn = ports::fixed(),
        turns = ports::fixed(),
    )
}

/// Reads the program's first lines: the URL, then `<kind> <address> ...` per listener, then an empty line or `ready`.
fn read_listeners(stdout: impl Read + Send + 'static) -> Result<Vec<(String, SocketAddr)>, String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + START;
    let mut listeners = Vec::new();
    let mut first = true;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let line = receiver.recv_timeout(left).map_err(|e| format!("{e} after {listeners:?}"))?;
        if std::mem::take(&mut first) {
            if !line.starts_with("http") {
                return Err(format!("the first line is no URL: {line}"));
            }
            continue;
        }
        if line == "ready" {
            return Ok(listeners);
        }
        let mut words = line.split_whitespace();
        if let (Some(kind), Some(addr)) = (words.next(), words.next())
            && let Ok(addr) = addr.parse()
        {
            listeners.push((kind.to_owned(), addr));
        }
    }
}
