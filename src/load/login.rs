//! Who the clients say they are.
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use serde_json::json;

use crate::load::message;
use crate::load::plan::Login;

/// How long minted tokens are valid, in seconds: longer than any load.
const TOKEN_LIFE: u64 = 24 * 3600;

/// Writes the first message of every client.
pub(super) struct Greeter {
    /// Users of another run are others.
    run: u64,
    expires: u64,
    key: Option<EncodingKey>,
}

impl Greeter {
    /// # Errors
    ///
    /// The clock or the random numbers of this machine.
    pub(super) fn new(login: &Login) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?;
        let key = match login {
            Login::Minted(secret) => Some(EncodingKey::from_secret(secret.expose())),
            Login::Guest => None,
        };
        Ok(Self { run: getrandom::u64().context("draw a number")?, expires: now.as_secs() + TOKEN_LIFE, key })
    }

    /// A tag that nobody of another run has.
    pub(super) fn tag(&self, number: usize) -> String {
        format!("{:x} {number}", self.run)
    }

    /// The `hello` of a client, whose user is the same each time.
    ///
    /// # Errors
    ///
    /// The token cannot be signed.
    pub(super) fn hello(&self, client: usize) -> anyhow::Result<String> {
        let name = format!("load-{:x}-{client}", self.run);
        let Some(key) = &self.key else { return Ok(message::hello(&json!({"guest": {"device_id": name}}))) };
        let claims = json!({"sub": name, "exp": self.expires});
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key).context("sign a token")?;
        Ok(message::hello(&json!({"token": token})))
    }
}
