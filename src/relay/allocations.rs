//! All allocations of one shard and the ways to find them.
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::RandomState;

use hashbrown::HashTable;

use crate::relay::allocation::Allocation;
use crate::relay::client::ClientAddr;
use crate::relay::client::StreamId;
use crate::relay::slab::AllocationId;
use crate::relay::slab::Slab;
use crate::time::Mono;

/// Allocations by id, by 5-tuple, by connection and by session. The keys are attackers' choice, so hashes are keyed.
#[derive(Debug)]
pub(super) struct Allocations {
    allocation_by_id: Slab<Box<Allocation>>,
    /// The key is in the allocation: a second copy would take more room than all else here.
    id_by_client: HashTable<AllocationId>,
    client_key: RandomState,
    id_by_stream: HashMap<StreamId, AllocationId>,
    ids_by_session: HashMap<Box<str>, Vec<AllocationId>>,
    /// Whom a client's packet was from last: packets come in trains, and comparing is cheaper than hashing. A hint only.
    latest: Cell<AllocationId>,
}

impl Allocations {
    pub(super) fn new() -> Self {
        Self {
            allocation_by_id: Slab::new(),
            id_by_client: HashTable::new(),
            client_key: RandomState::new(),
            id_by_stream: HashMap::new(),
            ids_by_session: HashMap::new(),
            latest: Cell::default(),
        }
    }

    /// Adds the allocation that `make` returns for its id.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(AllocationId) -> Allocation) -> Option<AllocationId> {
        let id = self.allocation_by_id.insert_with(|id| Box::new(make(id)))?;
        let Self { allocation_by_id, id_by_client, client_key, .. } = self;
        let allocation = allocation_by_id.get(id)?;
        let hash_of =
            |id: &AllocationId| allocation_by_id.get(*id).map_or(0, |known| client_key.hash_one(known.client));
        id_by_client.insert_unique(client_key.hash_one(allocation.client), id, hash_of);
        if let Some(stream) = allocation.client.via.stream() {
            self.id_by_stream.insert(stream, id);
        }
        if let Some(session) = allocation.credential.session() {
            match self.ids_by_session.get_mut(session) {
                Some(ids) => ids.push(id),
                None => drop(self.ids_by_session.insert(Box::from(session), vec![id])),
            }
        }
        Some(id)
    }

    pub(super) fn remove(&mut self, id: AllocationId) -> Option<Box<Allocation>> {
        let allocation = self.allocation_by_id.remove(id)?;
        let hash = self.client_key.hash_one(allocation.client);
        if let Ok(place) = self.id_by_client.find_entry(hash, |known| *known == id) {
            place.remove();
        }
        if let Some(stream) = allocation.client.via.stream() {
            self.id_by_stream.remove(&stream);
        }
        if let Some(session) = allocation.credential.session()
            && let Some(ids) = self.ids_by_session.get_mut(session)
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.ids_by_session.remove(session);
            }
        }
        Some(allocation)
    }

    pub(super) fn id_of_client(&self, client: &ClientAddr) -> Option<AllocationId> {
        let is_it = |id: &AllocationId| self.get(*id).is_some_and(|allocation| allocation.client == *client);
        let latest = self.latest.get();
        if is_it(&latest) {
            return Some(latest);
        }
        let id = self.id_by_client.find(self.client_key.hash_one(client), is_it).copied()?;
        self.latest.set(id);
        Some(id)
    }

    pub(super) fn id_of_stream(&self, stream: StreamId) -> Option<AllocationId> {
        self.id_by_stream.get(&stream).copied()
    }

    pub(super) fn ids_of_session(&self, session: &str) -> Vec<AllocationId> {
        self.ids_by_session.get(session).cloned().unwrap_or_default()
    }

    pub(super) fn get(&self, id: AllocationId) -> Option<&Allocation> {
        self.allocation_by_id.get(id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: AllocationId) -> Option<&mut Allocation> {
        self.allocation_by_id.get_mut(id).map(Box::as_mut)
    }

    /// The unexpired allocation of a 5-tuple.
    pub(super) fn live(&self, client: &ClientAddr, now: Mono) -> Option<(AllocationId, &Allocation)> {
        let id = self.id_of_client(client)?;
        let allocation = self.allocation_by_id.get(id)?;
        if allocation.is_expired(now) { None } else { Some((id, allocation)) }
    }

    /// Every slot from this one on, with what it holds.
    pub(super) fn slots_from(&self, first: u32) -> impl Iterator<Item = (AllocationId, Option<&Allocation>)> {
        self.allocation_by_id.slots_from(first).map(|(id, allocation)| (id, allocation.map(Box::as_ref)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Allocation> {
        self.allocation_by_id.iter_mut().map(Box::as_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.allocation_by_id.len()
    }

    /// How many entries the ways to find an allocation hold.
    #[cfg(test)]
    pub(super) fn index_len(&self) -> usize {
        let by_session: usize = self.ids_by_session.values().map(|ids| 1 + ids.len()).sum();
        self.id_by_client.len() + self.id_by_stream.len() + by_session
    }
}
