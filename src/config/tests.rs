//! The configuration as a whole: defaults, overlays, clashes, and what each mistake is answered with.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

const DEFAULT_TOML: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Sources::default().with_environment(pairs)
}

fn written(text: &str) -> (tempfile::TempDir, Sources) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("duologue.toml");
    fs::write(&file, text).expect("the file is written");
    (directory, Sources::default().with_file(Some(file)))
}

/// The problems of a file as `line: key: what; fix`.
fn load(text: &str) -> Config {
    let (_directory, sources) = written(text);
    Config::load(sources).expect("no problems")
}

fn problems(text: &str) -> Vec<String> {
    let (directory, sources) = written(text);
    let problems = Config::load(sources).expect_err("the file is broken");
    let path = format!("{}/duologue.toml:", directory.path().display());
    problems.iter().map(|problem| problem.to_string().replace(&path, "")).collect()
}

fn keys_of(toml: &str) -> BTreeSet<String> {
    let mut values = BTreeMap::new();
    print::flatten("", toml.parse::<toml::Table>().expect("TOML").into(), &mut values);
    values.into_keys().collect()
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let config = Config::load(Sources::default().with_file(Some(PathBuf::from(DEFAULT_TOML)))).expect("no problems");
    assert_eq!(Config { sources: Sources::default(), ..config }, Config::default());
    assert_eq!(Config::load(Sources::default()).expect("no problems"), Config::default());
}

#[test]
fn the_default_file_has_every_key_that_is_read_and_printed() {
    let documented = keys_of(&fs::read_to_string(DEFAULT_TOML).expect("the file"));
    let mut reader = Reader::default();
    let config = Config::read(Table::new(), &mut reader);
    let read: BTreeSet<String> = reader.known_keys().iter().cloned().collect();
    assert_eq!(documented, read);
    assert_eq!(documented, config.values_by_key().into_keys().collect());
}

#[test]
fn every_key_of_the_default_file_stands_below_a_comment() {
    let text = fs::read_to_string(DEFAULT_TOML).expect("the file");
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let is_key = pair[1].contains(" = ") && !pair[1].starts_with('#');
        assert!(!is_key || pair[0].starts_with("# "), "no comment above: {}", pair[1]);
    }
}

#[test]
fn the_production_example_is_valid() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml");
    let config = Config::load(Sources::default().with_file(Some(PathBuf::from(file)))).expect("no problems");
    assert_eq!(config.server.public_host.as_str(), "chat.example.org");
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    let (_directory, sources) = written(
        "[server]\npublic_host = \"a.b\"\n[session]\nlimit = \"0s\"\n[store]\npath = \":memory:\"\n\
         [relay]\nmode = \"single-port\"\naddresses = [\"10.0.0.5\"]\nexternal = { \"10.0.0.5\" = \"203.0.113.7\" }\n\
         [turn]\nalternate_server = \"203.0.113.8:3478\"\n[matchmaking]\nlevels = [\"1s\", \"1m30s\", \"2m\", \"1h\"]\n",
    );
    let config = Config::load(sources).expect("no problems");
    let (_directory, sources) = written(&config.to_toml());
    assert_eq!(Config::load(sources).expect("no problems").to_toml(), config.to_toml());
    assert_eq!(config.session.limit, None);
}

#[test]
fn later_sources_win_over_earlier_ones() {
    let (directory, sources) =
        written("[server]\npublic_host = \"file\"\n[turn]\nrealm = \"file\"\n[log]\nlevel = \"warn\"\n");
    let overlays = directory.path().join("conf.d");
    fs::create_dir(&overlays).expect("the directory");
    // Read by name, not in the order of their making; other endings are not read.
    fs::write(overlays.join("20.toml"), "[server]\npublic_host = \"twenty\"\n").expect("written");
    fs::write(overlays.join("10.toml"), "[server]\npublic_host = \"ten\"\n[turn]\nrealm = \"ten\"\n").expect("written");
    fs::write(overlays.join("30.toml.bak"), "[server]\npublic_host = \"backup\"\n").expect("written");
    let config = Config::load(sources.clone()).expect("no problems");
    assert_eq!((config.server.public_host.as_str(), config.turn.realm.as_str()), ("twenty", "ten"));
    assert_eq!(config.log.level.as_directives(), "warn");

    let variables = [("DUOLOGUE__SERVER__PUBLIC_HOST", "variable"), ("DUOLOGUE__TURN__REALM", "variable")];
    let sources = sources.with_environment(variables.map(|(name, value)| (name.into(), value.into())));
    let sources = sources.with_flags(vec![("server.public_host".to_owned(), "flag".to_owned())]);
    let config = Config::load(sources).expect("no problems");
    assert_eq!((config.server.public_host.as_str(), config.turn.realm.as_str()), ("flag", "variable"));
}

#[test]
fn the_environment_reaches_every_type() {
    let config = Config::load(environment(&[
        ("DUOLOGUE__HTTP__LISTEN", "127.0.0.1:1, [::1]:2"),
        ("DUOLOGUE__HTTP__TLS_LISTEN", "[::]:8443"),
        ("DUOLOGUE__TURN__UDP_LISTEN", "[\"127.0.0.1:3\"]"),
        ("DUOLOGUE__TURN__TCP_LISTEN", ""),
        ("DUOLOGUE__TURN__USERS", "{ ann = \"secret word\" }"),
        ("DUOLOGUE__TURN__STRICT_EXPIRY", "true"),
        ("DUOLOGUE__TURN__SECRETS", "0123456789abcdef0123456789abcdef,abcdefghijklmnopqrstuvwxyz012345"),
        ("DUOLOGUE__RELAY__LIMITS__CHANNELS", "7"),
        ("DUOLOGUE__RELAY__ALLOW_PEERS", "127.0.0.1,10.0.0.0/8"),
        ("DUOLOGUE__SESSION__LIMIT", "20s"),
        ("DUOLOGUE__MATCHMAKING__LEVELS", "1s,2s,3s,4s"),
        ("DUOLOGUE_OTHER", "not ours"),
        ("PATH", "/bin"),
    ]))
    .expect("no problems");
    let text = |list: &[std::net::SocketAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&config.http.listen), ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(text(&config.http.tls_listen), ["[::]:8443"]);
    assert_eq!(text(&config.turn.udp_listen), ["127.0.0.1:3"]);
    assert!(config.turn.tcp_listen.is_empty() && config.turn.strict_expiry);
    assert_eq!(config.turn.users["ann"].expose(), b"secret word");
    assert_eq!(config.turn.secrets[1].expose(), b"abcdefghijklmnopqrstuvwxyz012345");
    assert_eq!(config.relay.limits.channels, 7);
    assert_eq!(
        config.relay.allow_peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1/32", "10.0.0.0/8"]
    );
    assert_eq!(config.session.limit, Some(Duration::from_secs(20)));
    assert_eq!(config.matchmaking.levels[3], Duration::from_secs(4));
}

#[test]
fn mistakes_of_the_environment_name_the_variable() {
    let wrong = Config::load(environment(&[
        ("DUOLOGUE__HTPP__LISTEN", "127.0.0.1:1"),
        ("DUOLOGUE__RELAY__LIMITS__CHANEL", "7"),
        ("DUOLOGUE__RELAY__SHARDS", "many"),
        ("DUOLOGUE__SERVER", "x"),
    ]));
    let told: Vec<String> = wrong.expect_err("four mistakes").iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["environment DUOLOGUE__SERVER: names no section and key; write DUOLOGUE__SECTION__KEY, two underlines each"]
    );
    let wrong = Config::load(environment(&[
        ("DUOLOGUE__HTPP__LISTEN", "127.0.0.1:1"),
        ("DUOLOGUE__RELAY__LIMITS__CHANEL", "7"),
        ("DUOLOGUE__RELAY__SHARDS", "many"),
    ]));
    let told: Vec<String> = wrong.expect_err("three mistakes").iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "environment DUOLOGUE__HTPP__LISTEN: htpp: unknown section; did you mean [http]?",
            "environment DUOLOGUE__RELAY__LIMITS__CHANEL: relay.limits.chanel: unknown key; did you mean channels?",
            "environment DUOLOGUE__RELAY__SHARDS: relay.shards: \"many\" is no whole number from 0 to 65535; \
             write digits only, without quotes, for example 64",
        ]
    );
}

#[test]
fn several_mistakes_are_told_together_in_the_order_of_the_lines() {
    let told = problems(
        "[http]\nlisten = [\"localhost:8080\"]\nlissten = []\n\n[relay]\nport_range = \"60000-50000\"\n\
         allow_peers = [\n  \"10.0.0.0/8\",\n  \"10.0.0.1/8\",\n  \"ten\",\n]\n",
    );
    assert_eq!(
        told,
        [
            "2: http.listen: \"localhost:8080\" is no address with a port; write \"127.0.0.1:8080\"",
            "3: http.lissten: unknown key; did you mean listen?",
            "6: relay.port_range: \"60000-50000\" ends before it begins; write \"50000-60000\"",
            "9: relay.allow_peers: 10.0.0.1/8 has bits beyond its prefix; write 10.0.0.0/8",
            "10: relay.allow_peers: \"ten\" is no network; write it like 10.0.0.0/8, 2001:db8::/32 or 203.0.113.7",
        ]
    );
}

#[test]
fn each_mistake_names_its_line_its_key_and_a_remedy() {
    let cases = [
        ("listen = []", "1: listen: unknown key outside of any section; put it below one of the sections"),
        ("http = 3", "1: http: is a number, but it is a section; write its keys on lines of their own below [http]"),
        ("[turn]\nrealm = 5", "2: turn.realm: 5 is no text; put it into double quotes"),
        (
            "[session]\nlimit = 300",
            "2: session.limit: 300 is no text; put it into double quotes; a length of time needs its unit: \"300s\"",
        ),
        (
            "[session]\nlimit = \"300\"",
            "2: session.limit: \"300\" is not a length of time; write a number with its unit",
        ),
        (
            "[http]\nlisten = \"127.0.0.1:1\"",
            "2: http.listen: \"127.0.0.1:1\" is no list; put it into brackets: [\"127.0.0.1:1\"]",
        ),
        ("[http.listen]\nx = 1", "1: http.listen: a table is no list; write a list: [\"a\", \"b\"]"),
        ("[turn]\nsecret_file = \"x\"", "2: turn.secret_file: unknown key; did you mean secrets_file?"),
        (
            "[auth]\njwks_url = \"http://id.example/jwks.json\"",
            "2: auth.jwks_url: keys from \"http://id.example/jwks.json\" could be anybody's; write an address that begins",
        ),
        (
            "[auth]\njwks_url = \"http://localhost.id.example/\"",
            "2: auth.jwks_url: keys from \"http://localhost.id.example/\" could be anybody's; write an address that begins",
        ),
        (
            "[auth]\njwks_url = \"http://localhost:81@id.example/\"",
            "2: auth.jwks_url: keys from \"http://localhost:81@id.example/\" could be anybody's; write an address that begins",
        ),
        (
            "[auth]\njwks_url = \"http://localhost:81/k\"\njwks_file = \"k\"",
            "3: auth.jwks_file: auth.jwks_url is given beside it; keep one of jwks_url and jwks_file",
        ),
        ("[auth]\nguests = \"yes\"", "2: auth.guests: \"yes\" is neither true nor false; write true or false"),
        ("[relay]\nshards = -1", "2: relay.shards: -1 is no whole number from 0 to 65535"),
        ("[relay]\nshards = 300", "2: relay.shards: 300 is out of range; write a number from 0 to 256"),
        ("[relay]\nmode = \"port\"", "2: relay.mode: \"port\" is no relay mode; write \"ports\" or \"single-port\""),
        (
            "[turn]\nudp_listen = [\"0.0.0.0\"]",
            "2: turn.udp_listen: \"0.0.0.0\" is no address with a port; add the port: \"0.0.0.0:3478\"",
        ),
        (
            "[turn]\nalternate_server = \"turn.example\"",
            "2: turn.alternate_server: \"turn.example\" is no address with a port",
        ),
        (
            "[turn]\nalternate_server = \"0.0.0.0:3478\"",
            "2: turn.alternate_server: clients cannot be sent to 0.0.0.0:3478; write the public address and port",
        ),
        (
            "[turn]\nalternate_server = \"203.0.113.8:0\"",
            "2: turn.alternate_server: clients cannot be sent to 203.0.113.8:0; write the public address and port",
        ),
        (
            "[server]\npublic_host = \"https://a.b/\"",
            "2: server.public_host: \"https://a.b/\" is no host name; write only the name",
        ),
        ("[http]\nallowed_origins = [\"*\"]", "2: http.allowed_origins: \"*\" is no web origin; write scheme, host"),
        ("[matchmaking]\nlevels = [\"1s\"]", "2: matchmaking.levels: the list has 1 items; write exactly 4"),
        (
            "[matchmaking]\nlevels = [\"10s\", \"40s\", \"20s\", \"1m\"]",
            "2: matchmaking.levels: 20s comes after 40s; write the waits in ascending order: [\"10s\", \"20s\", \"40s\", \"1m\"]",
        ),
        (
            "[files]\nstorage = \"disk\"",
            "2: files.storage: \"disk\" is no storage; write \"local\", \"s3\" or \"none\"",
        ),
        (
            "[files]\nlink_life = \"1s\"",
            "2: files.link_life: an address of a file cannot be good for 1s; write \"1m\" to \"7d\"",
        ),
        (
            "[files]\nstorage = \"s3\"\n[files.s3]\nregion = \"r\"\naccess_key_id = \"k\"\nsecret_access_key = \"s\"",
            "2: files.storage: files in a bucket need s3.bucket; write it below [files.s3]",
        ),
        (
            "[files.s3]\nendpoint = \"minio:9000\"",
            "2: files.s3.endpoint: \"minio:9000\" is no URL of a bucket service; write scheme and host",
        ),
        ("[files.s3]\nprefix = \"../x\"", "2: files.s3.prefix: \"../x\" is no prefix of objects; write letters"),
        ("[log]\nlevel = \"inof\"", "2: log.level: \"inof\" is no log level; write one of off, error"),
        (
            "[turn]\nusers = { \"a:b\" = \"c\" }",
            "2: turn.users: the user \"a:b\" cannot log in like this; give a name without colon",
        ),
        ("[http]\nlisten = [", "2: not TOML: unclosed array"),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"", "3: not TOML: duplicate key"),
    ];
    for (text, expected) in cases {
        let told = problems(text);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{text:?}\n told: {told:#?}\n expected: {expected}");
        assert!(told[0].contains("; "), "no remedy: {told:?}");
    }
}

#[test]
fn keys_that_clash_are_told_with_the_place_of_the_one_that_was_written() {
    let cases = [
        (
            "[relay]\naddresses = [\"10.0.0.6\"]\nexternal = { \"10.0.0.5\" = \"203.0.113.7\" }",
            "3: relay.external: 10.0.0.5 is not a local address of the relay; add it to relay.addresses, or map one of 10.0.0.6",
        ),
        (
            "[relay]\naddresses = [\"10.0.0.6\"]\nexternal = { \"10.0.0.6\" = \"2001:db8::1\" }",
            "3: relay.external: 10.0.0.6 and 2001:db8::1 are of different families; map IPv4 to IPv4",
        ),
        (
            "[relay]\nmode = \"single-port\"\nallow_private_peers = true",
            "3: relay.allow_private_peers: in single-port mode the only peers are relayed addresses of this server; take it away",
        ),
        (
            "[http]\ntls_listen = [\"0.0.0.0:5349\"]",
            "2: http.tls_listen: 0.0.0.0:5349 and 0.0.0.0:5349 of http.tls_listen are one TCP port; take it out of turn.tls_listen",
        ),
        (
            "[http]\nlisten = [\"127.0.0.1:3478\"]",
            "2: http.listen: 0.0.0.0:3478 and 127.0.0.1:3478 of http.listen are one TCP port; give turn.tcp_listen another port",
        ),
        (
            "[turn]\nudp_listen = [\"0.0.0.0:1000\", \"127.0.0.1:1000\"]",
            "2: turn.udp_listen: 127.0.0.1:1000 and 0.0.0.0:1000 are one UDP port; take one of them away",
        ),
        ("[http]\nlisten = []\ntls_listen = []", "2: http.listen: nothing listens for browsers; give http.listen"),
        (
            "[limits]\nmessages_per_second = 500",
            "2: limits.messages_per_second: 200 is less than one second of messages; write at least 500",
        ),
        (
            "[auth]\naccess_ttl = \"60d\"",
            "2: auth.access_ttl: refresh tokens of 30d end before access tokens; write more than \"60d\"",
        ),
    ];
    for (text, expected) in cases {
        let told = problems(text);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{text:?}\n told: {told:#?}\n expected: {expected}");
    }
}

#[test]
fn a_certificate_needs_its_key_and_both_need_to_be_readable() {
    let (directory, _) = written("");
    let pem = directory.path().join("cert.pem");
    fs::write(&pem, "").expect("written");
    let told = problems(&format!("[tls]\ncert = {pem:?}\n"));
    assert_eq!(told, ["2: tls.cert: the certificate has no key; name its private key in tls.key"]);
    let told = problems(&format!("[tls]\nkey = {pem:?}\n"));
    assert_eq!(told, ["2: tls.key: the key has no certificate; name its certificate chain in tls.cert"]);
    let told = problems(&format!("[tls]\ncert = {pem:?}\nkey = \"/nowhere/key.pem\"\n"));
    assert!(told.len() == 1 && told[0].starts_with("3: tls.key: cannot read \"/nowhere/key.pem\""), "{told:?}");
}

#[test]
fn wrong_secrets_are_refused_without_being_quoted() {
    for text in [
        "[turn]\nsecrets = \"hunter2\"\n",
        "[turn]\nusers = \"hunter2\"\n",
        "[turn]\nusers = { ann = [\"hunter2\"] }\n",
        "[files.s3]\nsecret_access_key = [\"hunter2\"]\n",
    ] {
        let told = problems(text);
        assert!(told.len() == 1 && told[0].starts_with("2: ") && !told[0].contains("hunter2"), "{told:?}");
    }
    let told = problems("[turn]\nsecrets = [\"\"]\n");
    assert!(told.len() == 1 && told[0].starts_with("2: turn.secrets: an empty secret is none; write a random one"));
}

#[test]
fn weak_secrets_are_warned_of_without_being_quoted() {
    let told = load("[turn]\nsecrets = [\"hunter2\"]\n[auth]\njwt_secrets = [\"hunter3\"]\n").warnings();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("turn.secrets: ") && told[1].starts_with("auth.jwt_secrets: "), "{told:?}");
    assert!(!told.concat().contains("hunter"));
    assert_eq!(Config::default().warnings(), [""; 0]);
}

#[test]
fn keys_that_sign_for_others_too_are_warned_of() {
    let keys = "[auth]\njwks_url = \"https://id.example/keys\"\n";
    let [told] = load(keys).warnings().try_into().expect("one warning");
    assert!(told.starts_with("auth.audience: empty"), "{told}");
    assert_eq!(load(&format!("{keys}audience = \"calls\"\n")).warnings(), [""; 0]);
}

#[test]
fn a_store_that_forgets_is_warned_of() {
    let told = load("[store]\npath = \":memory:\"\n").warnings();
    let [told] = told.try_into().expect("one warning");
    assert!(told.starts_with("store.path: ") && told.contains("leave it empty"), "{told}");
}

#[test]
fn secrets_are_read_from_files() {
    let (directory, _) = written("");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let secrets = file("secrets", "0123456789abcdef0123456789abcdef\n\nabcdefghijklmnopqrstuvwxyz012345\n");
    let users = file("users", "ann:pass:word\n");
    let text = format!("[turn]\nsecrets_file = {secrets:?}\nusers_file = {users:?}\n");
    let (_directory, sources) = written(&text);
    let config = Config::load(sources).expect("no problems");
    assert_eq!(config.turn.secrets.len(), 2);
    assert_eq!(config.turn.secrets[0].expose(), b"0123456789abcdef0123456789abcdef");
    assert_eq!(config.turn.users["ann"].expose(), b"pass:word");

    let told = problems("[turn]\nsecrets_file = \"/nowhere\"\n");
    assert!(
        told.len() == 1 && told[0].starts_with("2: turn.secrets: cannot read the secret from \"/nowhere\""),
        "{told:?}"
    );
    let told = problems(&format!("{text}secrets = []\n"));
    assert_eq!(told, ["2: turn.secrets: secrets is given beside it; keep one of secrets and secrets_file"]);
}

#[test]
fn nothing_shows_a_secret() {
    let secret = "0123456789abcdef0123456789abcdef";
    let (_directory, sources) = written(&format!(
        "[turn]\nsecrets = [\"{secret}\"]\nusers = {{ ann = \"{secret}\" }}\n[auth]\njwt_secrets = [\"{secret}\"]\n\
         [files.s3]\nsecret_access_key = \"{secret}\"\n"
    ));
    let sources = sources.with_environment([("DUOLOGUE__AUTH__JWT_SECRETS".into(), secret.into())]);
    let config = Config::load(sources).expect("no problems");
    let printed = config.to_toml();
    assert!(!printed.contains(secret) && !format!("{config:?}").contains(secret));
    for line in ["secrets = [\"***\"]", "jwt_secrets = [\"***\"]", "ann = \"***\"", "secret_access_key = \"***\""] {
        assert!(printed.contains(line), "{line} is not in\n{printed}");
    }
}

#[test]
fn a_missing_file_is_an_error_and_not_the_defaults() {
    let wrong = Config::load(Sources::default().with_file(Some(PathBuf::from("/nowhere/duologue.toml"))));
    let told = wrong.expect_err("no such file").to_string();
    assert!(told.starts_with("configuration: cannot read /nowhere/duologue.toml"), "{told}");
    assert!(told.ends_with("; check the path given with --config"), "{told}");
}

#[test]
fn a_reload_sees_what_changed_in_the_file() {
    let (_directory, sources) = written("[session]\nlimit = \"1m\"\n");
    let config = Config::load(sources).expect("no problems");
    let file: &Path = config.sources.file().expect("a file");
    fs::write(file, "[session]\nlimit = \"2m\"\n").expect("written");
    assert_eq!(config.reload().expect("no problems").session.limit, Some(Duration::from_secs(120)));
}

#[test]
fn a_reload_can_say_which_keys_changed() {
    let old = load("[turn]\nsecrets = [\"0123456789abcdef0123456789abcdef\"]\n[relay.limits]\nchannels = 7\n");
    let new = load("[turn]\nsecrets = [\"fedcba9876543210fedcba9876543210\"]\n[session]\nlimit = \"0s\"\n");
    assert_eq!(old.changed_keys(&new), ["relay.limits.channels", "session.limit", "turn.secrets"]);
    assert_eq!(old.changed_keys(&old), Vec::<String>::new());
}

#[test]
fn certificates_are_ordered_for_names_that_an_authority_reaches() {
    let config =
        load("[tls.acme]\ndomains = [\"Chat.Example.org\"]\ncontact = [\"a@example.org\"]\nchallenge = \"http-01\"\n");
    assert_eq!(config.tls.acme.domains[0].as_str(), "chat.example.org");
    assert_eq!(config.tls.acme.contact, ["mailto:a@example.org"]);
    for (text, told) in [
        ("domains = [\"localhost\"]", "no authority reaches localhost; name what"),
        ("contact = [\"nobody\"]", "\"nobody\" is no mail address"),
        ("directory_url = \"http://a.b/dir\"", "\"http://a.b/dir\" is no directory"),
        ("challenge = \"dns-01\"", "dns-01 needs the key of a DNS provider"),
        ("eab_kid = \"1\"", "the account has no key; write eab_key"),
        ("eab_key = \"a2V5\"", "the key has no account; write eab_kid"),
        ("ca_file = \"/nowhere/ca.pem\"", "cannot read \"/nowhere/ca.pem\""),
    ] {
        let problems = problems(&format!("[tls.acme]\n{text}\n"));
        assert!(problems.len() == 1 && problems[0].contains(told), "{text}: {problems:?}");
    }
    let told = problems("[http]\nlisten = []\n[tls.acme]\ndomains = [\"a.example\"]\nchallenge = \"http-01\"\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("nothing listens for plain HTTP"), "{told:?}");
}
