//! Refresh: prolong or delete an allocation. RFC 8656 §8.2.
use std::time::Duration;

use crate::relay::allocate::requested_family;
use crate::relay::allocate::requested_lifetime;
use crate::relay::client::Families;
use crate::relay::request::RequestError;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::relay::usage::EndReason;
use crate::stun::Message;
use crate::time::Now;

impl Server {
    /// Sets the allocation's lifetime and returns it; zero deletes the allocation. If the client names a family, only the
    /// relayed address of that family is meant.
    ///
    /// # Errors
    ///
    /// [`RequestError::PeerFamilyMismatch`] if the client names a family of which the allocation has no address.
    pub(super) fn on_refresh(
        &mut self,
        at: AllocationId,
        message: &Message<'_>,
        now: Now,
    ) -> Result<Duration, RequestError> {
        let requested = requested_lifetime(message)?;
        // A family that does not exist is none of the allocation's.
        let family = requested_family(message).map_err(|error| match error {
            RequestError::FamilyNotSupported => RequestError::PeerFamilyMismatch,
            other => other,
        })?;
        let allocation = self.allocations.get(at).ok_or(RequestError::AllocationMismatch)?;
        if family.is_some_and(|family| allocation.halves.live(family, now.mono).is_none()) {
            return Err(RequestError::PeerFamilyMismatch);
        }
        if requested == Some(Duration::ZERO) {
            match family {
                Some(family) => self.end_half(at, family, EndReason::Deleted, now),
                None => self.end(at, EndReason::Deleted, now),
            }
            return Ok(Duration::ZERO);
        }
        let lifetime = self.granted_lifetime(requested, &allocation.credential, now);
        if let Some(allocation) = self.allocations.get_mut(at) {
            let families = family.map_or(Families::Both, Families::from);
            allocation.halves.set_expiry(families, now.mono + lifetime, now.mono);
            allocation.show(&self.directory);
        }
        self.schedule(at);
        Ok(lifetime)
    }
}
