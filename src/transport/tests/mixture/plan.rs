//! Who sends what, and what must become of it.
use std::net::SocketAddr;

use proptest::prelude::*;

use crate::relay::DropReason;
use crate::relay::Mode;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::stun::Writer;

/// Everybody who sends or receives.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Party {
    /// What answers Binding requests.
    Server,
    /// A client with channels to all whom it may reach.
    Hub,
    /// A client on the shard of `Hub`, with a channel to it.
    Mate,
    /// A client on the other shard, with a permission alone.
    Cousin,
    /// A client with an allocation that permits none of the others.
    Loner,
    /// A client without an allocation.
    Nobody,
    /// Peers to which `Hub` has a channel.
    First,
    Second,
    /// A peer that `Hub` permits, without a channel.
    Third,
    /// A peer that nobody permits.
    Stranger,
    /// A peer with a channel whose port is closed.
    Gone,
}

impl Party {
    pub(super) const CLIENTS: [Party; 5] = [Party::Hub, Party::Mate, Party::Cousin, Party::Loner, Party::Nobody];
    pub(super) const PEERS: [Party; 5] = [Party::First, Party::Second, Party::Third, Party::Stranger, Party::Gone];

    pub(super) fn is_client(self) -> bool {
        Party::CLIENTS.contains(&self)
    }

    /// The session of its credentials.
    pub(super) fn session(self) -> String {
        format!("{self:?}")
    }

    /// Its channel to `to`.
    pub(super) fn channel(self, to: Party, mode: Mode) -> Option<u16> {
        match (self, to, mode) {
            (Party::Hub, Party::Mate, _) => Some(0x4000),
            (Party::Hub, Party::Cousin, _) => Some(0x4001),
            (Party::Hub, Party::First, Mode::Ports) => Some(0x4002),
            (Party::Hub, Party::Second, Mode::Ports) => Some(0x4003),
            (Party::Hub, Party::Gone, Mode::Ports) => Some(0x4004),
            (Party::Mate, Party::Hub, _) => Some(0x4080),
            _ => None,
        }
    }
}

/// A datagram; how long it is its burst decides, and what does not fit is cut off or broken.
#[derive(Copy, Clone, Debug)]
pub(super) enum Frame {
    /// ChannelData with up to this many bytes behind it; a peer's datagram, if a peer sends it.
    Channel(Party, usize),
    Indication(Party),
    Binding,
    /// ChannelData that says that it is longer than it is.
    Overlong,
    /// The first byte of no protocol.
    Noise,
}

/// Datagrams that leave as one buffer.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    pub(super) from: Party,
    /// DSCP and ECN.
    pub(super) class: u8,
    pub(super) len: usize,
    /// How much shorter the last one is.
    pub(super) shorter: usize,
    pub(super) frames: Vec<Frame>,
}

impl Burst {
    /// The datagrams with their lengths.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (Frame, usize)> + '_ {
        let last = self.frames.len() - 1;
        self.frames
            .iter()
            .enumerate()
            .map(move |(at, frame)| (*frame, if at == last { self.len.saturating_sub(self.shorter) } else { self.len }))
    }
}

/// How data comes to its receiver.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// To a peer.
    Plain,
    Channel(u16),
    Indication,
    Answer,
}

/// What must become of a datagram.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Arrives {
        at: Party,
        from: Party,
        how: How,
        payload: Vec<u8>,
    },
    /// It is relayed to where nobody listens.
    Vanishes(usize),
    /// It is discarded and counted, also in the record of `of`.
    Dropped {
        reason: DropReason,
        of: Option<Party>,
    },
}

/// Writes a datagram of `len` bytes of a client to the server: its bytes, and its fate. `serial` tells it from all others.
pub(super) fn write(
    (from, frame, len): (Party, Frame, usize),
    mode: Mode,
    serial: u32,
    address: impl Fn(Party) -> SocketAddr,
) -> (Vec<u8>, Fate) {
    let dropped = |reason| Fate::Dropped { reason, of: None };
    if len == 0 {
        return (Vec::new(), dropped(DropReason::NotTurn));
    }
    match frame {
        Frame::Channel(to, pad) => {
            let pad = pad.min(len.saturating_sub(4));
            let payload = filling(serial, len.saturating_sub(4) - pad);
            let channel = from.channel(to, mode);
            let mut bytes = channel.unwrap_or(0x4FFF).to_be_bytes().to_vec();
            bytes.extend(u16::try_from(payload.len()).expect("a short payload").to_be_bytes());
            bytes.extend(&payload);
            bytes.resize(len, 0);
            let fate = match channel {
                _ if len < 4 => dropped(DropReason::BadChannelData),
                _ if from == Party::Nobody => dropped(DropReason::NoAllocation),
                None => Fate::Dropped { reason: DropReason::NoChannel, of: Some(from) },
                Some(_) => relayed(from, to, mode, payload),
            };
            (bytes, fate)
        }
        Frame::Indication(to) => {
            let peer = address(to);
            let before = if peer.is_ipv4() { 36 } else { 48 };
            if len % 4 != 0 || len < before {
                return (vec![0; len], dropped(DropReason::BadStun));
            }
            // Three bytes of padding if there is room for them.
            let payload = filling(serial, (len - before).saturating_sub(3));
            let bytes = message(Class::Indication, Method::SEND, serial, |writer| {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, &payload);
            });
            (bytes, relayed(from, to, mode, payload))
        }
        Frame::Binding if len % 4 == 0 && (len == 20 || len >= 24) => {
            let bytes = message(Class::Request, Method::BINDING, serial, |writer| {
                if len >= 24 {
                    writer.attribute(AttributeType::SOFTWARE, &vec![b's'; len - 24]);
                }
            });
            let payload = id(serial).0.to_vec();
            (bytes, Fate::Arrives { at: from, from: Party::Server, how: How::Answer, payload })
        }
        Frame::Binding => (vec![0; len], dropped(DropReason::BadStun)),
        Frame::Overlong => {
            let mut bytes = vec![0x40, 0x00, 0xFF, 0xFF];
            bytes.resize(len, 0);
            (bytes, dropped(DropReason::BadChannelData))
        }
        Frame::Noise => (vec![0xFF; len], dropped(DropReason::NotTurn)),
    }
}

/// Writes a datagram of a peer to a relayed address: its bytes, and its fate.
pub(super) fn write_of_peer(from: Party, to: Party, len: usize, serial: u32) -> (Vec<u8>, Fate) {
    let payload = filling(serial, len);
    let fate = if to == Party::Hub && from != Party::Stranger {
        let how = to.channel(from, Mode::Ports).map_or(How::Indication, How::Channel);
        Fate::Arrives { at: to, from, how, payload: payload.clone() }
    } else {
        Fate::Dropped { reason: DropReason::PeerNotPermitted, of: Some(to) }
    };
    (payload, fate)
}

/// What becomes of data that reached the relay core.
fn relayed(from: Party, to: Party, mode: Mode, payload: Vec<u8>) -> Fate {
    let dropped = |reason| Fate::Dropped { reason, of: Some(from) };
    match (from, to) {
        (Party::Nobody, _) => Fate::Dropped { reason: DropReason::NoAllocation, of: None },
        (Party::Loner, _) | (_, Party::Stranger) => dropped(DropReason::NoPermission),
        (_, Party::Loner) => dropped(DropReason::PairNotPermitted),
        _ if from == to => dropped(DropReason::SelfPeer),
        _ if to.is_client() => {
            let how = to.channel(from, mode).map_or(How::Indication, How::Channel);
            Fate::Arrives { at: to, from, how, payload }
        }
        // The address is permitted for the sake of relayed ones.
        _ if mode == Mode::SinglePort => dropped(DropReason::OwnAddress),
        (_, Party::Gone) => Fate::Vanishes(payload.len()),
        _ => Fate::Arrives { at: to, from, how: How::Plain, payload },
    }
}

fn filling(serial: u32, len: usize) -> Vec<u8> {
    serial.to_be_bytes().into_iter().cycle().take(len).collect()
}

fn id(serial: u32) -> TransactionId {
    let mut id = [0xA5; 12];
    id[..4].copy_from_slice(&serial.to_be_bytes());
    TransactionId(id)
}

fn message(class: Class, method: Method, serial: u32, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut room = vec![0; 2048];
    let mut writer = Writer::new(&mut room, class, method, id(serial));
    fill(&mut writer);
    let len = writer.finish().expect("room");
    room.truncate(len);
    room
}

/// Reads a STUN message that a client received: how it came, from which peer (`None`: from the server), and what it says.
/// `None` for the report of an ICMP error.
pub(super) fn read(bytes: &[u8]) -> Option<(How, Option<SocketAddr>, Vec<u8>)> {
    let message = Message::parse(bytes).expect("a STUN message");
    match (message.class(), message.method()) {
        (Class::Success, Method::BINDING) => Some((How::Answer, None, message.transaction_id().0.to_vec())),
        (Class::Indication, Method::DATA) => {
            let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("sound");
            match message.attribute(AttributeType::DATA) {
                Some(data) => Some((How::Indication, Some(peer), data.to_vec())),
                None => {
                    message.attribute(AttributeType::ICMP).expect("an error");
                    None
                }
            }
        }
        other => panic!("{other:?}"),
    }
}

/// Whom a sender sends to. `Mate` and `Cousin` permit relayed addresses, which share theirs with peers only on loopback.
fn receiver(from: Party) -> impl Strategy<Value = Party> {
    let relayed = [Party::Hub, Party::Mate, Party::Cousin, Party::Loner];
    let others = if from == Party::Hub { &Party::PEERS[..] } else { &[Party::Stranger] };
    prop::sample::select([&relayed[..], others].concat())
}

fn frame(from: Party) -> impl Strategy<Value = Frame> {
    prop_oneof![
        6 => (receiver(from), 0..8_usize).prop_map(|(to, pad)| Frame::Channel(to, pad.saturating_sub(4))),
        3 => receiver(from).prop_map(Frame::Indication),
        1 => Just(Frame::Binding),
        1 => Just(Frame::Overlong),
        1 => Just(Frame::Noise),
    ]
}

fn burst(mode: Mode) -> impl Strategy<Value = Burst> {
    let mut senders =
        vec![(6, Party::Hub), (2, Party::Mate), (2, Party::Cousin), (1, Party::Loner), (1, Party::Nobody)];
    if mode == Mode::Ports {
        senders.extend([(3, Party::First), (2, Party::Second), (2, Party::Third), (1, Party::Stranger)]);
    }
    let from =
        prop::strategy::Union::new_weighted(senders.into_iter().map(|(weight, from)| (weight, Just(from))).collect());
    let len = prop_oneof![
        1 => Just(0_usize),
        1 => 1..8_usize,
        2 => (5..25_usize).prop_map(|words| words * 4),
        2 => Just(164_usize),
        2 => Just(1204_usize),
        1 => 8..1400_usize,
    ];
    // EF with ECT(0), AF41 with CE, nothing. RFC 2474 §3, RFC 3168 §5.
    let class = prop::sample::select(vec![0, 0, 0, 46 << 2 | 0b10, 34 << 2 | 0b11]);
    let shorter = prop_oneof![Just(0_usize), 0..64_usize, Just(1400)];
    let peer_to = prop::sample::select(vec![Party::Hub, Party::Hub, Party::Hub, Party::Loner]);
    (from, peer_to, class, len, shorter).prop_flat_map(|(from, peer_to, class, len, shorter)| {
        prop::collection::vec(frame(from), 1..=16).prop_map(move |mut frames| {
            if !from.is_client() {
                // A buffer has one destination.
                frames.fill(Frame::Channel(peer_to, 0));
            }
            Burst { from, class, len, shorter, frames }
        })
    })
}

pub(super) fn plan(mode: Mode) -> impl Strategy<Value = Vec<Burst>> {
    prop::collection::vec(burst(mode), 1..=12)
}
