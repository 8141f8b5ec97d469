//! How far a plan got: a generator whose plans never relay anything would prove nothing.
use duologue::relay::Traffic;
use duologue::relay::Usage;

/// What happened in one plan.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) allocations: u64,
    pub(crate) ended: u64,
    pub(crate) permissions: u64,
    pub(crate) channels: u64,
    pub(crate) refused: u64,
    pub(crate) to_peers: u64,
    pub(crate) to_clients: u64,
    pub(crate) handed_over: u64,
    pub(super) recorded: Recorded,
}

/// The sums of all usage records.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) to_peers: Traffic,
    pub(super) to_client: Traffic,
    pub(super) handed_out: Traffic,
    pub(super) handed_in: Traffic,
}

impl Recorded {
    pub(super) fn add(&mut self, usage: &Usage) {
        for (sum, part) in [
            (&mut self.to_peers, usage.to_peers),
            (&mut self.to_client, usage.to_client),
            (&mut self.handed_out, usage.handed_out),
            (&mut self.handed_in, usage.handed_in),
        ] {
            sum.packets += part.packets;
            sum.bytes += part.bytes;
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.allocations += other.allocations;
        self.ended += other.ended;
        self.permissions += other.permissions;
        self.channels += other.channels;
        self.refused += other.refused;
        self.to_peers += other.to_peers;
        self.to_clients += other.to_clients;
        self.handed_over += other.handed_over;
    }
}
