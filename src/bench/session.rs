//! One TURN client's side of the protocol: what it asks, and what the answers make of it. No socket.
use std::net::SocketAddr;
use std::sync::Arc;

use crate::stun::AttributeType;
use crate::stun::ChannelNumber;
use crate::stun::Class;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::Overflow;
use crate::stun::TransactionId;
use crate::stun::Writer;

/// REQUESTED-TRANSPORT: UDP. RFC 8656 §18.7.
const UDP: u32 = 17 << 24;

/// REQUESTED-ADDRESS-FAMILY: IPv6. RFC 8656 §18.8.
const IPV6: u32 = 2 << 24;

/// Seconds that allocations are asked for: the longest that servers grant by default.
const LIFETIME: u32 = 3600;

/// Room for a request.
pub(super) const REQUEST_MAX: usize = 1024;

/// What a client asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Allocate,
    Bind {
        channel: ChannelNumber,
        peer: SocketAddr,
    },
    Permit {
        peer: SocketAddr,
    },
    /// Lives on.
    Prolong,
    /// Gives the allocation back.
    Release,
}

impl Ask {
    fn method(self) -> Method {
        match self {
            Ask::Allocate => Method::ALLOCATE,
            Ask::Bind { .. } => Method::CHANNEL_BIND,
            Ask::Permit { .. } => Method::CREATE_PERMISSION,
            Ask::Prolong | Ask::Release => Method::REFRESH,
        }
    }
}

/// What an answer means.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    /// The server wants credentials or another nonce, which are known now: ask again.
    Challenged,
    /// Refused with this code.
    Refused(u16),
}

/// A client.
pub(super) struct Session {
    user: Arc<(String, String)>,
    realm: String,
    nonce: Vec<u8>,
    /// Known with the realm.
    key: Option<IntegrityKey>,
    relayed: Option<SocketAddr>,
    is_ipv6: bool,
}

impl Session {
    pub(super) fn new(user: Arc<(String, String)>, is_ipv6: bool) -> Self {
        Self { user, realm: String::new(), nonce: Vec::new(), key: None, relayed: None, is_ipv6 }
    }

    /// The relayed address, while there is an allocation.
    pub(super) fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// Begins anew under the same name, as a client that the server has not seen.
    pub(super) fn forget(&mut self) {
        self.nonce.clear();
        self.relayed = None;
    }

    /// Writes a request.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if it is longer than [`REQUEST_MAX`].
    pub(super) fn write(&self, ask: Ask, id: TransactionId) -> Result<Vec<u8>, Overflow> {
        let mut buffer = [0; REQUEST_MAX];
        let mut writer = Writer::new(&mut buffer, Class::Request, ask.method(), id);
        match ask {
            Ask::Allocate => {
                writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP).u32(AttributeType::LIFETIME, LIFETIME);
                if self.is_ipv6 {
                    writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, IPV6);
                }
            }
            Ask::Bind { channel, peer } => {
                writer.u32(AttributeType::CHANNEL_NUMBER, u32::from(channel.number()) << 16);
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            }
            Ask::Permit { peer } => {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            }
            Ask::Prolong => {
                writer.u32(AttributeType::LIFETIME, LIFETIME);
            }
            Ask::Release => {
                writer.u32(AttributeType::LIFETIME, 0);
            }
        }
        if let Some(key) = self.key.as_ref().filter(|_| !self.nonce.is_empty()) {
            writer.attribute(AttributeType::USERNAME, self.user.0.as_bytes());
            writer.attribute(AttributeType::REALM, self.realm.as_bytes());
            writer.attribute(AttributeType::NONCE, &self.nonce);
            writer.integrity(key);
        }
        let len = writer.finish()?;
        Ok(buffer.get(..len).unwrap_or_default().to_vec())
    }

    /// Takes the answer to a request.
    pub(super) fn handle_answer(&mut self, ask: Ask, answer: &Message<'_>) -> Answer {
        if answer.class() == Class::Success {
            match ask {
                Ask::Allocate => {
                    self.relayed = answer.xor_address(AttributeType::XOR_RELAYED_ADDRESS).and_then(Result::ok);
                }
                Ask::Release => self.relayed = None,
                Ask::Bind { .. } | Ask::Permit { .. } | Ask::Prolong => {}
            }
            return Answer::Granted;
        }
        let code = answer.error_code();
        let had_nonce = !self.nonce.is_empty();
        match (code, answer.attribute(AttributeType::NONCE)) {
            (Some(ErrorCode::STALE_NONCE), Some(nonce)) => self.on_challenge(answer, nonce),
            // A second challenge means that the password is wrong.
            (Some(ErrorCode::UNAUTHENTICATED), Some(nonce)) if !had_nonce => self.on_challenge(answer, nonce),
            (code, _) => return Answer::Refused(code.map_or(0, ErrorCode::number)),
        }
        Answer::Challenged
    }

    fn on_challenge(&mut self, answer: &Message<'_>, nonce: &[u8]) {
        self.nonce = nonce.to_vec();
        if let Some(Ok(realm)) = answer.text(AttributeType::REALM)
            && (self.key.is_none() || realm != self.realm)
        {
            self.realm = realm.to_owned();
            self.key = Some(IntegrityKey::md5(&self.user.0, realm, self.user.1.as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = TransactionId(*b"transaction1");

    fn answer(class: Class, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer, class, method, ID);
        fill(&mut writer);
        let len = writer.finish().expect("room");
        buffer[..len].to_vec()
    }

    fn challenge(code: ErrorCode) -> Vec<u8> {
        answer(Class::Error, Method::ALLOCATE, |writer| {
            writer.error_code(code).attribute(AttributeType::REALM, b"realm").attribute(AttributeType::NONCE, b"nonce");
        })
    }

    fn told(session: &mut Session, ask: Ask, bytes: &[u8]) -> Answer {
        session.handle_answer(ask, &Message::parse(bytes).expect("a message"))
    }

    #[test]
    fn a_challenge_is_met_with_credentials() {
        let mut session = Session::new(Arc::new(("ann".to_owned(), "secret".to_owned())), false);
        let bare = session.write(Ask::Allocate, ID).expect("room");
        assert!(!Message::parse(&bare).expect("a message").has_integrity());
        assert_eq!(told(&mut session, Ask::Allocate, &challenge(ErrorCode::UNAUTHENTICATED)), Answer::Challenged);
        let signed = session.write(Ask::Allocate, ID).expect("room");
        let key = IntegrityKey::md5("ann", "realm", "secret");
        assert!(Message::parse(&signed).expect("a message").verify_integrity(&key));
        assert_eq!(told(&mut session, Ask::Allocate, &challenge(ErrorCode::UNAUTHENTICATED)), Answer::Refused(401));
        assert_eq!(told(&mut session, Ask::Allocate, &challenge(ErrorCode::STALE_NONCE)), Answer::Challenged);
    }

    #[test]
    fn the_relayed_address_lives_as_long_as_the_allocation() {
        let mut session = Session::new(Arc::default(), false);
        let relayed = "192.0.2.1:50000".parse().expect("an address");
        let success = answer(Class::Success, Method::ALLOCATE, |writer| {
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed);
        });
        assert_eq!(told(&mut session, Ask::Allocate, &success), Answer::Granted);
        assert_eq!(session.relayed(), Some(relayed));
        assert_eq!(told(&mut session, Ask::Release, &answer(Class::Success, Method::REFRESH, |_| {})), Answer::Granted);
        assert_eq!(session.relayed(), None);
    }
}
