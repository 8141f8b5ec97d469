use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use rcgen::KeyPair;
use serde_json::json;

use super::*;
use crate::auth::secret::Secret;
use crate::auth::token::TokenError;
use crate::auth::token::TokenSettings;
use crate::auth::token::Tokens;
use crate::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_763_630_000_500);
const SHARED: &[u8] = b"a key that a backend shares with us";

/// A private key, and its public half in a set.
struct Pair {
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
}

impl Pair {
    fn new(algorithm: Algorithm) -> Self {
        let of = |kind| KeyPair::generate_for(kind).expect("made");
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (private, public) = match algorithm {
            Algorithm::ES256 => {
                let pair = of(&rcgen::PKCS_ECDSA_P256_SHA256);
                let point = pair.public_key_raw();
                let public = json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])});
                (EncodingKey::from_ec_der(pair.serialized_der()), public)
            }
            Algorithm::EdDSA => {
                let pair = of(&rcgen::PKCS_ED25519);
                let public = json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key_raw())});
                (EncodingKey::from_ed_der(pair.serialized_der()), public)
            }
            Algorithm::RS256 => {
                let pair = of(&rcgen::PKCS_RSA_SHA256);
                // The key proper lies behind 26 bytes that say that it is RSA. RFC 5208 §5.
                let private = EncodingKey::from_rsa_der(&pair.serialized_der()[26..]);
                let public = Jwk::from_encoding_key(&private, algorithm).expect("has a public half");
                (private, serde_json::to_value(public).expect("serializes"))
            }
            other => panic!("no keys for {other:?}"),
        };
        Self { algorithm, private, public }
    }

    fn named(&self, id: &str) -> Value {
        self.with(&json!({"kid": id}))
    }

    fn with(&self, members: &Value) -> Value {
        let mut public = self.public.clone();
        public.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        public
    }

    fn sign(&self, id: Option<&str>) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        signed(&header, &self.private)
    }
}

fn signed(header: &Header, key: &EncodingKey) -> String {
    let claims = json!({"sub": "42", "exp": 1_763_630_100, "iss": "shop", "aud": "calls", "role": "moderator"});
    jsonwebtoken::encode(header, &claims, key).expect("signs")
}

fn set(keys: &[Value]) -> Vec<u8> {
    json!({"keys": keys}).to_string().into_bytes()
}

fn parsed(keys: &[Value]) -> Result<usize, KeySetError> {
    KeySet::parse(&set(keys)).map(|set| set.len())
}

/// Tokens of ours, of a shared key, and of that set.
fn tokens(keys: &[Value]) -> (Tokens, ForeignKeys) {
    let foreign_keys = ForeignKeys::default();
    if !keys.is_empty() {
        foreign_keys.renew(KeySet::parse(&set(keys)).expect("a set"));
    }
    let tokens = Tokens::new(&TokenSettings {
        secret: Secret::new(*b"the key that signs our own tokens"),
        old_secrets: Vec::new(),
        foreign_secrets: vec![Secret::new(SHARED)],
        foreign_keys: foreign_keys.clone(),
        foreign_issuer: Some("shop".to_owned()),
        foreign_audience: Some("calls".to_owned()),
        access_ttl: Duration::from_secs(300),
        refresh_ttl: Duration::from_secs(3600),
    });
    (tokens, foreign_keys)
}

fn user(tokens: &Tokens, token: &str) -> Result<String, TokenError> {
    tokens.verify(token, NOW).map(|identity| identity.subject.user.to_string())
}

#[test]
fn rule_17_tokens_of_each_algorithm_are_verified_with_the_key_that_they_name() {
    let pairs = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(Pair::new);
    let names = ["r", "e", "d"];
    let keys: Vec<Value> = pairs.iter().zip(names).map(|(pair, name)| pair.named(name)).collect();
    let (tokens, _) = tokens(&keys);
    for (pair, name) in pairs.iter().zip(names) {
        assert_eq!(user(&tokens, &pair.sign(Some(name))), Ok("shop:42".to_owned()), "{name}");
        assert_eq!(user(&tokens, &pair.sign(None)), Ok("shop:42".to_owned()), "{name}, which it does not name");
        for other in names.into_iter().chain(["x"]).filter(|other| *other != name) {
            assert_eq!(user(&tokens, &pair.sign(Some(other))), Err(TokenError::Invalid), "{name} as {other}");
        }
        let stranger = Pair::new(pair.algorithm);
        assert_eq!(user(&tokens, &stranger.sign(Some(name))), Err(TokenError::Invalid), "{name}");
    }
    let hs256 = signed(&Header::new(Algorithm::HS256), &EncodingKey::from_secret(SHARED));
    assert_eq!(user(&tokens, &hs256), Ok("shop:42".to_owned()), "a shared key beside them");
}

#[test]
fn a_public_key_is_no_shared_key() {
    let pairs = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(Pair::new);
    for pair in &pairs {
        let (tokens, _) = tokens(&[pair.named("k")]);
        // Whatever an attacker may take for the bytes of the public key.
        let texts = ["n", "x", "y"].map(|member| pair.public[member].as_str().unwrap_or_default().to_owned());
        let whole = [pair.public.to_string(), pair.named("k").to_string()];
        for text in texts.iter().chain(&whole) {
            let forms = [text.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(text).unwrap_or_default()];
            for bytes in forms.into_iter().filter(|bytes| !bytes.is_empty()) {
                let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::HS256) };
                let forged = signed(&header, &EncodingKey::from_secret(&bytes));
                assert_eq!(user(&tokens, &forged), Err(TokenError::Invalid));
            }
        }
    }
}

#[test]
fn none_other_algorithms_and_extensions_that_must_be_understood_are_refused() {
    let pair = Pair::new(Algorithm::RS256);
    let (tokens, _) = tokens(&[pair.named("k")]);
    let good = pair.sign(Some("k"));
    let rest = good.split_once('.').expect("a JWT").1;
    let (claims, signature) = rest.split_once('.').expect("a JWT");
    let encode = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
    for alg in ["none", "None", "", "HS256", "RS512", "PS256", "ES256"] {
        let header = encode(json!({"alg": alg, "kid": "k"}));
        for token in [format!("{header}.{claims}."), format!("{header}.{claims}.{signature}")] {
            assert_eq!(user(&tokens, &token), Err(TokenError::Invalid), "{alg}");
        }
    }
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let header = Header { kid: Some("k".to_owned()), ..Header::new(algorithm) };
        assert_eq!(user(&tokens, &signed(&header, &pair.private)), Err(TokenError::Invalid), "{algorithm:?}");
    }
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::RS256) };
    assert_eq!(user(&tokens, &signed(&critical, &pair.private)), Err(TokenError::Invalid));
}

#[test]
fn a_newer_set_takes_the_place_of_the_older() {
    let (old, new) = (Pair::new(Algorithm::ES256), Pair::new(Algorithm::ES256));
    let (tokens, keys) = tokens(&[old.named("1")]);
    let [by_old, by_new] = [old.sign(Some("1")), new.sign(Some("2"))];
    assert!(!keys.lacks_key_of(&by_old) && keys.lacks_key_of(&by_new));
    keys.renew(KeySet::parse(&set(&[old.named("1"), new.named("2")])).expect("a set"));
    assert!(user(&tokens, &by_old).is_ok() && user(&tokens, &by_new).is_ok());
    keys.renew(KeySet::parse(&set(&[new.named("2")])).expect("a set"));
    assert_eq!(user(&tokens, &by_old), Err(TokenError::Invalid));
    assert!(user(&tokens, &by_new).is_ok());
}

#[test]
fn only_public_keys_can_be_lacking() {
    let (_, keys) = tokens(&[]);
    assert!(keys.lacks_key_of(&Pair::new(Algorithm::EdDSA).sign(None)));
    let hs256 = signed(&Header::new(Algorithm::HS256), &EncodingKey::from_secret(b"whoever"));
    for token in [hs256.as_str(), "", "..", "x.y.z", "eyJhbGciOiJub25lIn0.e30."] {
        assert!(!keys.lacks_key_of(token), "{token}");
    }
}

#[test]
fn what_is_of_no_use_in_a_set_is_passed_over() {
    let pair = Pair::new(Algorithm::ES256);
    let useful = pair.named("k");
    let useless = [
        json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SHARED), "alg": "HS256", "kid": "k"}),
        json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
        json!({"kty": "RSA", "n": "*", "e": "AQAB"}),
        json!({"kty": 7}),
        json!("a key"),
        pair.with(&json!({"use": "enc"})),
        pair.with(&json!({"alg": "ES384"})),
        pair.with(&json!({"key_ops": ["sign"]})),
    ];
    for key in &useless {
        assert_eq!(parsed(std::slice::from_ref(key)), Err(KeySetError::NoKey), "{key}");
        assert_eq!(parsed(&[key.clone(), useful.clone()]), Ok(1), "{key}");
    }
    for more in [json!({"use": "sig"}), json!({"alg": "ES256"}), json!({"key_ops": ["verify"]}), json!({"x5t": "AA"})] {
        assert_eq!(parsed(&[pair.with(&more)]), Ok(1), "{more}");
    }
}

#[test]
fn what_is_no_set_is_told_and_sizes_are_bounded() {
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(KEY_SET_BYTES_MAX));
    for document in ["", "[]", "{}", "{\"keys\":{}}", "<html>", &long] {
        assert_eq!(KeySet::parse(document.as_bytes()).map(drop), Err(KeySetError::NotASet));
    }
    assert_eq!(parsed(&[]), Err(KeySetError::NoKey));
    let key = Pair::new(Algorithm::ES256).public;
    assert_eq!(parsed(&vec![key; 100]), Ok(KEYS_MAX));
}
