//! coturn's `turnserver` on loopback, as Debian installs it, with nothing switched off but what touches the machine.
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use duologue::listener::local_ca;
use duologue::time::Clock;

use crate::support::TURN_SECRET;
use crate::support::eventually;
use crate::support::ports;
use crate::support::require_program;
use crate::target::ACCENTED_USER;
use crate::target::NEXT_SECRET;
use crate::target::STATIC_USER;
use crate::target::Setup;

/// How long it may take until it answers.
const START: Duration = Duration::from_secs(10);
/// How often it is tried.
const STARTS: usize = 3;

pub struct Coturn {
    child: Child,
    args: Vec<String>,
    folder: tempfile::TempDir,
    authority: PathBuf,
    pub port: u16,
    pub tls_port: u16,
}

impl Coturn {
    /// Starts it on free ports, and again on others if somebody was faster.
    pub fn start(setup: Setup, relay_ports: &RangeInclusive<u16>) -> Coturn {
        for _ in 0..STARTS {
            let coturn = Self::launch(setup, relay_ports);
            if coturn.answers_soon() {
                return coturn;
            }
            eprintln!("turnserver does not answer\n{}", coturn.log());
        }
        panic!("turnserver does not answer on any of {STARTS} pairs of ports");
    }

    fn launch(setup: Setup, relay_ports: &RangeInclusive<u16>) -> Coturn {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let pair = local_ca::ensure(folder.path(), "localhost", Clock::start().now().unix).expect("a certificate");
        let (port, tls_port) = (ports::fixed(), ports::fixed());
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut args: Vec<String> = [
            "-n --no-cli --listening-ip=127.0.0.1 --listening-ip=::1 --realm=example.org --simple-log",
            match setup {
                Setup::Ipv4Only => "--relay-ip=127.0.0.1",
                Setup::Ipv6Only => "--relay-ip=::1",
                _ => "--relay-ip=127.0.0.1 --relay-ip=::1",
            },
            match setup {
                Setup::Guarded => "",
                _ => "--allow-loopback-peers",
            },
            match setup {
                Setup::OneAllocation => "--user-quota=1",
                _ => "",
            },
            match setup {
                Setup::StaticUsers => "--lt-cred-mech",
                _ => "--use-auth-secret",
            },
        ]
        .iter()
        .flat_map(|flags| flags.split_whitespace())
        .map(str::to_owned)
        .collect();
        args.extend([
            format!("--listening-port={port}"),
            format!("--tls-listening-port={tls_port}"),
            format!("--min-port={}", relay_ports.start()),
            format!("--max-port={}", relay_ports.end()),
            format!("--log-file={}", file("log")),
            format!("--userdb={}", file("turndb")),
            format!("--pidfile={}", file("pid")),
            format!("--cert={}", pair.cert.display()),
            format!("--pkey={}", pair.key.display()),
        ]);
        match setup {
            Setup::StaticUsers => {
                args.extend([STATIC_USER, ACCENTED_USER].map(|(name, password)| format!("--user={name}:{password}")));
            }
            Setup::TwoSecrets => {
                args.extend([TURN_SECRET, NEXT_SECRET].map(|secret| format!("--static-auth-secret={secret}")))
            }
            _ => args.push(format!("--static-auth-secret={TURN_SECRET}")),
        }
        let log = folder.path().join("output");
        let child = spawn(&args, &log);
        Coturn { child, args, folder, authority: pair.authority, port, tls_port }
    }

    /// `4.6.1`
    pub fn version() -> String {
        let output = Command::new(require_program("turnserver", "coturn"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .expect("run turnserver");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().next().unwrap_or_default().trim().to_owned()
    }

    pub fn authority(&self) -> PathBuf {
        self.authority.clone()
    }

    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.args, &self.folder.path().join("output"));
        assert!(self.answers_soon(), "turnserver does not answer\n{}", self.log());
    }

    fn answers_soon(&self) -> bool {
        let binding = crate::packet::Packet::new(crate::packet::BINDING).0;
        let (port, tls_port) = (self.port, self.tls_port);
        eventually(START, || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("bind a probe");
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
            let _ = socket.send_to(&binding, ("127.0.0.1", port));
            let connects = |port| TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
            socket.recv(&mut [0; 200]).is_ok() && connects(port) && connects(tls_port)
        })
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(args: &[String], log: &std::path::Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("open the log");
    Command::new(require_program("turnserver", "coturn"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("start turnserver")
}
