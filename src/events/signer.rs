//! Signs what is posted to a server of the operator's, as Standard Webhooks 1.0.0 says: an HMAC-SHA256 over id, time and body.
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;

use crate::auth::secret::Secret;

/// Before a secret that is written in base64.
const BASE64_PREFIX: &str = "whsec_";

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Signer {
    key: Secret,
}

impl Signer {
    /// Signs with that secret: any text, or base64 behind `whsec_`.
    ///
    /// # Errors
    ///
    /// It is marked as base64 and is none.
    pub fn new(secret: &Secret) -> Result<Self, String> {
        let key = match secret.expose().strip_prefix(BASE64_PREFIX.as_bytes()) {
            None => secret.clone(),
            Some(encoded) => {
                let key =
                    STANDARD.decode(encoded).map_err(|_| format!("what follows {BASE64_PREFIX} is not base64"))?;
                Secret::new(key)
            }
        };
        Ok(Self { key })
    }

    /// The headers of a body that is posted now; a receiver that has seen `id` has seen the body.
    pub fn headers(&self, id: &str, body: &str) -> [(&'static str, String); 3] {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", self.signature(id, seconds, body)),
        ]
    }

    fn signature(&self, id: &str, seconds: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose()).expect("a key of any length is good");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn an_event_is_signed_as_the_standard_says() {
        let signer = Signer::new(&Secret::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec())).expect("base64");
        let signed = signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_its_text_unless_it_says_otherwise() {
        assert_eq!(Signer::new(&Secret::new(b"plain".to_vec())).expect("a text").key.expose(), b"plain");
        assert!(Signer::new(&Secret::new(b"whsec_?".to_vec())).is_err());
    }
}
