//! A server of the operator's that each event is posted to, signed ([`Signer`]).
use std::fmt;
use std::time::Duration;

use reqwest::Client;
use reqwest::header;

use crate::auth::secret::Secret;
use crate::events::signer::Signer;
use crate::events::sink::Delivery;
use crate::events::told::Told;
use crate::outgoing;
use crate::store::Event;
use crate::trace::Cause;
use crate::trace::Span;
use crate::trace::TRACEPARENT;

/// How long a receiver may take over one event.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection to it may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// See the module's documentation.
pub struct Webhook {
    client: Client,
    url: String,
    signer: Signer,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold what only the receiver should know.
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    pub(super) fn new(url: &str, secret: &Secret) -> Result<Self, String> {
        let client = outgoing::client(PATIENCE, CONNECT_PATIENCE)?;
        Ok(Self { client, url: url.to_owned(), signer: Signer::new(secret)? })
    }

    pub(super) async fn deliver(&self, events: &[&Event]) -> Delivery {
        for (taken, event) in events.iter().enumerate() {
            if let Err(trouble) = self.post(event).await {
                return Delivery { taken, trouble: Some(trouble) };
            }
        }
        Delivery { taken: events.len(), trouble: None }
    }

    /// Posts one event, as part of the trace of what led to it.
    async fn post(&self, event: &Event) -> Result<(), String> {
        let span = Span::of_question("webhook", &Cause::from_headers(event.cause.as_deref().unwrap_or_default(), ""));
        span.set("http.request.method", "POST");
        span.set("duologue.event.id", event.id.to_string());
        span.set("duologue.event.type", event.kind.to_string());
        let posted = span.follow(self.send(event, &span)).await;
        if posted.is_err() {
            span.fail("not_taken");
        }
        posted
    }

    async fn send(&self, event: &Event, span: &Span) -> Result<(), String> {
        let (id, body) = (event.id.to_string(), Told::new(event).to_line());
        let mut request = self.client.post(&self.url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in self.signer.headers(&id, &body) {
            request = request.header(name, value);
        }
        if let Some(cause) = span.cause().traceparent() {
            request = request.header(TRACEPARENT, cause);
        }
        let response = request.body(body).send().await.map_err(outgoing::explained)?;
        span.set("http.response.status_code", i64::from(response.status().as_u16()));
        if response.status().is_success() { Ok(()) } else { Err(format!("answered {}", response.status())) }
    }
}
