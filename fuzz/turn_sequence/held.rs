//! What the relay promised one client: the model that its deeds are judged by.
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use duologue::relay::AllocationId;
use duologue::time::Mono;

/// RFC 8656 §9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 §12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// A live allocation as its client knows it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) at: AllocationId,
    pub(super) session: Option<&'static str>,
    halves: Vec<Half>,
    permission_by_ip: HashMap<IpAddr, Mono>,
    channel_by_number: HashMap<u16, (SocketAddr, Mono)>,
}

/// One of its relayed addresses, at most one of each family.
#[derive(Copy, Clone, Debug)]
struct Half {
    relayed: SocketAddr,
    expires_at: Mono,
}

impl Held {
    pub(super) fn new(
        at: AllocationId,
        session: Option<&'static str>,
        relayed: &[SocketAddr],
        expires_at: Mono,
    ) -> Self {
        let halves = relayed.iter().map(|relayed| Half { relayed: *relayed, expires_at }).collect();
        Self { at, session, halves, permission_by_ip: HashMap::new(), channel_by_number: HashMap::new() }
    }

    /// Its relayed addresses, expired or not.
    pub(super) fn relayed(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.halves.iter().map(|half| half.relayed)
    }

    /// The live relayed address of this address's family.
    pub(super) fn half(&self, like: IpAddr, now: Mono) -> Option<SocketAddr> {
        let mut halves = self.halves.iter().filter(|half| half.relayed.is_ipv4() == like.is_ipv4());
        halves.next().filter(|half| now < half.expires_at).map(|half| half.relayed)
    }

    /// Gives the live addresses another end, of one family or of all.
    pub(super) fn refresh(&mut self, is_ipv4: Option<bool>, expires_at: Mono, now: Mono) {
        for half in &mut self.halves {
            let is_meant = is_ipv4.is_none_or(|is_ipv4| is_ipv4 == half.relayed.is_ipv4());
            if is_meant && now < half.expires_at {
                half.expires_at = expires_at;
            }
        }
    }

    /// One address is gone, and with it what its family was promised. Returns whether it was the last one.
    pub(super) fn give_back(&mut self, relayed: SocketAddr) -> bool {
        let before = self.halves.len();
        self.halves.retain(|half| half.relayed != relayed);
        assert_eq!(self.halves.len() + 1, before, "{relayed} is closed, and was not held");
        self.permission_by_ip.retain(|ip, _| ip.is_ipv4() != relayed.is_ipv4());
        self.channel_by_number.retain(|_, (peer, _)| peer.is_ipv4() != relayed.is_ipv4());
        self.halves.is_empty()
    }

    pub(super) fn permit(&mut self, peer: IpAddr, now: Mono) {
        self.permission_by_ip.insert(peer, now + PERMISSION_LIFETIME);
    }

    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, now: Mono) {
        if let Some((bound, expires_at)) = self.channel_by_number.get(&number) {
            assert!(*bound == peer || *expires_at <= now, "channel {number:#x} was bound anew");
        }
        let other = self.channel_by_number.iter().find(|(_, (bound, expires_at))| *bound == peer && now < *expires_at);
        assert!(other.is_none_or(|(bound, _)| *bound == number), "{peer} has two channels");
        self.channel_by_number.insert(number, (peer, now + CHANNEL_LIFETIME));
        self.permit(peer.ip(), now);
    }

    /// An operator closes an address: its permission is gone, and with it its channels.
    pub(super) fn close(&mut self, peer: IpAddr) {
        self.permission_by_ip.remove(&peer);
        self.channel_by_number.retain(|_, (bound, _)| bound.ip() != peer);
    }

    /// The channels to peers of a kind.
    pub(super) fn channels_to(&self, is_meant: impl Fn(SocketAddr) -> bool) -> Vec<u16> {
        let channels = self.channel_by_number.iter().filter(|(_, (peer, _))| is_meant(*peer));
        channels.map(|(number, _)| *number).collect()
    }

    pub(super) fn unbind(&mut self, numbers: &[u16]) {
        self.channel_by_number.retain(|number, _| !numbers.contains(number));
    }

    /// Whether all that has not been given back is live.
    pub(super) fn is_whole(&self, now: Mono) -> bool {
        self.halves.iter().all(|half| now < half.expires_at)
    }

    pub(super) fn permits(&self, peer: IpAddr, now: Mono) -> bool {
        self.half(peer, now).is_some() && self.permission_by_ip.get(&peer).is_some_and(|expires_at| now < *expires_at)
    }

    /// The peer behind a live channel.
    pub(super) fn peer_of(&self, number: u16, now: Mono) -> Option<SocketAddr> {
        let (peer, expires_at) = self.channel_by_number.get(&number)?;
        (now < *expires_at).then_some(*peer)
    }
}
