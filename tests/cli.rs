//! The built binary as an operator meets it: exit codes, and messages that name the place and the remedy.
use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::thread;

use duologue::store;

/// Runs the binary without the environment of whoever runs the tests.
fn duologue(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.current_dir(directory).args(arguments).env_clear().envs(variables.iter().copied());
    command.output().expect("the binary runs")
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// The comments that say what a broken file must be answered with.
fn expected(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("UTF-8");
    let lines = text.lines().filter_map(|line| line.strip_prefix("# told: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_broken_file_is_answered_with_place_and_remedy() {
    let directory = here().join("tests/config/broken");
    let mut count = 0;
    for entry in fs::read_dir(&directory).expect("the directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let output = duologue(&directory, &["check-config", "--config", &name], &[]);
        let expected = expected(&path);
        assert_eq!(code(&output), Some(2), "{name}");
        assert_eq!(stdout(&output), "", "{name}");
        assert!(!expected.is_empty(), "{name} says not what is expected");
        assert_eq!(stderr(&output).lines().collect::<Vec<_>>(), expected, "{name}");
        count += 1;
    }
    assert!(count >= 10, "only {count} broken files");
}

#[test]
fn without_a_file_the_development_defaults_are_in_force() {
    let directory = tempfile::tempdir().expect("a directory");
    let printed = duologue(directory.path(), &["check-config"], &[]);
    assert_eq!(code(&printed), Some(0));
    let from_file = here().join("config/default.toml");
    let from_file = duologue(directory.path(), &["check-config", "--config", from_file.to_str().expect("UTF-8")], &[]);
    assert_eq!(stdout(&printed), stdout(&from_file));
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0, "checking leaves nothing behind");
}

#[test]
fn the_environment_and_flags_overlay_the_file_and_its_directory() {
    let directory = here().join("tests/config/layered");
    let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["check-config", "--config", "duologue.toml"], arguments].concat();
        let output = duologue(&directory, &arguments, variables);
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let parsed: toml::Table = stdout(&output).parse().expect("TOML");
        let text = |section: &str, key: &str| parsed[section][key].as_str().expect("a text").to_owned();
        [text("server", "public_host"), text("turn", "realm"), text("session", "limit"), text("log", "level")]
    };
    // The file sets all four, 10.toml three of them, 20.toml two.
    assert_eq!(shown(&[], &[]), ["twenty.example", "twenty", "10m", "warn"]);
    let variables = [("DUOLOGUE__SERVER__PUBLIC_HOST", "variable.example"), ("DUOLOGUE__SESSION__LIMIT", "20s")];
    assert_eq!(shown(&[], &variables), ["variable.example", "twenty", "20s", "warn"]);
    let flags = ["--set", "session.limit=30s", "--set", "log.level=debug"];
    assert_eq!(shown(&flags, &variables), ["variable.example", "twenty", "30s", "debug"]);
}

#[test]
fn lists_of_the_environment_are_toml_or_comma_separated() {
    let directory = tempfile::tempdir().expect("a directory");
    for list in ["127.0.0.1:1,[::1]:2", "[\"127.0.0.1:1\", \"[::1]:2\"]"] {
        let output = duologue(directory.path(), &["check-config"], &[("DUOLOGUE__HTTP__LISTEN", list)]);
        assert!(stdout(&output).contains("listen = [\"127.0.0.1:1\", \"[::1]:2\"]\n"), "{list}: {}", stderr(&output));
    }
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let directory = here().join("tests/config/layered");
    let output = duologue(&directory, &["check-config"], &[("DUOLOGUE_CONFIG", "duologue.toml")]);
    assert!(stdout(&output).contains("public_host = \"twenty.example\""), "{}", stderr(&output));
}

#[test]
fn secrets_are_masked_wherever_they_come_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = "0123456789abcdef0123456789abcdef";
    fs::write(directory.path().join("keys"), format!("{secret}\n{secret}\n")).expect("writable");
    let file = format!("[turn]\nsecrets = [\"{secret}\"]\nusers = {{ ann = \"{secret}\" }}\n");
    fs::write(directory.path().join("duologue.toml"), file).expect("writable");
    let variables = [("DUOLOGUE__AUTH__JWT_SECRETS_FILE", "keys")];
    let output = duologue(directory.path(), &["check-config", "--config", "duologue.toml"], &variables);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(!printed.contains(secret));
    for line in ["secrets = [\"***\"]", "ann = \"***\"", "jwt_secrets = [\"***\", \"***\"]"] {
        assert!(printed.lines().any(|told| told == line), "{line} is not in\n{printed}");
    }
}

#[test]
fn wrong_input_ends_with_2_and_failure_with_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| code(&duologue(directory.path(), arguments, &[]));
    assert_eq!(run(&["--help"]), Some(0));
    assert_eq!(run(&["--version"]), Some(0));
    assert_eq!(run(&["serve", "--bogus"]), Some(2));
    assert_eq!(run(&["check-config", "--config", "missing.toml"]), Some(2));
    assert_eq!(run(&["--set", "relay.mode=none"]), Some(2));
    assert_eq!(run(&["creds"]), Some(1));
    assert_eq!(run(&["healthcheck", "--set", "http.listen="]), Some(1));
}

#[test]
fn commands_that_do_not_exist_yet_are_not_offered() {
    let directory = tempfile::tempdir().expect("a directory");
    let help = stdout(&duologue(directory.path(), &["--help"], &[]));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    let all = [
        "serve",
        "check-config",
        "init",
        "doctor",
        "creds",
        "healthcheck",
        "backup",
        "restore",
        "user",
        "token",
        "migrate-coturn",
        "bench",
        "load",
        "contract",
        "completions",
        "man",
        "help",
    ];
    assert_eq!(commands, all);
}

#[test]
fn creds_prints_what_a_browser_needs() {
    let directory = tempfile::tempdir().expect("a directory");
    let variables = [
        ("DUOLOGUE__TURN__SECRETS", "0123456789abcdef0123456789abcdef"),
        ("DUOLOGUE__SERVER__PUBLIC_HOST", "chat.example.org"),
    ];
    let output = duologue(directory.path(), &["creds", "--ttl", "10m", "--user", "probe"], &variables);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let creds: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let username = creds["username"].as_str().expect("a text");
    let (expiry, name) = username.split_once(':').expect("expiry and name");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let left = expiry.parse::<u64>().expect("seconds").saturating_sub(now);
    assert!((590..=601).contains(&left), "{left} seconds are left");
    assert_eq!(name, "probe");
    assert_eq!(creds["expires_at"], expiry.parse::<u64>().expect("seconds") * 1000);
    let server = &creds["ice_servers"][0];
    assert_eq!(server["username"], creds["username"]);
    assert_eq!(server["credential"], creds["password"]);
    assert_eq!(server["urls"][0], "turn:chat.example.org:3478?transport=udp");
}

#[test]
fn healthcheck_asks_the_plain_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    let server = thread::spawn(move || {
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 Internal Server Error\r\n\r\n"] {
            let (mut stream, _) = listener.accept().expect("a client");
            let count = stream.read(&mut [0; 512]).expect("a request");
            assert!(count > 0);
            stream.write_all(answer.as_bytes()).expect("the client listens");
        }
    });
    let directory = tempfile::tempdir().expect("a directory");
    let ask = || duologue(directory.path(), &["healthcheck"], &[("DUOLOGUE__HTTP__LISTEN", &address)]);
    let alive = ask();
    assert_eq!(code(&alive), Some(0), "{}", stderr(&alive));
    let sick = ask();
    assert_eq!(code(&sick), Some(1));
    assert!(stderr(&sick).contains("answers \"HTTP/1.1 500 Internal Server Error\""), "{}", stderr(&sick));
    server.join().expect("both were asked");
    // The listener is closed now.
    assert_eq!(code(&ask()), Some(1));
}

#[test]
fn a_backup_holds_the_files_of_chat_and_a_restore_brings_them_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| duologue(directory.path(), arguments, &[]);
    let at = |path: &str| directory.path().join(path);
    let (kept, lost) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    fs::create_dir_all(at("state/uploads/01")).expect("made");
    fs::create_dir_all(at("state/uploads/fe")).expect("made");
    fs::write(at("state/uploads/01").join(kept), "a picture").expect("written");
    fs::write(at("state/uploads/fe").join(lost), "a voice note").expect("written");
    fs::write(at("state/uploads/fe").join(format!("{lost}#1")), "still arriving").expect("written");
    drop(store::open(&at("state/duologue.db"), store::Retention::default()).expect("made"));

    let made = run(&["backup", "copy.db"]);
    assert_eq!(code(&made), Some(0), "{}", stderr(&made));
    assert!(stdout(&made).ends_with("copy.db.files has 2 files of state/uploads (21 bytes)\n"), "{}", stdout(&made));
    fs::remove_file(at("copy.db")).expect("removed");
    let again = run(&["backup", "copy.db"]);
    let exists = "duologue: copy.db.files exists already; name another file\n";
    assert_eq!((code(&again), &*stderr(&again)), (Some(1), exists));
    assert!(!at("copy.db").exists(), "what was refused leaves nothing behind");

    fs::rename(at("copy.db.files"), at("other.db.files")).expect("renamed");
    fs::copy(at("state/duologue.db"), at("other.db")).expect("copied");
    fs::remove_dir_all(at("state/uploads/fe")).expect("removed");
    let restored = run(&["restore", "other.db"]);
    assert_eq!(code(&restored), Some(0), "{}", stderr(&restored));
    let told = stdout(&restored);
    assert!(told.ends_with("state/uploads has 1 files of other.db.files (12 bytes)\n"), "{told}");
    assert_eq!(fs::read_to_string(at("state/uploads/fe").join(lost)).expect("it is back"), "a voice note");
    assert_eq!(fs::read_dir(at("state/uploads/fe")).expect("a directory").count(), 1);
    assert_eq!(fs::read_to_string(at("state/uploads/01").join(kept)).expect("untouched"), "a picture");
}

#[test]
fn a_backup_is_made_and_restored_by_two_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| duologue(directory.path(), arguments, &[]);
    let told = run(&["backup", "copy.db"]);
    assert_eq!((code(&told), &*stderr(&told)), (Some(1), "duologue: there is no database at state/duologue.db\n"));

    fs::create_dir(directory.path().join("state")).expect("made");
    let database = directory.path().join("state/duologue.db");
    let opened = store::open(&database, store::Retention::default()).expect("made");
    let made = run(&["backup", "copy.db"]);
    assert_eq!(code(&made), Some(0), "{}", stderr(&made));
    let bytes = fs::metadata(directory.path().join("copy.db")).expect("it exists").len();
    assert_eq!(stdout(&made), format!("copy.db holds all of state/duologue.db ({bytes} bytes)\n"));
    let again = run(&["backup", "copy.db"]);
    assert_eq!((code(&again), &*stderr(&again)), (Some(1), "duologue: copy.db exists already; name another file\n"));

    let refused = run(&["restore", "copy.db"]);
    let in_use = "duologue: state/duologue.db is in use by another duologue; stop that one first\n";
    assert_eq!((code(&refused), &*stderr(&refused)), (Some(1), in_use));
    drop(opened);
    fs::write(&database, "damage").expect("writable");
    let restored = run(&["restore", "copy.db"]);
    assert_eq!(code(&restored), Some(0), "{}", stderr(&restored));
    let told = stdout(&restored);
    assert!(told.starts_with("state/duologue.db is what copy.db holds\nwhat was there is state/duologue.db.replaced-"));
    store::open(&database, store::Retention::default()).expect("whole again");

    let nothing = run(&["backup", "other.db", "--set", "store.path=:memory:"]);
    assert_eq!(code(&nothing), Some(1));
    assert_eq!(stderr(&nothing), "duologue: store.path is \":memory:\", so there is no database\n");
}
