use std::path::PathBuf;

use tempfile::TempDir;

use crate::store::Message;
use crate::store::Place;
use crate::store::Retention;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::Window;
use crate::store::runner::Opened;
use crate::store::sqlite::OpenError;
use crate::store::sqlite::open;
use crate::store::tests::chat::message;
use crate::store::tests::directory;
use crate::store::tests::session::session;

mod backup;
mod full;
mod opening;
mod plan;

/// A directory with the place for a database.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: directory() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self) -> Result<Opened, OpenError> {
        open(&self.path("duologue.db"), Retention::default())
    }

    /// A database with session `s` and as many messages in it.
    fn with_messages(count: u64) -> (Self, Opened) {
        let home = Self::new();
        let mut opened = home.open().expect("made");
        opened.writer.start_session(&session("s", ["a", "b"], 0)).expect("starts");
        for number in 1..=count {
            opened.writer.append_message(&said(number)).expect("stored");
        }
        (home, opened)
    }
}

fn place() -> Place {
    Place::Session(SessionId("s".into()))
}

/// The message of that number.
fn said(number: u64) -> Message {
    message(&place(), "x", number)
}

/// The numbers of the messages there are.
fn numbers(store: &dyn Store) -> Vec<u64> {
    let page = store.history(&place(), Window { limit: 100_000, ..Window::default() }).expect("read");
    page.entries.iter().map(|entry| entry.at.0).collect()
}
