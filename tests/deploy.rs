//! What is in `deploy/` fits the program: settings are known to it, and whatever asks for a number finds it on `/metrics`.
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::Server;

/// What distributions add to the name of a metric.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of our own metrics that a text mentions.
fn mentioned(text: &str) -> BTreeSet<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let words = text.split(|char| !is_part(char));
    let ours = words.filter(|word| {
        let rest = word.strip_prefix("duologue_").or_else(|| word.strip_prefix("video_chat_"));
        // Names of packages have capitals.
        rest.is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_lowercase()))
    });
    ours.map(str::to_owned).collect()
}

/// What `/metrics` has, each under the name of its samples.
fn served() -> BTreeSet<String> {
    let server = Server::start("");
    let (status, page) = server.get("/metrics");
    assert_eq!(status, 200);
    let typed = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = typed.filter_map(|line| line.split_once(' ')).map(|(name, kind)| match kind {
        // OpenMetrics names the family without its end.
        "counter" => format!("{name}_total"),
        _ => name.to_owned(),
    });
    names.collect()
}

/// The name without what a distribution adds.
fn family<'a>(name: &'a str, served: &BTreeSet<String>) -> &'a str {
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    stem.filter(|stem| served.contains(*stem)).unwrap_or(name)
}

#[test]
fn alerts_and_dashboard_ask_only_for_numbers_that_exist() {
    let served = served();
    assert!(served.contains("duologue_relay_packets_total") && served.contains("duologue_store_commit_seconds"));
    for path in ["prometheus/duologue.rules.yml", "grafana/duologue.json"] {
        let asked = mentioned(&text(deploy(path)));
        assert!(asked.len() > 10, "{path} asks for {asked:?}");
        let unknown: Vec<&String> = asked.iter().filter(|name| !served.contains(family(name, &served))).collect();
        assert!(unknown.is_empty(), "{path} asks for {unknown:?}");
    }
}

#[test]
fn every_number_is_explained_and_on_the_dashboard() {
    let served: BTreeSet<String> = served().into_iter().filter(|name| !name.starts_with("process_")).collect();
    for page in [deploy("../docs/OPERATIONS.md"), deploy("grafana/duologue.json")] {
        let shown = mentioned(&text(&page));
        let shown: BTreeSet<&str> = shown.iter().map(|name| family(name, &served)).collect();
        let missing: Vec<&String> = served.iter().filter(|name| !shown.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{} misses {missing:?}", page.display());
    }
    let explained = mentioned(&text(deploy("../docs/OPERATIONS.md")));
    let stale: Vec<&String> = explained.iter().filter(|name| !served.contains(family(name, &served))).collect();
    assert!(stale.is_empty(), "docs/OPERATIONS.md explains {stale:?}, which do not exist");
}

#[test]
fn every_alert_has_a_page_that_says_what_to_do() {
    let rules = text(deploy("prometheus/duologue.rules.yml"));
    let page = text(deploy("../docs/OPERATIONS.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in &alerts {
        let runbook = format!("runbook: docs/OPERATIONS.md#{}", alert.to_lowercase());
        assert_eq!(rules.matches(&runbook).count(), 1, "{alert} has no runbook");
        assert!(page.contains(&format!("### {alert}\n")), "docs/OPERATIONS.md has no section {alert}");
    }
    assert_eq!(rules.matches("expr:").count(), alerts.len());
    assert_eq!(rules.matches("summary:").count(), alerts.len());
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard: Value = serde_json::from_str(&text(deploy("grafana/duologue.json"))).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has a number of its own");
    for panel in panels {
        let place = &panel["gridPos"];
        let end = place["x"].as_u64().zip(place["w"].as_u64()).map(|(x, w)| x + w);
        assert!(end.is_some_and(|end| end <= 24), "{panel}");
        let targets = panel["targets"].as_array().map(Vec::len).unwrap_or_default();
        assert_eq!(targets == 0, panel["type"] == "row", "{}: every graph has queries", panel["title"]);
    }
}

/// Runs `check-config` with settings as variables and, if there is one, a file.
fn check(variables: &[(String, String)], file: Option<&str>) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_duologue"));
    command.current_dir(directory.path()).arg("check-config").env_clear();
    command.envs(variables.iter().map(|(key, value)| (key, value)));
    if let Some(file) = file {
        let path = directory.path().join("duologue.toml");
        fs::write(&path, file).expect("written");
        command.arg("--config").arg(path);
    }
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The lines `KEY: value` of a compose file that are settings.
fn settings(compose: &str) -> Vec<(String, String)> {
    let pairs = compose.lines().filter_map(|line| line.trim().split_once(": "));
    let ours = pairs.filter(|(key, _)| key.starts_with("DUOLOGUE__"));
    ours.map(|(key, value)| {
        let value = if value.starts_with("${PUBLIC_HOST") { "chat.example.org" } else { value.trim_matches('"') };
        (key.to_owned(), value.to_owned())
    })
    .collect()
}

#[test]
fn the_compositions_set_only_what_the_program_knows() {
    for path in ["compose/host.yaml", "compose/single-port.yaml"] {
        let settings = settings(&text(deploy(path)));
        assert!(settings.len() >= 3, "{path}: {settings:?}");
        check(&settings, None);
    }
}

#[test]
fn the_published_ports_are_those_that_are_listened_on() {
    let compose = text(deploy("compose/single-port.yaml"));
    let published: BTreeSet<String> = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- \"")?.strip_suffix('"')?.split_once(':'))
        .map(|(outside, inside)| {
            assert_eq!(Some(outside), inside.split('/').next(), "ICE URLs name the port inside");
            inside.to_owned()
        })
        .collect();
    let wanted = ["443/tcp", "3478/tcp", "3478/udp"].map(str::to_owned);
    assert_eq!(published, BTreeSet::from(wanted));
    let listened = |key: &str, port: &str| {
        let settings = settings(&compose);
        settings.iter().any(|(name, value)| name == key && value.ends_with(port))
    };
    assert!(listened("DUOLOGUE__HTTP__TLS_LISTEN", ":443"));
    assert!(listened("DUOLOGUE__TURN__TCP_LISTEN", ":3478") && listened("DUOLOGUE__TURN__UDP_LISTEN", ":3478"));
}

#[test]
fn the_manifest_configures_what_the_program_knows() {
    let manifest = text(deploy("kubernetes/duologue.yaml"));
    let (_, behind) = manifest.split_once("  duologue.toml: |\n").expect("the file");
    let lines = behind.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let file: String = lines.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    assert!(file.contains("[server]") && file.contains("public_host"), "{file}");
    let metrics = ("DUOLOGUE__HTTP__METRICS_LISTEN".to_owned(), "192.0.2.1:9464".to_owned());
    assert!(manifest.contains(&metrics.0));
    check(&[metrics], Some(&file));
    // The grace of the file, the pause before, and some time to close.
    assert!(file.contains("shutdown_grace = \"5m\"") && manifest.contains("terminationGracePeriodSeconds: 345"));
}

#[test]
fn the_unit_sets_only_what_the_program_knows() {
    let directory = tempfile::tempdir().expect("a directory");
    let secrets = directory.path().join("turn-secrets");
    fs::write(&secrets, "a secret that systemd hands over as a credential\n").expect("written");
    let unit = text(deploy("systemd/duologue.service"));
    let variables = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    let handed = directory.path().display().to_string();
    let variables: Vec<(String, String)> = variables
        .map(|(key, value)| (key.to_owned(), value.replace("%S", "/var/lib").replace("%d", &handed)))
        .collect();
    assert_eq!(variables.len(), 2, "{variables:?}");
    check(&variables, None);
}

#[test]
fn the_package_is_made_of_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = text(root.join("Cargo.toml")).parse().expect("TOML");
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().expect("assets");
    let sources = assets.iter().filter_map(|asset| asset[0].as_str());
    // What lies in target is made by deploy/debian/build.
    for source in sources.filter(|source| !source.starts_with("target/")) {
        let path = root.join(source);
        let folder = path.parent().expect("a folder");
        let exists = match source.rsplit_once("/*") {
            Some((_, ending)) => fs::read_dir(folder)
                .expect("a folder")
                .any(|entry| entry.expect("an entry").file_name().to_string_lossy().ends_with(ending)),
            None => path.is_file(),
        };
        assert!(exists, "{source} does not exist");
    }
    let unit = deb["systemd-units"]["unit-scripts"].as_str().expect("a folder");
    assert!(root.join(unit).join("duologue.service").is_file());
    for script in ["postinst", "postrm"] {
        let path = deploy("debian").join(script);
        // Without this line the unit is neither enabled nor restarted.
        assert!(text(&path).lines().any(|line| line == "#DEBHELPER#"), "{script}");
        assert!(Command::new("sh").arg("-n").arg(&path).status().expect("run sh").success(), "{script}");
    }
}
