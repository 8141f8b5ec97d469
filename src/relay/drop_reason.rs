//! Why packets are discarded.

/// Why a packet was discarded. Each has its counter; none is worth a log line.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The first bits belong to neither STUN nor ChannelData. RFC 8656 §12.4.
    NotTurn,
    /// A STUN message with a broken header, length, attribute or fingerprint.
    BadStun,
    /// A ChannelData message with a length beyond the packet.
    BadChannelData,
    /// A response, or an indication of a method that has none from clients.
    Unexpected,
    /// An indication with a comprehension-required attribute that is not understood.
    UnknownAttribute,
    /// A Send indication without XOR-PEER-ADDRESS or DATA, or with one that cannot be read.
    BadSend,
    /// A Send indication asks for the DF bit, which this shell cannot set.
    DontFragment,
    /// Data, but the 5-tuple has no live allocation.
    NoAllocation,
    /// ChannelData on a number that is not bound.
    NoChannel,
    /// Data for a peer without permission.
    NoPermission,
    /// Data from a peer without permission.
    PeerNotPermitted,
    /// The peer's port is one that nobody may relay to.
    PeerPort,
    /// The peer is an address of this server, but no live relayed address.
    OwnAddress,
    /// The peer is the allocation's own relayed address.
    SelfPeer,
    /// The peer is a relayed address of this process whose allocation has no permission for the sender.
    PairNotPermitted,
    /// The allocation, or all of them together, relay as fast as they may.
    Bandwidth,
    /// The payload does not fit behind the header that its receiver needs.
    TooLong,
    /// The network of an unproved sender has had its ration of answers.
    Rationed,
    /// The sender was wrong about passwords too often.
    Barred,
    /// The answer does not fit into the reply buffer.
    ReplyTooLong,
}

impl DropReason {
    /// Every reason, in the order of their counters.
    pub const ALL: [DropReason; 20] = [
        DropReason::NotTurn,
        DropReason::BadStun,
        DropReason::BadChannelData,
        DropReason::Unexpected,
        DropReason::UnknownAttribute,
        DropReason::BadSend,
        DropReason::DontFragment,
        DropReason::NoAllocation,
        DropReason::NoChannel,
        DropReason::NoPermission,
        DropReason::PeerNotPermitted,
        DropReason::PeerPort,
        DropReason::OwnAddress,
        DropReason::SelfPeer,
        DropReason::PairNotPermitted,
        DropReason::Bandwidth,
        DropReason::TooLong,
        DropReason::Rationed,
        DropReason::Barred,
        DropReason::ReplyTooLong,
    ];

    /// The stable name in metrics and records.
    pub const fn label(self) -> &'static str {
        match self {
            DropReason::NotTurn => "not_turn",
            DropReason::BadStun => "bad_stun",
            DropReason::BadChannelData => "bad_channel_data",
            DropReason::Unexpected => "unexpected",
            DropReason::UnknownAttribute => "unknown_attribute",
            DropReason::BadSend => "bad_send",
            DropReason::DontFragment => "dont_fragment",
            DropReason::NoAllocation => "no_allocation",
            DropReason::NoChannel => "no_channel",
            DropReason::NoPermission => "no_permission",
            DropReason::PeerNotPermitted => "peer_not_permitted",
            DropReason::PeerPort => "peer_port",
            DropReason::OwnAddress => "own_address",
            DropReason::SelfPeer => "self_peer",
            DropReason::PairNotPermitted => "pair_not_permitted",
            DropReason::Bandwidth => "bandwidth",
            DropReason::TooLong => "too_long",
            DropReason::Rationed => "rationed",
            DropReason::Barred => "barred",
            DropReason::ReplyTooLong => "reply_too_long",
        }
    }

    /// The place of its counter.
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_counter_and_name() {
        for (at, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), at);
            assert_eq!(DropReason::ALL.iter().filter(|other| other.label() == reason.label()).count(), 1);
        }
    }
}
