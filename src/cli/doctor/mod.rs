//! `doctor`: says what is wrong with a server, why, and how to mend it.
//!
//! It looks at what the server would look at, changes nothing, and tries a running one with a client of another hand.
mod acme;
mod address;
mod certificate;
mod clock;
mod finding;
mod kernel;
mod name;
mod pinned;
mod ports;
mod process;
mod relay;
mod storage;

use std::io;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::config::Config;
use crate::config::Sources;

use finding::Finding;
use finding::Verdict;

use super::FAILED;
use super::WRONG_INPUT;

/// Where packages keep it.
const PACKAGED: &str = "/etc/duologue/duologue.toml";

/// What the operator adds to what the configuration says.
#[derive(Clone, Debug, Args)]
pub(super) struct Questions {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Ask this STUN server what the world calls this machine
    #[arg(long, value_name = "HOST:PORT")]
    stun: Option<String>,
    /// Compare the clock with the one of this HTTP server
    #[arg(long, value_name = "HOST:PORT")]
    clock: Option<String>,
}

/// Looks at everything and reports: 0 when nothing failed, 1 when something did, 2 when the configuration is wrong.
pub(super) fn run(sources: Sources, questions: &Questions) -> anyhow::Result<ExitCode> {
    let watch = clock::Watch::start();
    let (findings, code) = match Config::load(sources) {
        Ok(config) => {
            let findings = examine(&config, questions, &watch);
            let has_failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
            (findings, if has_failed { FAILED } else { 0 })
        }
        Err(problems) => {
            let wrong = problems.iter().map(|problem| {
                let place = problem.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
                Finding::failed(
                    "configuration",
                    format!("{place}{}: {}", problem.key, problem.what),
                    problem.fix.clone(),
                )
            });
            (wrong.collect(), WRONG_INPUT)
        }
    };
    report(&findings, questions.json)?;
    Ok(ExitCode::from(code))
}

fn examine(config: &Config, questions: &Questions, watch: &clock::Watch) -> Vec<Finding> {
    let mut findings = configuration(config);
    let certificate = certificate::examine(config, &mut findings);
    let running = ports::examine(config, &mut findings);
    name::examine(config, &mut findings);
    acme::examine(config, &mut findings);
    address::examine(config, questions.stun.as_deref(), &mut findings);
    storage::examine(config, running.is_some(), &mut findings);
    kernel::examine(config, running.and_then(|server| server.process), &mut findings);
    match running {
        Some(_) => relay::examine(config, certificate.as_ref(), &mut findings),
        None => findings.push(Finding::skipped(
            "relay",
            "no server runs with this configuration; start it and ask again to have real calls tried",
        )),
    }
    // Last: what was looked at meanwhile is the time over which two clocks are compared.
    watch.examine(config, questions.clock.as_deref(), &mut findings);
    findings
}

fn configuration(config: &Config) -> Vec<Finding> {
    let source = match config.sources.file() {
        Some(file) => file.display().to_string(),
        None => "no file, the development defaults".to_owned(),
    };
    let sound = match config.sources.file() {
        // A name that was forgotten makes everything below beside the point.
        None if Path::new(PACKAGED).exists() => Finding::warning(
            "configuration",
            format!("{source}, though there is {PACKAGED}"),
            format!("name it: --config {PACKAGED}, or DUOLOGUE_CONFIG in the environment"),
        ),
        Some(_) | None => Finding::fine("configuration", format!("{source}: sound")),
    };
    let unwise = config.warnings().into_iter().map(|warning| match warning.split_once("; ") {
        Some((told, remedy)) => Finding::warning("configuration", told, remedy),
        None => Finding::warning("configuration", warning, "see config/default.toml"),
    });
    [sound].into_iter().chain(unwise).collect()
}

#[derive(Serialize)]
struct Report<'a> {
    failed: usize,
    warnings: usize,
    findings: &'a [Finding],
}

fn report(findings: &[Finding], json: bool) -> anyhow::Result<()> {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let report = Report { failed: count(Verdict::Failed), warnings: count(Verdict::Warning), findings };
    let text = if json {
        serde_json::to_string_pretty(&report).context("write JSON")?
    } else {
        let lines: String = findings.iter().map(ToString::to_string).collect();
        format!("{lines}{} failed, {} warnings, {} looked at", report.failed, report.warnings, findings.len())
    };
    writeln!(io::stdout(), "{text}").context("write the report")
}
