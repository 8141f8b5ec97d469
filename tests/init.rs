//! `duologue init` as a new operator meets it: what it writes works, and it never costs anybody what was there.
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use support::Server;

fn duologue(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.current_dir(directory).args(arguments).env_clear().output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Runs `init` and expects it to succeed; what it printed.
fn init(directory: &Path, arguments: &[&str]) -> String {
    let output = duologue(directory, &[&["init"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn effective(directory: &Path) -> toml::Table {
    let output = duologue(directory, &["check-config", "--config", "duologue.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "no warnings");
    text(&output.stdout).parse().expect("TOML")
}

#[test]
fn what_it_writes_is_sound_and_its_secrets_are_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let told = init(directory.path(), &["--domain", "chat.example.org"]);
    let config = effective(directory.path());
    assert_eq!(config["server"]["public_host"].as_str(), Some("chat.example.org"));
    assert_eq!(config["turn"]["secrets"].as_array().map(Vec::len), Some(1));
    let secrets = directory.path().join("turn-secrets");
    let secret = fs::read_to_string(&secrets).expect("the secrets");
    assert!(secret.trim_end().len() >= 43, "256 bits");
    assert!(!told.contains(secret.trim_end()), "not shown");
    let mode = fs::metadata(&secrets).expect("the secrets").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    for line in ["nft add rule inet filter input tcp dport { 443, 3478 } accept", "ufw allow 49152:65535/udp"] {
        assert!(told.lines().any(|told| told == line), "{line} is missing in {told}");
    }
    assert!(told.contains("net.core.rmem_max"), "{told}");
    let names: Vec<_> = fs::read_dir(directory.path()).expect("the directory").collect();
    assert_eq!(names.len(), 2, "no drafts are left: {names:?}");
}

#[test]
fn nothing_is_replaced_unless_it_is_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    init(directory.path(), &["--domain", "one.example.org"]);
    let before = fs::read_to_string(directory.path().join("turn-secrets")).expect("the secrets");
    let refused = duologue(directory.path(), &["init", "--domain", "two.example.org"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is there already"), "{}", text(&refused.stderr));
    assert_eq!(effective(directory.path())["server"]["public_host"].as_str(), Some("one.example.org"));
    assert_eq!(fs::read_to_string(directory.path().join("turn-secrets")).expect("the secrets"), before);
    init(directory.path(), &["--domain", "two.example.org", "--force"]);
    assert_eq!(effective(directory.path())["server"]["public_host"].as_str(), Some("two.example.org"));
    assert_ne!(fs::read_to_string(directory.path().join("turn-secrets")).expect("the secrets"), before);
    let kept = fs::read_to_string(directory.path().join("duologue.toml.old.1")).expect("what was there");
    assert!(kept.contains("one.example.org"));
}

#[test]
fn a_name_with_a_slip_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let refused = duologue(directory.path(), &["init", "--domain", "https://chat.example.org"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("server.public_host"), "{}", text(&refused.stderr));
    assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 0);
}

#[test]
fn single_port_mode_asks_for_no_range_of_ports() {
    let directory = tempfile::tempdir().expect("a directory");
    let told = init(directory.path(), &["--domain", "chat.example.org", "--single-port", "--port", "8443"]);
    assert!(!told.contains("49152"), "{told}");
    let config = effective(directory.path());
    assert_eq!(config["relay"]["mode"].as_str(), Some("single-port"));
    assert!(config["http"]["tls_listen"].as_array().is_some_and(|all| all[0].as_str() == Some("0.0.0.0:8443")));
}

#[test]
fn a_stun_server_tells_the_public_address() {
    let server = Server::start("");
    let directory = tempfile::tempdir().expect("a directory");
    // Seen from this machine itself there is no NAT, so nothing is mapped; the address stands in for a name.
    let told = init(directory.path(), &["--stun", &server.addr("turn-udp").to_string()]);
    assert!(told.contains("127.0.0.1 stands in for a name"), "{told}");
    let config = effective(directory.path());
    assert_eq!(config["server"]["public_host"].as_str(), Some("127.0.0.1"));
    assert!(config["relay"]["external"].as_table().is_some_and(toml::Table::is_empty));
}

#[test]
fn what_it_writes_serves() {
    let directory = tempfile::tempdir().expect("a directory");
    init(directory.path(), &["--domain", "localhost", "--single-port"]);
    let written = fs::read_to_string(directory.path().join("duologue.toml")).expect("the configuration");
    // Its ports are any that are free, its secret is the tests', and single-port mode has no peers to allow.
    let secret = |line: &&str| !line.starts_with("secrets_file");
    let ported = written.lines().filter(secret).map(|line| match line {
        "mode = \"single-port\"" => format!("{line}\nallow_peers = []"),
        _ => line.replace(":443\"", ":0\"").replace(":3478\"", ":0\"").replace(":8080\"", ":0\""),
    });
    let server = Server::start(&ported.collect::<Vec<_>>().join("\n"));
    assert_eq!(server.get("/health").0, 200);
}

#[test]
fn shells_and_manuals_know_every_command() {
    let directory = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish"] {
        let output = duologue(directory.path(), &["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = text(&output.stdout);
        for command in ["check-config", "healthcheck", "init"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let page = duologue(directory.path(), &["man"]);
    assert!(text(&page.stdout).starts_with(".ie") || text(&page.stdout).contains(".TH duologue 1"));
    let pages = directory.path().join("pages");
    fs::create_dir(&pages).expect("a directory");
    let output = duologue(directory.path(), &["man", "--dir", "pages"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for page in ["duologue.1", "duologue-init.1", "duologue-check-config.1"] {
        assert!(pages.join(page).is_file(), "{page} is missing");
    }
}
