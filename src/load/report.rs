//! What a run found out: one JSON object, or lines for people.
use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use crate::load::connect::Connects;
use crate::load::matching::Matches;
use crate::load::relay::Relayed;
use crate::load::resume::Resumes;
use crate::load::stall::Stalls;
use crate::measure::Latency;
use crate::measure::Usage;

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(super) kind: &'static str,
    pub(super) server: SocketAddr,
    pub(super) tls: bool,
    /// Clients.
    pub(super) connections: usize,
    /// How long was measured.
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) finding: Finding,
    /// The server's process meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_process: Option<Usage>,
    pub(super) generator: Generator,
}

/// What a kind of load finds.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Finding {
    Connects(Connects),
    Relayed(Relayed),
    Resumes(Resumes),
    Stalls(Stalls),
    Matches(Matches),
}

/// The load generator itself: where it is the limit, the figures say nothing about the server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Generator {
    /// Of one core; an open loop watches the clock and uses all of it.
    pub(super) cpu_percent: f64,
    /// How late an open loop did what was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) late_us: Option<Latency>,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, server, tls, connections, seconds, finding, server_process, generator } = self;
        let tls = if *tls { " over TLS" } else { "" };
        writeln!(out, "{kind} at {server}{tls}, {connections} connections, {seconds} s")?;
        match finding {
            Finding::Connects(connects) => write!(out, "{connects}")?,
            Finding::Relayed(relayed) => write!(out, "{relayed}")?,
            Finding::Resumes(resumes) => write!(out, "{resumes}")?,
            Finding::Stalls(stalls) => write!(out, "{stalls}")?,
            Finding::Matches(matches) => write!(out, "{matches}")?,
        }
        if let Some(Usage { cpu_us_each, cpu_percent, rss_after_kib, .. }) = server_process {
            writeln!(
                out,
                "server      {cpu_us_each} us of a core each ({cpu_percent} %), {rss_after_kib} KiB resident"
            )?;
        }
        write!(out, "generator   {} % of a core", generator.cpu_percent)?;
        if let Some(late) = &generator.late_us {
            write!(out, ", late by {late}")?;
        }
        Ok(())
    }
}
