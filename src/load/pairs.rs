//! Clients in pairs, each in a session with the other.
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;

use crate::load::client::What;
use crate::load::connect;
use crate::load::connect::Pace;
use crate::load::crowd::Crowd;
use crate::load::login::Greeter;
use crate::load::message;
use crate::load::message::Message;

/// Clients that connect, and pairs that look for each other, at once while the load is set up.
const WINDOW: usize = 64;

const WAIT: Duration = Duration::from_millis(100);
const PATIENCE_NANOS: u64 = 30_000_000_000;

/// See the module's documentation: client 0 with client 1, 2 with 3, and so on.
pub(super) struct Pairs {
    session_by_client: Vec<String>,
}

impl Pairs {
    /// Has everybody connect and meet.
    ///
    /// # Errors
    ///
    /// The server refuses, does not answer or hangs up, or what the system calls report.
    pub(super) fn make(crowd: &mut Crowd, greeter: &Greeter, clients: usize) -> anyhow::Result<Self> {
        connect::everyone(
            crowd,
            0..clients,
            Pace::Window(WINDOW),
            &mut |client| greeter.hello(client),
            &mut |_, _| {},
        )?;
        let mut pairs = Self { session_by_client: vec![String::new(); clients] };
        let (mut asked, mut met) = (0, 0);
        let mut last_met = crowd.now();
        while met < clients {
            while asked < clients && asked - met < 2 * WINDOW {
                crowd.say(asked, &message::queue_join(1, &greeter.tag(asked / 2)));
                asked += 1;
            }
            for news in crowd.hear(WAIT).context("listen to the server")? {
                let What::Message(text) = news.what else {
                    bail!("client {} of {clients}, while it looked for its partner: {}", news.client, news.what);
                };
                let Some(message) = Message::parse(&text) else { bail!("no message: {text}") };
                match message.kind {
                    "match.found" => {
                        met += 1;
                        last_met = news.at;
                        pairs.session_by_client[news.client] = message.text("session").unwrap_or_default();
                    }
                    "error" => bail!("client {} cannot join the queue: {text}", news.client),
                    _ => {}
                }
            }
            if crowd.now().saturating_sub(last_met) > PATIENCE_NANOS {
                bail!("{met} of {clients} clients have met, and nobody more has for 30 s");
            }
        }
        Ok(pairs)
    }

    pub(super) fn session(&self, client: usize) -> &str {
        &self.session_by_client[client]
    }
}
