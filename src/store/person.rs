//! What is known of people beyond their calls: whom they block, who is banned, and who has logged in.
use std::sync::Arc;

use crate::store::BanId;
use crate::store::BlockId;
use crate::store::DeviceId;
use crate::store::Party;
use crate::store::ReportId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// One person kept away from another for good (rule 39).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// By which the owner takes it back.
    pub id: BlockId,
    /// Who blocks.
    pub owner: Party,
    /// Who is blocked.
    pub whom: Party,
    /// Since when.
    pub at: UnixMillis,
}

/// What a ban holds against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Banned {
    /// A user.
    User(UserId),
    /// A device.
    Device(DeviceId),
    /// An address or network.
    Network(Arc<str>),
}

/// What a ban takes away.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Sanction {
    /// To come in at all.
    Ban,
    /// To write to anybody.
    Mute,
    /// To be matched.
    Restrict,
    /// Nothing: it is to be told once.
    Warn,
}

impl Sanction {
    /// Every sanction.
    pub const ALL: [Sanction; 4] = [Sanction::Ban, Sanction::Mute, Sanction::Restrict, Sanction::Warn];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Sanction::Ban => "ban",
            Sanction::Mute => "mute",
            Sanction::Restrict => "restrict",
            Sanction::Warn => "warn",
        }
    }
}

/// Somebody kept out, or from something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// By which it is lifted.
    pub id: BanId,
    /// Who.
    pub banned: Banned,
    /// From what.
    pub sanction: Sanction,
    /// Why, as the moderator wrote it.
    pub reason: Arc<str>,
    /// The moderator.
    pub by: UserId,
    /// The report that led to it.
    pub report: Option<ReportId>,
    /// Since when.
    pub at: UnixMillis,
    /// Until when; `None`: for good.
    pub until: Option<UnixMillis>,
}

/// A chain of refresh tokens that began with one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The half of its tokens that finds it.
    pub lookup: [u8; 16],
    /// The name that its access tokens carry.
    pub id: Arc<str>,
    /// Who logged in: JSON of auth.
    pub subject: Arc<str>,
    /// SHA-256 of the other half of the one token that is good.
    pub secret_hash: [u8; 32],
    /// Until when that token is good.
    pub expires: UnixMillis,
    /// The revision of the account that logged in; `None`: a guest, which has none.
    pub account: Option<u64>,
}

/// A family whose access tokens are refused (rule 17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuriedFamily {
    /// The name that its access tokens carry.
    pub id: Arc<str>,
    /// Until when one of them could be good.
    pub until: UnixMillis,
}

/// Blocks, bans and logins.
pub trait People {
    /// Stores a block; `false` if the owner blocks that user already, which changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for a name that is stored already.
    fn add_block(&mut self, block: &Block) -> Result<bool, StoreError>;

    /// Takes back a block of this owner, and returns it.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_block(&mut self, owner: &UserId, id: &BlockId) -> Result<Option<Block>, StoreError>;

    /// The blocks of this owner, at most `limit`, the newest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn blocks(&self, owner: &UserId, limit: usize) -> Result<Vec<Block>, StoreError>;

    /// Shows every block.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_block(&self, visit: &mut dyn FnMut(Block)) -> Result<(), StoreError>;

    /// Stores a ban in place of one of its name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_ban(&mut self, ban: &Ban) -> Result<(), StoreError>;

    /// Lifts a ban; `false` if there is none of that name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_ban(&mut self, id: &BanId) -> Result<bool, StoreError>;

    /// Shows every ban, also those that are over.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_ban(&self, visit: &mut dyn FnMut(Ban)) -> Result<(), StoreError>;

    /// Stores a family in place of the one that is found by the same half.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_family(&mut self, family: &Family) -> Result<(), StoreError>;

    /// Forgets a family, if it is there.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_family(&mut self, lookup: &[u8; 16]) -> Result<(), StoreError>;

    /// Shows every family.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_family(&self, visit: &mut dyn FnMut(Family)) -> Result<(), StoreError>;

    /// Stores that a family is dead.
    ///
    /// # Errors
    ///
    /// An accident.
    fn bury_family(&mut self, family: &BuriedFamily) -> Result<(), StoreError>;

    /// Shows every dead family.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_buried_family(&self, visit: &mut dyn FnMut(BuriedFamily)) -> Result<(), StoreError>;
}
