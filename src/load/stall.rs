//! Readers that read nothing: what the server holds for each, and how it ends.
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use serde::Serialize;

use crate::load::beat::Beat;
use crate::load::client::What;
use crate::load::crowd::Crowd;
use crate::load::crowd::News;
use crate::load::login::Greeter;
use crate::load::message;
use crate::load::message::Message;
use crate::load::meter;
use crate::load::meter::Meter;
use crate::load::pairs::Pairs;
use crate::load::plan::Plan;
use crate::load::report::Finding;
use crate::load::report::Report;
use crate::load::target::Target;
use crate::measure::rounded;

/// Messages per second to each reader where nothing is said: below what the server allows to one client.
const RATE: f64 = 40.0;

/// Longest wait for news at once, and the time between two looks at the server's memory.
const WAIT: Duration = Duration::from_millis(10);

/// Readers say this often that they are there, in nanoseconds: who reads no pings answers none and is dropped after 35 s (rule 13),
/// which is not what is to be seen.
const SIGN_OF_LIFE_NANOS: u64 = 10_000_000_000;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stalls {
    readers: usize,
    message_bytes: usize,
    /// Readers by the code that they were closed with; 0 where they could not read any.
    closed: BTreeMap<u16, usize>,
    /// Readers still connected at the end.
    open: usize,
    /// From the first message until the server gave up, the slowest.
    seconds_to_close: f64,
    /// Of what the server took for a reader, what that one could not read later: it was held in the server, all but the last
    /// message, which found no room. The rest was in the kernel, whose sockets hold up to some MiB.
    held_kib_median: f64,
    held_kib_max: f64,
    #[serde(flatten)]
    memory: Option<Memory>,
}

/// Memory of the server's process.
#[derive(Clone, Debug, Serialize)]
struct Memory {
    rss_before_kib: u64,
    rss_peak_kib: u64,
    peak_kib_per_reader: f64,
}

/// One reader and the partner who sends to it.
#[derive(Clone, Debug, Default)]
struct Reader {
    /// Messages that the server took.
    accepted: u64,
    /// Messages read once it reads again.
    read: u64,
    /// When the partner heard that it is gone.
    given_up_at: Option<u64>,
    closed: Option<u16>,
}

/// Has pairs meet of whom one reads nothing, and reports.
///
/// # Errors
///
/// The server refuses, does not answer or hangs up on the others, or what the system calls report.
pub(super) fn run(plan: &Plan, size: usize) -> anyhow::Result<Report> {
    let mut crowd = Crowd::new(Target::of(plan)?).context("make a poll")?;
    let greeter = Greeter::new(&plan.login)?;
    let pairs = Pairs::make(&mut crowd, &greeter, plan.connections)?;
    let readers = vec![Reader::default(); plan.connections / 2];
    let rate = plan.rate.unwrap_or(RATE);
    let message = |client: usize| message::offer(1, pairs.session(client), size);
    let messages: Vec<String> = (0..readers.len()).map(|reader| message(speaker_of(reader))).collect();
    (0..readers.len()).for_each(|reader| crowd.deafen(reader_of(reader)));

    let meter = Meter::start(plan)?;
    let begun = crowd.now();
    let mut stall = Stall { beat: Beat::new(rate, begun), crowd, readers, messages, sent: 0, rss_peak_kib: 0 };
    stall.until_all_are_given_up(plan)?;
    let (seconds, server_process, generator) = meter.stop(stall.sent, Some(&stall.beat))?;
    let memory = meter.rss_before_kib().map(|rss_before_kib| Memory {
        rss_before_kib,
        rss_peak_kib: stall.rss_peak_kib,
        peak_kib_per_reader: rounded(
            stall.rss_peak_kib.saturating_sub(rss_before_kib) as f64 / stall.readers.len() as f64,
            1,
        ),
    });
    Ok(Report {
        kind: "stall",
        server: plan.server,
        tls: plan.tls.is_some(),
        connections: plan.connections,
        seconds,
        finding: Finding::Stalls(stall.told(begun, memory)),
        server_process,
        generator,
    })
}

const fn speaker_of(reader: usize) -> usize {
    2 * reader
}

const fn reader_of(reader: usize) -> usize {
    2 * reader + 1
}

struct Stall {
    crowd: Crowd,
    beat: Beat,
    readers: Vec<Reader>,
    /// What each speaker says again and again.
    messages: Vec<String>,
    sent: u64,
    rss_peak_kib: u64,
}

impl Stall {
    /// Sends to all readers that are there until none is, at most for the plan's time.
    fn until_all_are_given_up(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let end = self.crowd.after(plan.duration);
        let mut life_due = self.crowd.now() + SIGN_OF_LIFE_NANOS;
        while self.readers.iter().any(|reader| reader.closed.is_none()) && self.crowd.now() < end {
            if self.beat.take(self.crowd.now()).is_some() {
                self.speak();
            }
            if self.crowd.now() >= life_due {
                life_due += SIGN_OF_LIFE_NANOS;
                self.give_signs_of_life();
            }
            if let Some(server) = meter::server(plan.server_pid)? {
                self.rss_peak_kib = self.rss_peak_kib.max(server.rss_kib);
            }
            for news in self.crowd.hear(WAIT).context("listen to the server")? {
                self.on_news(news)?;
            }
        }
        Ok(())
    }

    /// Sends one message to each reader that is still there, unless the one before has not left yet.
    fn speak(&mut self) {
        for (at, message) in self.messages.iter().enumerate() {
            let speaker = speaker_of(at);
            if self.readers[at].given_up_at.is_none() && self.crowd.unsent(speaker) == 0 {
                self.crowd.say(speaker, message);
                self.sent += 1;
            }
        }
    }

    /// Has every reader that is still there say something that is not answered.
    fn give_signs_of_life(&mut self) {
        for at in 0..self.readers.len() {
            if self.readers[at].given_up_at.is_none() {
                self.crowd.say(reader_of(at), message::SIGN_OF_LIFE);
            }
        }
    }

    fn on_news(&mut self, news: News) -> anyhow::Result<()> {
        let reader = &mut self.readers[news.client / 2];
        let text = match (news.what, news.client % 2) {
            (What::Message(text), _) => text,
            (What::Closed(code), 1) => {
                reader.closed = Some(code);
                return Ok(());
            }
            (What::Lost(_), 1) => {
                reader.closed.get_or_insert(0);
                return Ok(());
            }
            (what, _) => bail!("client {}: {what}", news.client),
        };
        let Some(message) = Message::parse(&text) else { bail!("no message: {text}") };
        match message.kind {
            // What is refused was not held: a speaker that was late may have said too much at once.
            "ok" => reader.accepted += 1,
            "rtc.description" => reader.read += 1,
            "peer.left" if reader.given_up_at.is_none() => {
                reader.given_up_at = Some(news.at);
                // Now it reads: what the kernel holds, then, if the server can still say it, why it was closed.
                self.crowd.undeafen(news.client ^ 1);
            }
            _ => {}
        }
        Ok(())
    }

    fn told(&self, begun: u64, memory: Option<Memory>) -> Stalls {
        let message_bytes = self.messages.first().map_or(0, String::len);
        let held = |reader: &Reader| {
            let messages = reader.accepted.saturating_sub(reader.read).saturating_sub(1);
            messages as f64 * message_bytes as f64 / 1024.0
        };
        let mut held: Vec<f64> = self.readers.iter().map(held).collect();
        held.sort_by(f64::total_cmp);
        let mut closed = BTreeMap::new();
        for code in self.readers.iter().filter_map(|reader| reader.closed) {
            *closed.entry(code).or_default() += 1;
        }
        let last = self.readers.iter().filter_map(|reader| reader.given_up_at).max().unwrap_or(begun);
        Stalls {
            readers: self.readers.len(),
            message_bytes,
            closed,
            open: self.readers.iter().filter(|reader| reader.closed.is_none()).count(),
            seconds_to_close: rounded((last - begun) as f64 / 1e9, 2),
            held_kib_median: rounded(held.get(held.len() / 2).copied().unwrap_or(0.0), 1),
            held_kib_max: rounded(held.last().copied().unwrap_or(0.0), 1),
            memory,
        }
    }
}

impl fmt::Display for Stalls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { readers, message_bytes, closed, open, seconds_to_close, .. } = self;
        write!(out, "readers     {readers}, messages of {message_bytes} bytes; closed")?;
        closed.iter().try_for_each(|(code, times)| write!(out, " {times} with {code}"))?;
        writeln!(out, ", open {open}, the last after {seconds_to_close} s")?;
        writeln!(out, "held        {} KiB (median), {} at most", self.held_kib_median, self.held_kib_max)?;
        if let Some(Memory { rss_before_kib, rss_peak_kib, peak_kib_per_reader }) = &self.memory {
            writeln!(
                out,
                "memory      {rss_before_kib} KiB before, peak {rss_peak_kib}; each {peak_kib_per_reader} KiB"
            )?;
        }
        Ok(())
    }
}
