//! What must be remembered across restarts: one contract, kept in memory or by SQLite.
//!
//! Everything here is plain and blocking. The rest of the process reaches a store through its [`runner`]: bounded
//! queues into threads of the store, answers by closures.
mod account;
mod appeal;
mod chat;
mod erasure;
mod error;
mod event;
mod evidence;
mod id;
mod memory;
mod person;
mod report;
mod retention;
mod room;
pub mod runner;
mod session;
mod sqlite;
mod stats;
pub mod sweeper;
mod upload;

pub use account::Account;
pub use account::AccountRole;
pub use account::Accounts;
pub use account::Alteration;
pub use appeal::Appeal;
pub use appeal::AppealId;
pub use appeal::AppealPlace;
pub use appeal::Appeals;
pub use appeal::Verdict;
pub use chat::Appended;
pub use chat::Chat;
pub use chat::Content;
pub use chat::Deleted;
pub use chat::Entry;
pub use chat::Message;
pub use chat::MessageKind;
pub use chat::Page;
pub use chat::REACTIONS_MAX;
pub use chat::Reacted;
pub use chat::Reaction;
pub use chat::Receipt;
pub use chat::Window;
pub use erasure::Erased;
pub use erasure::Inherited;
pub use erasure::Persons;
pub use error::Accident;
pub use error::StoreError;
pub use event::Event;
pub use event::EventNumber;
pub use event::Events;
pub use evidence::Evidence;
pub use id::Alias;
pub use id::BanId;
pub use id::BlockId;
pub use id::ClientMessageId;
pub use id::DeviceId;
pub use id::MessageId;
pub use id::Place;
pub use id::ReportId;
pub use id::RoomId;
pub use id::SessionId;
pub use id::UploadId;
pub use id::UserId;
pub use memory::MemoryStore;
pub use person::Ban;
pub use person::Banned;
pub use person::Block;
pub use person::BuriedFamily;
pub use person::Family;
pub use person::People;
pub use person::Sanction;
pub use report::Accuracy;
pub use report::Case;
pub use report::Claim;
pub use report::DecidedPlace;
pub use report::Decision;
pub use report::Deed;
pub use report::DeedNumber;
pub use report::Note;
pub use report::OpenPlace;
pub use report::PROGRAM_MARK;
pub use report::Rank;
pub use report::Report;
pub use report::Reports;
pub use retention::DataClass;
pub use retention::Retention;
pub use retention::Upkeep;
pub use room::Member;
pub use room::MemberRole;
pub use room::Room;
pub use room::Rooms;
pub use session::Ending;
pub use session::LiveSession;
pub use session::Meeting;
pub use session::Participant;
pub use session::Party;
pub use session::Progress;
pub use session::Resumption;
pub use session::Revocation;
pub use session::Session;
pub use session::SessionPlace;
pub use session::SessionRecord;
pub use session::Sessions;
pub use sqlite::BackupError;
pub use sqlite::OpenError;
pub use sqlite::SqliteStore;
pub use sqlite::back_up;
pub use sqlite::open;
pub use sqlite::open_beside;
pub use sqlite::restore;
pub use stats::Stats;
pub use upload::Upload;
pub use upload::UploadState;
pub use upload::Uploads;
pub use upload::Usage;

/// A place that remembers. What one method does happens wholly or not at all.
pub trait Store:
    Sessions + People + Accounts + Rooms + Chat + Uploads + Reports + Evidence + Appeals + Events + Persons + Upkeep + Send
{
    /// Does several writes as one group: once this returns, all that `work` did survives a kill of the process.
    ///
    /// # Errors
    ///
    /// The accident that `work` returned or that befell the group; nothing of the group is stored then.
    fn group(&mut self, work: &mut Work<'_>) -> Result<(), StoreError>;
}

/// What is done in one group; an error undoes all of it.
pub type Work<'a> = dyn FnMut(&mut dyn Store) -> Result<(), StoreError> + 'a;

#[cfg(test)]
mod tests;
