//! Asks a service of the operator whether a guest may come: there a captcha, or whatever proof the page has, is judged.
//!
//! ```text
//! POST URL
//! duologue-signature: t=MILLISECONDS,v1=HEX        HMAC-SHA256 of "MILLISECONDS." and the body
//! {"device_id": "...", "address": "192.0.2.1", "proof": "..."}
//! ```
//! Any 2xx lets the guest come, any other 4xx than 429 does not; whatever else happens, the guest may try again.
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use reqwest::Client;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::auth::secret::Secret;
use crate::identity::web;
use crate::signal::ErrorCode;
use crate::signal::Refusal;
use crate::time::UnixMillis;
use crate::trace::Cause;
use crate::trace::Span;
use crate::trace::TRACEPARENT;

/// Bytes of a proof.
const PROOF_BYTES_MAX: usize = 8192;
/// Questions under way. Full: the guest may try again.
const ASKED_MAX: usize = 64;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// When somebody who was not judged may try again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Asks about guests.
#[derive(Debug)]
pub struct GuestCheck {
    client: Client,
    url: String,
    key: Option<Secret>,
    places: Semaphore,
}

impl GuestCheck {
    /// Asks at that address, and signs what is asked if there is a key.
    ///
    /// # Errors
    ///
    /// The machine has no certificates to judge others by.
    pub fn new(url: String, key: Option<Secret>) -> reqwest::Result<Self> {
        Ok(Self { client: web::client(&url, PATIENCE)?, url, key, places: Semaphore::new(ASKED_MAX) })
    }

    /// Finds out whether a guest of that device and address may come.
    ///
    /// # Errors
    ///
    /// `too_large` for a proof that is none, `forbidden` if the service says no, `unavailable` if it says nothing.
    pub async fn admit(&self, ip: IpAddr, device_id: &str, proof: &str, now: UnixMillis) -> Result<(), Refusal> {
        if proof.len() > PROOF_BYTES_MAX {
            return Err(Refusal::too_large("a proof has at most 8192 bytes"));
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(not_judged()) };
        let body = json!({"device_id": device_id, "address": ip, "proof": proof}).to_string();
        let mut request = self.client.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("duologue-signature", signature(key, &body, now));
        }
        let span = Span::of_question("guest check", &Cause::current());
        span.set("http.request.method", "POST");
        if let Some(cause) = span.cause().traceparent() {
            request = request.header(TRACEPARENT, cause);
        }
        let status = match request.body(body).send().await {
            Ok(response) => response.status().as_u16(),
            Err(error) => {
                span.fail("unreachable");
                warn!(%error, "nobody says whether guests may come, so none come");
                return Err(not_judged());
            }
        };
        span.set("http.response.status_code", i64::from(status));
        match status {
            200..=299 => Ok(()),
            // 429 says nothing about the guest.
            400..=499 if status != 429 => Err(Refusal::new(ErrorCode::Forbidden, "the proof was not accepted")),
            status => {
                warn!(status, "nobody says whether guests may come, so none come");
                Err(not_judged())
            }
        }
    }
}

fn not_judged() -> Refusal {
    Refusal { retry_after: Some(RETRY_AFTER), ..Refusal::new(ErrorCode::Unavailable, "the proof cannot be judged now") }
}

fn signature(key: &Secret, body: &str, now: UnixMillis) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of any length");
    let code = mac.chain_update(format!("{}.{body}", now.0)).finalize().into_bytes();
    code.iter().fold(format!("t={},v1=", now.0), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_signed_with_its_moment() {
        // Checked with: printf '1000.{}' | openssl dgst -sha256 -hmac key
        let signed = signature(&Secret::new(*b"key"), "{}", UnixMillis(1000));
        assert_eq!(signed, "t=1000,v1=c32de42341dece79a1511c9e7f74a2734112edcfcf48943c976faf07047065db");
        assert_ne!(signature(&Secret::new(*b"key"), "{}", UnixMillis(1001))[10..], signed[10..]);
        assert_ne!(signature(&Secret::new(*b"key"), "{ }", UnixMillis(1000)), signed);
    }
}
