//! One allocation: its credential, permissions, channels and what it relayed. RFC 8656 §3.2.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use crate::relay::acquaintances::Acquaintances;
use crate::relay::client::ClientAddr;
use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::credential::Credential;
use crate::relay::directory::Directory;
use crate::relay::directory::ReservationToken;
use crate::relay::drop_reason::DropReason;
use crate::relay::few::Few;
use crate::relay::halves::Half;
use crate::relay::halves::Halves;
use crate::relay::meter::Meter;
use crate::relay::pair_view::PairView;
use crate::relay::pair_view::Shortcut;
use crate::relay::usage::EndReason;
use crate::relay::usage::Traffic;
use crate::relay::usage::Usage;
use crate::relay::usage::user_hash;
use crate::stun::ChannelNumber;
use crate::stun::ErrorCode;
use crate::stun::TransactionId;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// RFC 8656 §9.
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// RFC 8656 §12.
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// State of one allocation. Everything in it that expires is compared with the clock when it is used.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: ClientAddr,
    pub(super) credential: Credential,
    /// Its relayed addresses.
    pub(super) halves: Halves,
    /// The answer of its Allocate, for a retransmitted request. RFC 8656 §7.2.
    pub(super) granted: Granted,
    /// When the deadline heap looks at it next.
    pub(super) scheduled_at: Mono,
    pub(super) started: UnixMillis,
    pub(super) permissions: Few<Permission>,
    pub(super) channels: Few<Channel>,
    pub(super) acquaintances: Acquaintances,
    pub(super) outward: Outward,
    pub(super) inward: Inward,
    /// Straight from other clients of the same shard.
    pub(super) handed_in: Traffic,
    /// `None` for most.
    pub(super) oddities: Option<Box<Oddities>>,
}

/// What the client sends. Each packet touches the meter and a count, so they stand together.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Outward {
    pub(super) meter: Meter,
    /// To peers outside.
    pub(super) to_peers: Traffic,
    /// Straight to other clients of this process.
    pub(super) handed_over: Traffic,
}

/// What peers outside send to the client.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Inward {
    pub(super) meter: Meter,
    pub(super) to_client: Traffic,
}

/// What every Allocate success says beside the addresses.
#[derive(Copy, Clone, Debug)]
pub(super) struct Granted {
    pub(super) transaction: TransactionId,
    pub(super) lifetime_secs: u32,
}

/// What is to be told of few allocations.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// The port kept beside it.
    pub(super) reserved: Option<ReservationToken>,
    /// Why there is no address of the other family, if the client wanted one.
    pub(super) refused: Option<ErrorCode>,
    /// Packets by reason.
    dropped: [u32; DropReason::ALL.len()],
}

impl Oddities {
    /// What the answer to its Allocate says besides; `None` if that is nothing.
    pub(super) fn granted(reserved: Option<ReservationToken>, refused: Option<ErrorCode>) -> Option<Box<Self>> {
        let is_odd = reserved.is_some() || refused.is_some();
        is_odd.then(|| Box::new(Self { reserved, refused, ..Self::default() }))
    }
}

/// Peers with this address may send, and be sent to. RFC 8656 §9.
#[derive(Copy, Clone, Debug)]
pub(super) struct Permission {
    pub(super) ip: IpAddr,
    pub(super) scope: Scope,
    pub(super) expires_at: Mono,
}

/// How far a permission reaches.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every port of the address that the policy does not refuse.
    Any,
    /// The address is this server's own: only live relayed addresses.
    RelayedOnly,
}

/// A peer's address under a number. RFC 8656 §12.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) number: ChannelNumber,
    pub(super) peer: SocketAddr,
    pub(super) expires_at: Mono,
    /// To the other side, if it is of this process and was found.
    pub(super) shortcut: Option<Shortcut>,
}

/// Which of an allocation's channels, until they change.
#[derive(Copy, Clone, Debug)]
pub(super) struct ChannelIndex(usize);

impl ChannelIndex {
    /// Where the way to the channel's other side is kept.
    pub(super) fn of(self, channels: &mut [Channel]) -> Option<&mut Option<Shortcut>> {
        channels.get_mut(self.0).map(|channel| &mut channel.shortcut)
    }
}

impl Allocation {
    /// The relayed address that serves this peer, unless it has expired.
    pub(super) fn half(&self, peer: IpAddr, now: Mono) -> Option<&Half> {
        self.halves.live(Family::of(peer), now)
    }

    pub(super) fn is_expired(&self, now: Mono) -> bool {
        !self.halves.are_live(now)
    }

    /// The reach of a live permission for this address.
    pub(super) fn permission(&self, ip: IpAddr, now: Mono) -> Option<Scope> {
        let permission = self.permissions.iter().find(|permission| permission.ip == ip)?;
        (now < permission.expires_at).then_some(permission.scope)
    }

    /// A live channel and its peer.
    pub(super) fn channel(&self, number: u16, now: Mono) -> Option<(ChannelIndex, SocketAddr)> {
        let mut numbered = self.channels.iter().enumerate();
        let (at, channel) = numbered.find(|(_, channel)| channel.number.number() == number)?;
        (now < channel.expires_at).then_some((ChannelIndex(at), channel.peer))
    }

    /// The live channel of a peer.
    pub(super) fn peer_channel(&self, peer: SocketAddr, now: Mono) -> Option<ChannelNumber> {
        let channel = self.channels.iter().find(|channel| channel.peer == peer)?;
        (now < channel.expires_at).then_some(channel.number)
    }

    /// Installs a permission or restarts its lifetime.
    pub(super) fn permit(&mut self, ip: IpAddr, scope: Scope, now: Mono) {
        let expires_at = now + PERMISSION_LIFETIME;
        match self.permissions.iter_mut().find(|permission| permission.ip == ip) {
            Some(permission) => *permission = Permission { ip, scope, expires_at },
            None => self.permissions.push(Permission { ip, scope, expires_at }),
        }
    }

    /// Binds a channel or restarts its lifetime. Neither number nor peer may be bound otherwise.
    pub(super) fn bind(&mut self, number: ChannelNumber, peer: SocketAddr, now: Mono) {
        let expires_at = now + CHANNEL_LIFETIME;
        match self.channels.iter_mut().find(|channel| channel.number == number) {
            Some(channel) => channel.expires_at = expires_at,
            None => self.channels.push(Channel { number, peer, expires_at, shortcut: None }),
        }
    }

    /// Forgets permissions and channels that have expired, so that only live ones count against the limits.
    pub(super) fn forget_expired(&mut self, now: Mono) {
        self.permissions.retain(|permission| now < permission.expires_at);
        self.channels.retain(|channel| now < channel.expires_at);
    }

    /// Forgets the permissions and channels of one family. RFC 8656 §8.1.
    pub(super) fn forget_family(&mut self, family: Family) {
        self.permissions.retain(|permission| Family::of(permission.ip) != family);
        self.channels.retain(|channel| Family::of(channel.peer.ip()) != family);
    }

    /// Shows the other allocations of the process what concerns them.
    pub(super) fn show(&self, directory: &Directory) {
        for half in self.halves.open() {
            let family = half.family();
            let permissions = self.permissions.iter().filter(|permission| Family::of(permission.ip) == family);
            let channels = self.channels.iter().filter(|channel| Family::of(channel.peer.ip()) == family);
            // No permission outlasts its allocation.
            let until = |permission: &Permission| permission.expires_at.min(half.expires_at());
            half.entry.show(PairView {
                permissions: permissions
                    .filter_map(|permission| Some((directory.relay_ip(permission.ip)?, until(permission))))
                    .collect(),
                channels: channels
                    .filter_map(|channel| Some((directory.slot(channel.peer)?, channel.number, channel.expires_at)))
                    .collect(),
            });
        }
    }

    pub(super) fn count_dropped(&mut self, reason: DropReason) {
        let oddities = self.oddities.get_or_insert_default();
        if let Some(count) = oddities.dropped.get_mut(reason.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// How many packets were discarded while it was known.
    pub(super) fn dropped(&self) -> u64 {
        let dropped = self.oddities.as_deref().map(|oddities| oddities.dropped.iter().copied().map(u64::from).sum());
        dropped.unwrap_or_default()
    }

    /// What came straight from other clients of this process.
    pub(super) fn handed_in(&self) -> Traffic {
        let mut handed_in = self.handed_in;
        for half in self.halves.iter() {
            let (packets, bytes) = half.entry.handed();
            handed_in.packets += packets;
            handed_in.bytes += bytes;
        }
        handed_in
    }

    /// The record of this allocation, ending now.
    pub(super) fn usage(&self, end: EndReason, now: Now) -> Usage {
        Usage {
            session: self.credential.session().map(Box::from),
            user_hash: user_hash(self.credential.user.id()),
            transport: self.client.via.transport(),
            families: self.halves.families().unwrap_or(Families::V4),
            started: self.started,
            ended: now.unix,
            to_peers: self.outward.to_peers,
            to_client: self.inward.to_client,
            handed_out: self.outward.handed_over,
            handed_in: self.handed_in(),
            dropped: self.oddities.as_deref().copied().unwrap_or_default().dropped,
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::pair_view::RelayedEntry;

    /// What counts the references to a shared value.
    const COUNTS: usize = 2 * size_of::<usize>();

    /// What the allocator may add for the alignment, unless the block is a power of two.
    const SLACK: usize = align_of::<Allocation>() - 1;

    /// The allocator has blocks of these sizes: one byte more would cost each allocation dozens.
    #[test]
    fn the_parts_of_an_allocation_fit_their_blocks() {
        assert!(size_of::<Allocation>() + SLACK <= 448);
        assert!(COUNTS + size_of::<RelayedEntry>() + SLACK <= 160);
        assert!(COUNTS + size_of::<PairView>() <= 64);
    }
}
