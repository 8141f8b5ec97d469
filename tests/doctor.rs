//! `duologue doctor` before ten servers that somebody has spoilt: each time it names the cause, and nothing else.
#[path = "acme/authority.rs"]
#[allow(dead_code, reason = "it is in no mood here")]
mod authority;
mod support;

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use rcgen::CertificateParams;
use rcgen::KeyPair;
use serde_json::Value;

use authority::Authority;
use support::Server;
use support::TURN_SECRET;
use support::netns::Host;

/// In a network of its own every port is free, so the listeners can be where they usually are.
const PORTS: &str = r#"
[http]
listen = ["127.0.0.1:8080"]
tls_listen = ["127.0.0.1:8443"]
[turn]
udp_listen = ["127.0.0.1:3478", "[::1]:3478"]
tcp_listen = ["127.0.0.1:3478"]
tls_listen = ["127.0.0.1:5349"]
"#;

const DAY: Duration = Duration::from_secs(86_400);

/// A machine of its own, on which a server runs or could.
struct Patient {
    host: Host,
    server: Option<Server>,
    /// Holds configuration and state where no server does.
    directory: tempfile::TempDir,
}

impl Patient {
    /// A machine with a running server.
    fn alive(extra: &str) -> Patient {
        Patient::on(machine(), &format!("{PORTS}{extra}"))
    }

    /// A running server on that machine.
    fn on(host: Host, settings: &str) -> Patient {
        let server = host.enter(|| Server::start(settings));
        Patient { host, server: Some(server), directory: tempfile::tempdir().expect("a directory") }
    }

    /// A machine whose server was not started yet.
    fn asleep(extra: &str) -> Patient {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[server]\nstate_dir = \"{}\"\npublic_host = \"localhost\"\n[relay]\naddresses = [\"127.0.0.1\"]\n{extra}{PORTS}",
            directory.path().join("state").display(),
        );
        fs::create_dir(directory.path().join("state")).expect("a directory");
        fs::write(directory.path().join("duologue.toml"), text).expect("write the configuration");
        Patient { host: Host::new("patient"), server: None, directory }
    }

    fn home(&self) -> &Path {
        self.server.as_ref().map_or(self.directory.path(), |server| server.state.path())
    }

    /// What the doctor says, asked with these arguments.
    fn examined(&self, arguments: &[&str]) -> Diagnosis {
        self.examined_after("exec \"$@\"", arguments)
    }

    /// The same, after what the shell was told to spoil; its mounts are its own.
    fn examined_after(&self, script: &str, arguments: &[&str]) -> Diagnosis {
        let config = self.home().join("duologue.toml");
        let output = self.host.enter(|| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-euc", script, "sh"]);
            command.arg(env!("CARGO_BIN_EXE_duologue")).args(["doctor", "--json", "--config"]).arg(config);
            let path = std::env::var_os("PATH").unwrap_or_default();
            command.args(arguments).env_clear().env("PATH", path).output().expect("unshare of util-linux")
        });
        Diagnosis::of(&output)
    }
}

/// A machine with an address that could be the world's.
fn machine() -> Host {
    let host = Host::new("patient");
    host.ip("addr add 203.0.113.7/24 dev lo");
    host
}

/// The report, read.
struct Diagnosis {
    code: Option<i32>,
    report: Value,
}

impl Diagnosis {
    fn of(output: &Output) -> Diagnosis {
        let text = String::from_utf8_lossy(&output.stdout);
        let report = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        Diagnosis { code: output.status.code(), report }
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.report["findings"].as_array().expect("findings").iter()
    }

    fn failed(&self) -> Vec<&str> {
        let failed = self.findings().filter(|finding| finding["verdict"] == "failed");
        failed.map(|finding| finding["check"].as_str().expect("a name")).collect()
    }

    /// What a check told, with its verdict.
    fn told(&self, check: &str) -> Vec<(&str, &str)> {
        let of_check = self.findings().filter(|finding| finding["check"] == check);
        of_check.filter_map(|finding| Some((finding["verdict"].as_str()?, finding["told"].as_str()?))).collect()
    }

    fn is_ok(&self, check: &str) -> bool {
        self.findings().any(|finding| finding["check"] == check && finding["verdict"] == "ok")
    }

    /// Whether these checks failed and no other, and each told such a cause and such a remedy.
    fn assert_failed(&self, checks: &[&str], cause: &str, remedy: &str) {
        assert_eq!(self.failed(), checks, "{:#}", self.report);
        assert_eq!(self.code, Some(1));
        for finding in self.findings().filter(|finding| finding["verdict"] == "failed") {
            let has = |key: &str, wanted: &str| finding[key].as_str().is_some_and(|text| text.contains(wanted));
            assert!(has("told", cause) && has("remedy", remedy), "{finding:#}");
        }
    }
}

#[test]
fn a_healthy_server_relays_an_echo_over_every_transport() {
    let patient = Patient::alive("");
    let diagnosis = patient.examined(&[]);
    assert_eq!(diagnosis.failed(), [""; 0], "{:#}", diagnosis.report);
    assert_eq!(diagnosis.code, Some(0));
    for check in
        ["configuration", "certificate", "ports", "name", "address", "store", "relay-udp", "relay-tcp", "relay-tls"]
    {
        assert!(diagnosis.is_ok(check), "{check}: {:#}", diagnosis.report);
    }
    let server = patient.server.as_ref().expect("it runs");
    let left = || patient.host.enter(|| server.allocations());
    assert!(support::eventually(Duration::from_secs(20), || left() == 0.0), "the doctor leaves allocations behind");
}

#[test]
fn the_echo_passes_where_nobody_may_have_peers_on_this_machine() {
    for mode in ["ports", "single-port"] {
        let relay = format!("[relay]\nmode = \"{mode}\"\naddresses = [\"203.0.113.7\"]\nallow_peers = []\n");
        let diagnosis = Patient::alive(&relay).examined(&[]);
        for check in ["relay-udp", "relay-tcp", "relay-tls"] {
            assert!(diagnosis.is_ok(check), "{mode}: {:#}", diagnosis.report);
        }
        assert_eq!(diagnosis.code, Some(0), "{mode}: {:#}", diagnosis.report);
    }
}

#[test]
fn a_wrong_configuration_is_told_as_check_config_does() {
    let patient = Patient::asleep("port_rnage = \"1024-2048\"\n");
    let diagnosis = patient.examined(&[]);
    assert_eq!(diagnosis.code, Some(2));
    let finding = diagnosis.findings().next().expect("a finding");
    assert!(finding["told"].as_str().is_some_and(|told| told.contains("relay.port_rnage")), "{finding:#}");
    assert!(finding["remedy"].as_str().is_some_and(|remedy| remedy.contains("port_range")), "{finding:#}");
}

#[test]
fn a_server_with_another_secret() {
    let patient = Patient::alive("");
    let config = patient.home().join("duologue.toml");
    let text = fs::read_to_string(&config).expect("the configuration");
    fs::write(&config, text.replace(TURN_SECRET, "a new secret that the server was not told of yet")).expect("written");
    let every = ["relay-udp", "relay-tcp", "relay-tls"];
    patient.examined(&[]).assert_failed(&every, "another TURN secret", "reload");
}

#[test]
fn a_port_that_another_program_has() {
    let patient = Patient::asleep("");
    let taken = patient.host.enter(|| TcpListener::bind("127.0.0.1:8443").expect("a free port"));
    let cause = format!("(process {})", std::process::id());
    patient.examined(&[]).assert_failed(&["ports"], &cause, "give http.tls_listen another port");
    drop(taken);
    let diagnosis = patient.examined(&[]);
    assert_eq!((diagnosis.code, diagnosis.failed()), (Some(0), vec![]), "{:#}", diagnosis.report);
}

#[test]
fn a_certificate_that_has_expired() {
    let patient = Patient::asleep("");
    let (cert, key) = (patient.home().join("cert.pem"), patient.home().join("key.pem"));
    let pair = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = (SystemTime::now() - 90 * DAY).into();
    params.not_after = (SystemTime::now() - DAY).into();
    fs::write(&cert, params.self_signed(&pair).expect("signed").pem()).expect("written");
    fs::write(&key, pair.serialize_pem()).expect("written");
    let set = [format!("tls.cert={}", cert.display()), format!("tls.key={}", key.display())];
    let diagnosis = patient.examined(&["--set", &set[0], "--set", &set[1]]);
    diagnosis.assert_failed(&["certificate"], "has expired", "renew it");
}

#[test]
fn a_certificate_for_another_name_or_of_another_key() {
    let patient = Patient::asleep("");
    let (cert, key) = (patient.home().join("cert.pem"), patient.home().join("key.pem"));
    let pair = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["other.example.org".to_owned()]).expect("a name");
    fs::write(&cert, params.self_signed(&pair).expect("signed").pem()).expect("written");
    fs::write(&key, pair.serialize_pem()).expect("written");
    let set = [format!("tls.cert={}", cert.display()), format!("tls.key={}", key.display())];
    let arguments = ["--set", &set[0], "--set", &set[1]];
    patient.examined(&arguments).assert_failed(&["certificate"], "is not for localhost", "public_host");
    fs::write(&key, KeyPair::generate().expect("another key").serialize_pem()).expect("written");
    patient.examined(&arguments).assert_failed(&["certificate"], "does not fit", "its own key");
}

#[test]
fn an_external_address_that_is_not_the_worlds() {
    let patient = Patient::alive("[relay.external]\n\"127.0.0.1\" = \"203.0.113.7\"\n");
    let diagnosis = patient.examined(&["--stun", "127.0.0.1:3478"]);
    diagnosis.assert_failed(
        &["nat"],
        "sees 127.0.0.1 as 127.0.0.1, but relayed addresses say 203.0.113.7",
        "relay.external",
    );
}

#[test]
fn udp_that_a_firewall_drops() {
    let patient = Patient::alive("");
    patient.host.filter(
        "table inet test { chain input { type filter hook input priority 0; policy accept; udp dport 3478 drop; }; }",
    );
    let diagnosis = patient.examined(&[]);
    diagnosis.assert_failed(&["relay-udp"], "UDP is blocked by a firewall", "nft add rule inet filter input udp dport");
    assert!(diagnosis.is_ok("relay-tcp") && diagnosis.is_ok("relay-tls"), "{:#}", diagnosis.report);
}

#[test]
fn a_disk_that_is_full() {
    let patient = Patient::asleep("");
    let state = patient.home().join("state").display().to_string();
    let script =
        format!("mount -t tmpfs -o size=32m tmpfs '{state}'; head -c 31M /dev/zero > '{state}/filling'; exec \"$@\"");
    patient.examined_after(&script, &[]).assert_failed(&["disk"], "the disk is full", "make room");
}

#[test]
fn a_clock_that_is_an_hour_late() {
    let patient = Patient::asleep("");
    let (listener, address) = patient.host.enter(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound").to_string();
        (listener, address)
    });
    let timekeeper = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut request = [0; 512];
        let _ = stream.read(&mut request).expect("a request");
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        write!(stream, "HTTP/1.0 200 OK\r\nDate: {date}\r\n\r\n").expect("answered");
    });
    let diagnosis = patient.examined(&["--clock", &address]);
    timekeeper.join().expect("the timekeeper ended well");
    diagnosis.assert_failed(&["clock"], "s behind 127.0.0.1", "timedatectl set-ntp true");
}

#[test]
fn sixty_four_files_are_too_few() {
    let patient = Patient::asleep("");
    let diagnosis = patient.examined_after("ulimit -n 64; exec \"$@\"", &[]);
    diagnosis.assert_failed(&["files"], "may open 64 files", "LimitNOFILE");
}

#[test]
fn a_database_that_is_damaged() {
    let mut patient = Patient::alive("");
    let mut server = patient.server.take().expect("it runs");
    server.signal("TERM");
    assert_eq!(server.wait_exit(Duration::from_secs(20)), Some(0));
    let database = server.state.path().join("duologue.db");
    let mut bytes = fs::read(&database).expect("the database");
    assert!(bytes.len() > 8192, "more than one page");
    bytes[4096..].fill(0xff);
    fs::write(&database, bytes).expect("written");
    patient.server = Some(server);
    patient.examined(&[]).assert_failed(&["store"], "is damaged", "duologue restore");
}

#[test]
fn a_name_that_leads_elsewhere() {
    let patient = Patient::asleep("");
    patient.host.ip("addr add 203.0.113.7/24 dev lo");
    let hosts = patient.home().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n198.51.100.9 chat.example.org\n").expect("written");
    let script = format!("mount --bind '{}' /etc/hosts; exec \"$@\"", hosts.display());
    let diagnosis = patient.examined_after(&script, &["--set", "server.public_host=chat.example.org"]);
    diagnosis.assert_failed(&["name"], "leads to 198.51.100.9, but this machine is 203.0.113.7", "DNS records");
}

#[test]
fn a_name_by_which_no_authority_finds_the_server() {
    let host = machine();
    let authority = host.enter(|| Authority::start_for(80, 443));
    let (ports, acme) = (PORTS.replace("127.0.0.1:8443", "0.0.0.0:443"), authority.settings("tls-alpn-01"));
    let (_, acme) = acme.split_once("[tls.acme]").expect("the table");
    let settings = format!("[server]\npublic_host = \"chat.example.test\"\n{ports}[tls.acme]{acme}");
    let patient = Patient::on(host, &settings);
    let server = patient.server.as_ref().expect("it runs");
    let issued = || patient.host.enter(|| server.metric("duologue_acme_orders_total", "issued"));
    assert!(support::eventually(Duration::from_secs(180), || issued() >= 1.0), "{}", server.log());

    let examined = |turn: &str| {
        let hosts = patient.home().join("hosts");
        let names = format!("127.0.0.1 localhost\n203.0.113.7 chat.example.test\n{turn}");
        fs::write(&hosts, names).expect("written");
        patient.examined_after(&format!("mount --bind '{}' /etc/hosts; exec \"$@\"", hosts.display()), &[])
    };
    let port = ("ok", "authorities come to port 443, where 0.0.0.0:443 listens");
    let well = examined("203.0.113.7 turn.example.test\n");
    assert_eq!((well.code, well.failed()), (Some(0), vec![]), "{:#}", well.report);
    assert_eq!(well.told("acme"), [port, ("ok", "turn.example.test leads to this machine")]);

    let elsewhere = examined("198.51.100.9 turn.example.test\n");
    let told = "turn.example.test does not lead to an address of this machine";
    assert_eq!(elsewhere.told("acme"), [port, ("warning", told)]);

    let nowhere = examined("");
    nowhere.assert_failed(&["acme"], "turn.example.test leads nowhere", "tls.acme.domains");
}
