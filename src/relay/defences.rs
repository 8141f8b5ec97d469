//! What all shards of the process share to keep abuse within bounds: fixed in size, and nobody waits for anybody.
use crate::relay::bandwidth::Budget;
use crate::relay::bars::Bars;
use crate::relay::ration::Ration;

/// The common memory of the defences. Made once, given to every [`Server`](crate::relay::Server).
#[derive(Debug, Default)]
pub struct Defences {
    pub(super) budget: Budget,
    pub(super) ration: Ration,
    pub(super) bars: Bars,
}
