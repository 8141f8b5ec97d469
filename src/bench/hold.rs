//! Allocations that are made and kept: what they cost in memory.
use std::thread;

use anyhow::Context;

use crate::bench::load::Party;
use crate::bench::load::kind_name;
use crate::bench::load::transport_name;
use crate::bench::plan::Plan;
use crate::bench::report::Generator;
use crate::bench::report::Memory;
use crate::bench::report::Report;
use crate::bench::session::Ask;
use crate::measure::Usage;
use crate::measure::process;
use crate::measure::rounded;

/// Makes the allocations of the plan with a channel each, waits, gives them back, and reports.
///
/// # Errors
///
/// The server refuses or does not answer, its process is not known, or what the system calls report.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Report> {
    let pid = plan.server_pid.context("--server-pid is needed: it is the server's memory that is measured")?;
    let read = || process::read(pid).with_context(|| format!("read /proc/{pid}"));
    let mut party = Party::assemble(plan)?;
    let before = read()?;
    party.settle(plan)?;
    let settled = read()?;
    thread::sleep(plan.duration);
    let held = read()?;
    party.desk.everyone(&mut party.wire, |_, _| Ask::Release)?;
    let after = read()?;
    let grown = held.rss_kib.saturating_sub(before.rss_kib) as f64;
    let seconds = plan.duration.as_secs_f64();
    Ok(Report {
        kind: kind_name(plan.kind),
        server: plan.server,
        transport: transport_name(&plan.transport),
        allocations: plan.allocations,
        seconds,
        traffic: None,
        cycles: None,
        memory: Some(Memory {
            rss_before_kib: before.rss_kib,
            rss_held_kib: held.rss_kib,
            rss_after_kib: after.rss_kib,
            kib_per_allocation: rounded(grown / plan.allocations as f64, 3),
        }),
        // What idle allocations cost: nothing is relayed meanwhile.
        process: Some(Usage::between(&settled, &held, seconds, plan.allocations as u64)),
        generator: Generator { cpu_percent: 0.0, late_percent: 0.0, drops: 0, is_limit: false },
    })
}
