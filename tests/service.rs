//! The built program as a service manager meets it: it says when it is ready, reloads, stops, and that it is alive.
mod support;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use rcgen::CertificateParams;
use rcgen::KeyPair;

use support::Server;
use support::eventually;
use support::require_program;

/// For each step, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(86_400);

/// The program, started as systemd would with `Type=notify` and `WatchdogSec=`.
struct Service {
    child: Child,
    notices: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Service {
    fn start(watchdog: Duration) -> Service {
        Service::start_by(&[], watchdog)
    }

    /// Started by a program that turns into ours.
    fn start_by(starter: &[&str], watchdog: Duration) -> Service {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("notify");
        let notices = UnixDatagram::bind(&socket).expect("a socket");
        notices.set_read_timeout(Some(Duration::from_secs(1))).expect("set a timeout");
        let config = directory.path().join("duologue.toml");
        let state = directory.path().join("state");
        let text = format!(
            "[server]\nstate_dir = \"{}\"\nshutdown_grace = \"3s\"\n[http]\nlisten = [\"127.0.0.1:0\"]\n\
             tls_listen = [\"127.0.0.1:0\"]\n[turn]\nudp_listen = [\"127.0.0.1:0\"]\ntcp_listen = [\"127.0.0.1:0\"]\n\
             tls_listen = []\n[relay]\naddresses = [\"127.0.0.1\"]\n",
            state.display()
        );
        std::fs::write(&config, text).expect("write the configuration");
        let words = [starter, &[env!("CARGO_BIN_EXE_duologue"), "serve"]].concat();
        let (program, arguments) = words.split_first().expect("a program");
        let child = Command::new(program)
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the program");
        Service { child, notices, directory }
    }

    /// Waits for a notice with this line; the whole notice.
    fn wait_for(&self, line: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while Instant::now() < end {
            let mut room = [0; 4096];
            match self.notices.recv(&mut room) {
                Ok(len) => {
                    let notice = String::from_utf8_lossy(&room[..len]).into_owned();
                    if notice.lines().any(|told| told == line) {
                        return notice;
                    }
                    heard.push(notice);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("{line} did not come, but {heard:?}");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("run kill").success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_manager_is_told_of_start_reload_and_stop() {
    let mut service = Service::start(Duration::from_secs(3600));
    service.wait_for("READY=1");
    service.signal("HUP");
    let reload = service.wait_for("RELOADING=1");
    assert!(reload.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reload}");
    service.wait_for("READY=1");
    service.signal("TERM");
    let stop = service.wait_for("STOPPING=1");
    // The grace of three seconds, and half a minute beside it.
    assert!(stop.lines().any(|line| line == "EXTEND_TIMEOUT_USEC=33000000"), "{stop}");
    assert!(service.child.wait().expect("it ends").success());
}

#[test]
fn the_watchdog_hears_of_a_server_that_is_alive() {
    let service = Service::start(Duration::from_millis(200));
    service.wait_for("READY=1");
    for _ in 0..3 {
        service.wait_for("WATCHDOG=1");
    }
}

#[test]
fn a_broken_reload_is_over_too() {
    let service = Service::start(Duration::from_secs(3600));
    service.wait_for("READY=1");
    std::fs::write(service.directory.path().join("duologue.toml"), "[serverr]\n").expect("spoil the configuration");
    service.signal("HUP");
    service.wait_for("RELOADING=1");
    service.wait_for("READY=1");
}

#[test]
fn the_unit_is_valid_and_shuts_the_server_in() {
    let analyze = require_program("systemd-analyze", "systemd");
    let directory = tempfile::tempdir().expect("a directory");
    let unit = directory.path().join("duologue.service");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/systemd/duologue.service");
    let text = std::fs::read_to_string(source).expect("the unit");
    // The package puts the program there; this machine need not have it.
    std::fs::write(&unit, text.replace("/usr/bin/duologue", env!("CARGO_BIN_EXE_duologue"))).expect("written");
    let run = |arguments: &[&str]| {
        let output = Command::new(&analyze).args(arguments).arg(&unit).output().expect("run systemd-analyze");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    };
    assert_eq!(run(&["verify", "--man=no"]), "", "no complaints");
    // 2.0 or better, in tenths.
    let told = run(&["security", "--offline=yes", "--no-pager", "--threshold=20"]);
    assert!(told.contains("Overall exposure level"), "{told}");
}

#[test]
fn a_server_whose_certificate_has_expired_is_not_ready_until_it_is_renewed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let issue = |until: SystemTime| {
        let pair = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = (until - 90 * DAY).into();
        params.not_after = until.into();
        std::fs::write(&key, pair.serialize_pem()).expect("written");
        std::fs::write(&cert, params.self_signed(&pair).expect("signed").pem()).expect("written");
    };
    issue(SystemTime::now() - DAY);
    let server = Server::start(&format!("[tls]\ncert = \"{}\"\nkey = \"{}\"\n", cert.display(), key.display()));
    let (status, told) = server.get("/health/ready");
    assert_eq!(status, 503);
    assert!(told.contains("certificate"), "{told}");
    assert_eq!(server.get("/health").0, 200, "it is alive all the same");
    let end = SystemTime::now() + 60 * DAY;
    issue(end);
    assert!(eventually(PATIENCE, || server.get("/health/ready").0 == 200), "the new certificate is picked up");
    let seconds = end.duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as f64;
    assert_eq!(server.metric("duologue_certificate_not_after_seconds", ""), seconds);
}

/// The calls that a unit allows, by the sets that systemd knows.
fn allowed_calls(unit: &str) -> BTreeSet<String> {
    let analyze = require_program("systemd-analyze", "systemd");
    let output = Command::new(analyze).args(["syscall-filter", "--no-pager"]).output().expect("run systemd-analyze");
    let listed = String::from_utf8(output.stdout).expect("UTF-8");
    let mut calls_by_set: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut set = "";
    for line in listed.lines() {
        match line.trim() {
            "" => {}
            name if line.starts_with('@') => set = name,
            comment if comment.starts_with('#') => {}
            call => _ = calls_by_set.entry(set).or_default().insert(call),
        }
    }
    let mut allowed = BTreeSet::new();
    for filter in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (is_refusal, name) = filter.strip_prefix('~').map_or((false, filter), |name| (true, name));
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            for call in calls_by_set.get(name).unwrap_or_else(|| panic!("no set {name}")) {
                match call.strip_prefix('@') {
                    Some(_) => open.push(call),
                    None if is_refusal => _ = allowed.remove(*call),
                    None => _ = allowed.insert((*call).to_owned()),
                }
            }
        }
    }
    allowed
}

#[test]
fn the_server_asks_the_kernel_for_nothing_that_the_unit_refuses() {
    require_program("strace", "strace");
    let unit = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/systemd/duologue.service"));
    let allowed = allowed_calls(&unit.expect("the unit"));
    assert!(allowed.contains("recvmmsg") && !allowed.contains("setuid"), "{allowed:?}");
    let log = tempfile::tempdir().expect("a directory");
    let calls = log.path().join("calls");
    let traced = calls.display().to_string();
    // Detached, so that the process started here is the server and gets its signals.
    let mut service = Service::start_by(&["strace", "-D", "-f", "-qq", "-o", &traced], Duration::from_secs(1));
    service.wait_for("READY=1");
    service.wait_for("WATCHDOG=1");
    service.signal("HUP");
    service.wait_for("RELOADING=1");
    service.wait_for("READY=1");
    service.signal("TERM");
    assert!(service.child.wait().expect("it ends").success());
    let whole =
        eventually(PATIENCE, || std::fs::read_to_string(&calls).is_ok_and(|calls| calls.contains("exit_group(")));
    assert!(whole, "the trace is written to its end");
    let text = std::fs::read_to_string(&calls).expect("the trace");
    let made = text.lines().filter_map(|line| line.split_once(char::is_whitespace)).filter_map(|(_, call)| {
        let (name, _) = call.trim_start().split_once('(')?;
        name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_').then_some(name)
    });
    let made: BTreeSet<&str> = made.collect();
    assert!(made.len() > 20 && made.contains("epoll_wait"), "{made:?}");
    // SQLite gives its files to the owner of the database, but only where it runs as root; this test does, the unit does not.
    let refused: Vec<&&str> = made.iter().filter(|call| **call != "fchown" && !allowed.contains(**call)).collect();
    assert!(refused.is_empty(), "the unit refuses {refused:?}");
}

#[test]
fn a_machine_that_trusts_no_authority_has_a_server() {
    // As a bare Debian, which has no ca-certificates.
    let hidden = "mount -t tmpfs none /etc/ssl; exec \"$@\"";
    let server = Server::start_by(&["unshare", "--mount", "sh", "-ec", hidden, "sh"], "");
    assert_eq!(server.get("/health").0, 200);
}
