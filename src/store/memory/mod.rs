//! The store without a file: `store.path = ":memory:"`, and the tests of whoever uses a store.
mod account;
mod appeal;
mod chat;
mod erasure;
mod event;
mod evidence;
mod person;
mod report;
mod room;
mod session;
mod sweep;
mod upload;

use crate::store::Retention;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Work;

use account::AccountBook;
use appeal::AppealBook;
use chat::Conversations;
use erasure::Erasures;
use event::EventBook;
use evidence::KeptFiles;
use person::Persons;
use report::Desk;
use room::RoomBook;
use session::SessionBook;
use upload::UploadBook;

/// Remembers until the process ends. Nothing ever befalls it.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    retention: Retention,
    conversations: Conversations,
    sessions: SessionBook,
    rooms: RoomBook,
    persons: Persons,
    uploads: UploadBook,
    desk: Desk,
    kept_files: KeptFiles,
    appeals: AppealBook,
    accounts: AccountBook,
    events: EventBook,
    erasures: Erasures,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(retention: Retention) -> Self {
        Self {
            retention,
            conversations: Conversations::default(),
            sessions: SessionBook::default(),
            rooms: RoomBook::default(),
            persons: Persons::default(),
            uploads: UploadBook::default(),
            desk: Desk::default(),
            kept_files: KeptFiles::default(),
            appeals: AppealBook::default(),
            accounts: AccountBook::default(),
            events: EventBook::default(),
            erasures: Erasures::default(),
        }
    }
}

impl Store for MemoryStore {
    fn group(&mut self, work: &mut Work<'_>) -> Result<(), StoreError> {
        work(self)
    }
}
