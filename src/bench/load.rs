//! Traffic through a server: set up, kept up, counted.
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context;

use crate::bench::desk::Desk;
use crate::bench::flow::Flow;
use crate::bench::flow::Form;
use crate::bench::flow::Heard;
use crate::bench::pace::Pace;
use crate::bench::pace::Pacer;
use crate::bench::plan::Direction;
use crate::bench::plan::Kind;
use crate::bench::plan::Plan;
use crate::bench::plan::Transport;
use crate::bench::report::Generator;
use crate::bench::report::Report;
use crate::bench::report::Traffic;
use crate::bench::session::Ask;
use crate::bench::session::Session;
use crate::bench::tally::Tally;
use crate::bench::volley::Volley;
use crate::bench::wire::Side;
use crate::bench::wire::Wire;
use crate::measure::Latency;
use crate::measure::Reading;
use crate::measure::Usage;
use crate::measure::process;
use crate::measure::rounded;
use crate::stun::ChannelNumber;
use crate::transport::udp::SEND_BATCH;

/// Permissions last five minutes, channels ten. RFC 8656 §9, §12.
const UPKEEP_NANOS: u64 = 240_000_000_000;

/// One round of upkeep takes this long, so that it does not disturb.
const UPKEEP_ROUND_NANOS: u64 = 20_000_000_000;

/// When nothing arrived for this long after the last packet was sent, the rest is lost.
const DRAIN_NANOS: u64 = 200_000_000;

/// Waiting for the kernel's clock takes longer than is asked for by up to this much.
const SLACK: Duration = Duration::from_micros(100);

/// Above this share of packets that could not be sent in time, in percent, the generator is the limit.
const LATE_PERCENT: f64 = 1.0;

/// Channels 0x4000 to 0x4FFF. RFC 8656 §12.
const CHANNELS: usize = 0x1000;

/// Clients with their allocations.
pub(super) struct Party {
    pub(super) wire: Wire,
    pub(super) desk: Desk,
}

impl Party {
    /// Opens the sockets of all clients; nothing is sent.
    ///
    /// # Errors
    ///
    /// What the system calls report.
    pub(super) fn assemble(plan: &Plan) -> anyhow::Result<Party> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?;
        let users = plan.users(now.as_secs());
        let wire = Wire::open(plan.server, &plan.transport, plan.allocations)
            .with_context(|| format!("open sockets towards {}", plan.server))?;
        let is_ipv6 = plan.server.is_ipv6();
        let user_of = |client: usize| users.get(client % users.len().max(1)).cloned().unwrap_or_default();
        let sessions = (0..plan.allocations).map(|client| Session::new(user_of(client), is_ipv6)).collect();
        Ok(Party { wire, desk: Desk::new(sessions) })
    }

    /// Makes an allocation for every client, and the channel or permission for its peer.
    ///
    /// # Errors
    ///
    /// The server refuses or does not answer.
    pub(super) fn settle(&mut self, plan: &Plan) -> anyhow::Result<()> {
        self.desk.everyone(&mut self.wire, |_, _| Ask::Allocate)?;
        let peer = self.wire.peer().context("the peer's address")?;
        self.desk.everyone(&mut self.wire, |desk, client| join(plan, desk, client, peer))
    }
}

/// What lets data through between a client and its peer.
fn join(plan: &Plan, desk: &Desk, client: usize, peer: std::net::SocketAddr) -> Ask {
    let peer = match plan.kind {
        // Peers inside of the server are allowed everywhere, also where there are no others.
        Kind::Pair | Kind::Hold => desk.relayed(partner(client)).unwrap_or(peer),
        Kind::Relay(_) | Kind::Binding | Kind::Allocate { .. } => peer,
    };
    if plan.indications { Ask::Permit { peer } } else { Ask::Bind { channel: channel(client), peer } }
}

/// The other one of a pair.
fn partner(client: usize) -> usize {
    client ^ 1
}

/// The channel of a client: different ones as far as there are, so that a forwarder can tell clients by it.
fn channel(client: usize) -> ChannelNumber {
    let number = u16::try_from(client % CHANNELS).unwrap_or(0) + ChannelNumber::MIN.number();
    ChannelNumber::new(number).unwrap_or(ChannelNumber::MIN)
}

/// The flows of a plan: first all from clients, then all from the peer, so that batches are long.
fn flows(plan: &Plan, party: &Party) -> anyhow::Result<Vec<Flow>> {
    let wire = &party.wire;
    let peer = wire.peer().context("the peer's address")?;
    let form = |client| if plan.indications { Form::Indication } else { Form::Channel(channel(client)) };
    let of_client = |client: usize| match plan.kind {
        Kind::Pair => {
            let to = party.desk.relayed(partner(client)).unwrap_or(peer);
            Flow::of_client(wire, client, form(client), to, plan.size, Side::Client, form(partner(client)))
        }
        Kind::Binding => Flow::of_client(wire, client, Form::Binding, peer, 0, Side::Client, Form::Binding),
        Kind::Relay(_) | Kind::Allocate { .. } | Kind::Hold => {
            Flow::of_client(wire, client, form(client), peer, plan.size, Side::Peer, Form::Plain)
        }
    };
    let of_peer = |client| {
        let relayed = party.desk.relayed(client)?;
        Some(Flow::of_peer(relayed, plan.size, form(client)))
    };
    let mut flows = Vec::new();
    if plan.kind != Kind::Relay(Direction::ToClient) {
        let made: Result<Vec<Flow>, _> = (0..plan.allocations).map(of_client).collect();
        flows.extend(made.context("a payload of this size")?);
    }
    if matches!(plan.kind, Kind::Relay(Direction::ToClient | Direction::Both)) {
        flows.extend((0..plan.allocations).filter_map(of_peer));
    }
    Ok(flows)
}

/// Puts a server under a load and reports.
///
/// # Errors
///
/// The server refuses, does not answer or hangs up, or what the system calls report.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Report> {
    let mut party = Party::assemble(plan)?;
    if plan.kind != Kind::Binding {
        party.settle(plan)?;
    }
    let flows = flows(plan, &party)?;
    let report = Run::new(plan, &mut party, flows)?.run()?;
    if plan.kind != Kind::Binding {
        party.desk.everyone(&mut party.wire, |_, _| Ask::Release)?;
    }
    Ok(report)
}

/// Readings of the server's process and of this one.
struct Readings {
    server: Option<Reading>,
    own: Reading,
    drops: u64,
}

struct Run<'p> {
    plan: &'p Plan,
    party: &'p mut Party,
    flows: Vec<Flow>,
    volley: Volley,
    pacer: Pacer,
    tally: Tally,
    run: u32,
    window: std::ops::Range<u64>,
    /// When the next request is made that keeps something alive, and whose turn it is.
    upkeep_at: u64,
    upkeep_turn: usize,
    inbox: Vec<Vec<u8>>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, party: &'p mut Party, flows: Vec<Flow>) -> anyhow::Result<Self> {
        let run = getrandom::u32().context("draw a number")?;
        let begin = party.wire.now();
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let first = begin + nanos(plan.warm_up);
        let window = first..first + nanos(plan.duration);
        let mut pacer = Pacer::new(plan.pace);
        pacer.begin(begin);
        Ok(Self {
            plan,
            flows,
            volley: Volley::new(run, plan.burst, plan.size, plan.segmentation),
            pacer,
            tally: Tally::new(window.clone()),
            run,
            window,
            upkeep_at: begin + UPKEEP_NANOS,
            upkeep_turn: 0,
            inbox: Vec::new(),
            party,
        })
    }

    fn run(mut self) -> anyhow::Result<Report> {
        let before = self.until(self.window.start)?;
        self.pacer.take_given_up();
        let after = self.until(self.window.end)?;
        let given_up = self.pacer.take_given_up();
        self.drain()?;
        Ok(self.report(&before, &after, given_up))
    }

    /// Sends and listens until a moment.
    fn until(&mut self, end: u64) -> anyhow::Result<Readings> {
        loop {
            let now = self.party.wire.now();
            if now >= end {
                return self.readings();
            }
            let due = self.pacer.due(now);
            if due > 0 {
                self.fire(due)?;
            }
            let patience = if due > 0 { Duration::ZERO } else { self.pacer.idle().saturating_sub(SLACK) };
            self.hear(patience)?;
            // In the first half of the warm-up the maximum is looked for.
            let is_measuring = now >= self.window.start.saturating_sub(self.half_warm_up());
            self.pacer.follow(now, self.tally.fired, self.tally.arrived, is_measuring);
            self.keep_up(now)?;
        }
    }

    /// Sends about what is due: one call of a socket, or one of each of many connections, for who listens after every packet
    /// has no time left to send.
    fn fire(&mut self, due: usize) -> anyhow::Result<()> {
        let mut done = 0;
        loop {
            let now = self.party.wire.now();
            let fired = self.volley.fire(&mut self.party.wire, &mut self.flows, due.saturating_sub(done), now)?;
            self.pacer.on_sent(fired.sent + fired.refused);
            self.tally.on_sent(now, fired.sent, fired.refused);
            done += fired.sent + fired.refused;
            if done >= due.min(SEND_BATCH) || !self.volley.is_at_stream(&self.flows) {
                return Ok(());
            }
        }
    }

    fn half_warm_up(&self) -> u64 {
        u64::try_from(self.plan.warm_up.as_nanos() / 2).unwrap_or(u64::MAX)
    }

    fn hear(&mut self, patience: Duration) -> anyhow::Result<()> {
        let Self { party, flows, tally, inbox, run, plan, .. } = self;
        let on_message = &mut |side, message: &[u8], at| match Heard::read(side, message, *run) {
            Some(heard) => tally.on_heard(flows, side, &heard, plan.size, at),
            None => inbox.push(message.to_vec()),
        };
        party.wire.hear(patience, on_message).context("listen to the server")?;
        for message in inbox.drain(..) {
            let outcome = party.desk.handle(&mut party.wire, &message)?;
            if let Some((outcome, code)) = outcome.and_then(|outcome| Some((outcome, outcome.refused?))) {
                anyhow::bail!("{} refuses {:?} of client {}: {code}", plan.server, outcome.ask, outcome.client);
            }
        }
        Ok(())
    }

    /// Keeps allocations, permissions and channels alive in long runs.
    fn keep_up(&mut self, now: u64) -> anyhow::Result<()> {
        if self.plan.kind == Kind::Binding || now < self.upkeep_at {
            return Ok(());
        }
        let clients = self.plan.allocations;
        let client = self.upkeep_turn % clients;
        let peer = self.party.wire.peer().context("the peer's address")?;
        let ask =
            if self.upkeep_turn < clients { join(self.plan, &self.party.desk, client, peer) } else { Ask::Prolong };
        self.party.desk.ask(&mut self.party.wire, client, ask)?;
        self.party.desk.repeat(&mut self.party.wire)?;
        self.upkeep_turn += 1;
        self.upkeep_at += UPKEEP_ROUND_NANOS / (2 * clients as u64);
        if self.upkeep_turn == 2 * clients {
            self.upkeep_turn = 0;
            self.upkeep_at += UPKEEP_NANOS - UPKEEP_ROUND_NANOS;
        }
        Ok(())
    }

    /// Waits for what is still on its way.
    fn drain(&mut self) -> anyhow::Result<()> {
        let mut arrived = self.tally.arrived;
        let mut last = self.party.wire.now();
        loop {
            self.hear(Duration::from_millis(10))?;
            let now = self.party.wire.now();
            if self.tally.arrived > arrived {
                (arrived, last) = (self.tally.arrived, now);
            } else if now.saturating_sub(last) > DRAIN_NANOS {
                return Ok(());
            }
        }
    }

    fn readings(&self) -> anyhow::Result<Readings> {
        let server = self.plan.server_pid.map(|pid| process::read(pid).with_context(|| format!("read /proc/{pid}")));
        Ok(Readings {
            server: server.transpose()?,
            own: process::read(std::process::id()).context("read /proc")?,
            drops: self.party.wire.drops(),
        })
    }

    fn report(&self, before: &Readings, after: &Readings, given_up: f64) -> Report {
        let Self { plan, tally, .. } = self;
        let seconds = plan.duration.as_secs_f64();
        let kpps = |count: u64| count as f64 / seconds / 1000.0;
        let payload = if plan.kind == Kind::Binding { 0 } else { plan.size };
        let lost = tally.sent.saturating_sub(tally.received) as f64 / tally.sent.max(1) as f64 * 100.0;
        let late =
            (given_up + tally.refused as f64) / (given_up + (tally.sent + tally.refused) as f64).max(1.0) * 100.0;
        let drops = after.drops.saturating_sub(before.drops);
        let own = after.own.cpu_nanos.saturating_sub(before.own.cpu_nanos) as f64 / 1e7 / seconds;
        // The maximum is approached from above: who sends all that is asked for loses some.
        let is_limit = late > LATE_PERCENT && (plan.pace != Pace::Max || lost < LATE_PERCENT);
        let process = |(before, after)| Usage::between(before, after, seconds, tally.delivered);
        Report {
            kind: kind_name(plan.kind),
            server: plan.server,
            transport: transport_name(&plan.transport),
            allocations: plan.allocations,
            seconds,
            traffic: Some(Traffic {
                size: payload,
                burst: plan.burst,
                indications: plan.indications,
                offered_kpps: rounded(kpps(tally.sent), 2),
                delivered_kpps: rounded(kpps(tally.delivered), 2),
                delivered_mbit_s: rounded(kpps(tally.delivered) * payload as f64 * 8.0 / 1000.0, 1),
                sent: tally.sent,
                received: tally.received,
                loss_percent: rounded(lost, 3),
                reordered: tally.reordered,
                wrong: tally.wrong,
                latency_us: Latency::of(&tally.latency),
            }),
            cycles: None,
            memory: None,
            process: before.server.as_ref().zip(after.server.as_ref()).map(process),
            generator: Generator {
                cpu_percent: rounded(own, 1),
                late_percent: rounded(late, 2),
                drops,
                is_limit: is_limit || drops > 0,
            },
        }
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Relay(Direction::Both) => "relay",
        Kind::Relay(Direction::ToPeer) => "relay to peer",
        Kind::Relay(Direction::ToClient) => "relay to client",
        Kind::Pair => "pair",
        Kind::Binding => "binding",
        Kind::Allocate { .. } => "allocate",
        Kind::Hold => "hold",
    }
}

pub(super) fn transport_name(transport: &Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls(_) => "tls",
    }
}
