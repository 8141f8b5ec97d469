//! The load generator: a bounded load on any TURN server, and what the server makes of it. Linux only.
//!
//! One thread does everything. It sends and receives with the server's own means (`transport::udp`), because a
//! generator that is slower than the server measures itself.
mod cycles;
mod desk;
mod floor;
mod flow;
mod hold;
mod load;
mod pace;
mod plan;
mod report;
mod runs;
mod session;
mod stamp;
mod stream;
mod tally;
mod volley;
mod wire;

use std::io;
use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;

use crate::measure::pin;
use crate::measure::raise_file_limit;

use floor::Floor;
pub(crate) use floor::Merging;
pub(crate) use pace::Pace;
pub(crate) use plan::Direction;
pub(crate) use plan::Kind;
pub(crate) use plan::Login;
pub(crate) use plan::Plan;
pub(crate) use plan::Transport;
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
        Kind::Relay(_) | Kind::Pair | Kind::Binding => load::run(plan),
        Kind::Allocate { is_reused } => cycles::run(plan, is_reused),
        Kind::Hold => hold::run(plan),
    }
}

/// Runs the floor, the forwarder without protocol, until the process is ended.
///
/// # Errors
///
/// What the system calls report.
pub(crate) fn run_floor(listen: SocketAddr, merging: Merging, cpu: Option<usize>) -> anyhow::Result<()> {
    if let Some(cpu) = cpu {
        pin(cpu).with_context(|| format!("stay on core {cpu}"))?;
    }
    raise_file_limit().context("raise the limit of open files")?;
    let floor = Floor::open(listen, merging).with_context(|| format!("listen on {listen}"))?;
    writeln!(io::stdout(), "ready {}", floor.address()?).context("tell that it is ready")?;
    floor.run().context("forward")
}
