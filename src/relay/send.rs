//! Send indications: data for a peer without a channel. RFC 8656 §11.2. As hot as ChannelData: Firefox binds no channels.
use crate::relay::client::ClientAddr;
use crate::relay::data::Outgoing;
use crate::relay::drop_reason::DropReason;
use crate::relay::server::Server;
use crate::relay::verdict::FromClient;
use crate::stun::AttributeType;
use crate::stun::Message;
use crate::time::Mono;

/// Required attributes of a Send indication that are understood.
const KNOWN: [AttributeType; 3] = [AttributeType::XOR_PEER_ADDRESS, AttributeType::DATA, AttributeType::DONT_FRAGMENT];

impl Server {
    /// Receives a Send indication. It never gets an answer.
    pub(super) fn on_send(&mut self, message: &Message<'_>, from: &ClientAddr, now: Mono) -> FromClient {
        let Some((at, _)) = self.allocations.live(from, now) else {
            return self.discard(DropReason::NoAllocation);
        };
        if message.unknown_required(&KNOWN).next().is_some() {
            return self.discard_of(at, DropReason::UnknownAttribute);
        }
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS);
        let (Some(Ok(peer)), Some(payload)) = (peer, message.attribute_range(AttributeType::DATA)) else {
            return self.discard_of(at, DropReason::BadSend);
        };
        let dont_fragment = message.attribute(AttributeType::DONT_FRAGMENT).is_some();
        if dont_fragment && !self.config.dont_fragment {
            return self.discard_of(at, DropReason::DontFragment);
        }
        self.relay(at, Outgoing { peer, channel: None, payload, dont_fragment }, now)
    }
}
