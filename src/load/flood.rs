//! Clients that send as much as the server takes, and come back when they are thrown out.
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use anyhow::Context;
use serde::Serialize;

use crate::load::client::What;
use crate::load::connect;
use crate::load::connect::Pace;
use crate::load::crowd::Crowd;
use crate::load::crowd::News;
use crate::load::login::Greeter;
use crate::load::message;

/// Bytes of a description in a session that is not theirs: work for the server before it can say no.
const DESCRIPTION: usize = 4096;

/// Messages of one client between two looks at the others.
const AT_ONCE: usize = 4;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Flooded {
    flooders: usize,
    messages: u64,
    /// Answers with an error.
    refused: u64,
    /// Connections by the code with which the server closed them; 0 where it did not say.
    closed: BTreeMap<u16, u64>,
}

/// See the module's documentation.
pub(super) struct Flood {
    clients: Range<usize>,
    hellos: Vec<String>,
    is_online: Vec<bool>,
    message: String,
    told: Flooded,
}

impl Flood {
    /// Has `flooders` clients connect, numbered from `first` on.
    ///
    /// # Errors
    ///
    /// The server refuses, does not answer or hangs up, or what the system calls report.
    pub(super) fn begin(crowd: &mut Crowd, greeter: &Greeter, first: usize, flooders: usize) -> anyhow::Result<Self> {
        let clients = first..first + flooders;
        connect::everyone(
            crowd,
            clients.clone(),
            Pace::Window(1),
            &mut |client| greeter.hello(client),
            &mut |_, _| {},
        )?;
        Ok(Self {
            hellos: clients.clone().map(|client| greeter.hello(client)).collect::<anyhow::Result<_>>()?,
            is_online: vec![true; flooders],
            message: message::offer(1, "none of theirs", DESCRIPTION),
            told: Flooded { flooders, messages: 0, refused: 0, closed: BTreeMap::new() },
            clients,
        })
    }

    /// Sends on, where the server has taken what was sent before.
    pub(super) fn swell(&mut self, crowd: &mut Crowd) {
        for (client, _) in self.clients.clone().zip(&self.is_online).filter(|(_, is_online)| **is_online) {
            for _ in 0..AT_ONCE {
                if crowd.unsent(client) > 0 || !crowd.has(client) {
                    break;
                }
                crowd.say(client, &self.message);
                self.told.messages += 1;
            }
        }
    }

    /// Comes back at once when thrown out.
    ///
    /// # Errors
    ///
    /// What opening a socket reports.
    pub(super) fn on_news(&mut self, crowd: &mut Crowd, news: &News) -> anyhow::Result<()> {
        let at = news.client - self.clients.start;
        match &news.what {
            What::Online(_) => self.is_online[at] = true,
            What::Message(text) => self.told.refused += u64::from(text.contains(r#""type":"error""#)),
            What::Refused(_) | What::Closed(_) | What::Lost(_) => {
                let code = if let What::Closed(code) = news.what { code } else { 0 };
                *self.told.closed.entry(code).or_default() += 1;
                self.is_online[at] = false;
                crowd.dial(news.client, self.hellos[at].clone()).context("open a connection")?;
            }
        }
        Ok(())
    }

    pub(super) fn end(self) -> Flooded {
        self.told
    }
}

impl fmt::Display for Flooded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flooders, messages, refused, closed } = self;
        write!(out, "{flooders} flooders: {messages} messages, {refused} refused, closed")?;
        closed.iter().try_for_each(|(code, times)| write!(out, " {times} times with {code}"))
    }
}
