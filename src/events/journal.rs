//! A file that events are added to, one JSON object per line.
use std::io;
use std::path::PathBuf;

use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use crate::events::sink::Delivery;
use crate::events::told::Told;
use crate::store::Event;

/// Only the server's user reads who talked to whom.
const MODE: u32 = 0o600;

/// See the module's documentation.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file is opened anew each time, so that it may be moved away at any moment.
    pub(super) async fn deliver(&self, events: &[&Event]) -> Delivery {
        match self.append(events).await {
            Ok(()) => Delivery { taken: events.len(), trouble: None },
            Err(error) => Delivery { taken: 0, trouble: Some(format!("{}: {error}", self.path.display())) },
        }
    }

    async fn append(&self, events: &[&Event]) -> io::Result<()> {
        let mut lines = String::new();
        for event in events {
            lines.push_str(&Told::new(event).to_line());
            lines.push('\n');
        }
        let mut file = OpenOptions::new().create(true).append(true).mode(MODE).open(&self.path).await?;
        let before = file.metadata().await?.len();
        let written = async {
            file.write_all(lines.as_bytes()).await?;
            // The write goes on in the background; this alone tells how it ended.
            file.flush().await?;
            file.sync_data().await
        };
        let outcome = written.await;
        if outcome.is_err() {
            // Half a line would spoil the next one; the whole batch comes again.
            let _ = file.set_len(before).await;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::time::UnixMillis;

    fn event(id: u128, data: &str) -> Event {
        Event {
            id: Uuid::from_u128(id),
            kind: "session.ended".into(),
            subject: "s".into(),
            at: UnixMillis(5),
            data: data.into(),
            cause: None,
        }
    }

    #[tokio::test]
    async fn each_event_is_a_line_also_after_the_file_was_moved_away() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events.jsonl");
        let journal = Journal::new(path.clone());
        let event = event(7, "{\"reason\":\"a\\nb\"}");
        assert_eq!(journal.deliver(&[&event, &event]).await.taken, 2);
        let line = "{\"id\":\"00000000-0000-0000-0000-000000000007\",\"type\":\"session.ended\",\"at\":5,\
                    \"subject\":\"s\",\"data\":{\"reason\":\"a\\nb\"}}\n";
        assert_eq!(std::fs::read_to_string(&path).expect("there"), line.repeat(2));
        std::fs::rename(&path, directory.path().join("events.1")).expect("moved");
        assert_eq!(journal.deliver(&[&event]).await.taken, 1);
        assert_eq!(std::fs::read_to_string(&path).expect("there"), line);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_takes_nothing_and_says_why() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::new(directory.path().to_owned());
        let delivery = journal.deliver(&[&event(0, "{}")]).await;
        assert_eq!(delivery.taken, 0);
        assert!(delivery.trouble.expect("why").contains("directory"));
    }

    #[tokio::test]
    async fn a_full_disk_takes_nothing_and_is_told() {
        let journal = Journal::new("/dev/full".into());
        let delivery = journal.deliver(&[&event(0, "{}")]).await;
        assert_eq!(delivery.taken, 0);
        assert!(delivery.trouble.expect("why").contains("No space left"));
    }
}
