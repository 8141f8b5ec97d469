//! Where events go.
use std::path::PathBuf;

use crate::auth::secret::Secret;
use crate::events::journal::Journal;
use crate::events::stream::Stream;
use crate::events::webhook::Webhook;
use crate::store::Event;

/// Somebody who is told.
#[cfg_attr(not(test), derive(Debug))]
pub enum Sink {
    /// A server of the operator's.
    Webhook(Webhook),
    /// A file of lines.
    File(Journal),
    /// A stream of Redis.
    Redis(Box<Stream>),
    /// A test that answers as it likes.
    #[cfg(test)]
    Test(TestSink),
}

/// Says how many of several events are taken.
#[cfg(test)]
type TestSink = Box<dyn FnMut(&[&Event]) -> usize + Send>;

/// How an attempt to tell several events ended.
#[derive(Debug)]
pub(super) struct Delivery {
    /// How many were taken, from the first on.
    pub(super) taken: usize,
    /// Why the next one was not.
    pub(super) trouble: Option<String>,
}

impl Sink {
    /// Posts each event to `url`, signed with `secret`.
    ///
    /// # Errors
    ///
    /// There is no TLS on this machine, or the secret is marked as base64 and is none.
    pub fn webhook(url: &str, secret: &Secret) -> Result<Self, String> {
        Webhook::new(url, secret).map(Sink::Webhook)
    }

    /// Adds each event as a line to a file.
    pub fn file(path: PathBuf) -> Self {
        Sink::File(Journal::new(path))
    }

    /// Adds each event as an entry to a stream of Redis, which keeps about `entries_max` of them.
    ///
    /// # Errors
    ///
    /// That is no address of a Redis.
    pub fn redis(url: &Secret, key: String, entries_max: u64) -> Result<Self, String> {
        Stream::new(url, key, entries_max).map(|stream| Sink::Redis(Box::new(stream)))
    }

    /// The word in metrics and in the store: what a sink has been told is kept under it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Sink::Webhook(_) => "webhook",
            Sink::File(_) => "file",
            Sink::Redis(_) => "redis",
            #[cfg(test)]
            Sink::Test(_) => "test",
        }
    }

    pub(super) async fn deliver(&mut self, events: &[&Event]) -> Delivery {
        match self {
            Sink::Webhook(webhook) => webhook.deliver(events).await,
            Sink::File(journal) => journal.deliver(events).await,
            Sink::Redis(stream) => stream.deliver(events).await,
            #[cfg(test)]
            Sink::Test(answer) => {
                let taken = answer(events);
                let trouble = (taken < events.len()).then(|| "the test refuses".to_owned());
                Delivery { taken, trouble }
            }
        }
    }
}
