use serde_json::Value;
use serde_json::json;

use super::*;

const NOW: UnixMillis = UnixMillis(1_763_630_000_500);
const FOREIGN: &[u8] = b"a key of the customer's own backend";

fn tokens() -> Tokens {
    Tokens::new(&settings())
}

fn settings() -> TokenSettings {
    TokenSettings {
        secret: Secret::new(*b"the key that signs our own tokens"),
        foreign_secrets: vec![Secret::new(*b"an older key"), Secret::new(FOREIGN)],
        old_secrets: Vec::new(),
        foreign_keys: ForeignKeys::default(),
        foreign_issuer: None,
        foreign_audience: None,
        access_ttl: Duration::from_secs(300),
        refresh_ttl: Duration::from_secs(3600),
    }
}

fn signed(algorithm: Algorithm, claims: &Value, key: &[u8]) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).expect("signs")
}

fn foreign(claims: &Value) -> Result<Identity, TokenError> {
    tokens().verify(&signed(Algorithm::HS256, claims, FOREIGN), NOW)
}

#[test]
fn rule_1_every_guest_is_a_new_user_of_the_same_device() {
    let mut tokens = tokens();
    let (first, second) = (tokens.issue_guest("tab-1", NOW), tokens.issue_guest("tab-1", NOW));
    assert_ne!(first.identity.subject.user, second.identity.subject.user);
    assert_eq!(first.identity.subject.device, second.identity.subject.device);
    assert_eq!(tokens.verify(&first.access_token, NOW), Ok(first.identity));
}

#[test]
fn an_access_token_expires_to_the_second() {
    let mut tokens = tokens();
    let guest = tokens.issue_guest("tab-1", NOW);
    let expires = UnixMillis(1_763_630_300_000);
    assert_eq!(guest.identity.expires, expires);
    assert!(tokens.verify(&guest.access_token, UnixMillis(expires.0 - 1)).is_ok());
    assert_eq!(tokens.verify(&guest.access_token, expires), Err(TokenError::Expired));
}

#[test]
fn a_changed_token_is_refused() {
    let mut tokens = tokens();
    let guest = tokens.issue_guest("tab-1", NOW);
    let (head, signature) = guest.access_token.rsplit_once('.').expect("a JWT");
    for wrong in
        [format!("{head}."), format!("{head}.AAAA"), format!("{head}x.{signature}"), String::new(), "..".into()]
    {
        assert_eq!(tokens.verify(&wrong, NOW), Err(TokenError::Invalid), "{wrong}");
    }
}

#[test]
fn a_refresh_token_is_good_once_and_its_second_use_kills_the_family() {
    let mut tokens = tokens();
    let first = tokens.issue_guest("tab-1", NOW);
    let second = tokens.refresh(&first.refresh_token, NOW).expect("is fresh");
    assert_eq!(second.identity.subject, first.identity.subject);
    assert_ne!(second.refresh_token, first.refresh_token);
    let family = first.identity.family.clone().expect("our own tokens have one");
    assert_eq!(tokens.refresh(&first.refresh_token, NOW), Err(RefreshError::Reused(family)));
    assert_eq!(tokens.refresh(&second.refresh_token, NOW), Err(RefreshError::Invalid));
    assert_eq!(tokens.verify(&second.access_token, NOW), Err(TokenError::Revoked));
}

#[test]
fn a_pass_is_good_for_appeals_alone_and_for_half_an_hour() {
    let mut tokens = tokens();
    let guest = tokens.issue_guest("tab-1", NOW);
    let pass = tokens.issue_pass(&guest.identity.subject, NOW);
    assert_eq!(tokens.verify(&pass.token, NOW), Err(TokenError::Invalid));
    assert_eq!(tokens.verify_for_appeal(&pass.token, NOW), Ok(guest.identity.subject.clone()));
    let end = UnixMillis((NOW + pass.expires_in).as_secs() * 1000);
    assert!(tokens.verify_for_appeal(&pass.token, UnixMillis(end.0 - 1)).is_ok());
    assert_eq!(tokens.verify_for_appeal(&pass.token, end), Err(TokenError::Expired));
    // Access tokens are as good as ever.
    assert_eq!(tokens.verify_for_appeal(&guest.access_token, NOW), Ok(guest.identity.subject));
    assert_eq!(tokens.verify_for_appeal("nonsense", NOW), Err(TokenError::Invalid));
}

#[test]
fn a_pass_outlives_a_change_of_keys_and_nobody_elses_key_signs_one() {
    let subject = Subject::of_device("tab-1");
    let pass = tokens().issue_pass(&subject, NOW);
    let changed =
        TokenSettings { secret: Secret::new(*b"the next key"), old_secrets: vec![settings().secret], ..settings() };
    assert_eq!(Tokens::new(&changed).verify_for_appeal(&pass.token, NOW), Ok(subject));
    let forgotten = TokenSettings { secret: Secret::new(*b"the next key"), ..settings() };
    assert_eq!(Tokens::new(&forgotten).verify_for_appeal(&pass.token, NOW), Err(TokenError::Invalid));
}

#[test]
fn a_device_appeals_by_a_name_that_tells_nothing_of_it_and_is_no_users() {
    let (one, other) = (Subject::of_device("tab-1"), Subject::of_device("tab-2"));
    assert_eq!(one, Subject::of_device("tab-1"));
    assert_ne!(one.user, other.user);
    assert!(is_device_name(&one.user) && !one.user.contains("tab"));
    for user in ["g_d_x", "u_x", "d_shop:ann", "shop:d_x"] {
        assert!(!is_device_name(user), "{user}");
    }
}

#[test]
fn the_family_of_another_device_survives() {
    let mut tokens = tokens();
    let (one, other) = (tokens.issue_guest("tab-1", NOW), tokens.issue_guest("tab-2", NOW));
    assert!(tokens.refresh(&one.refresh_token, NOW).is_ok());
    assert!(tokens.refresh(&one.refresh_token, NOW).is_err());
    assert!(tokens.verify(&other.access_token, NOW).is_ok());
    assert!(tokens.refresh(&other.refresh_token, NOW).is_ok());
}

#[test]
fn refresh_tokens_expire_and_rotation_prolongs_them() {
    let mut tokens = tokens();
    let hour = Duration::from_secs(3600);
    let guest = tokens.issue_guest("tab-1", NOW);
    let almost = UnixMillis((NOW + hour).0 - 1);
    let next = tokens.refresh(&guest.refresh_token, almost).expect("is fresh");
    assert!(tokens.refresh(&next.refresh_token, NOW + hour).is_ok());
    let late = tokens.issue_guest("tab-2", NOW);
    assert_eq!(tokens.refresh(&late.refresh_token, NOW + hour), Err(RefreshError::Invalid));
}

#[test]
fn garbage_is_no_refresh_token_and_kills_nothing() {
    let mut tokens = tokens();
    let guest = tokens.issue_guest("tab-1", NOW);
    for garbage in ["", "x", &"A".repeat(64), &"=".repeat(64), &"A".repeat(65), &guest.access_token] {
        assert_eq!(tokens.refresh(garbage, NOW), Err(RefreshError::Invalid));
    }
    assert!(tokens.refresh(&guest.refresh_token, NOW).is_ok());
}

#[test]
fn rule_17_foreign_users_are_prefixed_by_their_issuer() {
    let identity = foreign(&json!({"sub": "42", "exp": 1_763_630_100, "iss": "shop", "role": "moderator",
        "device": "d1", "age_band": "adult"}))
    .expect("is valid");
    assert_eq!(&*identity.subject.user, "shop:42");
    assert_eq!(identity.subject.role, Role::Moderator);
    assert_eq!(identity.subject.device.as_deref(), Some("d1"));
    assert_eq!(identity.subject.age_band.as_deref(), Some("adult"));
    assert_eq!((identity.subject.guest, identity.family), (false, None));
    assert_eq!(identity.expires, UnixMillis(1_763_630_100_000));
    let nameless = foreign(&json!({"sub": "42", "exp": 1_763_630_100.5, "role": "cook"})).expect("is valid");
    assert_eq!(&*nameless.subject.user, "external:42");
    assert_eq!(nameless.subject.role, Role::User);
    assert_eq!(nameless.expires, UnixMillis(1_763_630_100_500));
}

#[test]
fn rule_17_foreign_tokens_need_sub_and_exp() {
    for claims in [
        json!({"exp": 1_763_630_100}),
        json!({"sub": "42"}),
        json!({"sub": "", "exp": 1_763_630_100}),
        json!({"sub": 42, "exp": 1_763_630_100}),
        json!({"sub": "42", "exp": "1763630100"}),
        json!({"sub": "42", "exp": -5}),
        json!({"sub": "42", "exp": 1_763_630_100, "nbf": 1_763_630_050}),
        json!({"sub": "x".repeat(129), "exp": 1_763_630_100}),
    ] {
        assert_eq!(foreign(&claims), Err(TokenError::Invalid), "{claims}");
    }
    assert_eq!(foreign(&json!({"sub": "42", "exp": 1_763_630_000})), Err(TokenError::Expired));
}

#[test]
fn foreign_tokens_must_come_from_the_issuer_and_be_for_the_audience_that_are_configured() {
    let checked = |issuer: Option<&str>, audience: Option<&str>, claims: Value| {
        let tokens = Tokens::new(&TokenSettings {
            foreign_issuer: issuer.map(str::to_owned),
            foreign_audience: audience.map(str::to_owned),
            ..settings()
        });
        let mut all = json!({"sub": "42", "exp": 1_763_630_100});
        all.as_object_mut().expect("an object").extend(claims.as_object().expect("an object").clone());
        tokens.verify(&signed(Algorithm::HS256, &all, FOREIGN), NOW).map(|_| ())
    };
    let invalid = Err(TokenError::Invalid);
    assert_eq!(checked(Some("shop"), None, json!({"iss": "shop"})), Ok(()));
    assert_eq!(checked(Some("shop"), None, json!({"iss": "shop2"})), invalid);
    assert_eq!(checked(Some("shop"), None, json!({})), invalid);
    assert_eq!(checked(None, Some("calls"), json!({"aud": "calls"})), Ok(()));
    assert_eq!(checked(None, Some("calls"), json!({"aud": ["mail", "calls"]})), Ok(()));
    assert_eq!(checked(None, Some("calls"), json!({"aud": ["mail"]})), invalid);
    assert_eq!(checked(None, Some("calls"), json!({"aud": "call"})), invalid);
    assert_eq!(checked(None, Some("calls"), json!({})), invalid);
    assert_eq!(checked(None, None, json!({"iss": "any", "aud": "any"})), Ok(()));
    assert_eq!(checked(None, None, json!({"aud": 7})), invalid);
}

#[test]
fn our_own_tokens_need_neither() {
    let mut tokens = Tokens::new(&TokenSettings {
        foreign_issuer: Some("shop".to_owned()),
        foreign_audience: Some("calls".to_owned()),
        ..settings()
    });
    let guest = tokens.issue_guest("tab-1", NOW);
    assert_eq!(tokens.verify(&guest.access_token, NOW), Ok(guest.identity));
}

#[test]
fn a_foreign_key_cannot_make_users_of_ours() {
    let mut tokens = tokens();
    let guest = tokens.issue_guest("tab-1", NOW);
    let user = &*guest.identity.subject.user;
    let identity =
        foreign(&json!({"sub": user, "exp": 1_763_630_100, "iss": ISSUER, "guest": true})).expect("is valid");
    assert_ne!(&*identity.subject.user, user);
    assert!(!identity.subject.guest);
    assert!(!user.contains(':'));
}

#[test]
fn rule_17_other_algorithms_and_none_are_refused() {
    let claims = json!({"sub": "42", "exp": 1_763_630_100});
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(tokens().verify(&signed(algorithm, &claims, FOREIGN), NOW), Err(TokenError::Invalid));
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", "nOnE"] {
        let unsigned = format!("{}.{}.", encode(&json!({"alg": alg, "typ": "JWT"})), encode(&claims));
        assert_eq!(tokens().verify(&unsigned, NOW), Err(TokenError::Invalid));
    }
    assert_eq!(tokens().verify(&signed(Algorithm::HS256, &claims, b"unknown"), NOW), Err(TokenError::Invalid));
}

#[test]
fn our_own_tokens_name_their_key_and_an_older_key_is_believed_until_it_is_taken_away() {
    let exchanged = |secret: &[u8], old: &[&[u8]]| {
        let old_secrets = old.iter().map(|key| Secret::new(*key)).collect();
        Tokens::new(&TokenSettings { secret: Secret::new(secret), old_secrets, ..settings() })
    };
    let (first, second): (&[u8], &[u8]) = (b"the first key", b"the second key");
    let by_first = exchanged(first, &[]).issue_guest("d", NOW);
    let key_id = |token: &str| jsonwebtoken::decode_header(token).expect("a JWT").kid.expect("a name");
    let mut after = exchanged(second, &[first]);
    let by_second = after.issue_guest("d", NOW);
    assert_ne!(key_id(&by_first.access_token), key_id(&by_second.access_token));
    assert_eq!(key_id(&by_first.access_token), key_id(&exchanged(first, &[]).issue_guest("e", NOW).access_token));
    for issued in [&by_first, &by_second] {
        assert_eq!(after.verify(&issued.access_token, NOW), Ok(issued.identity.clone()));
    }
    assert_eq!(exchanged(second, &[]).verify(&by_first.access_token, NOW), Err(TokenError::Invalid));
    // Tokens of earlier versions name no key.
    let claims = json!({"sub": "g_1", "exp": 1_763_630_100, "iss": "duologue", "guest": true});
    let nameless = signed(Algorithm::HS256, &claims, first);
    assert_eq!(&*after.verify(&nameless, NOW).expect("is good").subject.user, "g_1");
}

#[test]
fn tokens_do_not_print_themselves() {
    let guest = tokens().issue_guest("tab-1", NOW);
    let printed = format!("{guest:?}");
    assert!(!printed.contains(&guest.access_token) && !printed.contains(&guest.refresh_token));
}

/// Tokens as they are after a restart: with what had to be kept.
fn restarted(changes: Vec<FamilyChange>) -> Tokens {
    let mut tokens = tokens();
    let mut families = std::collections::HashMap::new();
    for change in changes {
        match change {
            FamilyChange::Put(family) => drop(families.insert(family.lookup, family)),
            FamilyChange::Removed(lookup) => drop(families.remove(&lookup)),
            FamilyChange::Buried(family, until) => tokens.restore_buried(family, until),
        }
    }
    families.into_values().for_each(|family| tokens.restore(family));
    tokens
}

#[test]
fn a_login_goes_on_with_what_was_kept_of_it() {
    let mut before = tokens();
    let guest = before.issue_guest("tab-1", NOW);
    let second = before.refresh(&guest.refresh_token, NOW).expect("is fresh");
    let changes = before.take_changes();
    assert_eq!(before.take_changes(), []);
    let mut after = restarted(changes);
    let third = after.refresh(&second.refresh_token, NOW).expect("is the last one");
    assert_eq!(third.identity.subject, guest.identity.subject);
    // The second use of one that was used before the restart.
    let family = guest.identity.family.clone().expect("our own tokens have one");
    assert_eq!(after.refresh(&guest.refresh_token, NOW), Err(RefreshError::Reused(family)));
    let mut last = restarted(after.take_changes());
    assert_eq!(last.verify(&third.access_token, NOW), Err(TokenError::Revoked));
    assert_eq!(last.refresh(&third.refresh_token, NOW), Err(RefreshError::Invalid));
}

#[test]
fn a_subject_is_kept_as_json() {
    let guest = tokens().issue_guest("tab-1", NOW).identity.subject;
    let kept = serde_json::to_value(&guest).expect("serializes");
    let expected = json!({"user": &*guest.user, "role": "user", "guest": true, "device": "tab-1", "age_band": null});
    assert_eq!(kept, expected);
    assert_eq!(serde_json::from_value::<Subject>(kept).expect("reads"), guest);
}

#[test]
fn other_settings_hold_for_tokens_that_come_then_and_the_dead_stay_dead() {
    let mut tokens = tokens();
    let guest = tokens.issue_guest("tab-1", NOW);
    let claims = json!({"sub": "ann", "iss": "shop", "exp": NOW.as_secs() + 100});
    let backend = signed(Algorithm::HS256, &claims, b"a newer key");
    assert_eq!(tokens.verify(&backend, NOW), Err(TokenError::Invalid));
    let fresh = TokenSettings {
        foreign_secrets: vec![Secret::new(*b"a newer key")],
        access_ttl: Duration::from_secs(10),
        refresh_ttl: Duration::from_secs(20),
        ..settings()
    };
    tokens.change(&fresh);
    assert!(tokens.verify(&backend, NOW).is_ok() && tokens.verify(&guest.access_token, NOW).is_ok());
    assert_eq!(tokens.verify(&signed(Algorithm::HS256, &claims, FOREIGN), NOW), Err(TokenError::Invalid));
    tokens.change(&TokenSettings { foreign_issuer: Some("another".to_owned()), ..fresh.clone() });
    assert!(tokens.verify(&backend, NOW).is_err());
    tokens.change(&TokenSettings { foreign_audience: Some("another".to_owned()), ..fresh });
    assert!(tokens.verify(&backend, NOW).is_err());

    let late = NOW + Duration::from_secs(20);
    let second = tokens.issue_guest("tab-2", NOW);
    assert_eq!((second.expires_in, second.identity.expires), (Duration::from_secs(10), UnixMillis(1_763_630_010_000)));
    assert_eq!(tokens.refresh(&second.refresh_token, late), Err(RefreshError::Invalid));
    // A token of before lives longer than those that are made now, so its login must be remembered longer.
    tokens.end_logins(&guest.identity.subject.user, &Logins::All, NOW);
    assert_eq!(tokens.verify(&guest.access_token, late), Err(TokenError::Revoked));
    tokens.issue_guest("tab-3", late);
    assert_eq!(tokens.verify(&guest.access_token, late), Err(TokenError::Revoked));
}
