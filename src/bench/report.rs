//! What a run found out: one JSON object, or lines for people.
use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use crate::measure::Latency;
use crate::measure::Usage;

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(super) kind: &'static str,
    pub(super) server: SocketAddr,
    pub(super) transport: &'static str,
    pub(super) allocations: usize,
    /// How long was measured.
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) traffic: Option<Traffic>,
    #[serde(flatten)]
    pub(super) cycles: Option<Cycles>,
    #[serde(flatten)]
    pub(super) memory: Option<Memory>,
    /// The server's process meanwhile.
    #[serde(rename = "server_process")]
    pub(super) process: Option<Usage>,
    pub(super) generator: Generator,
}

/// Packets through the server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Traffic {
    /// Payload bytes of a packet.
    pub(super) size: usize,
    pub(super) burst: usize,
    pub(super) indications: bool,
    pub(super) offered_kpps: f64,
    pub(super) delivered_kpps: f64,
    pub(super) delivered_mbit_s: f64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) loss_percent: f64,
    pub(super) reordered: u64,
    /// Packets in a wrong form or at a wrong place; always 0 with a sound server.
    pub(super) wrong: u64,
    pub(super) latency_us: Latency,
}

/// Allocations made and given back.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cycles {
    pub(super) cycles: u64,
    pub(super) kilo_cycles_per_s: f64,
    /// Clients came back with the address that they had before.
    pub(super) reused: bool,
    /// Answers that refused something, by far most often 437 or 486.
    pub(super) refused: u64,
    pub(super) cycle_latency_us: Latency,
}

/// Memory of the server's process.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Memory {
    pub(super) rss_before_kib: u64,
    pub(super) rss_held_kib: u64,
    /// After all allocations were given back.
    pub(super) rss_after_kib: u64,
    pub(super) kib_per_allocation: f64,
}

/// The load generator itself: where it is the limit, the figures say nothing about the server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Generator {
    pub(super) cpu_percent: f64,
    /// Packets that were due and could not be sent in time.
    pub(super) late_percent: f64,
    /// Datagrams that reached it and that it was too slow to take.
    pub(super) drops: u64,
    pub(super) is_limit: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, server, transport, allocations, seconds, .. } = self;
        writeln!(out, "{kind} at {server} over {transport}, {allocations} allocations, {seconds} s")?;
        if let Some(traffic) = &self.traffic {
            let Traffic { size, burst, offered_kpps, delivered_kpps, delivered_mbit_s, .. } = traffic;
            let carried = if traffic.indications { ", in indications" } else { "" };
            writeln!(out, "packets     {size} bytes in bursts of {burst}{carried}")?;
            writeln!(out, "offered     {offered_kpps} kpps")?;
            writeln!(out, "delivered   {delivered_kpps} kpps, {delivered_mbit_s} Mbit/s")?;
            let lost = traffic.sent.saturating_sub(traffic.received);
            writeln!(out, "lost        {lost} of {} ({} %)", traffic.sent, traffic.loss_percent)?;
            writeln!(out, "reordered   {}, wrong {}", traffic.reordered, traffic.wrong)?;
            writeln!(out, "latency     {}", traffic.latency_us)?;
        }
        if let Some(cycles) = &self.cycles {
            let fresh = if cycles.reused { "from the same addresses" } else { "each from a new address" };
            writeln!(out, "cycles      {} ({} k/s), {fresh}", cycles.cycles, cycles.kilo_cycles_per_s)?;
            writeln!(out, "refused     {}", cycles.refused)?;
            writeln!(out, "latency     {}", cycles.cycle_latency_us)?;
        }
        if let Some(memory) = &self.memory {
            let Memory { rss_before_kib, rss_held_kib, rss_after_kib, kib_per_allocation } = memory;
            writeln!(out, "memory      {rss_before_kib} KiB before, {rss_held_kib} held, {rss_after_kib} after")?;
            writeln!(out, "each        {kib_per_allocation} KiB")?;
        }
        if let Some(process) = &self.process {
            let Usage { cpu_us_each, cpu_percent, switches_each, rss_after_kib, .. } = process;
            writeln!(
                out,
                "server      {cpu_us_each} us of a core each ({cpu_percent} %), {switches_each} switches each"
            )?;
            writeln!(out, "            {rss_after_kib} KiB resident")?;
        }
        let Generator { cpu_percent, late_percent, drops, is_limit } = self.generator;
        write!(out, "generator   {cpu_percent} % of a core, {late_percent} % late, {drops} dropped")?;
        if is_limit {
            write!(out, "\nThe generator was the limit, not the server.")?;
        }
        Ok(())
    }
}
