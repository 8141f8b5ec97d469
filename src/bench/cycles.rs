//! Allocations made and given back, as fast as the server does it.
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;

use crate::bench::load::Party;
use crate::bench::load::kind_name;
use crate::bench::load::transport_name;
use crate::bench::plan::Plan;
use crate::bench::report::Cycles;
use crate::bench::report::Generator;
use crate::bench::report::Report;
use crate::bench::session::Ask;
use crate::measure::Histogram;
use crate::measure::Latency;
use crate::measure::Reading;
use crate::measure::Usage;
use crate::measure::process;
use crate::measure::rounded;

/// Longest wait for answers at once.
const WAIT: Duration = Duration::from_millis(20);

/// Above this share of a core, in percent, the generator is the limit: it has nothing left to wait for.
const BUSY_PERCENT: f64 = 97.0;

/// What is counted.
struct Count {
    cycles: u64,
    refused: u64,
    latency: Histogram,
}

/// Lets every client of the plan allocate and release over and over, one after the other, and reports.
///
/// A client is new each time: the server has to tell it its nonce first. With `is_reused` it comes from the same
/// address again.
///
/// # Errors
///
/// The server does not answer, or what the system calls report.
pub(super) fn run(plan: &Plan, is_reused: bool) -> anyhow::Result<Report> {
    let mut party = Party::assemble(plan)?;
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let mut begun_by_client = vec![0; plan.allocations];
    for (client, begun) in begun_by_client.iter_mut().enumerate() {
        *begun = party.wire.now();
        party.desk.ask(&mut party.wire, client, Ask::Allocate)?;
    }
    let first = party.wire.now() + nanos(plan.warm_up);
    let last = first + nanos(plan.duration);
    let mut count = Count { cycles: 0, refused: 0, latency: Histogram::new() };
    let mut before = None;
    let mut inbox: Vec<Vec<u8>> = Vec::new();
    loop {
        let now = party.wire.now();
        if now >= first && before.is_none() {
            count = Count { cycles: 0, refused: 0, latency: Histogram::new() };
            before = Some(readings(plan)?);
        }
        if now >= last {
            break;
        }
        party.wire.hear(WAIT, &mut |_, message, _| inbox.push(message.to_vec())).context("listen to the server")?;
        for message in inbox.drain(..) {
            let Some(outcome) = party.desk.handle(&mut party.wire, &message)? else { continue };
            let client = outcome.client;
            match (outcome.ask, outcome.refused) {
                (Ask::Allocate, None) => {
                    party.desk.ask(&mut party.wire, client, Ask::Release)?;
                    continue;
                }
                (Ask::Release, None) => {
                    count.cycles += 1;
                    count.latency.record(party.wire.now().saturating_sub(begun_by_client[client]));
                }
                (_, Some(401)) => bail!("{} refuses the credentials", plan.server),
                (_, _) => count.refused += 1,
            }
            if !is_reused {
                party.wire.renew(client, &plan.transport).context("open a socket")?;
            }
            party.desk.session_mut(client).forget();
            begun_by_client[client] = party.wire.now();
            party.desk.ask(&mut party.wire, client, Ask::Allocate)?;
        }
        party.desk.repeat(&mut party.wire)?;
    }
    let after = readings(plan)?;
    let before = before.unwrap_or(after);
    Ok(report(plan, is_reused, &count, &before, &after))
}

/// The server's process, if it is known, and this one.
type Readings = (Option<Reading>, Reading);

fn readings(plan: &Plan) -> anyhow::Result<Readings> {
    let server = plan.server_pid.map(|pid| process::read(pid).with_context(|| format!("read /proc/{pid}")));
    Ok((server.transpose()?, process::read(std::process::id()).context("read /proc")?))
}

fn report(plan: &Plan, reused: bool, count: &Count, before: &Readings, after: &Readings) -> Report {
    let seconds = plan.duration.as_secs_f64();
    let own = after.1.cpu_nanos.saturating_sub(before.1.cpu_nanos) as f64 / 1e7 / seconds;
    let process = |(before, after)| Usage::between(before, after, seconds, count.cycles);
    Report {
        kind: kind_name(plan.kind),
        server: plan.server,
        transport: transport_name(&plan.transport),
        allocations: plan.allocations,
        seconds,
        traffic: None,
        cycles: Some(Cycles {
            cycles: count.cycles,
            kilo_cycles_per_s: rounded(count.cycles as f64 / seconds / 1000.0, 3),
            reused,
            refused: count.refused,
            cycle_latency_us: Latency::of(&count.latency),
        }),
        memory: None,
        process: before.0.as_ref().zip(after.0.as_ref()).map(process),
        generator: Generator {
            cpu_percent: rounded(own, 1),
            late_percent: 0.0,
            drops: 0,
            is_limit: own > BUSY_PERCENT,
        },
    }
}
