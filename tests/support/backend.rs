//! A customer's own backend, which signs access tokens with a key that it shares with the server.
use std::time::SystemTime;

use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use serde_json::json;

/// The key that both know.
pub const KEY: &str = "a key that the customer's backend shares with us";

/// The lines of configuration that make the server know it.
pub fn config() -> String {
    format!("[auth]\njwt_secrets = [\"{KEY}\"]\n")
}

/// A token that is good for an hour.
pub fn token(sub: &str, role: &str) -> String {
    token_for(sub, role, 3600)
}

/// A token that is good for so many seconds; fewer than none: it has expired.
pub fn token_for(sub: &str, role: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({"sub": sub, "iss": "shop", "exp": now.saturating_add_signed(seconds), "role": role});
    let key = EncodingKey::from_secret(KEY.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("signs")
}
