//! What the process before this one has left in the store: who talks to whom, and who may come back.
use crate::store::Ban;
use crate::store::Block;
use crate::store::BuriedFamily;
use crate::store::Family;
use crate::store::LiveSession;
use crate::store::Meeting;
use crate::store::Resumption;
use crate::store::Revocation;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::UnixMillis;

/// Everything signaling goes on with.
#[derive(Debug, Default)]
pub struct Past {
    pub(crate) sessions: Vec<LiveSession>,
    pub(crate) resumptions: Vec<Resumption>,
    pub(crate) revocations: Vec<Revocation>,
    /// The oldest first.
    pub(crate) meetings: Vec<Meeting>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) bans: Vec<Ban>,
    pub(crate) families: Vec<Family>,
    pub(crate) buried_families: Vec<BuriedFamily>,
}

impl Past {
    /// Reads it all, before anybody writes.
    ///
    /// # Errors
    ///
    /// The accident that befell the store.
    pub fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut past = Self::default();
        store.each_live_session(&mut |session| past.sessions.push(session))?;
        store.each_resumption(&mut |resumption| past.resumptions.push(resumption))?;
        store.each_revocation(&mut |revocation| past.revocations.push(revocation))?;
        // Those that are too old are few: a sweep comes every minute.
        store.each_meeting(UnixMillis(0), &mut |meeting| past.meetings.push(meeting))?;
        store.each_block(&mut |block| past.blocks.push(block))?;
        store.each_ban(&mut |ban| past.bans.push(ban))?;
        store.each_family(&mut |family| past.families.push(family))?;
        store.each_buried_family(&mut |family| past.buried_families.push(family))?;
        Ok(past)
    }
}
