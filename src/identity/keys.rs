//! Fetches the public keys of a customer's backend, and keeps the old ones when there are no new ones to be had.
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tracing::info;
use tracing::warn;

use crate::auth::foreign_keys::KEY_SET_BYTES_MAX;
use crate::auth::foreign_keys::KeySet;
use crate::identity::web;
use crate::signal::KeyKeeper;

/// Keys are fetched that often although nobody asks.
const INTERVAL: Duration = Duration::from_secs(600);
/// The first ones are tried for that often until they are there.
const FIRST_INTERVAL: Duration = Duration::from_secs(5);
/// Whoever asks for keys makes no more fetches than one in this time.
const INTERVAL_MIN: Duration = Duration::from_secs(5);
/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// RFC 7517 §8.5.2.
const MEDIA_TYPES: &str = "application/jwk-set+json, application/json";

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An address: `https`, or `http` of this machine.
    Url(String),
    /// A file.
    File(PathBuf),
}

/// How they are got from there.
#[derive(Debug)]
enum Way {
    Web(Client, String),
    File(PathBuf),
}

/// Why there are no newer keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Status(u16),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    #[error("it takes longer than {} s", PATIENCE.as_secs())]
    Late,
    #[error("{0}")]
    Keys(#[from] crate::auth::foreign_keys::KeySetError),
}

/// Fetches keys.
#[derive(Debug)]
pub struct KeyFetcher {
    way: Way,
    keeper: KeyKeeper,
}

impl KeyFetcher {
    /// Has fetched nothing yet.
    ///
    /// # Errors
    ///
    /// The machine has no certificates to judge others by.
    pub fn new(source: KeySource, keeper: KeyKeeper) -> reqwest::Result<Self> {
        let way = match source {
            KeySource::Url(url) => Way::Web(web::client(&url, PATIENCE)?, url),
            KeySource::File(path) => Way::File(path),
        };
        Ok(Self { way, keeper })
    }

    /// Fetches now, then from time to time, and whenever a token needs a newer key, until nobody is there any more.
    pub async fn run(self) {
        keep(&self.way, self.keeper).await;
    }
}

async fn keep(way: &Way, mut keeper: KeyKeeper) {
    let mut has_keys = false;
    let mut fetched = None::<Instant>;
    loop {
        let is_rested = fetched.is_none_or(|at| at.elapsed() >= INTERVAL_MIN);
        if is_rested {
            fetched = Some(Instant::now());
            match timeout(PATIENCE, fetch(way)).await.unwrap_or(Err(FetchError::Late)) {
                Ok(set) => {
                    if !has_keys {
                        info!(keys = set.len(), "fetched the keys of a backend");
                    }
                    has_keys = true;
                    keeper.answer(Some(set));
                }
                Err(error) => {
                    warn!(%error, has_keys, "cannot fetch the keys of a backend; those that are known stay");
                    keeper.answer(None);
                }
            }
        } else {
            // Those who ask just after a fetch know all there is to know.
            keeper.answer(None);
        }
        let interval = if has_keys { INTERVAL } else { FIRST_INTERVAL };
        let next = fetched.unwrap_or_else(Instant::now) + interval;
        tokio::select! {
            is_wanted = keeper.is_wanted() => if !is_wanted {
                return;
            },
            () = sleep_until(next) => {}
        }
    }
}

async fn fetch(way: &Way) -> Result<KeySet, FetchError> {
    let document = match way {
        Way::File(path) => tokio::fs::read(path).await?,
        Way::Web(client, url) => {
            let mut response = client.get(url).header("accept", MEDIA_TYPES).send().await?;
            if !response.status().is_success() {
                return Err(FetchError::Status(response.status().as_u16()));
            }
            let mut document = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if document.len() + chunk.len() > KEY_SET_BYTES_MAX {
                    return Err(FetchError::TooLong);
                }
                document.extend_from_slice(&chunk);
            }
            document
        }
    };
    Ok(KeySet::parse(&document)?)
}
