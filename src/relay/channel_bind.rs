//! ChannelBind: a number for a peer. RFC 8656 §12.2.
use std::net::SocketAddr;

use crate::relay::client::Family;
use crate::relay::effect::Effect;
use crate::relay::request::RequestError;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::stun::AttributeType;
use crate::stun::ChannelNumber;
use crate::stun::Message;
use crate::time::Mono;

impl Server {
    /// Binds a channel or prolongs it, and with it the peer's permission.
    ///
    /// # Errors
    ///
    /// [`RequestError::BadRequest`] also if the number or the peer is bound otherwise.
    pub(super) fn on_channel_bind(
        &mut self,
        at: AllocationId,
        message: &Message<'_>,
        now: Mono,
    ) -> Result<(), RequestError> {
        let (number, peer) = requested_channel(message)?;
        if !self.config.channel_range.admits(number) {
            return Err(RequestError::BadRequest);
        }
        let limits = self.config.limits;
        let allocation = self.allocations.get_mut(at).ok_or(RequestError::AllocationMismatch)?;
        let own = allocation.half(peer.ip(), now).ok_or(RequestError::PeerFamilyMismatch)?.slot();
        allocation.forget_expired(now);
        let bound_peer = allocation.channel(number.number(), now).map(|(_, peer)| peer);
        let bound_number = allocation.peer_channel(peer, now);
        if bound_peer.is_some_and(|bound| bound != peer) || bound_number.is_some_and(|bound| bound != number) {
            return Err(RequestError::BadRequest);
        }
        let is_new_peer = allocation.permission(peer.ip(), now).is_none();
        let is_full = (bound_peer.is_none() && allocation.channels.len() >= limits.channels)
            || (is_new_peer && allocation.permissions.len() >= limits.permissions);
        let scope = self.admission().channel(peer, own)?;
        if is_full {
            return Err(RequestError::InsufficientCapacity);
        }
        let face = self.face_key.face(peer.ip());
        let allocation = self.allocations.get_mut(at).ok_or(RequestError::AllocationMismatch)?;
        if !allocation.acquaintances.meet(std::iter::once(face), limits.peers) {
            return Err(RequestError::InsufficientCapacity);
        }
        allocation.permit(peer.ip(), scope, now);
        allocation.bind(number, peer, now);
        allocation.show(&self.directory);
        self.effects.push_back(Effect::Hear { at, family: Family::of(peer.ip()) });
        Ok(())
    }
}

fn requested_channel(message: &Message<'_>) -> Result<(ChannelNumber, SocketAddr), RequestError> {
    let Some(&[high, low, _, _]) = message.attribute(AttributeType::CHANNEL_NUMBER) else {
        return Err(RequestError::BadRequest);
    };
    let number = ChannelNumber::new(u16::from_be_bytes([high, low])).ok_or(RequestError::BadRequest)?;
    match message.xor_address(AttributeType::XOR_PEER_ADDRESS) {
        Some(Ok(peer)) => Ok((number, peer)),
        Some(Err(_)) | None => Err(RequestError::BadRequest),
    }
}
