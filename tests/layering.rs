//! The house rules that a compiler does not check: who may import whom, what pure code may not touch, sizes, names.
//!
//! The table is `docs/ARCHITECTURE.md` in code. A new arrow is a decision, so it is made there and here together.
#[path = "layering/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use source::Source;

/// A room and the rooms it may name. `app` may name every room but those above it.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    // To find what is wrong with a server, its doctor looks at it from outside, and at its files as it would itself.
    (
        "cli",
        &[
            "acme",
            "app",
            "auth",
            "bench",
            "config",
            "files",
            "ice",
            "listener",
            "load",
            "measure",
            "probe",
            "state",
            "store",
            "stun",
            "telemetry",
            "time",
        ],
    ),
    // The load generator sends and receives with the same calls as the server: else it would measure itself.
    ("bench", &["auth", "measure", "stun", "time", "transport"]),
    ("load", &["auth", "measure"]),
    ("measure", &[]),
    (
        "app",
        &[
            "acme",
            "admission",
            "auth",
            "bus",
            "classifier",
            "config",
            "events",
            "histogram",
            "files",
            "filter",
            "http",
            "ice",
            "identity",
            "listener",
            "matchmaking",
            "metrics",
            "probe",
            "relay",
            "signal",
            "state",
            "store",
            "stun",
            "telemetry",
            "time",
            "transport",
        ],
    ),
    (
        "http",
        &[
            "admission",
            "auth",
            "bus",
            "events",
            "files",
            "histogram",
            "identity",
            "matchmaking",
            "signal",
            "store",
            "time",
            "trace",
        ],
    ),
    // Somebody outside who judges messages; asked by signaling, signed like a webhook.
    ("classifier", &["auth", "events", "outgoing", "signal"]),
    // Whoever watches from outside; what happened is in the store.
    ("events", &["auth", "outgoing", "store", "time", "trace"]),
    // The bytes of what chat messages carry; signaling knows of them only what the store knows.
    ("files", &["auth", "signal", "store", "time"]),
    // Passwords are looked up and worked out beside signaling, which issues what they are good for.
    ("identity", &["admission", "auth", "filter", "signal", "store", "time", "trace"]),
    // Orders the certificate that the listener shows.
    ("acme", &["auth", "listener", "trace"]),
    // The relay from outside: of ours it takes what is minted and the numbers of errors.
    ("probe", &["auth", "histogram", "stun", "time"]),
    ("listener", &["admission", "stun", "time"]),
    ("signal", &["auth", "bus", "filter", "histogram", "matchmaking", "store", "time", "trace"]),
    ("transport", &["admission", "auth", "relay", "stun", "time", "trace"]),
    ("relay", &["auth", "stun", "time"]),
    ("matchmaking", &["time"]),
    ("store", &["histogram", "time", "trace"]),
    ("bus", &["time"]),
    ("auth", &["stun", "time"]),
    ("stun", &[]),
    ("time", &[]),
    ("admission", &[]),
    // The configuration checks the operator's rules with the rest.
    ("config", &["auth", "filter"]),
    // What people may not say; the rules in force are held for whoever asks.
    ("filter", &[]),
    ("state", &["auth"]),
    ("ice", &[]),
    ("histogram", &[]),
    ("metrics", &["histogram", "time"]),
    ("telemetry", &["config", "outgoing", "trace"]),
    // How services of the operator's are asked.
    ("outgoing", &[]),
    // What is being worked on, for whoever collects spans.
    ("trace", &[]),
];

/// Who may name `config::Config`, the whole of it.
const SEES_CONFIG: &[&str] = &["app", "cli", "config"];

/// Code without socket, clock, await, lock or log above trace: a file, or everything below a directory.
const PURE: &[&str] = &[
    "stun",
    "auth",
    "filter",
    "relay",
    "matchmaking",
    "signal/protocol",
    "signal/session",
    "signal/room",
    "signal/conversation",
    "signal/call_report",
];

/// The one file of a pure directory that is its shell, if it has one.
const SHELL_OF_PURE: &[&str] = &["matchmaking/runner", "filter/screen"];

/// What gives impurity away.
const IMPURE_WORDS: &[&str] = &[
    "async",
    "await",
    "Condvar",
    "Instant",
    "Mutex",
    "RwLock",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "tokio",
];

/// Logging above trace, and printing.
const LOUD_MACROS: &[&str] = &["debug", "info", "warn", "error", "print", "println", "eprint", "eprintln", "dbg"];

/// The only file that may hold what the compiler cannot check.
const UNCHECKED: &str = "transport/udp.rs";

/// Beyond this a file holds more than one noun.
const LINES_MAX: usize = 600;

/// File names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "types", "prelude", "helpers", "misc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `directory` with one of the endings, without what was generated or installed.
fn files(directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            if !["node_modules", "target", "types"].contains(&name.as_str()) {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) && !name.ends_with(".d.ts") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        Source::new(&relative, &fs::read_to_string(&path).expect("UTF-8"))
    };
    files(&src, &[".rs"]).into_iter().map(read).collect()
}

/// Arrows of one file that the table does not have, as sentences.
fn forbidden_arrows(source: &Source) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let room = source.room();
    if room == "lib" {
        return Vec::new();
    }
    let Some(allowed) = table.get(room) else {
        return vec![format!("{}: the room {room} is not in the table", source.name())];
    };
    let rooms: BTreeSet<&str> = table.keys().copied().collect();
    let named = source.rooms_named(&rooms);
    let strangers = named.iter().filter(|other| *other != room && !allowed.contains(&other.as_str()));
    let mut told: Vec<String> =
        strangers.map(|other| format!("{}: {room} must not name {other}", source.name())).collect();
    if !SEES_CONFIG.contains(&room) && source.names_item("config", "Config") {
        told.push(format!("{}: {room} must not see the whole Config", source.name()));
    }
    told
}

fn is_pure(source: &Source) -> bool {
    let below = |place: &&&str| {
        let rest = source.name().strip_prefix(**place);
        rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    PURE.iter().any(|place| below(&place)) && !SHELL_OF_PURE.iter().any(|place| below(&place))
}

fn impurities(source: &Source) -> Vec<String> {
    if !is_pure(source) {
        return Vec::new();
    }
    let words = IMPURE_WORDS.iter().filter(|word| source.has_word(word)).map(|word| (*word).to_owned());
    let macros = LOUD_MACROS.iter().filter(|name| source.has_macro(name)).map(|name| format!("{name}!"));
    words.chain(macros).map(|what| format!("{}: pure code must not use {what}", source.name())).collect()
}

fn unchecked(source: &Source) -> Option<String> {
    let word = concat!("un", "safe");
    (source.name() != UNCHECKED && source.has_word(word)).then(|| format!("{}: {word} code", source.name()))
}

fn assert_nothing(told: Vec<String>) {
    assert!(told.is_empty(), "\n{}\n", told.join("\n"));
}

#[test]
fn no_arrow_points_up() {
    let sources = sources();
    assert!(sources.len() > 20, "only {} files found", sources.len());
    assert_nothing(sources.iter().flat_map(forbidden_arrows).collect());
}

#[test]
fn the_table_itself_has_no_circle() {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for (room, _) in ARROWS {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = table[room].to_vec();
        while let Some(next) = open.pop() {
            assert_ne!(next, *room, "{room} reaches itself");
            if reached.insert(next) {
                open.extend(table[next]);
            }
        }
    }
}

#[test]
fn pure_code_has_no_socket_clock_await_lock_or_log() {
    assert_nothing(sources().iter().flat_map(impurities).collect());
}

#[test]
fn one_file_alone_does_what_the_compiler_cannot_check() {
    assert_nothing(sources().iter().filter_map(unchecked).collect());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let mut told = Vec::new();
    let endings = [".rs", ".js", ".mjs", ".ts", ".css", ".html", ".py"];
    for directory in ["src", "tests", "benches", "web", "clients"] {
        for path in files(&root().join(directory), &endings) {
            let lines = fs::read_to_string(&path).expect("UTF-8").lines().count();
            if lines > LINES_MAX {
                told.push(format!("{}: {lines} lines, more than {LINES_MAX}", path.display()));
            }
        }
    }
    assert_nothing(told);
}

#[test]
fn names_say_something_and_nothing_is_left_to_do() {
    let mut told = Vec::new();
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!"), concat!("unimple", "mented!")];
    for directory in ["src", "tests", "benches"] {
        for path in files(&root().join(directory), &[".rs"]) {
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            if EMPTY_NAMES.contains(&stem.as_str()) {
                told.push(format!("{}: the name says nothing", path.display()));
            }
            let text = fs::read_to_string(&path).expect("UTF-8");
            let left = marks.iter().filter(|mark| text.contains(*mark));
            told.extend(left.map(|mark| format!("{}: {mark}", path.display())));
        }
    }
    assert_nothing(told);
}

/// The tests that a page names as `file::name`, in backticks.
fn named_tests(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(|word| word.split_once(".rs::"))
}

#[test]
fn the_data_plane_reads_no_clock_for_a_packet() {
    let transport = root().join("src/transport");
    let is_shipped = |path: &PathBuf| !path.components().any(|part| part.as_os_str() == "tests");
    let readings = files(&transport, &[".rs"]).into_iter().filter(is_shipped).filter_map(|path| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let count = [".now()", "::now("].map(|call| text.matches(call).count()).iter().sum::<usize>();
        (count > 0).then(|| (path.file_name().expect("a name").to_string_lossy().into_owned(), count))
    });
    // When a shard is made, before its first wake-up, at each wake-up, and before each pause.
    assert_eq!(readings.collect::<Vec<_>>(), [("shard.rs".to_owned(), 4)]);
}

#[test]
fn every_defence_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).expect("the page");
    assert!(named_tests(&page).count() > 20, "the table is read");
    let is_missing = |(file, name): (&str, &str)| {
        let source = fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
        let is_there = source.contains(&format!("fn {name}("));
        (!is_there).then(|| format!("docs/SECURITY.md: {file}.rs has no test {name}"))
    };
    assert_nothing(named_tests(&page).filter_map(is_missing).collect());
}

#[test]
fn the_checker_sees_every_way_to_name_another_room() {
    let up = "relay/mod.rs: relay must not name transport";
    for text in [
        "use crate::transport::Shard;",
        "use crate::{stun::Message, transport::Shard};",
        "use crate::{\n    stun,\n    transport as shell,\n};",
        "fn f() { crate :: transport::g(); }",
        "use super::transport::Shard;",
        "pub(in crate::transport) fn f() {}",
        "use crate::r#transport::Shard;",
        "let t = '\\''; use crate::transport::T;",
        "let s = r#\"quote \" inside\"#; use crate::transport::T;",
    ] {
        assert_eq!(forbidden_arrows(&Source::new("relay/mod.rs", text)), [up], "{text}");
    }
    let deeper = Source::new("relay/data.rs", "use super::super::transport::Shard;");
    assert_eq!(forbidden_arrows(&deeper), ["relay/data.rs: relay must not name transport"]);
    let inline = Source::new("relay/mod.rs", "mod tests { fn f() {} use super::super::transport::Shard; }");
    assert_eq!(forbidden_arrows(&inline), [up]);
    let everything = Source::new("relay/data.rs", "use crate::*;");
    assert_eq!(forbidden_arrows(&everything).len(), ARROWS.len() - 1 - 3, "all rooms but itself and its three");
}

#[test]
fn the_checker_is_not_fooled_by_comments_texts_and_inner_names() {
    for text in [
        "// crate::transport is above",
        "/* use crate::transport; /* nested */ crate::http */",
        "/// See [`crate::transport`].",
        "let s = \"crate::transport\";",
        "let s = r#\"crate::transport \"quoted\" \"#;",
        "let s = b\"\\\" crate::transport\";",
        "use crate::relay::transport::Kind;",
        "use crate::{relay::{self, transport}, stun};",
        "fn f<'transport>(x: &'transport str) {}",
        "use crate::stun::Message; use crate::auth::secret::Secret; use crate::time::Now;",
    ] {
        assert_eq!(forbidden_arrows(&Source::new("relay/mod.rs", text)), Vec::<String>::new(), "{text}");
    }
    // One level up from relay/data.rs, or from a module inside of relay/mod.rs, is relay itself.
    for (name, text) in [
        ("relay/data.rs", "use super::transport::Kind;"),
        ("relay/mod.rs", "mod tests { use super::*; use super::transport::Kind; }"),
    ] {
        assert_eq!(forbidden_arrows(&Source::new(name, text)), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_checker_sees_the_whole_config_in_wrong_hands() {
    let http = Source::new("http/mod.rs", "use crate::config::Config;");
    assert_eq!(
        forbidden_arrows(&http),
        ["http/mod.rs: http must not name config", "http/mod.rs: http must not see the whole Config"]
    );
    for text in ["use crate::config::{Log, Config};", "use crate::{config::Config, time};", "use crate::config::*;"] {
        let told = forbidden_arrows(&Source::new("telemetry.rs", text));
        assert!(told.contains(&"telemetry.rs: telemetry must not see the whole Config".to_owned()), "{text}: {told:?}");
    }
    for (name, text) in [
        ("telemetry.rs", "use crate::config::Log;"),
        ("relay/mod.rs", "use crate::relay::config::Config; pub use config::Config;"),
    ] {
        assert_eq!(forbidden_arrows(&Source::new(name, text)), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_checker_sees_impure_code_in_pure_places_only() {
    let told = |name: &str, text: &str| impurities(&Source::new(name, text));
    assert_eq!(told("relay/data.rs", "use std::time::Instant;"), ["relay/data.rs: pure code must not use Instant"]);
    assert_eq!(told("auth/token.rs", "x.lock(); Mutex::new(1)"), ["auth/token.rs: pure code must not use Mutex"]);
    assert_eq!(told("signal/session.rs", "tracing::info!(x)"), ["signal/session.rs: pure code must not use info!"]);
    assert_eq!(told("signal/protocol/rtc.rs", "y.await"), ["signal/protocol/rtc.rs: pure code must not use await"]);
    for (name, text) in [
        ("relay/data.rs", "tracing::trace!(x); let info = 1; a.debug(); // Mutex"),
        ("relay/data.rs", "struct InstantReply; let mutex = 1; \"Instant\""),
        ("matchmaking/runner.rs", "use tokio::sync::mpsc;"),
        ("signal/hub/mod.rs", "use tokio::sync::mpsc;"),
        ("signal/sessions_task.rs", "x.await"),
        ("transport/shard.rs", "Instant::now()"),
    ] {
        assert_eq!(told(name, text), Vec::<String>::new(), "{name}: {text}");
    }
}

#[test]
fn the_checker_sees_unchecked_code_outside_of_its_file() {
    let block = concat!("fn f() { un", "safe { g() } }");
    assert!(unchecked(&Source::new("transport/shard.rs", block)).is_some());
    assert_eq!(unchecked(&Source::new("transport/udp.rs", block)), None);
    assert_eq!(unchecked(&Source::new("lib.rs", concat!("#![deny(un", "safe_code)]"))), None);
}
