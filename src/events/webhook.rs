//! A server of the operator's that each event is posted to, signed as Standard Webhooks 1.0.0 says: headers `webhook-id`,
//! `webhook-timestamp` and `webhook-signature`, an HMAC-SHA256 over id, time and body.
use std::error::Error;
use std::fmt;
use std::fmt::Write;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use reqwest::Client;
use reqwest::header;
use reqwest::redirect;
use sha2::Sha256;

use crate::auth::secret::Secret;
use crate::events::sink::Delivery;
use crate::events::told::Told;
use crate::store::Event;
use crate::trace::Cause;
use crate::trace::Span;
use crate::trace::TRACEPARENT;

/// How long a receiver may take over one event.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection to it may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Before a secret that is written in base64.
const BASE64_PREFIX: &str = "whsec_";

/// See the module's documentation.
pub struct Webhook {
    client: Client,
    url: String,
    key: Secret,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold what only the receiver should know.
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    pub(super) fn new(url: &str, secret: &Secret) -> Result<Self, String> {
        // A redirect would take events to where the operator did not send them.
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .connect_timeout(CONNECT_PATIENCE)
            .user_agent(concat!("duologue/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| explained(&error))?;
        Ok(Self { client, url: url.to_owned(), key: key(secret)? })
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
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature(&self.key, &id, seconds, &body))
            .body(body);
        if let Some(cause) = span.cause().traceparent() {
            request = request.header(TRACEPARENT, cause);
        }
        let response = request.send().await.map_err(|error| explained(&error.without_url()))?;
        span.set("http.response.status_code", i64::from(response.status().as_u16()));
        if response.status().is_success() { Ok(()) } else { Err(format!("answered {}", response.status())) }
    }
}

fn key(secret: &Secret) -> Result<Secret, String> {
    let text = secret.expose();
    match text.strip_prefix(BASE64_PREFIX.as_bytes()) {
        None => Ok(secret.clone()),
        Some(encoded) => {
            let key = STANDARD.decode(encoded).map_err(|_| format!("what follows {BASE64_PREFIX} is not base64"))?;
            Ok(Secret::new(key))
        }
    }
}

fn signature(key: &Secret, id: &str, seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("a key of any length is good");
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// An error with what is behind it: "error sending request" alone helps nobody.
fn explained(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        // Writing to a text cannot fail.
        let _ = write!(text, ": {cause}");
        behind = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn an_event_is_signed_as_the_standard_says() {
        let key = key(&Secret::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec())).expect("base64");
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_its_text_unless_it_says_otherwise() {
        assert_eq!(key(&Secret::new(b"plain".to_vec())).expect("a text").expose(), b"plain");
        assert!(key(&Secret::new(b"whsec_?".to_vec())).is_err());
    }
}
