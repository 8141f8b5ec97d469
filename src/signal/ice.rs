//! ICE servers and the TURN credentials bound to a session (rule 25).
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::turn::Minter;
use crate::auth::turn::TurnCredential;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// Credentials live at least that long (rule 25).
pub(crate) const LIFE_MIN: Duration = Duration::from_secs(600);
/// Credentials outlive their session by that much (rule 25).
const LIFE_AFTER_SESSION: Duration = Duration::from_secs(300);
/// Sessions without a limit get credentials of this life, again and again.
const LIFE_WITHOUT_LIMIT: Duration = Duration::from_secs(3600);

/// An RTCIceServer.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct IceServer {
    /// Where it listens.
    #[schema(value_type = Vec<String>)]
    urls: Arc<[String]>,
    /// Of TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    /// Of TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What one side of a session is given.
#[derive(Clone, Debug)]
pub(crate) struct IceGrant {
    pub(crate) servers: Vec<IceServer>,
    /// When the credential stops to be good for new allocations.
    pub(crate) expires: UnixMillis,
    /// When the next one is due: at 70 % of the life.
    pub(crate) renew_at: Mono,
}

/// Makes grants.
#[derive(Debug)]
pub(crate) struct IceServers {
    stun_urls: Arc<[String]>,
    turn_urls: Arc<[String]>,
    minter: Minter,
}

impl IceServers {
    /// Takes `stun:`, `turn:` and `turns:` URLs.
    pub(crate) fn new(urls: &[String], minter: Minter) -> Self {
        let (turn, stun): (Vec<String>, Vec<String>) =
            urls.iter().cloned().partition(|url| url.starts_with("turn:") || url.starts_with("turns:"));
        Self { stun_urls: stun.into(), turn_urls: turn.into(), minter }
    }

    /// Mints a credential for `id`; `left` is what remains of the session, `None` if it has no limit.
    pub(crate) fn grant(&self, id: &str, left: Option<Duration>, now: Now) -> IceGrant {
        let life = left.map_or(LIFE_WITHOUT_LIMIT, |left| (left + LIFE_AFTER_SESSION).max(LIFE_MIN));
        let expires_secs = (now.unix + life).as_secs();
        let mut servers = Vec::with_capacity(2);
        if !self.stun_urls.is_empty() {
            servers.push(IceServer { urls: self.stun_urls.clone(), username: None, credential: None });
        }
        if !self.turn_urls.is_empty() {
            let TurnCredential { username, password } = self.minter.mint(id, expires_secs);
            servers.push(IceServer {
                urls: self.turn_urls.clone(),
                username: Some(username),
                credential: Some(password),
            });
        }
        IceGrant { servers, expires: UnixMillis(expires_secs * 1000), renew_at: now.mono + life * 7 / 10 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::secret::Secret;

    const NOW: Now = Now { mono: Mono::from_start(Duration::from_secs(5)), unix: UnixMillis(1_000_000_400) };

    fn grant(left: Option<Duration>) -> IceGrant {
        let urls = ["stun:h:3478", "turn:h:3478?transport=udp", "turns:h:8443?transport=tcp"].map(str::to_owned);
        IceServers::new(&urls, Minter::new(Secret::new(*b"secret"))).grant("s1.a", left, NOW)
    }

    #[test]
    fn rule_25_credentials_live_five_minutes_longer_than_the_session_and_ten_at_least() {
        assert_eq!(grant(Some(Duration::from_secs(20))).expires, UnixMillis(1_000_600_000));
        assert_eq!(grant(Some(Duration::from_secs(300))).expires, UnixMillis(1_000_600_000));
        assert_eq!(grant(Some(Duration::from_secs(900))).expires, UnixMillis(1_001_200_000));
        assert_eq!(grant(None).expires, UnixMillis(1_003_600_000));
    }

    #[test]
    fn new_credentials_are_due_at_70_percent_of_the_life() {
        assert_eq!(grant(Some(Duration::from_secs(300))).renew_at, Mono::from_start(Duration::from_secs(425)));
    }

    #[test]
    fn a_credential_does_not_print_itself() {
        let grant = grant(None);
        let password = serde_json::to_value(&grant.servers).expect("serializes")[1]["credential"].clone();
        assert!(!format!("{grant:?}").contains(password.as_str().expect("a password")));
    }

    #[test]
    fn rule_25_urls_are_lists_and_usernames_carry_session_and_side() {
        let grant = grant(Some(Duration::from_secs(300)));
        let servers = serde_json::to_value(&grant.servers).expect("serializes");
        assert_eq!(servers[0], json!({"urls": ["stun:h:3478"]}));
        assert_eq!(servers[1]["urls"], json!(["turn:h:3478?transport=udp", "turns:h:8443?transport=tcp"]));
        assert_eq!(servers[1]["username"], "1000600:s1.a");
        assert!(servers[1]["credential"].is_string());
    }
}
