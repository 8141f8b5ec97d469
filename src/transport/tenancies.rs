//! What each allocation holds beside its state in the core: its place in the ledger, and the connection it hangs on.
use crate::relay::AllocationId;
use crate::relay::Charge;
use crate::relay::StreamId;

/// The holdings of one allocation.
#[derive(Debug)]
pub(super) struct Tenancy {
    at: AllocationId,
    pub(super) charge: Charge,
    /// The client's connection, unless it speaks UDP.
    pub(super) stream: Option<StreamId>,
}

/// Holdings, indexed by the slot of the allocation.
#[derive(Debug, Default)]
pub(super) struct Tenancies {
    tenancy_by_slot: Vec<Option<Tenancy>>,
}

impl Tenancies {
    pub(super) fn insert(&mut self, at: AllocationId, charge: Charge, stream: Option<StreamId>) {
        let slot = at.slot() as usize;
        if self.tenancy_by_slot.len() <= slot {
            self.tenancy_by_slot.resize_with(slot + 1, || None);
        }
        self.tenancy_by_slot[slot] = Some(Tenancy { at, charge, stream });
    }

    pub(super) fn remove(&mut self, at: AllocationId) -> Option<Tenancy> {
        self.tenancy_by_slot.get_mut(at.slot() as usize)?.take_if(|tenancy| tenancy.at == at)
    }
}
