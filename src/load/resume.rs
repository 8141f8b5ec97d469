//! Many clients that lose their connections in one moment and come back.
use std::fmt;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use crate::load::connect;
use crate::load::connect::Pace;
use crate::load::crowd::Crowd;
use crate::load::login::Greeter;
use crate::load::message;
use crate::load::message::Message;
use crate::load::meter::Meter;
use crate::load::plan::Plan;
use crate::load::report::Finding;
use crate::load::report::Report;
use crate::load::target::Target;
use crate::measure::Latency;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Resumes {
    killed: usize,
    /// Those who went on where they were.
    resumed: usize,
    /// Those of them who missed something that the server does not have any more.
    gaps: usize,
    /// From the kill until the last one was back.
    seconds_to_all: f64,
    /// From the connect, or from when it was due, to the answer to `hello`.
    latency_us: Latency,
}

/// Has everybody connect, kills some, has them resume, and reports.
///
/// # Errors
///
/// The server refuses, does not answer or hangs up on others, or what the system calls report.
pub(super) fn run(plan: &Plan, killed: usize, window: usize) -> anyhow::Result<Report> {
    let mut crowd = Crowd::new(Target::of(plan)?).context("make a poll")?;
    let greeter = Greeter::new(&plan.login)?;
    let mut tokens = vec![String::new(); killed];
    let hello = &mut |client| greeter.hello(client);
    connect::everyone(&mut crowd, 0..plan.connections, Pace::Window(window), hello, &mut |client, answer| {
        let token = Message::parse(answer).and_then(|message| message.text("resume_token"));
        if let (Some(place), Some(token)) = (tokens.get_mut(client), token) {
            *place = token;
        }
    })?;
    connect::stay(&mut crowd, plan.warm_up)?;

    let meter = Meter::start(plan)?;
    (0..killed).for_each(|client| crowd.kill(client));
    let pace = plan.rate.map_or(Pace::Window(window), Pace::Rate);
    let hello = &mut |client: usize| {
        let token = tokens.get(client).map(String::as_str).unwrap_or_default();
        Ok(message::hello(&json!({"resume": {"token": token, "last_seq": 0}})))
    };
    let (mut resumed, mut gaps) = (0, 0);
    let coming = connect::everyone(&mut crowd, 0..killed, pace, hello, &mut |_, answer| {
        let says = |member| Message::parse(answer).is_some_and(|message| message.flag(member));
        resumed += usize::from(says("resumed"));
        gaps += usize::from(says("gap"));
    })?;
    let (seconds, server_process, generator) = meter.stop(killed as u64, coming.beat.as_ref())?;
    let latency_us = Latency::of(&coming.latency);
    Ok(Report {
        kind: "resume",
        server: plan.server,
        tls: plan.tls.is_some(),
        connections: plan.connections,
        seconds,
        finding: Finding::Resumes(Resumes { killed, resumed, gaps, seconds_to_all: seconds, latency_us }),
        server_process,
        generator,
    })
}

impl fmt::Display for Resumes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { killed, resumed, gaps, seconds_to_all, latency_us } = self;
        writeln!(out, "resumed     {resumed} of {killed} in {seconds_to_all} s, {gaps} with a gap")?;
        writeln!(out, "latency     {latency_us}")
    }
}
