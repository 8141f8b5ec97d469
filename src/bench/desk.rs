//! Requests on their way: sent, sent again, and matched with their answers.
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;

use crate::bench::session::Answer;
use crate::bench::session::Ask;
use crate::bench::session::Session;
use crate::bench::wire::Route;
use crate::bench::wire::Wire;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::TransactionId;

/// After this long without an answer a datagram is sent again. RFC 8489 §6.2.1.
const RTO_NANOS: u64 = 500_000_000;

/// So often it is sent at most.
const TRIES: u32 = 8;

/// Requests on their way while all clients ask the same.
const WINDOW: usize = 32;

/// How long is waited for answers at once.
const WAIT: Duration = Duration::from_millis(50);

/// A request without answer.
struct Pending {
    ask: Ask,
    id: TransactionId,
    bytes: Vec<u8>,
    sent_at: u64,
    tries: u32,
}

/// What came of a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) client: usize,
    pub(super) ask: Ask,
    /// The code of the refusal.
    pub(super) refused: Option<u16>,
}

/// All clients, each with at most one request on its way.
pub(super) struct Desk {
    sessions: Vec<Session>,
    pending_by_client: Vec<Option<Pending>>,
    pending: usize,
    requests: u64,
    repeated_at: u64,
}

impl Desk {
    pub(super) fn new(sessions: Vec<Session>) -> Self {
        let pending_by_client = sessions.iter().map(|_| None).collect();
        Self { sessions, pending_by_client, pending: 0, requests: 0, repeated_at: 0 }
    }

    /// The relayed address of a client, if there is such a client and it has one.
    pub(super) fn relayed(&self, client: usize) -> Option<SocketAddr> {
        self.sessions.get(client)?.relayed()
    }

    pub(super) fn session_mut(&mut self, client: usize) -> &mut Session {
        &mut self.sessions[client]
    }

    /// Sends a request of a client that has none on its way.
    ///
    /// # Errors
    ///
    /// What the socket reports.
    pub(super) fn ask(&mut self, wire: &mut Wire, client: usize, ask: Ask) -> anyhow::Result<()> {
        self.requests += 1;
        let id = transaction(client, self.requests);
        let bytes = self.sessions[client].write(ask, id)?;
        tell(wire, client, &bytes)?;
        let pending = Pending { ask, id, bytes, sent_at: wire.now(), tries: 1 };
        if self.pending_by_client[client].replace(pending).is_none() {
            self.pending += 1;
        }
        Ok(())
    }

    /// Takes a message; what it ended, if it is the answer to a request.
    ///
    /// # Errors
    ///
    /// As [`Desk::ask`].
    pub(super) fn handle(&mut self, wire: &mut Wire, bytes: &[u8]) -> anyhow::Result<Option<Outcome>> {
        let Ok(answer) = Message::parse(bytes) else { return Ok(None) };
        let client = client_of(answer.transaction_id());
        let Some(place) = self.pending_by_client.get_mut(client) else { return Ok(None) };
        let Some(pending) = place.take_if(|pending| {
            pending.id == answer.transaction_id() && matches!(answer.class(), Class::Success | Class::Error)
        }) else {
            return Ok(None);
        };
        self.pending -= 1;
        let ask = pending.ask;
        let refused = match self.sessions[client].handle_answer(ask, &answer) {
            Answer::Granted => None,
            Answer::Challenged => {
                self.ask(wire, client, ask)?;
                return Ok(None);
            }
            Answer::Refused(code) => Some(code),
        };
        Ok(Some(Outcome { client, ask, refused }))
    }

    /// Sends again what was not answered for long.
    ///
    /// # Errors
    ///
    /// A request was never answered, or what the socket reports.
    pub(super) fn repeat(&mut self, wire: &mut Wire) -> anyhow::Result<()> {
        let now = wire.now();
        if self.pending == 0 || now.saturating_sub(self.repeated_at) < RTO_NANOS / 5 {
            return Ok(());
        }
        self.repeated_at = now;
        for (client, pending) in self.pending_by_client.iter_mut().enumerate() {
            let Some(pending) = pending.as_mut().filter(|pending| now.saturating_sub(pending.sent_at) >= RTO_NANOS)
            else {
                continue;
            };
            if pending.tries >= TRIES {
                bail!("no answer to {:?} of client {client} from {}", pending.ask, wire.server());
            }
            pending.tries += 1;
            pending.sent_at = now;
            if let Route::Datagrams { .. } = wire.route(client) {
                tell(wire, client, &pending.bytes)?;
            }
        }
        Ok(())
    }

    /// Makes every client ask something and waits until all are granted it.
    ///
    /// # Errors
    ///
    /// One was refused or never answered, or what the sockets report.
    pub(super) fn everyone(&mut self, wire: &mut Wire, ask_of: impl Fn(&Desk, usize) -> Ask) -> anyhow::Result<()> {
        let (mut asked, mut granted) = (0, 0);
        let mut inbox: Vec<Vec<u8>> = Vec::new();
        while granted < self.sessions.len() {
            while asked < self.sessions.len() && self.pending < WINDOW {
                let ask = ask_of(self, asked);
                self.ask(wire, asked, ask)?;
                asked += 1;
            }
            wire.hear(WAIT, &mut |_, message, _| inbox.push(message.to_vec())).context("listen to the server")?;
            for message in inbox.drain(..) {
                let Some(outcome) = self.handle(wire, &message)? else { continue };
                if let Some(code) = outcome.refused {
                    bail!("{} refuses {:?} of client {}: {code}", wire.server(), outcome.ask, outcome.client);
                }
                granted += 1;
            }
            self.repeat(wire)?;
        }
        Ok(())
    }
}

/// Sends; what a socket cannot take now is sent again later like any lost datagram.
fn tell(wire: &mut Wire, client: usize, message: &[u8]) -> anyhow::Result<()> {
    match wire.tell(client, message) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => {
            Err(error).with_context(|| format!("send to {}", wire.server()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The transaction id says whose request it is.
fn transaction(client: usize, request: u64) -> TransactionId {
    let mut id = [0; 12];
    id[..4].copy_from_slice(&u32::try_from(client).unwrap_or(u32::MAX).to_be_bytes());
    id[4..].copy_from_slice(&request.to_be_bytes());
    TransactionId(id)
}

fn client_of(TransactionId(id): TransactionId) -> usize {
    let [c0, c1, c2, c3, ..] = id;
    usize::try_from(u32::from_be_bytes([c0, c1, c2, c3])).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_leads_back_to_its_client() {
        for client in [0, 1, 59_999] {
            assert_eq!(client_of(transaction(client, 1 << 40)), client);
        }
    }
}
