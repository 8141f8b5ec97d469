//! Messages between the two of each pair at a fixed rate, alone or beside clients that flood the server.
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use serde::Serialize;

use crate::load::beat::Beat;
use crate::load::client::What;
use crate::load::crowd::Crowd;
use crate::load::crowd::News;
use crate::load::flood::Flood;
use crate::load::flood::Flooded;
use crate::load::login::Greeter;
use crate::load::message;
use crate::load::message::Message;
use crate::load::meter::Meter;
use crate::load::pairs::Pairs;
use crate::load::plan::Plan;
use crate::load::report::Finding;
use crate::load::report::Report;
use crate::load::target::Target;
use crate::measure::Histogram;
use crate::measure::Latency;
use crate::measure::rounded;

/// Messages per second where nothing is said.
const RATE: f64 = 1000.0;

/// When nothing has arrived for this long after the last message was sent, the rest is lost.
const DRAIN_NANOS: u64 = 500_000_000;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Relayed {
    /// Bytes of a message as it is sent.
    message_bytes: usize,
    #[serde(flatten)]
    quiet: Passage,
    /// The same once more while others flooded the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    beside_flood: Option<BesideFlood>,
}

/// What became of the messages of one window.
#[derive(Clone, Debug, Serialize)]
struct Passage {
    offered_per_s: f64,
    sent: u64,
    received: u64,
    /// Messages answered with an error.
    refused: u64,
    /// From when a message was due to its arrival at the other client.
    latency_us: Latency,
}

#[derive(Clone, Debug, Serialize)]
struct BesideFlood {
    #[serde(flatten)]
    passage: Passage,
    flood: Flooded,
}

/// Has pairs meet and talk, and reports.
///
/// # Errors
///
/// The server refuses, does not answer or hangs up, or what the system calls report.
pub(super) fn run(plan: &Plan, size: usize, flooders: usize) -> anyhow::Result<Report> {
    let mut crowd = Crowd::new(Target::of(plan)?).context("make a poll")?;
    let greeter = Greeter::new(&plan.login)?;
    let pairs = Pairs::make(&mut crowd, &greeter, plan.connections)?;
    let beat = Beat::new(plan.rate.unwrap_or(RATE), crowd.now());
    let mut talk = Talk { plan, crowd, pairs, beat, size, count: Count::new(0..0), flood: None };
    talk.until_over(plan.warm_up, false)?;

    let meter = Meter::start(plan)?;
    let quiet = talk.measure(plan.duration)?;
    let (seconds, server_process, generator) = meter.stop(quiet.sent, Some(&talk.beat))?;
    let beside_flood = match flooders {
        0 => None,
        _ => {
            talk.flood = Some(Flood::begin(&mut talk.crowd, &greeter, plan.connections, flooders)?);
            talk.until_over(plan.warm_up, false)?;
            let passage = talk.measure(plan.duration)?;
            talk.flood.take().map(|flood| BesideFlood { passage, flood: flood.end() })
        }
    };
    let message_bytes = message::candidates(0, talk.pairs.session(0), 0, size).len();
    Ok(Report {
        kind: if flooders == 0 { "relay" } else { "flood" },
        server: plan.server,
        tls: plan.tls.is_some(),
        connections: plan.connections + flooders,
        seconds,
        finding: Finding::Relayed(Relayed { message_bytes, quiet, beside_flood }),
        server_process,
        generator,
    })
}

/// What is counted.
struct Count {
    /// The moments that are measured, by when messages were due.
    window: Range<u64>,
    sent: u64,
    received: u64,
    refused: u64,
    latency: Histogram,
    last_heard: u64,
}

impl Count {
    fn new(window: Range<u64>) -> Self {
        let last_heard = window.end;
        Self { window, sent: 0, received: 0, refused: 0, latency: Histogram::new(), last_heard }
    }
}

struct Talk<'p> {
    plan: &'p Plan,
    crowd: Crowd,
    pairs: Pairs,
    beat: Beat,
    size: usize,
    count: Count,
    flood: Option<Flood>,
}

impl Talk<'_> {
    fn measure(&mut self, duration: Duration) -> anyhow::Result<Passage> {
        self.count = Count::new(self.crowd.now()..self.crowd.after(duration));
        self.until_over(duration, true)?;
        let Count { sent, received, refused, latency, .. } = &self.count;
        Ok(Passage {
            offered_per_s: rounded(*sent as f64 / duration.as_secs_f64(), 1),
            sent: *sent,
            received: *received,
            refused: *refused,
            latency_us: Latency::of(latency),
        })
    }

    /// Talks for a time; then, if everything is to arrive, goes on until it has or is lost: the load must not end before the
    /// window does for messages that are on their way.
    fn until_over(&mut self, duration: Duration, is_all: bool) -> anyhow::Result<()> {
        let end = self.crowd.after(duration);
        loop {
            let now = self.crowd.now();
            let Count { sent, received, refused, last_heard, .. } = self.count;
            let is_missing = is_all && received + refused < sent && now.saturating_sub(last_heard) < DRAIN_NANOS;
            if now >= end && !is_missing {
                return Ok(());
            }
            self.speak(now);
            if let Some(flood) = &mut self.flood {
                flood.swell(&mut self.crowd);
            }
            for news in self.crowd.hear(Duration::ZERO).context("listen to the server")? {
                self.on_news(news)?;
            }
        }
    }

    fn speak(&mut self, now: u64) {
        while let Some(due) = self.beat.take(now) {
            let number = self.beat.taken();
            let client = usize::try_from(number).unwrap_or(0) % self.plan.connections;
            let text = message::candidates(number, self.pairs.session(client), due, self.size);
            self.crowd.say(client, &text);
            self.count.sent += u64::from(self.count.window.contains(&due));
        }
    }

    fn on_news(&mut self, news: News) -> anyhow::Result<()> {
        if news.client >= self.plan.connections {
            let Some(flood) = &mut self.flood else { return Ok(()) };
            return flood.on_news(&mut self.crowd, &news);
        }
        let What::Message(text) = news.what else {
            bail!("client {}, which did nothing forbidden: {}", news.client, news.what);
        };
        let Some(message) = Message::parse(&text) else { bail!("no message: {text}") };
        match message.kind {
            "rtc.candidates" => {
                let Some(due) = message.stamp().filter(|due| self.count.window.contains(due)) else { return Ok(()) };
                self.count.received += 1;
                self.count.last_heard = self.count.last_heard.max(news.at);
                self.count.latency.record(news.at.saturating_sub(due));
            }
            "error" => self.count.refused += 1,
            "session.ended" => bail!("the server's session.limit has ended a call: {text}"),
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Display for Relayed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "messages    {} bytes", self.message_bytes)?;
        write!(out, "{}", self.quiet)?;
        if let Some(BesideFlood { passage, flood }) = &self.beside_flood {
            writeln!(out, "beside      {flood}")?;
            write!(out, "{passage}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offered_per_s, sent, received, refused, latency_us } = self;
        writeln!(out, "offered     {offered_per_s} per second")?;
        writeln!(out, "received    {received} of {sent}, {refused} refused")?;
        writeln!(out, "latency     {latency_us}")
    }
}
