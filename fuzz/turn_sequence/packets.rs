//! What clients send, with what it means if the relay agrees.
use std::net::SocketAddr;

use duologue::auth::nonce::SecurityFeatures;
use duologue::relay::ClientAddr;
use duologue::stun::AttributeType;
use duologue::stun::ChannelNumber;
use duologue::stun::Class;
use duologue::stun::Method;
use duologue::stun::PasswordAlgorithm;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use duologue::stun::channel_data;
use duologue::time::Now;

use super::cast::Credential;
use super::cast::REALM;
use super::cast::nonce_key;

/// What a success to the packet, or its being relayed, would mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Binding,
    Allocate,
    /// Of the IPv4 address, of the IPv6 one, or of all.
    Refresh(Option<bool>),
    Permit(Vec<SocketAddr>),
    Bind(u16, SocketAddr),
    /// Payload for a peer.
    Send(SocketAddr, Vec<u8>),
    /// Payload on a channel.
    Channel(u16, Vec<u8>),
    /// Bytes without a plan.
    Noise,
}

/// A packet, by whom and with which credential it was made.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    pub(super) client: usize,
    /// `None`: it is not signed.
    pub(super) credential: Option<Credential>,
    pub(super) meaning: Meaning,
    /// Whether it is as it was made.
    pub(super) is_whole: bool,
}

impl Sent {
    pub(super) fn data(client: usize, bytes: Vec<u8>, meaning: Meaning) -> Self {
        Self { bytes, client, credential: None, meaning, is_whole: true }
    }
}

pub(super) fn message(class: Class, method: Method, id: TransactionId, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 2048];
    let mut writer = Writer::new(&mut bytes, class, method, id);
    fill(&mut writer);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// A request that is complete and signed with the credential's key.
pub(super) fn signed(
    method: Method,
    id: TransactionId,
    from: ClientAddr,
    credential: &Credential,
    now: Now,
    fill: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    let nonce = nonce_key().issue(SecurityFeatures::PasswordAlgorithms, from.remote, now.unix.as_secs());
    message(Class::Request, method, id, |writer| {
        fill(writer);
        writer.attribute(AttributeType::USERNAME, credential.username.as_bytes());
        writer.attribute(AttributeType::REALM, REALM.as_bytes());
        writer.attribute(AttributeType::NONCE, nonce.as_bytes());
        if let Some(algorithm) = credential.algorithm {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::OFFERED);
            writer.attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.to_bytes());
        }
        writer.sign(credential.integrity, &credential.key());
    })
}

pub(super) fn send(peer: SocketAddr, payload: &[u8], dont_fragment: bool) -> Vec<u8> {
    message(Class::Indication, Method::SEND, TransactionId([7; 12]), |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        if dont_fragment {
            writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
        }
        writer.attribute(AttributeType::DATA, payload);
    })
}

pub(super) fn channel(number: u16, payload: &[u8], is_padded: bool) -> Vec<u8> {
    let number = ChannelNumber::new(number).expect("a channel number");
    let len = u16::try_from(payload.len()).expect("a short payload");
    let mut bytes = channel_data::header(number, len).to_vec();
    bytes.extend_from_slice(payload);
    if is_padded {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
