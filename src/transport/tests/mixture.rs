//! Random plans of clients and peers through whole shards: however packets come together, each has the fate that it has
//! alone, and every one is accounted for.
mod plan;
mod world;

use std::collections::BTreeMap;

use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;

use self::plan::Burst;
use self::plan::Fate;
use self::plan::Frame;
use self::plan::How;
use self::plan::Party;
use self::plan::plan;
use self::plan::write;
use self::plan::write_of_peer;
use self::world::Arrival;
use self::world::Flows;
use self::world::Place;
use self::world::World;
use super::netns::Host;
use super::netns::join;
use crate::relay::Direction;
use crate::relay::DropReason;
use crate::relay::Mode;
use crate::relay::Traffic;
use crate::relay::Usage;
use crate::transport::IoEvent;

/// Bursts that are sent before anything is read: what they make at most fits into any one receive buffer.
const TOGETHER: usize = 4;

/// What an allocation must be charged with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Account {
    to_peers: Traffic,
    to_client: Traffic,
    handed_out: Traffic,
    handed_in: Traffic,
    dropped: BTreeMap<DropReason, u64>,
}

impl Account {
    fn of(usage: &Usage) -> Self {
        let dropped = DropReason::ALL.map(|reason| (reason, u64::from(usage.dropped(reason))));
        Self {
            to_peers: usage.to_peers,
            to_client: usage.to_client,
            handed_out: usage.handed_out,
            handed_in: usage.handed_in,
            dropped: dropped.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// What must have happened so far.
#[derive(Default)]
struct Model {
    flows: Flows,
    sent: u64,
    /// Datagrams that left their sender together with others.
    in_runs: u64,
    answers: u64,
    /// By direction, as the metrics name it.
    relayed: BTreeMap<&'static str, Traffic>,
    dropped: BTreeMap<DropReason, u64>,
    accounts: BTreeMap<Party, Account>,
}

impl Model {
    fn add(&mut self, sender: Party, class: u8, fate: Fate) {
        self.sent += 1;
        match fate {
            Fate::Arrives { at, from, how, payload } => {
                let bytes = payload.len();
                match how {
                    How::Answer => self.answers += 1,
                    How::Plain => self.charge_to_peer(from, bytes),
                    How::Channel(_) | How::Indication if from.is_client() => {
                        count(self.relayed.entry(Direction::HandedOver.label()).or_default(), bytes);
                        count(&mut self.account(from).handed_out, bytes);
                        count(&mut self.account(at).handed_in, bytes);
                    }
                    How::Channel(_) | How::Indication => {
                        count(self.relayed.entry(Direction::ToClient.label()).or_default(), bytes);
                        count(&mut self.account(at).to_client, bytes);
                    }
                }
                // Answers are the server's own.
                let class = if how == How::Answer { 0 } else { class };
                self.flows.entry((at, from)).or_default().push(Arrival { how, class, payload });
            }
            Fate::Vanishes(bytes) => self.charge_to_peer(sender, bytes),
            Fate::Dropped { reason, of } => {
                *self.dropped.entry(reason).or_default() += 1;
                if let Some(party) = of {
                    *self.account(party).dropped.entry(reason).or_default() += 1;
                }
            }
        }
    }

    fn charge_to_peer(&mut self, from: Party, bytes: usize) {
        count(self.relayed.entry(Direction::ToPeer.label()).or_default(), bytes);
        count(&mut self.account(from).to_peers, bytes);
    }

    fn account(&mut self, party: Party) -> &mut Account {
        self.accounts.entry(party).or_default()
    }

    fn relayed(&self) -> u64 {
        self.relayed.values().map(|traffic| traffic.packets).sum()
    }

    fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }
}

fn count(traffic: &mut Traffic, bytes: usize) {
    traffic.packets += 1;
    traffic.bytes += bytes as u64;
}

/// How a plan is sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Pace {
    /// Each burst as one buffer, and several of them before anything is read.
    Together,
    /// Each datagram by itself, and the next one when all is done with it.
    Singly,
}

/// Sends a plan, waits until everything of it has come, and returns what should have happened.
fn run(world: &mut World, plan: &[Burst], pace: Pace) -> Model {
    let mut model = Model::default();
    for bursts in plan.chunks(TOGETHER) {
        for burst in bursts {
            send(world, &mut model, burst, pace);
        }
        settle(world, &model);
    }
    model
}

fn send(world: &mut World, model: &mut Model, burst: &Burst, pace: Pace) {
    let (from, mut to, mut waiting) = (burst.from, Party::Server, Vec::new());
    for (frame, len) in burst.datagrams() {
        let serial = u32::try_from(model.sent).expect("few datagrams");
        let (bytes, fate) = match frame {
            Frame::Channel(relayed, _) if !from.is_client() => {
                to = relayed;
                write_of_peer(from, to, len, serial)
            }
            _ => write((from, frame, len), world.mode, serial, |party| world.address(party)),
        };
        assert_eq!(bytes.len(), len);
        model.add(from, burst.class, fate);
        waiting.push(bytes);
        if pace == Pace::Singly {
            world.send(from, to, burst.class, &std::mem::take(&mut waiting));
            settle(world, model);
        }
    }
    if pace == Pace::Together {
        model.in_runs += world.send(from, to, burst.class, &waiting) as u64;
    }
}

/// Waits until the server has judged everything, and everything that must come has come.
fn settle(world: &mut World, model: &Model) {
    for party in Party::CLIENTS.into_iter().chain(Party::PEERS) {
        let arrivals = |flows: &Flows| -> usize {
            flows.iter().filter(|((at, _), _)| *at == party).map(|(_, arrivals)| arrivals.len()).sum()
        };
        while arrivals(&world.received) < arrivals(&model.flows) {
            world.receive(party);
        }
    }
    let judged = model.relayed() + model.dropped();
    world.until("all is judged", |world| world.judged() == judged);
}

/// Checks that everything happened that should, and nothing else; returns what came.
fn audit(mut world: World, model: &Model) -> Flows {
    let requests = world.requests();
    world.until("all is received", |world| world.count(IoEvent::DatagramReceived) == requests + model.sent);
    let sent = requests + model.answers + model.relayed();
    world.until("all is sent", |world| world.count(IoEvent::DatagramSent) == sent + world.reports);
    for party in Party::PEERS {
        assert_eq!(world.receive_now(party), 0, "too much for {party:?}");
    }
    for event in [
        IoEvent::KernelDrop,
        IoEvent::SendBufferFull,
        IoEvent::SendTooLong,
        IoEvent::SendRefused,
        IoEvent::MailboxFull,
        IoEvent::UsageLost,
    ] {
        assert_eq!(world.count(event), 0, "{event:?}");
    }
    assert_eq!(world.relayed(), model.relayed);
    assert_eq!(world.dropped(), model.dropped);
    let flows = std::mem::take(&mut world.received);
    let mut plane = world.end();
    for _ in Party::CLIENTS.into_iter().filter(|party| *party != Party::Nobody) {
        let usage = plane.next_usage();
        let party = Party::CLIENTS.into_iter().find(|party| usage.session.as_deref() == Some(&party.session()));
        let party = party.expect("its session");
        assert_eq!(Account::of(&usage), model.accounts.get(&party).cloned().unwrap_or_default(), "{party:?}");
    }
    flows
}

/// Sends many plans together and singly, each time to a server that has served nobody before.
fn check(place: &Place, mode: Mode, cases: u32) {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 64,
        max_shrink_time: 60_000,
        ..Config::with_cases(cases)
    };
    let outcome = TestRunner::new(config).run(&plan(mode), |plan| {
        let [together, singly] = [Pace::Together, Pace::Singly].map(|pace| {
            let mut world = World::start(place, mode);
            let model = run(&mut world, &plan, pace);
            if place.hosts.is_none() {
                // Loopback keeps together what was sent together.
                assert_eq!(world.count(IoEvent::ReceivedInRun), model.in_runs);
            }
            if pace == Pace::Singly {
                assert_eq!(world.count(IoEvent::SentInRun), 0);
            }
            let flows = audit(world, &model);
            assert_eq!(flows, model.flows, "{pace:?}");
            flows
        });
        assert_eq!(together, singly);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn packets_that_come_together_have_the_fate_of_those_that_come_alone() {
    check(&Place::loopback(), Mode::Ports, 24);
}

#[test]
fn pairs_of_a_single_port_have_the_fate_of_those_that_come_alone() {
    check(&Place::loopback(), Mode::SinglePort, 16);
}

/// A place whose server has a narrow way to all others, and a wide one back.
fn behind_a_narrow_way(mtu: u32, ipv6: bool) -> (Place, Host) {
    let (server, narrow, outside) = (Host::new("server"), Host::router("narrow"), Host::new("outside"));
    let [server_ip, clients, peers, stranger] = if ipv6 {
        ["2001:db8:2::1", "2001:db8:1::5", "2001:db8:3::7", "2001:db8:3::8"]
    } else {
        ["198.51.100.1", "203.0.113.5", "192.0.2.7", "192.0.2.8"]
    };
    let net = if ipv6 { 64 } else { 24 };
    let [wide, near, far] =
        if ipv6 { ["2001:db8:2:", "fd00:1:", "fd00:2:"] } else { ["198.51.100", "10.1.0", "10.2.0"] };
    let dot = if ipv6 { ":" } else { "." };
    let at = |prefix: &str, last: u32| format!("{prefix}{dot}{last}/{net}");
    join(&server, &[&at(wide, 1)], &outside, &[&at(wide, 2)]);
    join(&server, &[&at(near, 1)], &narrow, &[&at(near, 2)]);
    join(&narrow, &[&at(far, 1)], &outside, &[&at(far, 2)]);
    server.ip(&format!("link set to-narrow mtu {mtu}"));
    for ip in [clients, peers, stranger] {
        outside.ip(&format!("addr add {ip} dev lo{}", if ipv6 { " nodad" } else { "" }));
        server.ip(&format!("route add {ip} via {near}{dot}2"));
        narrow.ip(&format!("route add {ip} via {far}{dot}2"));
    }
    let parse = |ip: &str| ip.parse().expect("an address");
    let [server_ip, clients, peers, stranger] = [server_ip, clients, peers, stranger].map(parse);
    let place = Place { server: server_ip, clients, peers, stranger, hosts: Some([server, outside]) };
    place.until_reachable();
    (place, narrow)
}

#[test]
fn runs_that_the_kernel_refuses_to_cut_have_the_fate_of_single_packets() {
    let (place, _narrow) = behind_a_narrow_way(256, false);
    check(&place, Mode::Ports, 12);
}

#[test]
fn each_socket_asks_once_for_what_the_kernel_refuses_to_cut() {
    let (place, _narrow) = behind_a_narrow_way(256, false);
    let mut world = World::start(&place, Mode::Ports);
    let burst = |from, to, len| Burst { from, class: 0, len, shorter: 0, frames: vec![Frame::Channel(to, 0); 8] };
    let long = [burst(Party::Hub, Party::First, 1204), burst(Party::First, Party::Hub, 1200)];
    let short = [burst(Party::Hub, Party::Second, 104), burst(Party::Second, Party::Hub, 100)];
    let model = run(&mut world, &[vec![long; 4], vec![short; 2]].concat().concat(), Pace::Together);
    // What has come may not be counted yet.
    let (sent, in_runs) = (world.requests() + model.answers + model.relayed(), IoEvent::SentInRun);
    world.until("all is sent", |world| world.count(IoEvent::DatagramSent) == sent + world.reports);
    world.until("runs are counted", |world| world.count(in_runs) >= 32);
    let counted = [world.count(IoEvent::RunRefused), world.count(IoEvent::SentInRun)];
    assert_eq!(audit(world, &model), model.flows);
    assert_eq!(counted, [2, 32], "what is short enough still leaves in runs");
}

#[test]
fn a_narrow_way_changes_no_fate() {
    for ipv6 in [false, true] {
        let (place, _narrow) = behind_a_narrow_way(1280, ipv6);
        check(&place, Mode::Ports, 8);
    }
}
