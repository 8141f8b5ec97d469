//! Storage with ids that never name a successor by mistake.

/// An allocation of one shard. The slot is a dense index, the generation tells successive holders of a slot apart.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId {
    slot: u32,
    generation: u32,
}

impl AllocationId {
    /// The id of that holder of a slot.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// A dense index, used again after the allocation ends.
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// How many allocations held the slot before.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// Values by [`AllocationId`].
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    /// Stores what `make` returns for its id; `None` if all four billion slots are in use.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(AllocationId) -> T) -> Option<AllocationId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry { generation: 0, value: None });
                slot
            }
        };
        let entry = self.entries.get_mut(index(slot))?;
        let id = AllocationId { slot, generation: entry.generation };
        entry.value = Some(make(id));
        Some(id)
    }

    pub(super) fn get_mut(&mut self, id: AllocationId) -> Option<&mut T> {
        let entry = self.entries.get_mut(index(id.slot))?;
        if entry.generation == id.generation { entry.value.as_mut() } else { None }
    }

    pub(super) fn get(&self, id: AllocationId) -> Option<&T> {
        let entry = self.entries.get(index(id.slot))?;
        if entry.generation == id.generation { entry.value.as_ref() } else { None }
    }

    pub(super) fn remove(&mut self, id: AllocationId) -> Option<T> {
        let entry = self.entries.get_mut(index(id.slot))?;
        if entry.generation != id.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Every slot from this one on, with what it holds.
    pub(super) fn slots_from(&self, first: u32) -> impl Iterator<Item = (AllocationId, Option<&T>)> {
        let entries = self.entries.get(index(first)..).unwrap_or_default();
        // The entries come first: beyond the last there may be no number.
        entries
            .iter()
            .zip(first..)
            .map(|(entry, slot)| (AllocationId { slot, generation: entry.generation }, entry.value.as_ref()))
    }

    /// Every value.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_mut())
    }
}

/// Slots index a vector of this process, which is never narrower than 32 bits.
const fn index(slot: u32) -> usize {
    slot as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_does_not_find_the_slots_next_holder() {
        let mut slab = Slab::new();
        let first = slab.insert_with(|_| 'a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert_with(|_| 'b').unwrap();
        assert_eq!((first.slot(), second.slot()), (0, 0));
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!((slab.get(second), slab.len()), (Some(&'b'), 1));
    }
}
