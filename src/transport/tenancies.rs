//! What each allocation holds beside its state in the core: its places in the ledger, and the connection it hangs on.
use crate::relay::AllocationId;
use crate::relay::Charge;
use crate::relay::StreamId;

/// The holdings of one allocation.
#[derive(Debug)]
pub(super) struct Tenancy {
    at: AllocationId,
    charge: Charge,
    /// The charge for the second address of a dual allocation.
    second: Option<Box<Charge>>,
    /// The client's connection, unless it speaks UDP.
    pub(super) stream: Option<StreamId>,
}

/// What an allocation no longer holds.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) charge: Charge,
    /// The connection of an allocation that holds nothing any more.
    pub(super) freed_stream: Option<StreamId>,
}

/// Holdings, indexed by the slot of the allocation. Each in a block of its own: a vector that grows copies its values, and what
/// it leaves behind would take as much memory as they do.
#[derive(Debug, Default)]
pub(super) struct Tenancies {
    tenancy_by_slot: Vec<Option<Box<Tenancy>>>,
}

impl Tenancies {
    pub(super) fn insert(
        &mut self,
        at: AllocationId,
        charge: Charge,
        second: Option<Charge>,
        stream: Option<StreamId>,
    ) {
        let slot = at.slot() as usize;
        if self.tenancy_by_slot.len() <= slot {
            self.tenancy_by_slot.resize_with(slot + 1, || None);
        }
        self.tenancy_by_slot[slot] = Some(Box::new(Tenancy { at, charge, second: second.map(Box::new), stream }));
    }

    /// Takes back the charge of one address. All of an allocation are alike, so it does not matter which.
    pub(super) fn give_back(&mut self, at: AllocationId) -> Option<Returned> {
        let place = self.tenancy_by_slot.get_mut(at.slot() as usize)?;
        let second = place.as_mut().filter(|tenancy| tenancy.at == at)?.second.take();
        if let Some(second) = second {
            return Some(Returned { charge: *second, freed_stream: None });
        }
        let Tenancy { charge, stream, .. } = *place.take()?;
        Some(Returned { charge, freed_stream: stream })
    }
}
