//! `duologue migrate-coturn`: what can be taken over is in force, and whatever cannot is told.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;

fn duologue(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.current_dir(directory).args(arguments).env_clear().output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Translates a file; what was printed and the effective configuration.
fn migrate(directory: &Path, from: &str, arguments: &[&str]) -> (String, toml::Table) {
    let output = duologue(directory, &[&["migrate-coturn", from], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let checked = duologue(directory, &["check-config", "--config", "duologue.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    (text(&output.stdout), text(&checked.stdout).parse().expect("TOML"))
}

fn texts(value: &toml::Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("a text")).collect()
}

#[test]
fn what_has_a_counterpart_is_in_force() {
    let directory = tempfile::tempdir().expect("a directory");
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/turnserver.conf");
    let (told, config) = migrate(directory.path(), from, &[]);
    assert_eq!(config["server"]["public_host"].as_str(), Some("turn.example.org"));
    let turn = &config["turn"];
    assert_eq!(texts(&turn["udp_listen"]), ["192.0.2.10:3478"]);
    assert_eq!(texts(&turn["tls_listen"]), ["192.0.2.10:5349"]);
    assert_eq!(turn["realm"].as_str(), Some("turn.example.org"));
    assert_eq!(turn["nonce_lifetime"].as_str(), Some("10m"));
    assert_eq!(texts(&turn["secrets"]).len(), 1);
    assert!(turn["users"].as_table().is_some_and(|users| users.contains_key("appliance") && users.len() == 1));
    let relay = &config["relay"];
    assert_eq!(texts(&relay["addresses"]), ["192.0.2.10"]);
    assert_eq!(relay["external"]["192.0.2.10"].as_str(), Some("203.0.113.7"));
    assert_eq!(relay["port_range"].as_str(), Some("50000-60000"));
    assert_eq!(texts(&relay["deny_peers"]), ["198.51.100.0/24"]);
    assert_eq!(texts(&relay["allow_peers"]), ["10.1.2.3/32"]);
    assert_eq!(relay["limits"]["allocations"].as_integer(), Some(1200));
    assert_eq!(relay["limits"]["bytes_per_second"].as_integer(), Some(3_000_000));
    assert_eq!(relay["limits"]["max_lifetime"].as_str(), Some("10m"));
    assert_eq!(texts(&config["http"]["metrics_listen"]), ["127.0.0.1:9641"]);
    // The files of the certificate are not on this machine: the line waits, the rest is in force.
    assert_eq!(config["tls"]["cert"].as_str(), Some(""));
    let written = fs::read_to_string(directory.path().join("duologue.toml")).expect("the configuration");
    assert!(written.contains("cert = \"/no/such/cert.pem\""), "{written}");
    assert!(!told.contains("north of here"), "secrets are not shown");
}

#[test]
fn secrets_and_passwords_are_taken_over_for_the_owner_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/turnserver.conf");
    migrate(directory.path(), from, &[]);
    for (name, wanted) in [
        ("turn-secrets", "north of here the river bends and runs west\n"),
        ("turn-users", "appliance:a password: with a colon\n"),
    ] {
        let path = directory.path().join(name);
        assert_eq!(fs::read_to_string(&path).expect("taken over"), wanted);
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777, 0o600);
    }
    let config = fs::read_to_string(directory.path().join("duologue.toml")).expect("the configuration");
    assert!(!config.contains("north of here") && !config.contains("a password"), "{config}");
}

#[test]
fn what_has_none_is_told_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/turnserver.conf");
    let (told, _) = migrate(directory.path(), from, &[]);
    for wanted in [
        "line 14: user old: the password is given as a key",
        "line 24: cipher-list:",
        "line 25: userdb:",
        "line 27: mobility:",
        "line 29: log-file:",
        "line 30: relay-therads: it is not known here",
        "relay.limits.allocations_per_user: there was no limit",
        "max-allocate-lifetime: 300 s is below ten minutes",
    ] {
        assert!(told.contains(wanted), "{wanted} is missing in {told}");
    }
    for silent in ["fingerprint", "no-cli", "use-auth-secret"] {
        assert!(!told.contains(&format!(": {silent}")), "{silent} holds anyway");
    }
}

#[test]
fn an_empty_file_becomes_the_defaults() {
    let directory = tempfile::tempdir().expect("a directory");
    let from = directory.path().join("turnserver.conf");
    fs::write(&from, "# nothing\n").expect("written");
    let (_, config) = migrate(directory.path(), from.to_str().expect("UTF-8"), &["--domain", "chat.example.org"]);
    assert_eq!(config["server"]["public_host"].as_str(), Some("chat.example.org"));
    assert_eq!(texts(&config["turn"]["udp_listen"]), ["0.0.0.0:3478", "[::]:3478"]);
    assert_eq!(texts(&config["turn"]["tls_listen"]), Vec::<&str>::new());
    let again = duologue(directory.path(), &["migrate-coturn", "turnserver.conf"]);
    assert_eq!(again.status.code(), Some(1), "nothing is replaced");
}
