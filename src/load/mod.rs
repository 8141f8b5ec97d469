//! The load generator of signaling: thousands of WebSocket clients, and what the server makes of them. Linux only.
//!
//! One thread does everything, without runtime or timers: clients that wait for each other would measure themselves.
mod beat;
mod client;
mod connect;
mod crowd;
mod flood;
mod frame;
mod login;
mod matching;
mod message;
mod meter;
mod pairs;
mod plan;
mod relay;
mod report;
mod resume;
mod stall;
mod target;

use anyhow::Context;

use crate::measure::pin;
use crate::measure::raise_file_limit;

pub(crate) use plan::Kind;
pub(crate) use plan::Login;
pub(crate) use plan::Plan;
pub(crate) use report::Report;

/// Carries out a plan.
///
/// # Errors
///
/// The plan is refused, the server refuses, does not answer or hangs up, or what the system calls report.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    if let Some(cpu) = plan.cpu {
        pin(cpu).with_context(|| format!("stay on core {cpu}"))?;
    }
    raise_file_limit().context("raise the limit of open files")?;
    match plan.kind {
        Kind::Connect { window } => connect::run(plan, window),
        Kind::Relay { size, flooders } => relay::run(plan, size, flooders),
        Kind::Resume { killed, window } => resume::run(plan, killed, window),
        Kind::Stall { size } => stall::run(plan, size),
        Kind::Matching { window } => matching::run(plan, window),
    }
}
