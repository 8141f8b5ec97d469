//! Who is there, and the resume chain: what goes on from one connection of a user to the next.
use bytes::Bytes;
use serde::Serialize;

use crate::auth::resume::ResumeHash;
use crate::auth::resume::ResumeToken;
use crate::auth::token::FamilyId;
use crate::auth::token::Identity;
use crate::auth::token::Subject;
use crate::signal::id::ConnectionId;
use crate::signal::protocol;
use crate::signal::protocol::PushKind;
use crate::signal::ring::Ring;
use crate::time::Now;
use crate::time::UnixMillis;

/// Whether a user is connected.
#[derive(Debug, Default)]
pub(super) enum Presence {
    /// No, and nobody waits for it.
    #[default]
    Away,
    Online(ConnectionId, Chain),
    /// The socket is lost; a resume is waited for until that moment.
    Lost(Now, Chain),
}

/// Begins with a plain `hello` and goes on with each resume.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) subject: Subject,
    /// When the access token expires.
    pub(super) expires: UnixMillis,
    pub(super) family: Option<FamilyId>,
    /// The one resume token that is good; none after `bye` and where nothing can be resumed.
    token: Option<ResumeHash>,
    ring: Ring,
    /// What the client was sent is not known here: a process before this one sent it.
    is_restored: bool,
}

impl Presence {
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        match self {
            Presence::Online(id, _) => Some(*id),
            Presence::Away | Presence::Lost(..) => None,
        }
    }

    pub(super) fn chain(&self) -> Option<&Chain> {
        match self {
            Presence::Online(_, chain) | Presence::Lost(_, chain) => Some(chain),
            Presence::Away => None,
        }
    }

    pub(super) fn chain_mut(&mut self) -> Option<&mut Chain> {
        match self {
            Presence::Online(_, chain) | Presence::Lost(_, chain) => Some(chain),
            Presence::Away => None,
        }
    }

    /// Until when a lost user is waited for.
    pub(super) fn lost_until(&self) -> Option<Now> {
        match self {
            Presence::Lost(until, _) => Some(*until),
            Presence::Away | Presence::Online(..) => None,
        }
    }
}

impl Chain {
    /// A new one, in which nothing can be resumed yet.
    pub(super) fn new(identity: Identity) -> Self {
        let Identity { subject, expires, family } = identity;
        Self { subject, expires, family, token: None, ring: Ring::default(), is_restored: false }
    }

    /// Goes on with one of a process before this one.
    pub(super) fn restored(identity: Identity, token: Option<ResumeHash>) -> Self {
        Self { token, is_restored: true, ..Self::new(identity) }
    }

    /// Numbers what comes next behind what the client of a restored chain has.
    pub(super) fn go_on_after(&mut self, last_seq: u64) {
        if std::mem::take(&mut self.is_restored) {
            self.ring = Ring::after(last_seq);
        }
    }

    /// What is kept of the resume token.
    pub(super) fn token(&self) -> Option<&ResumeHash> {
        self.token.as_ref()
    }

    /// Makes the next resume token, which voids the one before.
    pub(super) fn rotate(&mut self) -> String {
        let (token, hash) = ResumeHash::issue(&self.subject.user);
        self.token = Some(hash);
        token
    }

    /// Voids the resume token.
    pub(super) fn void(&mut self) {
        self.token = None;
    }

    pub(super) fn can_resume(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn accepts(&self, token: &ResumeToken) -> bool {
        self.token.as_ref().is_some_and(|hash| hash.is_of(token))
    }

    /// Writes a sequenced push, and keeps it if a resume may ask for it.
    pub(super) fn push(&mut self, kind: PushKind, data: &impl Serialize, ts: UnixMillis) -> Bytes {
        let write = |seq| protocol::push(kind, Some(seq), ts, data);
        // There is a gap already: nothing will be replayed.
        let is_kept = self.can_resume() && !self.is_restored;
        if is_kept { self.ring.push(write) } else { write(self.ring.count()) }
    }

    /// Whether a push of that many bytes could be kept beside all that the client may not have.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        !self.is_restored && self.ring.has_room(bytes)
    }

    /// See [`Ring::trim`].
    pub(super) fn trim(&mut self, acked: u64) {
        self.ring.trim(acked);
    }

    /// See [`Ring::replay`].
    pub(super) fn replay(&self, last_seq: u64) -> Option<Vec<Bytes>> {
        let frames = self.ring.replay(last_seq).filter(|_| !self.is_restored)?;
        Some(frames.cloned().collect())
    }
}
