//! Pairs that look for each other: how long a match takes from the moment there is a legal partner, and how many there are.
//!
//! Every seat has somebody who waits, and nobody but the seeker of the hour fits to it. After the call both go on: the next
//! seeker of the seat is another one, because people who just met are kept apart.
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use serde::Serialize;

use crate::load::beat::Beat;
use crate::load::client::What;
use crate::load::connect;
use crate::load::connect::Pace;
use crate::load::crowd::Crowd;
use crate::load::crowd::News;
use crate::load::login::Greeter;
use crate::load::message;
use crate::load::message::Message;
use crate::load::meter::Meter;
use crate::load::plan::Plan;
use crate::load::report::Finding;
use crate::load::report::Report;
use crate::load::target::Target;
use crate::measure::Histogram;
use crate::measure::Latency;
use crate::measure::rounded;

/// Clients that connect at once while the load is set up.
const WINDOW: usize = 64;

/// When no match has come for this long, the server does not answer.
const PATIENCE_NANOS: u64 = 30_000_000_000;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Matches {
    matches: u64,
    matches_per_s: f64,
    /// Matches of people who do not fit; always 0 with a sound server.
    wrong: u64,
    /// From when the second one was to join the queue until both know of the match.
    latency_us: Latency,
}

/// Where a seat stands.
#[derive(Clone, Debug)]
enum Seat {
    /// The last call ends, or the one who waits is on the way into the queue.
    Busy,
    /// Somebody waits.
    Waiting,
    /// The seeker is on the way since that moment.
    Sought { due: u64, seeker: usize, session: Option<String> },
}

/// Pairs up the clients of the plan over and over, and reports.
///
/// # Errors
///
/// The server refuses, does not answer or hangs up, or what the system calls report.
pub(super) fn run(plan: &Plan, window: usize) -> anyhow::Result<Report> {
    let mut crowd = Crowd::new(Target::of(plan)?).context("make a poll")?;
    let greeter = Greeter::new(&plan.login)?;
    let hello = &mut |client| greeter.hello(client);
    connect::everyone(&mut crowd, 0..plan.connections, Pace::Window(WINDOW), hello, &mut |_, _| {})?;
    let seats = plan.connections / 2;
    let mut hall = Hall {
        crowd,
        greeter,
        seats: vec![Seat::Busy; seats],
        rounds: vec![0; seats],
        seat_by_seeker: vec![None; seats],
        due: VecDeque::new(),
        in_flight: 0,
        window: 0..0,
        matches: 0,
        wrong: 0,
        latency: Histogram::new(),
        last_match: 0,
    };
    (0..seats).for_each(|seat| hall.wait_at(seat));
    while hall.seats.iter().any(|seat| matches!(seat, Seat::Busy)) {
        hall.hear(Duration::from_millis(10))?;
    }

    let begun = hall.crowd.now();
    hall.last_match = begun;
    let mut beat = plan.rate.map(|rate| Beat::new(rate, begun));
    hall.until(hall.crowd.after(plan.warm_up), beat.as_mut(), window)?;
    let meter = Meter::start(plan)?;
    let end = hall.crowd.after(plan.duration);
    hall.window = hall.crowd.now()..end;
    hall.until(end, beat.as_mut(), window)?;
    let (seconds, server_process, generator) = meter.stop(hall.matches, beat.as_ref())?;
    let matches = Matches {
        matches: hall.matches,
        matches_per_s: rounded(hall.matches as f64 / seconds, 1),
        wrong: hall.wrong,
        latency_us: Latency::of(&hall.latency),
    };
    Ok(Report {
        kind: "matching",
        server: plan.server,
        tls: plan.tls.is_some(),
        connections: plan.connections,
        seconds,
        finding: Finding::Matches(matches),
        server_process,
        generator,
    })
}

/// Those who wait are the clients 0 to n, those who seek n to 2n.
struct Hall {
    crowd: Crowd,
    greeter: Greeter,
    seats: Vec<Seat>,
    /// Calls that each seat has had.
    rounds: Vec<usize>,
    seat_by_seeker: Vec<Option<usize>>,
    /// Seats and moments of matches that are due and cannot be yet.
    due: VecDeque<(usize, u64)>,
    in_flight: usize,
    /// The moments that are measured.
    window: Range<u64>,
    matches: u64,
    wrong: u64,
    latency: Histogram,
    last_match: u64,
}

impl Hall {
    /// Lets seekers come until a moment: at the beat, or so many at once.
    fn until(&mut self, end: u64, mut beat: Option<&mut Beat>, window: usize) -> anyhow::Result<()> {
        loop {
            let now = self.crowd.now();
            if now >= end {
                return Ok(());
            }
            match &mut beat {
                Some(beat) => {
                    while let Some(due) = beat.take(now) {
                        let seat = usize::try_from(beat.taken()).unwrap_or(0) % self.seats.len();
                        self.due.push_back((seat, due));
                    }
                }
                None => {
                    let next = |seat: usize| (seat, now);
                    let free = (0..self.seats.len()).filter(|seat| self.seeker_for(*seat).is_some());
                    let room = window.saturating_sub(self.in_flight);
                    self.due = free.take(room).map(next).collect();
                }
            }
            let due = std::mem::take(&mut self.due);
            for (seat, due) in due {
                self.seek(seat, due);
            }
            self.hear(Duration::ZERO)?;
            if now.saturating_sub(self.last_match) > PATIENCE_NANOS {
                bail!("nobody has met for 30 s");
            }
        }
    }

    /// Has somebody wait at a seat.
    fn wait_at(&mut self, seat: usize) {
        self.seats[seat] = Seat::Busy;
        let tag = self.tag(seat);
        self.crowd.say(seat, &message::queue_join(1, &tag));
    }

    fn tag(&self, seat: usize) -> String {
        self.greeter.tag(seat + self.rounds[seat] * self.seats.len())
    }

    /// Whose turn it is at a seat, if both are free.
    fn seeker_for(&self, seat: usize) -> Option<usize> {
        let seeker = (seat + self.rounds[seat]) % self.seats.len();
        let is_free = matches!(self.seats[seat], Seat::Waiting) && self.seat_by_seeker[seeker].is_none();
        is_free.then_some(seeker)
    }

    /// Sends the seeker to a seat, or puts that off.
    fn seek(&mut self, seat: usize, due: u64) {
        let Some(seeker) = self.seeker_for(seat) else {
            self.due.push_back((seat, due));
            return;
        };
        self.seats[seat] = Seat::Sought { due, seeker, session: None };
        self.seat_by_seeker[seeker] = Some(seat);
        self.in_flight += 1;
        let tag = self.tag(seat);
        self.crowd.say(self.seats.len() + seeker, &message::queue_join(2, &tag));
    }

    fn hear(&mut self, patience: Duration) -> anyhow::Result<()> {
        for news in self.crowd.hear(patience).context("listen to the server")? {
            self.on_news(news)?;
        }
        Ok(())
    }

    fn on_news(&mut self, news: News) -> anyhow::Result<()> {
        let What::Message(text) = news.what else { bail!("client {}: {}", news.client, news.what) };
        let Some(message) = Message::parse(&text) else { bail!("no message: {text}") };
        let is_waiter = news.client < self.seats.len();
        match message.kind {
            "ok" if is_waiter && message.re == Some(1) => self.seats[news.client] = Seat::Waiting,
            "match.found" => {
                let session = message.text("session").unwrap_or_default();
                self.on_match(news.client, session, news.at);
            }
            // The one who waits goes on once the call is over for both.
            "session.ended" if is_waiter => {
                self.rounds[news.client] += 1;
                self.wait_at(news.client);
            }
            "session.ended" => self.seat_by_seeker[news.client - self.seats.len()] = None,
            "error" => bail!("client {} cannot do that: {text}", news.client),
            _ => {}
        }
        Ok(())
    }

    fn on_match(&mut self, client: usize, session: String, at: u64) {
        let first_seeker = self.seats.len();
        let seat = match client.checked_sub(first_seeker) {
            None => Some(client),
            Some(seeker) => self.seat_by_seeker[seeker],
        };
        let Some(Seat::Sought { due, seeker, session: known }) = seat.and_then(|seat| self.seats.get_mut(seat)) else {
            self.wrong += 1;
            return;
        };
        match known {
            None => *known = Some(session),
            Some(known) if *known == session => {
                self.in_flight -= 1;
                self.last_match = at;
                if self.window.contains(&at) {
                    self.matches += 1;
                    self.latency.record(at.saturating_sub(*due));
                }
                let seeker = first_seeker + *seeker;
                self.crowd.say(seeker, &message::session_end(3, &session));
            }
            Some(_) => self.wrong += 1,
        }
    }
}

impl fmt::Display for Matches {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matches, matches_per_s, wrong, latency_us } = self;
        writeln!(out, "matches     {matches}, {matches_per_s} per second, {wrong} wrong")?;
        writeln!(out, "latency     {latency_us}")
    }
}
