use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::Ban;
use crate::store::BanId;
use crate::store::Block;
use crate::store::BlockId;
use crate::store::BuriedFamily;
use crate::store::Family;
use crate::store::MemoryStore;
use crate::store::People;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Blocks, bans and logins by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Persons {
    block_by_id: BTreeMap<BlockId, Block>,
    pub(super) ban_by_id: BTreeMap<BanId, Ban>,
    pub(super) family_by_lookup: BTreeMap<[u8; 16], Family>,
    pub(super) buried_until: BTreeMap<Arc<str>, UnixMillis>,
}

impl Persons {
    /// Takes all blocks of an owner out.
    pub(super) fn take_blocks(&mut self, owner: &UserId) -> Vec<Block> {
        let is_own = |block: &Block| block.owner.user == *owner;
        self.block_by_id.extract_if(.., |_, block| is_own(block)).map(|(_, block)| block).collect()
    }

    /// A guest is one no more.
    pub(super) fn settle(&mut self, user: &UserId) {
        let own = self.block_by_id.values_mut().filter(|block| block.owner.user == *user);
        own.for_each(|block| block.owner.device = None);
    }
}

impl People for MemoryStore {
    fn add_block(&mut self, block: &Block) -> Result<bool, StoreError> {
        let blocks = &mut self.persons.block_by_id;
        let is_same = |one: &Block| one.owner.user == block.owner.user && one.whom.user == block.whom.user;
        if blocks.values().any(is_same) {
            return Ok(false);
        }
        if blocks.contains_key(&block.id) {
            return Err(StoreError::Taken);
        }
        blocks.insert(block.id.clone(), block.clone());
        Ok(true)
    }

    fn remove_block(&mut self, owner: &UserId, id: &BlockId) -> Result<Option<Block>, StoreError> {
        let blocks = &mut self.persons.block_by_id;
        if blocks.get(id).is_none_or(|block| block.owner.user != *owner) {
            return Ok(None);
        }
        Ok(blocks.remove(id))
    }

    fn blocks(&self, owner: &UserId, limit: usize) -> Result<Vec<Block>, StoreError> {
        let blocks = self.persons.block_by_id.values().filter(|block| block.owner.user == *owner);
        let mut blocks: Vec<Block> = blocks.cloned().collect();
        blocks.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.id.cmp(&a.id)));
        blocks.truncate(limit);
        Ok(blocks)
    }

    fn each_block(&self, visit: &mut dyn FnMut(Block)) -> Result<(), StoreError> {
        self.persons.block_by_id.values().cloned().for_each(visit);
        Ok(())
    }

    fn put_ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        self.persons.ban_by_id.insert(ban.id.clone(), ban.clone());
        Ok(())
    }

    fn remove_ban(&mut self, id: &BanId) -> Result<bool, StoreError> {
        Ok(self.persons.ban_by_id.remove(id).is_some())
    }

    fn each_ban(&self, visit: &mut dyn FnMut(Ban)) -> Result<(), StoreError> {
        self.persons.ban_by_id.values().cloned().for_each(visit);
        Ok(())
    }

    fn put_family(&mut self, family: &Family) -> Result<(), StoreError> {
        self.persons.family_by_lookup.insert(family.lookup, family.clone());
        Ok(())
    }

    fn remove_family(&mut self, lookup: &[u8; 16]) -> Result<(), StoreError> {
        self.persons.family_by_lookup.remove(lookup);
        Ok(())
    }

    fn each_family(&self, visit: &mut dyn FnMut(Family)) -> Result<(), StoreError> {
        self.persons.family_by_lookup.values().cloned().for_each(visit);
        Ok(())
    }

    fn bury_family(&mut self, family: &BuriedFamily) -> Result<(), StoreError> {
        self.persons.buried_until.insert(family.id.clone(), family.until);
        Ok(())
    }

    fn each_buried_family(&self, visit: &mut dyn FnMut(BuriedFamily)) -> Result<(), StoreError> {
        let buried = self.persons.buried_until.iter();
        buried.map(|(id, until)| BuriedFamily { id: id.clone(), until: *until }).for_each(visit);
        Ok(())
    }
}
