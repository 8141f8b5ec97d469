//! A stream of Redis that events are added to, each as one entry.
//!
//! A batch is one transaction. Whether one whose answer was lost has been carried out shows in the stream itself: its newest
//! entries are read at the beginning of each connection, and what they hold is not added again.
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::Client;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamRangeReply;
use uuid::Uuid;

use crate::auth::secret::Secret;
use crate::events::sink::Delivery;
use crate::store::Event;

/// How long Redis may take over one batch, and over a connection.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Entries looked through for what is there already: a batch, and what others may have added meanwhile.
const RECENT: usize = 1000;

/// See the module's documentation.
pub struct Stream {
    client: Client,
    key: String,
    entries_max: u64,
    link: Option<Box<Link>>,
}

/// A connection, and what was in the stream when it began.
struct Link {
    connection: MultiplexedConnection,
    recent: HashSet<Uuid>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("Stream").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(url: &Secret, key: String, entries_max: u64) -> Result<Self, String> {
        let url = str::from_utf8(url.expose()).map_err(|_| "the address is no text".to_owned())?;
        // What is wrong with it may be the password: it is not shown.
        let client = Client::open(url).map_err(|_| "this is no address of a Redis".to_owned())?;
        Ok(Self { client, key, entries_max, link: None })
    }

    pub(super) async fn deliver(&mut self, events: &[&Event]) -> Delivery {
        match self.add(events).await {
            Ok(()) => Delivery { taken: events.len(), trouble: None },
            Err(error) => {
                self.link = None;
                Delivery { taken: 0, trouble: Some(explained(&error)) }
            }
        }
    }

    async fn add(&mut self, events: &[&Event]) -> Result<(), RedisError> {
        let link = match &mut self.link {
            Some(link) => link,
            none => none.insert(Box::new(connect(&self.client, &self.key).await?)),
        };
        let mut batch = redis::pipe();
        batch.atomic();
        let mut added = 0;
        for event in events.iter().filter(|event| !link.recent.contains(&event.id)) {
            let Event { id, kind, subject, at, data, cause: _ } = event;
            batch.cmd("XADD").arg(&self.key).arg("MAXLEN").arg("~").arg(self.entries_max).arg("*");
            batch.arg("id").arg(id.to_string()).arg("type").arg(&**kind).arg("at").arg(at.0);
            batch.arg("subject").arg(&**subject).arg("data").arg(&**data).ignore();
            added += 1;
        }
        if added > 0 {
            batch.exec_async(&mut link.connection).await?;
        }
        Ok(())
    }
}

async fn connect(client: &Client, key: &str) -> Result<Link, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut look = redis::cmd("XREVRANGE");
    look.arg(key).arg("+").arg("-").arg("COUNT").arg(RECENT);
    let newest: StreamRangeReply = look.query_async(&mut connection).await?;
    let ids = newest.ids.iter().filter_map(|entry| entry.get::<String>("id")).filter_map(|id| id.parse().ok());
    Ok(Link { connection, recent: ids.collect() })
}

/// What Redis or the way to it says; without the address, which may hold a password.
fn explained(error: &RedisError) -> String {
    match error.detail() {
        Some(detail) => format!("{:?}: {detail}", error.kind()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        let stream = |url: &str| Stream::new(&Secret::new(url.as_bytes().to_vec()), "events".into(), 10);
        assert!(stream("redis://:secret@localhost:6379/1").is_ok());
        assert!(stream("rediss://localhost").is_ok());
        assert!(stream("redis+unix:///run/redis.sock").is_ok());
        let why = stream("http://:secret@localhost").expect_err("no Redis");
        assert!(!why.contains("secret"), "{why}");
        assert!(!format!("{:?}", stream("redis://:secret@localhost").expect("fine")).contains("secret"));
    }
}
