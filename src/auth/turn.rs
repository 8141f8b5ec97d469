//! TURN credentials: minted by us or by a customer's backend, verified by every shard without asking anybody.
//!
//! The username is `<unix expiry>:<id>`, the password `base64(HMAC-SHA1(secret, username))`: the convention of the
//! "REST API for access to TURN services", which backends made for other TURN servers follow too.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha1::Sha1;
use unicode_normalization::UnicodeNormalization;

use crate::auth::secret::Secret;
use crate::stun::IntegrityKey;
use crate::stun::PasswordAlgorithm;
use crate::stun::UserHash;

/// A username and its password, as a client's `RTCIceServer` wants them.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredential {
    /// `<unix expiry>:<id>`.
    pub username: String,
    /// Must not be logged.
    pub password: String,
}

impl fmt::Debug for TurnCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TurnCredential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Makes time-limited credentials. Clones share the secret.
#[derive(Clone, Debug)]
pub struct Minter {
    secret: Arc<ArcSwap<Secret>>,
}

impl Minter {
    /// A minter whose credentials every [`Verifier`] with the same secret accepts.
    pub fn new(secret: Secret) -> Self {
        Self { secret: Arc::new(ArcSwap::from_pointee(secret)) }
    }

    /// Mints with another secret from now on, whichever clone is asked. Verifiers should know it before.
    pub fn renew(&self, secret: Secret) {
        self.secret.store(Arc::new(secret));
    }

    /// Mints a credential for `id` (`<session>` or `<session>.<anything>`), good for Allocate before that second.
    pub fn mint(&self, id: &str, expires_unix_secs: u64) -> TurnCredential {
        let username = format!("{expires_unix_secs}:{id}");
        let password = time_limited_password(&self.secret.load(), &username);
        TurnCredential { username, password }
    }
}

/// What a username says. It is true only after [`Verifier::verify`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TurnUsername<'a> {
    /// The second from which on Allocate is refused; `None` for a static user.
    pub expires_unix_secs: Option<u64>,
    /// The part behind the colon, or the whole name of a static user.
    pub id: &'a str,
}

impl<'a> TurnUsername<'a> {
    /// Reads `<unix expiry>:<id>` or `<unix expiry>`; anything else is the name of a static user.
    pub fn parse(username: &'a str) -> TurnUsername<'a> {
        let (expiry, id) = username.split_once(':').unwrap_or((username, ""));
        match expires(expiry) {
            Some(expires) => TurnUsername { expires_unix_secs: Some(expires), id },
            None => TurnUsername { expires_unix_secs: None, id: username },
        }
    }

    /// Whether Allocate must be refused at this moment.
    pub fn is_expired(&self, now_unix_secs: u64) -> bool {
        self.expires_unix_secs.is_some_and(|expires| expires <= now_unix_secs)
    }

    /// The session that the credential is bound to: the id up to its first dot.
    pub fn session(&self) -> &'a str {
        self.id.split_once('.').map_or(self.id, |(session, _)| session)
    }
}

/// Who the sender of a request says to be. RFC 8489 §9.2.4.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// USERNAME.
    Name(&'a str),
    /// USERHASH.
    Hash(UserHash),
}

/// A user who has shown to know the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// Who it is and until when; the expiry has not been checked yet.
    pub username: TurnUsername<'a>,
    /// USERNAME as it was sent, or the name behind USERHASH: what the key was made with.
    pub sent: &'a str,
    /// The key the request was made with: answers carry a code made with it.
    pub key: IntegrityKey,
}

/// Checks the credentials of requests.
#[derive(Clone, Debug)]
pub struct Verifier {
    realm: Box<str>,
    /// All of them verify, so that a secret can be exchanged without refusing anybody.
    secrets: Vec<Secret>,
    password_by_user: BTreeMap<String, Secret>,
    /// The names of the static users. A keyed hash table, so that the time of a miss tells nothing about the hashes in it.
    name_by_hash: HashMap<UserHash, String>,
}

impl Verifier {
    /// A verifier for time-limited credentials of any of `secrets`, and for static users.
    ///
    /// Names and passwords are brought into OpaqueString form; an empty name or one with control characters has none
    /// and can never log in.
    pub fn new(realm: impl Into<Box<str>>, secrets: Vec<Secret>, password_by_user: BTreeMap<String, Secret>) -> Self {
        let realm = realm.into();
        let password_by_user: BTreeMap<String, Secret> = password_by_user
            .into_iter()
            .filter_map(|(name, password)| Some((opaque_string(&name)?.into_owned(), prepared_password(password))))
            .collect();
        let name_by_hash = password_by_user.keys().map(|name| (UserHash::of(name, &realm), name.clone())).collect();
        Self { realm, secrets, password_by_user, name_by_hash }
    }

    /// The value of REALM in our challenges, expected back in every request.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Tries the keys that the claimed user may have until `is_right` says that the request was made with one.
    ///
    /// An unknown user costs as much as a known one with a wrong password, and is never accepted. The expiry is left to
    /// the caller, because it matters at Allocate only. A time-limited name cannot be found by its hash.
    pub fn verify<'a>(
        &'a self,
        claim: Claim<'a>,
        algorithm: PasswordAlgorithm,
        mut is_right: impl FnMut(&IntegrityKey) -> bool,
    ) -> Option<Verified<'a>> {
        let (sent, user) = match claim {
            Claim::Name(sent) => (sent, self.password_by_user.get_key_value(opaque_string(sent)?.as_ref())),
            Claim::Hash(hash) => {
                let name = self.name_by_hash.get(&hash).map_or("", String::as_str);
                (name, self.password_by_user.get_key_value(name))
            }
        };
        if let Some((name, password)) = user {
            let key = algorithm.key(sent, &self.realm, password.expose());
            let username = TurnUsername { expires_unix_secs: None, id: name };
            return is_right(&key).then_some(Verified { username, sent, key });
        }
        let username = TurnUsername::parse(sent);
        if username.expires_unix_secs.is_none() || self.secrets.is_empty() {
            is_right(&algorithm.key(sent, &self.realm, b""));
            return None;
        }
        let keys = self.secrets.iter().map(|secret| {
            let password = time_limited_password(secret, sent);
            algorithm.key(sent, &self.realm, password.as_bytes())
        });
        keys.into_iter().find(is_right).map(|key| Verified { username, sent, key })
    }
}

fn time_limited_password(secret: &Secret, username: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
    STANDARD.encode(mac.chain_update(username).finalize().into_bytes())
}

/// Digits only: `u64::from_str` would also take a plus sign.
fn expires(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The OpaqueString form, in which usernames are compared; `None` for text that has none. RFC 8265 §4.2.
fn opaque_string(text: &str) -> Option<Cow<'_, str>> {
    if text.is_empty() || text.chars().any(is_disallowed) {
        return None;
    }
    if text.is_ascii() {
        return Some(Cow::Borrowed(text));
    }
    let plain_space = |c: char| if c.is_whitespace() { ' ' } else { c };
    Some(Cow::Owned(text.chars().map(plain_space).nfc().collect()))
}

/// Controls, and what is not seen but turns the text around it or breaks its line: such a name could pass for another in a
/// log. The other characters that RFC 8264 §4.3 disallows do no harm here.
fn is_disallowed(c: char) -> bool {
    let is_invisible = matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    c.is_control() || is_invisible
}

/// A password in the form that clients compute with; one that has none is left as it is.
fn prepared_password(password: Secret) -> Secret {
    match std::str::from_utf8(password.expose()).ok().and_then(opaque_string) {
        Some(Cow::Owned(text)) => Secret::new(text.into_bytes()),
        Some(Cow::Borrowed(_)) | None => password,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = "example.org";

    #[test]
    fn every_clone_mints_with_the_secret_of_the_last_renewal() {
        let minter = Minter::new(secret("old"));
        let clone = minter.clone();
        minter.renew(secret("new"));
        assert_eq!(clone.mint("s1", 1000), Minter::new(secret("new")).mint("s1", 1000));
        assert_ne!(clone.mint("s1", 1000), Minter::new(secret("old")).mint("s1", 1000));
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes())
    }

    fn verifier(secrets: &[&str], users: &[(&str, &str)]) -> Verifier {
        let users = users.iter().map(|(name, password)| ((*name).to_owned(), secret(password))).collect();
        Verifier::new(REALM, secrets.iter().map(|text| secret(text)).collect(), users)
    }

    const ALGORITHMS: [PasswordAlgorithm; 2] = [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256];

    /// Whom a client with this password is taken for, whichever algorithm it chooses.
    fn login<'a>(verifier: &'a Verifier, username: &'a str, password: &str) -> Option<TurnUsername<'a>> {
        let [md5, sha256] = ALGORITHMS.map(|algorithm| {
            let used = algorithm.key(username, REALM, password);
            let verified = verifier.verify(Claim::Name(username), algorithm, |key| *key == used)?;
            assert_eq!((verified.sent, verified.key), (username, used));
            Some(verified.username)
        });
        assert_eq!(md5, sha256);
        md5
    }

    fn login_by_hash<'a>(verifier: &'a Verifier, name: &str, password: &str) -> Option<TurnUsername<'a>> {
        let claim = Claim::Hash(UserHash::of(name, REALM));
        let used = IntegrityKey::sha256(name, REALM, password);
        verifier.verify(claim, PasswordAlgorithm::Sha256, |key| *key == used).map(|verified| verified.username)
    }

    #[test]
    fn a_minted_password_is_the_one_other_turn_servers_expect() {
        // Checked with: printf 1767225600:s1 | openssl dgst -sha1 -hmac north -binary | base64
        let credential = Minter::new(secret("north")).mint("s1", 1_767_225_600);
        assert_eq!(credential.username, "1767225600:s1");
        assert_eq!(credential.password, "AzT30/DVnwyy1JCEffoCl1K1IMw=");
    }

    #[test]
    fn a_minted_credential_is_accepted() {
        let credential = Minter::new(secret("north")).mint("s1.a", 1_767_225_600);
        let verifier = verifier(&["north"], &[]);
        let user = login(&verifier, &credential.username, &credential.password).expect("accepted");
        assert_eq!(user, TurnUsername { expires_unix_secs: Some(1_767_225_600), id: "s1.a" });
        assert_eq!(user.session(), "s1");
    }

    #[test]
    fn a_credential_expires_with_its_second() {
        let user = TurnUsername::parse("1000:x");
        assert!(!user.is_expired(999));
        assert!(user.is_expired(1000));
        assert!(!TurnUsername::parse("static").is_expired(u64::MAX));
    }

    #[test]
    fn old_and_new_secret_are_both_accepted_during_rotation() {
        let verifier = verifier(&["new", "old"], &[]);
        for text in ["new", "old"] {
            let credential = Minter::new(secret(text)).mint("s1", 5000);
            assert!(login(&verifier, &credential.username, &credential.password).is_some(), "{text}");
        }
        let credential = Minter::new(secret("other")).mint("s1", 5000);
        assert!(login(&verifier, &credential.username, &credential.password).is_none());
    }

    #[test]
    fn a_changed_expiry_or_id_breaks_the_password() {
        let credential = Minter::new(secret("north")).mint("s1", 5000);
        let verifier = verifier(&["north"], &[]);
        assert!(login(&verifier, "5001:s1", &credential.password).is_none());
        assert!(login(&verifier, "5000:s2", &credential.password).is_none());
    }

    #[test]
    fn a_name_without_expiry_is_refused_even_with_a_password_of_the_secret() {
        let verifier = verifier(&["north"], &[]);
        for username in ["s1", ":s1", "x5000:s1", "+5000:s1", "-1:s1", "5000 :s1", "99999999999999999999:s1"] {
            let password = time_limited_password(&secret("north"), username);
            assert!(login(&verifier, username, &password).is_none(), "{username}");
        }
    }

    #[test]
    fn a_bare_expiry_is_a_credential_without_id() {
        let verifier = verifier(&["north"], &[]);
        let password = time_limited_password(&secret("north"), "5000");
        let user = login(&verifier, "5000", &password);
        assert_eq!(user, Some(TurnUsername { expires_unix_secs: Some(5000), id: "" }));
    }

    #[test]
    fn a_static_user_logs_in_with_the_configured_password_only() {
        let verifier = verifier(&["north"], &[("alice", "wonder"), ("5000", "digits")]);
        let expected = Some(TurnUsername { expires_unix_secs: None, id: "alice" });
        assert_eq!(login(&verifier, "alice", "wonder"), expected);
        assert_eq!(login(&verifier, "alice", "Wonder"), None);
        assert_eq!(login(&verifier, "alice", &time_limited_password(&secret("north"), "alice")), None);
        assert_eq!(login(&verifier, "bob", "wonder"), None);
        assert!(login(&verifier, "5000", "digits").is_some_and(|user| !user.is_expired(u64::MAX)));
    }

    #[test]
    fn an_unknown_user_is_checked_once_and_refused_whatever_the_check_says() {
        let [name, minted] = ["bob", "5000:s1"].map(Claim::Name);
        let hash = Claim::Hash(UserHash::of("bob", REALM));
        for (verifier, claim) in [
            (verifier(&[], &[]), minted),
            (verifier(&["north"], &[]), name),
            (verifier(&[], &[("a", "b")]), name),
            (verifier(&["north"], &[]), hash),
            (verifier(&["north"], &[("a", "b")]), hash),
        ] {
            for algorithm in ALGORITHMS {
                let mut checks = 0;
                let verified = verifier.verify(claim, algorithm, |key| {
                    assert_eq!(key.algorithm(), algorithm);
                    checks += 1;
                    true
                });
                assert_eq!((verified, checks), (None, 1), "{claim:?}");
            }
        }
    }

    #[test]
    fn a_wrong_password_is_checked_as_often_as_an_unknown_user() {
        let verifier = verifier(&["north"], &[("alice", "wonder")]);
        let hash = |name| Claim::Hash(UserHash::of(name, REALM));
        for claim in [Claim::Name("alice"), Claim::Name("bob"), hash("alice"), hash("bob"), Claim::Name("5000:s1")] {
            let mut checks = 0;
            verifier.verify(claim, PasswordAlgorithm::Sha256, |_| {
                checks += 1;
                false
            });
            assert_eq!(checks, 1, "{claim:?}");
        }
    }

    #[test]
    fn a_static_user_is_found_by_the_hash_of_the_name() {
        let verifier = verifier(&["north"], &[("alice", "wonder"), ("Rene\u{301}", "secret")]);
        let expected = Some(TurnUsername { expires_unix_secs: None, id: "alice" });
        assert_eq!(login_by_hash(&verifier, "alice", "wonder"), expected);
        assert_eq!(login_by_hash(&verifier, "alice", "Wonder"), None);
        assert!(login_by_hash(&verifier, "Ren\u{E9}", "secret").is_some(), "the hash is made of the OpaqueString form");
        assert_eq!(login_by_hash(&verifier, "Rene\u{301}", "secret"), None);
    }

    #[test]
    fn a_time_limited_user_is_not_found_by_the_hash_of_the_name() {
        let credential = Minter::new(secret("north")).mint("s1", 5000);
        let verifier = verifier(&["north"], &[("alice", "wonder")]);
        assert_eq!(login_by_hash(&verifier, &credential.username, &credential.password), None);
        assert_eq!(login_by_hash(&verifier, "", ""), None);
    }

    #[test]
    fn names_are_compared_in_opaque_string_form() {
        // Configured with e + combining acute and a no-break space; sent composed and with a plain space.
        let verifier = verifier(&[], &[("Rene\u{301}\u{A0}D", "secret")]);
        let user = login(&verifier, "Ren\u{E9} D", "secret").expect("same name");
        assert_eq!(user.id, "Ren\u{E9} D");
        assert!(login(&verifier, "ren\u{E9} D", "secret").is_none());
    }

    #[test]
    fn passwords_are_compared_in_opaque_string_form() {
        let verifier = verifier(&[], &[("alice", "cafe\u{301}")]);
        assert!(login(&verifier, "alice", "caf\u{E9}").is_some());
    }

    #[test]
    fn names_that_are_no_text_are_refused() {
        let verifier = verifier(&["north"], &[]);
        for username in
            ["", "5000:s1\n", "5000:\0", "\x1B[2J", "5000:\u{9B}2J", "5000:\u{202E}1s", "5000:\u{2028}", "\u{FEFF}"]
        {
            assert_eq!(verifier.verify(Claim::Name(username), PasswordAlgorithm::Md5, |_| true), None, "{username:?}");
        }
    }

    #[test]
    fn a_credential_prints_without_its_password() {
        let credential = Minter::new(secret("north")).mint("s1", 5000);
        assert!(!format!("{credential:?}").contains(&credential.password));
    }
}
