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
    pub(super) relayed: SocketAddr,
    pub(super) expires_at: Mono,
    pub(super) session: Option<&'static str>,
    permission_by_ip: HashMap<IpAddr, Mono>,
    channel_by_number: HashMap<u16, (SocketAddr, Mono)>,
}

impl Held {
    pub(super) fn new(at: AllocationId, relayed: SocketAddr, expires_at: Mono, session: Option<&'static str>) -> Self {
        let (permission_by_ip, channel_by_number) = (HashMap::new(), HashMap::new());
        Self { at, relayed, expires_at, session, permission_by_ip, channel_by_number }
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

    pub(super) fn is_live(&self, now: Mono) -> bool {
        now < self.expires_at
    }

    pub(super) fn permits(&self, peer: IpAddr, now: Mono) -> bool {
        self.is_live(now) && self.permission_by_ip.get(&peer).is_some_and(|expires_at| now < *expires_at)
    }

    /// The peer behind a live channel.
    pub(super) fn peer_of(&self, number: u16, now: Mono) -> Option<SocketAddr> {
        let (peer, expires_at) = self.channel_by_number.get(&number)?;
        (now < *expires_at).then_some(*peer)
    }
}
