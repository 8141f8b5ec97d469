//! CreatePermission: let peers send to the client. RFC 8656 §10.2.
use std::net::IpAddr;

use crate::relay::allocation::Scope;
use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::effect::Effect;
use crate::relay::request::RequestError;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::stun::AttributeType;
use crate::stun::Message;
use crate::time::Mono;

impl Server {
    /// Installs or refreshes a permission for each peer that the message names, or for none.
    ///
    /// # Errors
    ///
    /// The first reason found; then nothing is installed.
    pub(super) fn on_create_permission(
        &mut self,
        at: AllocationId,
        message: &Message<'_>,
        now: Mono,
    ) -> Result<(), RequestError> {
        let allocation = self.allocations.get(at).ok_or(RequestError::AllocationMismatch)?;
        let limits = self.config.limits;
        let mut permitted: Vec<(IpAddr, Scope)> = Vec::new();
        let admission = self.admission();
        for peer in message.xor_addresses(AttributeType::XOR_PEER_ADDRESS) {
            let peer = peer.map_err(|_| RequestError::BadRequest)?;
            if allocation.half(peer.ip(), now).is_none() {
                return Err(RequestError::PeerFamilyMismatch);
            }
            let scope = admission.permission(peer)?;
            if permitted.iter().any(|(ip, _)| *ip == peer.ip()) {
                continue;
            }
            if permitted.len() == limits.permissions {
                return Err(RequestError::InsufficientCapacity);
            }
            permitted.push((peer.ip(), scope));
        }
        if permitted.is_empty() {
            return Err(RequestError::BadRequest);
        }
        let allocation = self.allocations.get_mut(at).ok_or(RequestError::AllocationMismatch)?;
        allocation.forget_expired(now);
        let new = permitted.iter().filter(|(ip, _)| allocation.permission(*ip, now).is_none()).count();
        if allocation.permissions.len() + new > limits.permissions {
            return Err(RequestError::InsufficientCapacity);
        }
        let faces = permitted.iter().map(|(ip, _)| self.face_key.face(*ip));
        if !allocation.acquaintances.meet(faces, limits.peers) {
            return Err(RequestError::InsufficientCapacity);
        }
        for (ip, scope) in &permitted {
            allocation.permit(*ip, *scope, now);
        }
        allocation.show(&self.directory);
        let families = Families::of(permitted.iter().map(|(ip, _)| Family::of(*ip)));
        let heard = families.into_iter().flat_map(Families::iter);
        self.effects.extend(heard.map(|family| Effect::Hear { at, family }));
        Ok(())
    }
}
