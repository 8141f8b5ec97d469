//! Requests: who may ask, what was asked, what is answered. RFC 8489 §6.3, RFC 8656 §5.
use std::net::SocketAddr;
use std::time::Duration;

use crate::relay::allocate::Allocated;
use crate::relay::authenticate::Sender;
use crate::relay::authenticate::Unproved;
use crate::relay::client::ClientAddr;
use crate::relay::drop_reason::DropReason;
use crate::relay::effect::Effect;
use crate::relay::effect::OpenError;
use crate::relay::effect::QuotaUser;
use crate::relay::ledger::OverQuota;
use crate::relay::policy::Refusal;
use crate::relay::reply::Echo;
use crate::relay::request_result::RequestKind;
use crate::relay::request_result::RequestResult;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::relay::verdict::FromClient;
use crate::stun::AttributeType;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::stun::Overflow;
use crate::time::Now;

/// Required attributes that are understood, in whatever request they come.
const KNOWN: [AttributeType; 14] = [
    AttributeType::USERNAME,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::RESERVATION_TOKEN,
    // Last, so that it can be left out.
    AttributeType::DONT_FRAGMENT,
];

/// Why a request with a proved sender is refused. Each has one code.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// 300: this server drains, that one may serve.
    #[error("try another server")]
    TryAlternate(SocketAddr),
    /// 400: an attribute is missing, malformed, or contradicts another.
    #[error("bad request")]
    BadRequest,
    /// 401 with realm and nonce: the credential is expired, or its session revoked.
    #[error("credential expired or revoked")]
    NoLongerValid,
    /// 403.
    #[error("peer refused")]
    Forbidden(Refusal),
    /// 437: no allocation where one is needed, or one where none may be.
    #[error("allocation mismatch")]
    AllocationMismatch,
    /// 440.
    #[error("address family not supported")]
    FamilyNotSupported,
    /// 441: the allocation is another user's.
    #[error("wrong credentials")]
    WrongCredentials,
    /// 442.
    #[error("unsupported transport")]
    UnsupportedTransport,
    /// 443.
    #[error("peer address family mismatch")]
    PeerFamilyMismatch,
    /// 486: the user or the address holds too many allocations.
    #[error("allocation quota reached")]
    QuotaReached,
    /// 500: the shell named a relayed address that the directory does not know.
    #[error("no such relayed address")]
    UnknownRelayed,
    /// 508: no port, no room, or no new allocations any more.
    #[error("insufficient capacity")]
    InsufficientCapacity,
}

impl RequestError {
    const fn code(self) -> ErrorCode {
        match self {
            RequestError::TryAlternate(_) => ErrorCode::TRY_ALTERNATE,
            RequestError::BadRequest => ErrorCode::BAD_REQUEST,
            RequestError::NoLongerValid => ErrorCode::UNAUTHENTICATED,
            RequestError::Forbidden(_) => ErrorCode::FORBIDDEN,
            RequestError::AllocationMismatch => ErrorCode::ALLOCATION_MISMATCH,
            RequestError::FamilyNotSupported => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
            RequestError::WrongCredentials => ErrorCode::WRONG_CREDENTIALS,
            RequestError::UnsupportedTransport => ErrorCode::UNSUPPORTED_TRANSPORT,
            RequestError::PeerFamilyMismatch => ErrorCode::PEER_FAMILY_MISMATCH,
            RequestError::QuotaReached => ErrorCode::ALLOCATION_QUOTA_REACHED,
            RequestError::UnknownRelayed => ErrorCode::SERVER_ERROR,
            RequestError::InsufficientCapacity => ErrorCode::INSUFFICIENT_CAPACITY,
        }
    }
}

impl From<Refusal> for RequestError {
    fn from(refusal: Refusal) -> Self {
        RequestError::Forbidden(refusal)
    }
}

impl From<OpenError> for RequestError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::OverQuota(OverQuota::User | OverQuota::Session | OverQuota::Address) => {
                RequestError::QuotaReached
            }
            OpenError::OverQuota(OverQuota::Total) => RequestError::InsufficientCapacity,
            OpenError::FamilyNotOffered => RequestError::FamilyNotSupported,
            OpenError::NoPort | OpenError::NoReservation | OpenError::Socket => RequestError::InsufficientCapacity,
        }
    }
}

impl Server {
    pub(super) fn on_request(
        &mut self,
        message: &Message<'_>,
        from: &ClientAddr,
        now: Now,
        reply: &mut [u8],
    ) -> FromClient {
        let echo = Echo::of(message);
        let kind = RequestKind::of(message.method());
        match kind {
            RequestKind::Binding | RequestKind::Unknown if !self.may_answer_stranger(from, now) => {
                return self.discard(DropReason::Rationed);
            }
            RequestKind::Binding => return self.on_binding(message, from, reply),
            RequestKind::Unknown => {
                return self.reply(kind, RequestResult::BadRequest, echo.error(reply, ErrorCode::BAD_REQUEST, None));
            }
            RequestKind::Allocate | RequestKind::Refresh | RequestKind::CreatePermission | RequestKind::ChannelBind => {
            }
        }
        if self.is_barred(from, now) {
            return self.discard(DropReason::Barred);
        }
        let sender = match self.authenticate(message, from, now) {
            Ok(sender) => sender,
            Err(unproved) => {
                self.count_failure(unproved, message, from, now);
                if !self.may_answer_stranger(from, now) {
                    return self.discard(DropReason::Rationed);
                }
                return self.on_unproved(kind, echo, unproved, from, now, reply);
            }
        };
        let key = sender.key().clone();
        let user = self.traced_user(&sender);
        let known = if self.config.dont_fragment { &KNOWN[..] } else { &KNOWN[..KNOWN.len() - 1] };
        let (result, written) = if message.unknown_required(known).next().is_some() {
            (RequestResult::UnknownAttribute, echo.unknown(reply, message, known, Some(&key)))
        } else if kind == RequestKind::Allocate {
            match self.on_allocate(message, sender, from, now) {
                Ok(Allocated::Opening) => return FromClient::Opening,
                Ok(Allocated::Pending) => {
                    self.counters.count_request(kind, RequestResult::Pending);
                    return FromClient::Nothing;
                }
                Ok(Allocated::Before(at)) => (RequestResult::Replayed, self.write_allocated(at, echo, &key, reply)),
                Err(error) => self.write_refused(error, echo, &key, from, now, reply),
            }
        } else {
            match self.on_owner_request(kind, message, sender, from, now) {
                Ok(lifetime) => {
                    let mut writer = echo.success(reply);
                    if let Some(lifetime) = lifetime {
                        writer.u32(AttributeType::LIFETIME, whole_seconds(lifetime));
                    }
                    (RequestResult::Success, echo.finish(writer, Some(&key)))
                }
                Err(error) => self.write_refused(error, echo, &key, from, now, reply),
            }
        };
        self.trace(kind, result, user);
        self.reply(kind, result, written)
    }

    /// Who sent a request, if somebody wants to hear of it.
    fn traced_user(&self, sender: &Sender) -> Option<QuotaUser> {
        if !self.config.is_traced {
            return None;
        }
        match sender {
            Sender::Owner { at, .. } => self.allocations.get(*at).map(|allocation| allocation.credential.user.clone()),
            Sender::Other(credential) => Some(credential.user.clone()),
        }
    }

    /// Tells of an answer whoever wants to hear of it. What strangers send is only counted: they could say as much as they like.
    pub(super) fn trace(&mut self, kind: RequestKind, result: RequestResult, user: Option<QuotaUser>) {
        self.effects.extend(user.map(|user| Effect::Answered { kind, result, user }));
    }

    /// Does a request that only the owner of an allocation may make. Returns the lifetime that a Refresh set.
    fn on_owner_request(
        &mut self,
        kind: RequestKind,
        message: &Message<'_>,
        sender: Sender,
        from: &ClientAddr,
        now: Now,
    ) -> Result<Option<Duration>, RequestError> {
        let at = self.owned(sender, from, now)?;
        match kind {
            RequestKind::Refresh => self.on_refresh(at, message, now).map(Some),
            RequestKind::CreatePermission => self.on_create_permission(at, message, now.mono).map(|()| None),
            RequestKind::ChannelBind => self.on_channel_bind(at, message, now.mono).map(|()| None),
            RequestKind::Binding | RequestKind::Allocate | RequestKind::Unknown => Err(RequestError::BadRequest),
        }
    }

    /// The allocation that the sender owns. RFC 8656 §5.
    fn owned(&self, sender: Sender, from: &ClientAddr, now: Now) -> Result<AllocationId, RequestError> {
        match sender {
            Sender::Owner { at, .. } => Ok(at),
            Sender::Other(_) if self.allocations.live(from, now.mono).is_some() => Err(RequestError::WrongCredentials),
            Sender::Other(_) => Err(RequestError::AllocationMismatch),
        }
    }

    fn on_unproved(
        &mut self,
        kind: RequestKind,
        echo: Echo,
        unproved: Unproved,
        from: &ClientAddr,
        now: Now,
        reply: &mut [u8],
    ) -> FromClient {
        let (result, written) = match unproved {
            Unproved::Malformed => (RequestResult::BadRequest, echo.error(reply, unproved.code(), None)),
            Unproved::NoCredentials => {
                (RequestResult::Challenged, self.write_challenge(unproved.code(), echo, from, now, reply))
            }
            Unproved::Wrong | Unproved::StaleNonce => {
                (RequestResult::of(unproved.code()), self.write_challenge(unproved.code(), echo, from, now, reply))
            }
        };
        self.reply(kind, result, written)
    }

    /// Writes the answer to a request that was refused after its sender was proved.
    pub(super) fn write_refused(
        &self,
        error: RequestError,
        echo: Echo,
        key: &IntegrityKey,
        from: &ClientAddr,
        now: Now,
        reply: &mut [u8],
    ) -> (RequestResult, Result<usize, Overflow>) {
        let code = error.code();
        let written = match error {
            RequestError::TryAlternate(server) => echo.alternate(reply, server, key),
            RequestError::NoLongerValid => self.write_challenge(code, echo, from, now, reply),
            RequestError::BadRequest
            | RequestError::Forbidden(_)
            | RequestError::AllocationMismatch
            | RequestError::FamilyNotSupported
            | RequestError::WrongCredentials
            | RequestError::UnsupportedTransport
            | RequestError::PeerFamilyMismatch
            | RequestError::QuotaReached
            | RequestError::UnknownRelayed
            | RequestError::InsufficientCapacity => echo.error(reply, code, Some(key)),
        };
        (RequestResult::of(code), written)
    }

    fn write_challenge(
        &self,
        code: ErrorCode,
        echo: Echo,
        from: &ClientAddr,
        now: Now,
        reply: &mut [u8],
    ) -> Result<usize, Overflow> {
        let nonce = self.config.nonce_key.issue(self.config.features, from.remote, now.unix.as_secs());
        echo.challenge(reply, code, self.config.verifier.realm(), &nonce)
    }

    /// Counts an answer and hands it out.
    pub(super) fn reply(
        &self,
        kind: RequestKind,
        result: RequestResult,
        written: Result<usize, Overflow>,
    ) -> FromClient {
        match self.count_reply(kind, result, written) {
            Some(len) => FromClient::Reply { len },
            None => FromClient::Nothing,
        }
    }

    /// Counts an answer and returns its length in bytes, if it could be written.
    pub(super) fn count_reply(
        &self,
        kind: RequestKind,
        result: RequestResult,
        written: Result<usize, Overflow>,
    ) -> Option<usize> {
        self.counters.count_request(kind, result);
        if written.is_err() {
            self.counters.count_dropped(DropReason::ReplyTooLong);
        }
        written.ok()
    }
}

/// A lifetime as LIFETIME carries it.
pub(super) fn whole_seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
