//! Clients that connect, say hello and stay: how fast they come, and what they cost while they are there.
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use serde::Serialize;

use crate::load::beat::Beat;
use crate::load::client::What;
use crate::load::crowd::Crowd;
use crate::load::login::Greeter;
use crate::load::meter;
use crate::load::meter::Meter;
use crate::load::plan::Plan;
use crate::load::report::Finding;
use crate::load::report::Report;
use crate::load::target::Target;
use crate::measure::Histogram;
use crate::measure::Latency;
use crate::measure::Usage;
use crate::measure::rounded;

/// Longest wait for news at once.
const WAIT: Duration = Duration::from_millis(100);

/// When nobody has come online for this long, the server does not answer.
const PATIENCE_NANOS: u64 = 30_000_000_000;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Connects {
    connects_per_s: f64,
    /// From the connect, or from when it was due, to the answer to `hello`.
    latency_us: Latency,
    #[serde(flatten)]
    memory: Option<Memory>,
    /// The server's process while everybody was silent, for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<Usage>,
}

/// Memory of the server's process.
#[derive(Clone, Debug, Serialize)]
struct Memory {
    rss_before_kib: u64,
    rss_held_kib: u64,
    kib_per_connection: f64,
}

/// How clients come.
#[derive(Copy, Clone, Debug)]
pub(super) enum Pace {
    /// So many per second, whether the earlier ones are there or not.
    Rate(f64),
    /// So many are under way at once.
    Window(usize),
}

/// How long clients took to come.
pub(super) struct Coming {
    pub(super) latency: Histogram,
    pub(super) beat: Option<Beat>,
}

/// Has everybody connect, waits, and reports.
///
/// # Errors
///
/// The server refuses, does not answer or hangs up, or what the system calls report.
pub(super) fn run(plan: &Plan, window: usize) -> anyhow::Result<Report> {
    let mut crowd = Crowd::new(Target::of(plan)?).context("make a poll")?;
    let greeter = Greeter::new(&plan.login)?;
    let count = plan.connections as u64;
    let meter = Meter::start(plan)?;
    let pace = plan.rate.map_or(Pace::Window(window), Pace::Rate);
    let hello = &mut |client| greeter.hello(client);
    let coming = everyone(&mut crowd, 0..plan.connections, pace, hello, &mut |_, _| {})?;
    let (seconds, server_process, generator) = meter.stop(count, coming.beat.as_ref())?;

    let silence = Meter::start(plan)?;
    stay(&mut crowd, plan.duration)?;
    let (_, idle, _) = silence.stop(count, None)?;
    let held = meter::server(plan.server_pid)?;
    let memory = meter.rss_before_kib().zip(held).map(|(rss_before_kib, held)| Memory {
        rss_before_kib,
        rss_held_kib: held.rss_kib,
        kib_per_connection: rounded(held.rss_kib.saturating_sub(rss_before_kib) as f64 / count as f64, 3),
    });
    let connects = Connects {
        connects_per_s: rounded(count as f64 / seconds, 1),
        latency_us: Latency::of(&coming.latency),
        memory,
        idle,
    };
    Ok(Report {
        kind: "connect",
        server: plan.server,
        tls: plan.tls.is_some(),
        connections: plan.connections,
        seconds,
        finding: Finding::Connects(connects),
        server_process,
        generator,
    })
}

/// Has these clients connect and say what `hello` gives; `on_online` gets the answers.
///
/// # Errors
///
/// The server refuses one, does not answer or hangs up, or what the system calls report.
pub(super) fn everyone(
    crowd: &mut Crowd,
    clients: Range<usize>,
    pace: Pace,
    hello: &mut impl FnMut(usize) -> anyhow::Result<String>,
    on_online: &mut impl FnMut(usize, &str),
) -> anyhow::Result<Coming> {
    let mut coming = Coming { latency: Histogram::new(), beat: None };
    if let Pace::Rate(rate) = pace {
        coming.beat = Some(Beat::new(rate, crowd.now()));
    }
    let mut due_by_client = Vec::with_capacity(clients.len());
    let mut waiting = clients.clone();
    let mut online = 0;
    let mut last_online = crowd.now();
    while online < clients.len() {
        while !waiting.is_empty() {
            let now = crowd.now();
            let due = match (&mut coming.beat, pace) {
                (Some(beat), _) => beat.take(now),
                (None, Pace::Window(window)) => (due_by_client.len() - online < window).then_some(now),
                (None, Pace::Rate(_)) => None,
            };
            let (Some(due), Some(client)) = (due, if due.is_some() { waiting.next() } else { None }) else { break };
            crowd.dial(client, hello(client)?).context("open a connection")?;
            due_by_client.push(due);
        }
        // Sleeping is not precise enough for who has to keep time.
        let is_timed = coming.beat.is_some() && !waiting.is_empty();
        for news in crowd.hear(if is_timed { Duration::ZERO } else { WAIT }).context("listen to the server")? {
            match news.what {
                What::Online(answer) => {
                    on_online(news.client, &answer);
                    online += 1;
                    last_online = news.at;
                    let due = due_by_client.get(news.client - clients.start).copied().unwrap_or(news.at);
                    coming.latency.record(news.at.saturating_sub(due));
                }
                What::Message(_) => {}
                end @ (What::Refused(_) | What::Closed(_) | What::Lost(_)) => {
                    bail!("client {} of {}: {end}", news.client, clients.end)
                }
            }
        }
        if crowd.now().saturating_sub(last_online) > PATIENCE_NANOS {
            bail!("{online} of {} clients are online, and nobody more has come for 30 s", clients.len());
        }
    }
    Ok(coming)
}

/// Keeps everybody there, silent.
///
/// # Errors
///
/// Somebody is gone, or what the system calls report.
pub(super) fn stay(crowd: &mut Crowd, duration: Duration) -> anyhow::Result<()> {
    let end = crowd.after(duration);
    while crowd.now() < end {
        for news in crowd.hear(WAIT).context("listen to the server")? {
            if news.what.is_end() {
                bail!("client {}, which was silent: {}", news.client, news.what);
            }
        }
    }
    Ok(())
}

impl fmt::Display for Connects {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "connects    {} per second", self.connects_per_s)?;
        writeln!(out, "latency     {}", self.latency_us)?;
        if let Some(Memory { rss_before_kib, rss_held_kib, kib_per_connection }) = &self.memory {
            writeln!(
                out,
                "memory      {rss_before_kib} KiB before, {rss_held_kib} held; each {kib_per_connection} KiB"
            )?;
        }
        if let Some(idle) = &self.idle {
            writeln!(out, "idle        {} % of a core", idle.cpu_percent)?;
        }
        Ok(())
    }
}
