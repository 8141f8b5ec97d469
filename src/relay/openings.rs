//! Allocates that wait for their relay socket.
use std::collections::HashMap;
use std::time::Duration;

use crate::relay::client::ClientAddr;
use crate::relay::client::StreamId;
use crate::relay::credential::Credential;
use crate::relay::effect::OpenId;
use crate::relay::reply::Echo;
use crate::stun::TransactionId;

/// What is kept of an Allocate until its socket is open.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) client: ClientAddr,
    pub(super) echo: Echo,
    pub(super) credential: Credential,
    pub(super) lifetime: Duration,
}

/// Openings by id and by 5-tuple. The shell answers each, so there are never many.
#[derive(Debug, Default)]
pub(super) struct Openings {
    opening_by_id: HashMap<OpenId, Opening>,
    id_by_client: HashMap<ClientAddr, OpenId>,
    next: u64,
}

impl Openings {
    pub(super) fn insert(&mut self, opening: Opening) -> OpenId {
        let id = OpenId(self.next);
        self.next += 1;
        self.id_by_client.insert(opening.client, id);
        self.opening_by_id.insert(id, opening);
        id
    }

    pub(super) fn remove(&mut self, id: OpenId) -> Option<Opening> {
        let opening = self.opening_by_id.remove(&id)?;
        self.id_by_client.remove(&opening.client);
        Some(opening)
    }

    /// The transaction of the Allocate that waits for this 5-tuple.
    pub(super) fn transaction_of(&self, client: &ClientAddr) -> Option<TransactionId> {
        let id = self.id_by_client.get(client)?;
        self.opening_by_id.get(id).map(|opening| opening.echo.transaction)
    }

    pub(super) fn forget_stream(&mut self, stream: StreamId) {
        self.opening_by_id.retain(|_, opening| opening.client.via.stream() != Some(stream));
        self.id_by_client.retain(|client, _| client.via.stream() != Some(stream));
    }
}
