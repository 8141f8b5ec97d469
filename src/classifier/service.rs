//! The operator's service: what it is sent, and what can go wrong.
use std::fmt;
use std::time::Duration;

use reqwest::Client;
use reqwest::Response;
use reqwest::header;
use serde_json::json;

use crate::auth::secret::Secret;
use crate::classifier::answer;
use crate::events::Signer;
use crate::outgoing;
use crate::signal::Judgment;
use crate::signal::Question;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It may be asked again.
    #[error("{0}")]
    Passing(String),
    /// The next answer would be no better.
    #[error("{0}")]
    Lasting(String),
}

/// Asks at one address, signed like a webhook.
pub struct Service {
    client: Client,
    url: String,
    signer: Signer,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold what only the service should know.
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Asks there.
    ///
    /// # Errors
    ///
    /// There is no TLS on this machine, or the secret is marked as base64 and is none.
    pub fn new(url: &str, secret: &Secret) -> Result<Self, String> {
        let client = outgoing::client(PATIENCE, CONNECT_PATIENCE)?;
        Ok(Self { client, url: url.to_owned(), signer: Signer::new(secret)? })
    }

    /// Asks once.
    pub(super) async fn ask(&self, question: &Question) -> Result<Judgment, Trouble> {
        let Question { mid, place, kind, text, at, .. } = question;
        let id = serde_json::to_value(mid).ok().and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
        let body = json!({
            "id": id,
            "type": "message",
            "at": at,
            "place": place,
            "user": question.user(),
            "kind": kind,
            "text": text,
        });
        let body = body.to_string();
        let mut request = self.client.post(&self.url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in self.signer.headers(&id, &body) {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.map_err(passing)?;
        match response.status().as_u16() {
            200..=299 => {
                let answer = whole(response).await?;
                answer::parse(&answer).map_err(Trouble::Lasting)
            }
            status @ (408 | 429) => Err(Trouble::Passing(format!("answered {status}"))),
            status @ 400..=499 => Err(Trouble::Lasting(format!("answered {status}"))),
            status => Err(Trouble::Passing(format!("answered {status}"))),
        }
    }
}

async fn whole(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(passing)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Trouble::Lasting(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn passing(error: reqwest::Error) -> Trouble {
    Trouble::Passing(outgoing::explained(error))
}
