//! The long-term credential mechanism. RFC 8489 §9.2.
use std::time::Duration;

use crate::client::Client;
use crate::packet::*;
use crate::statement::OUR_RULE;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::target::ACCENTED_USER;
use crate::target::NEXT_SECRET;
use crate::target::STATIC_USER;
use crate::target::Setup;
use crate::target::now_unix_s;
use crate::user::User;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::not_offered;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen(
        "26",
        "8489 §9.2.4",
        "no integrity: 401 with REALM and NONCE, without USERNAME, unsigned",
        Over::All,
        unsigned,
    ),
    Statement::seen(
        "27",
        "8489 §9.2.4",
        "USERNAME, REALM or NONCE missing: 400 without NONCE and REALM",
        Over::All,
        incomplete,
    ),
    Statement::seen(
        "28",
        "8489 §9.2.4",
        "an unknown user: 401, the same bytes as for a wrong password",
        Over::All,
        unknown_user,
    )
    .also(&["src/auth/turn.rs::an_unknown_user_is_checked_once_and_refused_whatever_the_check_says"]),
    Statement::seen("29", "8489 §9.2.4", "a wrong integrity: 401 with REALM and NONCE", Over::All, wrong_integrity),
    Statement::seen(
        "30",
        "8489 §9.2.4",
        "a good integrity with a bad nonce: 438 with a nonce that is good",
        Over::All,
        stale,
    ),
    Statement::seen("31", "8489 §9.2", "a nonce belongs to one address and port", Over::All, foreign_nonce),
    Statement::seen("32", OUR_RULE, "a nonce outlives a restart of the server", Over::Once, restart)
        .also(&["src/auth/nonce.rs::a_nonce_outlives_a_restart_but_not_a_new_secret"]),
    Statement::told(
        "33",
        "8656 §5",
        "a nonce is good for an hour at most",
        &["src/auth/nonce.rs::a_nonce_is_valid_for_an_hour"],
    ),
    Statement::seen(
        "34",
        "8489 §9.2.4",
        "successes and later errors are signed like the request",
        Over::All,
        signed_answers,
    ),
    Statement::seen(
        "35",
        "8489 §14.5",
        "the integrity covers the header with the length up to its end",
        Over::All,
        coverage,
    ),
    Statement::seen(
        "36",
        "8489 §9.2.4",
        "a nonce with the cookie and bit 0 comes with PASSWORD-ALGORITHMS",
        Over::All,
        algorithms_listed,
    ),
    Statement::seen("37", "8489 §9.2.4", "neither algorithm attribute: MD5", Over::All, no_algorithm),
    Statement::seen("38", "8489 §9.2.4", "algorithms altered, alone, or not offered: 400", Over::All, bid_down),
    Statement::seen("39", "8489 §18.5.1", "SHA-256 chosen: key and answer use SHA-256", Over::All, sha256),
    Statement::seen(
        "40",
        "8489 §14.6",
        "a SHA-256 integrity that is cut, too long, or no multiple of 4: refused",
        Over::All,
        cut_integrity,
    ),
    Statement::seen("41", "8489 §9.2.4", "both integrities from an MD5 client: accepted", Over::All, both_integrities),
    Statement::seen(
        "42",
        "8489 §14.4",
        "USERHASH of a named user is accepted where it was offered",
        Over::All,
        userhash,
    ),
    Statement::seen("43", "8265 §4.2", "names and passwords are compared as OpaqueString", Over::Once, opaque_string)
        .also(&["src/auth/turn.rs::passwords_are_compared_in_opaque_string_form"]),
    Statement::seen("44", "TURN REST", "a time-limited credential is refused from its expiry on", Over::All, expired),
    Statement::seen("45", OUR_RULE, "the old and the new secret are good at the same time", Over::Once, two_secrets),
    Statement::seen("46", OUR_RULE, "an allocation outlives its credential", Over::All, outlives)
        .also(&["src/relay/tests/authentication.rs::an_allocation_outlives_its_credential_by_default"]),
    Statement::seen(
        "47",
        "8489 §9.2.4",
        "another realm is refused, another nonce is stale, byte by byte",
        Over::All,
        exact,
    )
    .also(&["src/auth/secret.rs::secrets_compare_by_their_bytes"]),
    Statement::seen("48", "8656 §7.2", "Allocate without credentials never succeeds", Over::All, always_authenticated),
];

/// The numbers of the password algorithms. RFC 8489 §18.5.
const MD5: u16 = 1;
const SHA256: u16 = 2;

fn algorithm(number: u16) -> Vec<u8> {
    [number.to_be_bytes(), [0, 0]].concat()
}

fn is_challenge(what: &str, answer: &Parsed, code: u16) -> Seen<()> {
    same(what, answer.code(), code)?;
    let is_whole = answer.has(REALM) && answer.has(NONCE);
    ensure(is_whole, format!("{what}: REALM or NONCE is missing in {:04x?}", answer.types()))
}

fn unsigned(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.silent_client(scene.target.user(), 0)?;
    let requests = [
        Packet::allocate(),
        Packet::new(REFRESH),
        Packet::new(CREATE_PERMISSION).peer(scene.somebody()),
        Packet::new(CHANNEL_BIND).channel(0x4000).peer(scene.somebody()),
    ];
    for request in requests {
        let what = format!("an unsigned {:#06x}", request.ty());
        let answer = client.ask(&request)?;
        // Without an allocation the answer may as well be 437. RFC 8656 §5.
        if answer.code() == 437 && request.ty() != ALLOCATE {
            continue;
        }
        is_challenge(&what, &answer, 401)?;
        ensure(!answer.has(USERNAME) && !answer.has(INTEGRITY), format!("{what}: {:04x?}", answer.types()))?;
    }
    Ok(())
}

fn incomplete(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let all = [(USERNAME, client.user.name.clone()), (REALM, client.realm.clone()), (NONCE, client.nonce.clone())];
    for (missing, name) in [(USERNAME, "USERNAME"), (REALM, "REALM"), (NONCE, "NONCE")] {
        let there = all.iter().filter(|(ty, _)| *ty != missing);
        let packet = there.fold(Packet::allocate(), |packet, (ty, value)| packet.attr(*ty, value));
        let answer = client.ask(&packet.sign(&client.key()))?;
        same(&format!("without {name}"), answer.code(), 400)?;
        ensure(!answer.has(REALM) && !answer.has(NONCE), format!("without {name}: a challenge in the 400"))?;
    }
    Ok(())
}

/// The answer with what differs from one to the next taken out.
fn shape(answer: &Parsed) -> (u16, Vec<(u16, Vec<u8>)>) {
    let value = |ty: u16, value: &[u8]| if ty == NONCE { vec![0; value.len()] } else { value.to_vec() };
    (answer.code(), answer.attributes.iter().map(|(ty, bytes)| (*ty, value(*ty, bytes))).collect())
}

fn unknown_user(scene: &Scene<'_>) -> Seen<()> {
    let good = scene.target.user();
    let wrong = User { password: "wrong".to_owned(), ..good.clone() };
    let expected = shape(&scene.client_of(wrong)?.call(Packet::allocate())?);
    same("a wrong password", expected.0, 401)?;
    for nobody in [User::named("nobody", "x"), User::named("", ""), User::named("12345:x", "x")] {
        let answer = scene.client_of(nobody)?.call(Packet::allocate())?;
        is_challenge("an unknown user", &answer, 401)?;
        same("the answer to an unknown user", shape(&answer), expected.clone())?;
    }
    Ok(())
}

fn wrong_integrity(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let mut packet = client.signed(Packet::allocate());
    *packet.0.last_mut().expect("a byte") ^= 1;
    is_challenge("a wrong integrity", &client.ask(&packet)?, 401)?;
    let (mut client, _) = scene.allocated()?;
    let mut packet = client.signed(Packet::new(REFRESH).u32(LIFETIME, 0));
    *packet.0.last_mut().expect("a byte") ^= 1;
    is_challenge("a wrong integrity on Refresh", &client.ask(&packet)?, 401)?;
    client.refresh(0, "the allocation is still there", 600)?;
    Ok(())
}

fn stale(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let good = client.nonce.clone();
    let last = good.len() - 1;
    let bad =
        [b"x".to_vec(), good[..last].to_vec(), [&good[..last], &[good[last] ^ 1]].concat(), vec![b'0'; good.len()]];
    for nonce in bad {
        client.nonce = nonce;
        let answer = client.call(Packet::allocate())?;
        is_challenge("a nonce that nobody issued", &answer, 438)?;
        client.learn(&answer);
        let listed = answer.has(PASSWORD_ALGORITHMS);
        let offered = has_feature(&client.nonce);
        same("the 438 lists PASSWORD-ALGORITHMS", listed, offered)?;
    }
    client.allocate(Packet::allocate())?;
    Ok(())
}

fn foreign_nonce(scene: &Scene<'_>) -> Seen<()> {
    let (mut a, b) = (scene.client()?, scene.client()?);
    ensure(a.nonce != b.nonce, "two addresses got one nonce")?;
    a.nonce.clone_from(&b.nonce);
    is_challenge("a nonce of another address", &a.call(Packet::allocate())?, 438)
}

fn restart(scene: &Scene<'_>) -> Seen<()> {
    let mut target = scene.target.with(Setup::Plain)?;
    let way = target.ways[0].clone();
    let mut client = Scene { target: &target, way: &way }.client()?;
    target.restart()?;
    client.way = target.ways[0].clone();
    client.allocate(Packet::allocate())?;
    Ok(())
}

fn signed_answers(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let key = client.key();
    let peer = scene.somebody();
    let six = "[::1]:9999".parse().expect("an address");
    let answers = [
        client.expect(437, "Refresh without allocation", Packet::new(REFRESH))?,
        client.expect(400, "Allocate without transport", Packet::new(ALLOCATE))?,
        client.expect(0, "Allocate", Packet::allocate())?,
        client.expect(437, "a second Allocate", Packet::allocate())?,
        client.expect(0, "CreatePermission", Packet::new(CREATE_PERMISSION).peer(peer))?,
        client.expect(0, "ChannelBind", Packet::new(CHANNEL_BIND).channel(0x4000).peer(peer))?,
        client.expect(443, "a peer of the other family", Packet::new(CREATE_PERMISSION).peer(six))?,
        client.expect(420, "an unknown attribute", Packet::new(REFRESH).attr(0x7777, b""))?,
        client.expect(0, "Refresh", Packet::new(REFRESH))?,
    ];
    for answer in &answers {
        let what = format!("the answer {:#06x} with code {}", answer.ty, answer.code());
        ensure(answer.is_signed(&key), format!("{what} is not signed with the key of the request"))?;
        ensure(!answer.has(INTEGRITY_SHA256), format!("{what} is signed with SHA-256"))?;
    }
    Ok(())
}

fn coverage(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    // What follows the integrity changes the length in the header, not what the integrity covers.
    let packet = client.signed(Packet::allocate()).fingerprint();
    let answer = client.ask(&packet)?;
    same("with a fingerprint behind", answer.code(), 0)?;
    ensure(answer.is_signed(&client.key()), "the answer is not signed")?;
    let mut altered = client.signed(Packet::new(REFRESH).u32(LIFETIME, 1000)).0;
    altered[27] ^= 1;
    same("one bit before the integrity changed", client.ask(&Packet(altered))?.code(), 401)
}

/// Whether a nonce has the cookie and says that password algorithms are negotiated: bit 0 of 24, which readers of
/// RFC 8489 §18.1 and of its appendix B.1 count from opposite ends.
fn has_feature(nonce: &[u8]) -> bool {
    use base64::Engine;
    let Some(features) = nonce.strip_prefix(b"obMatJos2").and_then(|rest| rest.get(..4)) else { return false };
    let bits = base64::engine::general_purpose::STANDARD.decode(features).unwrap_or_default();
    bits.first().is_some_and(|byte| byte & 0x80 != 0) || bits.last().is_some_and(|byte| byte & 1 != 0)
}

/// A client to which algorithms were offered, and the offer as it came.
fn offered(scene: &Scene<'_>) -> Seen<(Client, Vec<u8>)> {
    let mut client = scene.silent_client(scene.target.user(), 0)?;
    let challenge = client.challenge()?;
    match challenge.get(PASSWORD_ALGORITHMS) {
        Some(list) => Ok((client, list.to_vec())),
        None => Err(not_offered("no password algorithms are offered")),
    }
}

fn algorithms_listed(scene: &Scene<'_>) -> Seen<()> {
    let (client, list) = offered(scene)?;
    ensure(has_feature(&client.nonce), "PASSWORD-ALGORITHMS without the bit in the nonce")?;
    let numbers: Vec<u16> = list.chunks_exact(4).map(|entry| u16::from_be_bytes([entry[0], entry[1]])).collect();
    ensure(numbers.contains(&MD5) && numbers.contains(&SHA256), format!("the list is {numbers:?}"))
}

fn no_algorithm(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, _) = offered(scene)?;
    let answer = client.expect(0, "Allocate with an MD5 key", Packet::allocate())?;
    ensure(answer.is_signed(&client.key()), "the answer is not signed with the MD5 key")
}

fn bid_down(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, list) = offered(scene)?;
    let only_md5 = algorithm(MD5);
    let reversed: Vec<u8> = list.chunks_exact(4).rev().flatten().copied().collect();
    let cases = [
        ("a list of MD5 alone", Some(&only_md5[..]), Some(algorithm(MD5))),
        ("a reversed list", Some(&reversed[..]), Some(algorithm(SHA256))),
        ("the list alone", Some(&list[..]), None),
        ("the choice alone", None, Some(algorithm(SHA256))),
        ("an algorithm that is not in the list", Some(&list[..]), Some(algorithm(0x7F))),
        ("an empty list", Some(&[][..]), Some(algorithm(MD5))),
    ];
    for (what, list, choice) in cases {
        let mut packet = client.named(Packet::allocate());
        if let Some(list) = list {
            packet = packet.attr(PASSWORD_ALGORITHMS, list);
        }
        if let Some(choice) = choice {
            packet = packet.attr(PASSWORD_ALGORITHM, &choice);
        }
        let key = client.user.sha256_key(&client.realm);
        same(what, client.ask(&packet.clone().sign_sha256(&key, 32))?.code(), 400)?;
        let md5 = packet.sign(&client.key());
        // The transaction of an answered request is not used twice.
        let mut again = Packet::new(ALLOCATE).0;
        again.extend_from_slice(&md5.0[20..]);
        again[2..4].copy_from_slice(&md5.0[2..4]);
        let code = client.ask(&Packet(again))?.code();
        ensure([400, 401].contains(&code), format!("{what}, signed with SHA-1: {code}"))?;
    }
    Ok(())
}

fn with_sha256(client: &Client, list: &[u8], packet: Packet) -> Packet {
    let packet = client.named(packet).attr(PASSWORD_ALGORITHMS, list).attr(PASSWORD_ALGORITHM, &algorithm(SHA256));
    packet.sign_sha256(&client.user.sha256_key(&client.realm), 32)
}

fn sha256(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, list) = offered(scene)?;
    let key = client.user.sha256_key(&client.realm);
    for request in [Packet::allocate(), Packet::new(REFRESH), Packet::new(CREATE_PERMISSION).peer(scene.somebody())] {
        let what = format!("{:#06x} with a SHA-256 key", request.ty());
        let answer = client.ask(&with_sha256(&client, &list, request))?;
        same(&what, answer.code(), 0)?;
        ensure(answer.is_signed_sha256(&key), format!("{what}: the answer is not signed with SHA-256"))?;
        ensure(!answer.has(INTEGRITY), format!("{what}: the answer has a SHA-1 integrity"))?;
    }
    let answer = client.ask(&with_sha256(&client, &list, Packet::new(REFRESH).u32(LIFETIME, 0)))?;
    same("Refresh 0", answer.code(), 0)
}

fn cut_integrity(scene: &Scene<'_>) -> Seen<()> {
    let (mut client, list) = offered(scene)?;
    let key = client.user.sha256_key(&client.realm);
    for len in [0, 4, 12, 16, 20, 28, 30, 33, 36] {
        let packet = client.named(Packet::allocate()).attr(PASSWORD_ALGORITHMS, &list);
        let packet = packet.attr(PASSWORD_ALGORITHM, &algorithm(SHA256)).sign_sha256(&key, len);
        let code = client.ask(&packet)?.code();
        ensure([400, 401].contains(&code), format!("an integrity of {len} bytes: {code}"))?;
    }
    Ok(())
}

fn both_integrities(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let key = client.key();
    let packet = client.named(Packet::allocate()).sign(&key).sign_sha256(&key, 32);
    same("both integrities", client.ask(&packet)?.code(), 0)
}

fn userhash(scene: &Scene<'_>) -> Seen<()> {
    let target = scene.target.with(Setup::StaticUsers)?;
    let way = target.way(scene.way.name).ok_or_else(|| fails("the way is gone"))?;
    let scene = Scene { target: &target, way };
    let mut client = scene.client_of(User::named(STATIC_USER.0, STATIC_USER.1))?;
    let (list, key) = match client.challenge()?.get(PASSWORD_ALGORITHMS) {
        Some(list) => (list.to_vec(), client.user.sha256_key(&client.realm)),
        None => return Err(not_offered("no user name anonymity")),
    };
    let hashed = |client: &Client, hash: &[u8]| {
        Packet::allocate()
            .attr(USERHASH, hash)
            .attr(REALM, &client.realm)
            .attr(NONCE, &client.nonce)
            .attr(PASSWORD_ALGORITHMS, &list)
            .attr(PASSWORD_ALGORITHM, &algorithm(SHA256))
            .sign_sha256(&key, 32)
    };
    let unknown = hashed(&client, &[7; 32]);
    is_challenge("an unknown hash", &client.ask(&unknown)?, 401)?;
    let known = hashed(&client, &client.user.hash(&client.realm));
    let answer = client.ask(&known)?;
    same("USERHASH", answer.code(), 0)?;
    ensure(answer.is_signed_sha256(&key), "the answer is not signed with SHA-256")
}

fn opaque_string(scene: &Scene<'_>) -> Seen<()> {
    let target = scene.target.with(Setup::StaticUsers)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    // The second one did not prepare the name: it is sent, and stands in the key, as a keyboard made it.
    for name in [ACCENTED_USER.0, "Rene\u{301}"] {
        scene.client_of(User::named(name, ACCENTED_USER.1))?.expect(0, name, Packet::allocate())?;
    }
    let mut client = scene.client()?;
    client.user.name = vec![0xFF, 0xFE, b'x'];
    let code = client.call(Packet::allocate())?.code();
    ensure([400, 401].contains(&code), format!("a name that is not UTF-8: {code}"))
}

fn expired(scene: &Scene<'_>) -> Seen<()> {
    for expiry in [now_unix_s() - 1, 1] {
        let user = scene.target.user_until("late", expiry)?;
        is_challenge("an expired credential", &scene.client_of(user)?.call(Packet::allocate())?, 401)?;
    }
    Ok(())
}

fn two_secrets(scene: &Scene<'_>) -> Seen<()> {
    let target = scene.target.with(Setup::TwoSecrets)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    scene.client()?.expect(0, "the first secret", Packet::allocate())?;
    let user = User::time_limited(NEXT_SECRET, "next", now_unix_s() + 600);
    scene.client_of(user)?.expect(0, "the second secret", Packet::allocate())?;
    Ok(())
}

fn outlives(scene: &Scene<'_>) -> Seen<()> {
    let expiry = now_unix_s() + 3;
    let user = scene.target.user_until("brief", expiry)?;
    let mut client = scene.client_of(user.clone())?;
    client.allocate(Packet::allocate())?;
    while now_unix_s() <= expiry {
        std::thread::sleep(Duration::from_millis(100));
    }
    is_challenge("a new Allocate", &scene.client_of(user)?.call(Packet::allocate())?, 401)?;
    client.refresh(0, "Refresh", 600)?;
    client.permit(0, "CreatePermission", &[scene.somebody()])?;
    client.bind(0, "ChannelBind", 0x4000, scene.somebody())?;
    Ok(())
}

fn exact(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.client()?;
    let (realm, nonce) = (client.realm.clone(), client.nonce.clone());
    for other in [realm.to_ascii_uppercase(), [&realm[..], b"\0"].concat()] {
        client.realm = other;
        ensure(client.call(Packet::allocate())?.code() != 0, "another realm is taken for this one")?;
    }
    client.realm = realm;
    for bad in [[&nonce[..], b"\0"].concat(), nonce.to_ascii_uppercase()] {
        client.nonce = bad;
        same("another nonce", client.call(Packet::allocate())?.code(), 438)?;
    }
    Ok(())
}

fn always_authenticated(scene: &Scene<'_>) -> Seen<()> {
    let mut client = scene.silent_client(scene.target.user(), 0)?;
    let named = Packet::allocate().attr(USERNAME, b"guest").attr(REALM, b"realm").attr(NONCE, b"nonce");
    for request in [Packet::allocate(), Packet::allocate().fingerprint(), named] {
        same("Allocate", client.ask(&request)?.code(), 401)?;
    }
    Ok(())
}
