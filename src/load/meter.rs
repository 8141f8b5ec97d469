//! The server's process and this one, from one moment to another.
use std::time::Instant;

use anyhow::Context;

use crate::load::beat::Beat;
use crate::load::plan::Plan;
use crate::load::report::Generator;
use crate::measure::Latency;
use crate::measure::Reading;
use crate::measure::Usage;
use crate::measure::process;
use crate::measure::rounded;

/// See the module's documentation.
pub(super) struct Meter {
    server_pid: Option<u32>,
    begun: Instant,
    server: Option<Reading>,
    own: Reading,
}

impl Meter {
    /// # Errors
    ///
    /// A process cannot be read, by far most often because it has ended.
    pub(super) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let own = process::read(std::process::id()).context("read /proc")?;
        Ok(Self { server_pid: plan.server_pid, begun: Instant::now(), server: server(plan.server_pid)?, own })
    }

    /// Returns seconds, what the server's process used for `count` things, and what this one did.
    ///
    /// # Errors
    ///
    /// As [`Meter::start`].
    pub(super) fn stop(&self, count: u64, beat: Option<&Beat>) -> anyhow::Result<(f64, Option<Usage>, Generator)> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let server = server(self.server_pid)?;
        let usage = self.server.zip(server).map(|(before, after)| Usage::between(&before, &after, seconds, count));
        let own = process::read(std::process::id()).context("read /proc")?;
        let cpu_percent = own.cpu_nanos.saturating_sub(self.own.cpu_nanos) as f64 / 1e7 / seconds;
        let late_us = beat.map(|beat| Latency::of(beat.lateness()));
        Ok((rounded(seconds, 3), usage, Generator { cpu_percent: rounded(cpu_percent, 1), late_us }))
    }

    /// The server's memory when this meter was started.
    pub(super) fn rss_before_kib(&self) -> Option<u64> {
        self.server.map(|server| server.rss_kib)
    }
}

/// Reads the server's process, if it is known.
pub(super) fn server(pid: Option<u32>) -> anyhow::Result<Option<Reading>> {
    pid.map(|pid| process::read(pid).with_context(|| format!("read /proc/{pid}"))).transpose()
}
