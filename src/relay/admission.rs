//! Whether a client may have a peer: the policy, the mode, and the relayed addresses of this process.
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::relay::allocation::Allocation;
use crate::relay::allocation::Scope;
use crate::relay::client::Family;
use crate::relay::config::Config;
use crate::relay::config::Mode;
use crate::relay::directory::Directory;
use crate::relay::directory::RelayedSlot;
use crate::relay::policy::Refusal;
use crate::relay::server::Server;

/// The rules of one moment.
#[derive(Copy, Clone, Debug)]
pub(super) struct Admission<'a> {
    pub(super) config: &'a Config,
    pub(super) directory: &'a Directory,
}

impl Admission<'_> {
    /// How far a permission for this peer reaches.
    ///
    /// A permission is for an address and the port does not matter (RFC 8656 §9), unless it says openly that the
    /// client is after a listener of this process.
    pub(super) fn permission(&self, peer: SocketAddr) -> Result<Scope, Refusal> {
        if self.config.policy.is_own_listener(peer) && !self.is_live(peer) {
            return Err(Refusal::OwnListener);
        }
        self.scope(peer.ip())
    }

    /// How far the permission that comes with a channel to this peer reaches. `own` is the client's relayed address.
    pub(super) fn channel(&self, peer: SocketAddr, own: RelayedSlot) -> Result<Scope, Refusal> {
        let scope = self.scope(peer.ip())?;
        if self.directory.slot(peer) == Some(own) {
            return Err(Refusal::OwnRelayed);
        }
        if self.is_live(peer) {
            return Ok(scope);
        }
        match scope {
            Scope::Any => self.config.policy.check_port(peer).map(|()| scope),
            Scope::RelayedOnly => Err(Refusal::NotRelayed),
        }
    }

    fn scope(&self, ip: IpAddr) -> Result<Scope, Refusal> {
        if self.config.policy.is_denied_by_name(ip) {
            return Err(Refusal::Denied);
        }
        let outside = match self.config.mode {
            Mode::Ports => self.config.policy.check_ip(ip),
            Mode::SinglePort => Err(Refusal::NotRelayed),
        };
        match outside {
            Ok(()) => Ok(Scope::Any),
            Err(_) if self.directory.relay_ip(ip).is_some() => Ok(Scope::RelayedOnly),
            Err(refusal) => Err(refusal),
        }
    }

    fn is_live(&self, peer: SocketAddr) -> bool {
        self.directory.slot(peer).is_some_and(|slot| self.directory.find_slot(slot).is_some())
    }
}

impl Server {
    pub(super) fn admission(&self) -> Admission<'_> {
        Admission { config: &self.config, directory: &self.directory }
    }

    /// Takes away the permissions and channels that the rules of this moment forbid.
    pub(super) fn review_permissions(&mut self) {
        let admission = Admission { config: &self.config, directory: &self.directory };
        for allocation in self.allocations.iter_mut() {
            allocation.permissions.retain(|permission| {
                let scope = admission.scope(permission.ip);
                permission.scope = scope.unwrap_or(Scope::RelayedOnly);
                scope.is_ok()
            });
            let Allocation { halves, channels, .. } = allocation;
            channels.retain(|channel| {
                let own = halves.slot(Family::of(channel.peer.ip()));
                own.is_some_and(|own| admission.channel(channel.peer, own).is_ok())
            });
            allocation.show(&self.directory);
        }
    }
}
