//! Who may use the relay of the built program: both password algorithms, hashed names, attempts to bid a client down, and
//! names that are no text. RFC 8489 §9.2.
mod support;

use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use duologue::auth::secret::Secret;
use duologue::auth::turn::Minter;
use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::IntegrityKind;
use duologue::stun::Method;
use duologue::stun::PasswordAlgorithm;
use support::Server;
use support::TURN_SECRET;
use support::eventually;
use support::turn::Credential;
use support::wire::Signing;
use support::wire::UDP;
use support::wire::Way;
use support::wire::Wire;
use support::wire::ways;

const USERS: &str = "[turn.users]\nalice = \"wonder\"\n";
const ANONYMOUS_USERS: &str = "[turn]\nusername_anonymity = true\n[turn.users]\nalice = \"wonder\"\n";

/// How long a line may take from the program to its log.
const LOGGED: Duration = Duration::from_secs(5);

fn alice() -> Credential {
    Credential { username: "alice".to_owned(), password: "wonder".to_owned() }
}

/// A client that was challenged and signs like this.
fn challenged(way: &Way, credential: Credential, signing: Signing) -> Wire {
    let mut wire = Wire::with(way, credential);
    wire.challenge();
    wire.signing = signing;
    wire
}

/// Every combination of key and integrity, with the algorithm named and without.
fn signings() -> impl Iterator<Item = Signing> {
    [None, Some(PasswordAlgorithm::Md5), Some(PasswordAlgorithm::Sha256)].into_iter().flat_map(|algorithm| {
        [IntegrityKind::Sha1, IntegrityKind::Sha256].map(|integrity| Signing { algorithm, integrity, by_hash: false })
    })
}

#[test]
fn a_client_may_sign_with_either_algorithm_and_is_answered_alike() {
    let server = Server::start("");
    for way in ways(&server) {
        for signing in signings() {
            let mut wire = challenged(&way, Credential::for_session("s1"), signing);
            let what = format!("{signing:?} over {}", way.name);
            let key = wire.key();
            let answers = [
                wire.allocate(|_| {}),
                wire.permit(&["127.0.0.1:9".parse().expect("an address")]),
                wire.refresh(600),
                wire.refresh(0),
            ];
            for answer in answers {
                let message = answer.message();
                assert_eq!(answer.signed_code(&key), Some(0), "{what}");
                let kinds = (message.has_integrity(), message.has_integrity_sha256());
                assert_eq!(
                    kinds,
                    (signing.integrity == IntegrityKind::Sha1, signing.integrity == IntegrityKind::Sha256)
                );
            }
            // Without an allocation: an error, signed alike.
            assert_eq!(wire.refresh(600).signed_code(&key), Some(437), "{what}");
            wire.credential.password.push('x');
            assert_eq!(wire.allocate(|_| {}).code(), 401, "{what}");
        }
    }
    assert!(eventually(LOGGED, || server.allocations() == 0.0));
}

#[test]
fn an_owner_may_change_the_algorithm() {
    let server = Server::start("");
    for way in ways(&server) {
        let mut wire = challenged(&way, Credential::for_session("s1"), Signing::OLD);
        assert_eq!(wire.allocate(|_| {}).code(), 0);
        for signing in [Signing::NEW, Signing::OLD] {
            wire.signing = signing;
            assert_eq!(wire.refresh(600).signed_code(&wire.key()), Some(0), "{}", way.name);
        }
    }
}

#[test]
fn nobody_bids_a_client_down() {
    let server = Server::start("");
    for way in ways(&server) {
        // The list is altered on its way to the client, which sends it back as it came.
        for altered in [&b"\0\x01\0\0"[..], b"\0\x01\0\0\0\x02\0\0", b"\0\x02\0\0", b""] {
            for signing in [Signing { algorithm: Some(PasswordAlgorithm::Md5), ..Signing::OLD }, Signing::NEW] {
                let mut wire = challenged(&way, Credential::for_session("s1"), signing);
                wire.offered = altered.to_vec();
                let answer = wire.allocate(|_| {});
                assert_eq!((answer.code(), answer.types()), (400, vec![AttributeType::ERROR_CODE]), "{}", way.name);
            }
        }
        // The list is taken away, and the nonce altered so that it does not tell.
        for features in [b"AAAA", b"AAAB", b"gAAA"] {
            let mut wire = challenged(&way, Credential::for_session("s1"), Signing::OLD);
            assert_eq!(&wire.nonce[..13], b"obMatJos2gAAB");
            wire.nonce[9..13].copy_from_slice(features);
            let answer = wire.allocate(|_| {});
            assert_eq!(answer.code(), 438, "{}", way.name);
            let offered = answer.message().attribute(AttributeType::PASSWORD_ALGORITHMS);
            assert_eq!(offered, Some(&PasswordAlgorithm::OFFERED[..]), "the honest offer comes with the fresh nonce");
        }
    }
    assert_eq!(server.allocations(), 0.0);
}

#[test]
fn a_static_user_may_hide_the_name() {
    let server = Server::start(ANONYMOUS_USERS);
    for way in ways(&server) {
        let by_hash = Signing { by_hash: true, ..Signing::NEW };
        let mut wire = challenged(&way, alice(), by_hash);
        assert_eq!(&wire.nonce[..13], b"obMatJos2wAAD", "the offer");
        assert_eq!(wire.allocate(|_| {}).signed_code(&wire.key()), Some(0), "{}", way.name);
        wire.signing.by_hash = false;
        assert_eq!(wire.refresh(600).signed_code(&wire.key()), Some(0), "the same user by name");
        wire.signing.by_hash = true;
        assert_eq!(wire.refresh(0).signed_code(&wire.key()), Some(0));

        let unknown = Credential { username: "bob".to_owned(), ..alice() };
        assert_eq!(challenged(&way, unknown, by_hash).allocate(|_| {}).code(), 401);
        let minted = Credential::for_session("s1");
        assert_eq!(challenged(&way, minted.clone(), by_hash).allocate(|_| {}).code(), 401);
        assert_eq!(challenged(&way, minted, Signing::NEW).allocate(|_| {}).code(), 0);
    }
}

#[test]
fn hidden_names_are_not_asked_for_unless_the_operator_says_so() {
    for extra in [USERS, "[turn]\nusername_anonymity = true\n"] {
        let server = Server::start(extra);
        let mut wire = Wire::open(&ways(&server)[0], "s1");
        wire.challenge();
        assert_eq!(&wire.nonce[..13], b"obMatJos2gAAB", "{extra}");
    }
}

#[test]
fn a_nonce_outlives_a_restart_and_a_change_of_the_users() {
    let mut server = Server::start(ANONYMOUS_USERS);
    let [mut hidden, mut named, mut old] =
        [Signing { by_hash: true, ..Signing::NEW }, Signing::NEW, Signing::OLD].map(|signing| {
            let credential = if signing.by_hash { alice() } else { Credential::for_session("s1") };
            challenged(&ways(&server)[0], credential, signing)
        });
    std::fs::write(server.state.path().join("conf.d/test.toml"), USERS).expect("write the configuration");
    server.restart();
    for wire in [&mut hidden, &mut named, &mut old] {
        wire.turn_to(&ways(&server)[0]);
        assert_eq!(wire.allocate(|_| {}).signed_code(&wire.key()), Some(0));
    }
    let mut fresh = Wire::open(&ways(&server)[0], "s1");
    fresh.challenge();
    assert_eq!((&hidden.nonce[9..13], &fresh.nonce[9..13]), (&b"wAAD"[..], &b"gAAB"[..]));
}

#[test]
fn every_secret_is_good_with_either_algorithm() {
    const NEXT: &str = "the secret that comes after the first one";
    let server = Server::start(&format!("[turn]\nsecrets = [\"{NEXT}\", \"{TURN_SECRET}\"]\n"));
    for way in ways(&server) {
        for signing in [Signing::OLD, Signing::NEW] {
            for (secret, code) in [(NEXT, 0), (TURN_SECRET, 0), ("a secret of somebody else, and long", 401)] {
                let mut wire = challenged(&way, minted(secret, "s1"), signing);
                assert_eq!(wire.allocate(|_| {}).code(), code, "{signing:?} over {}", way.name);
            }
        }
    }
}

/// A credential that some secret mints for a user id, valid for ten minutes.
fn minted(secret: &str, id: &str) -> Credential {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let minted = Minter::new(Secret::new(secret.as_bytes())).mint(id, now + 600);
    Credential { username: minted.username, password: minted.password }
}

#[test]
fn names_that_are_no_text_reach_neither_log_nor_metrics() {
    for format in ["text", "json"] {
        let server = Server::start(&format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\n"));
        let names: [&[u8]; 8] = [
            b"5000000000:\x1b[2J\x1b[31mpwned",
            b"5000000000:pwned\n2026-01-01T00:00:00Z  INFO duologue: pwned",
            b"5000000000:pwned\r\0\x07\x08",
            "5000000000:pwned\u{9b}2J".as_bytes(),
            "5000000000:\u{202e}pwned\u{2028}".as_bytes(),
            b"pwned\"} 1\nduologue_pwned_total 7",
            b"%s%n${jndi:pwned}",
            &[0xFF; 508],
        ];
        for way in ways(&server) {
            for name in names {
                let mut wire = challenged(&way, Credential::for_session("s1"), Signing::OLD);
                let request = request_of(&mut wire, name);
                let code = wire.ask(&request).code();
                assert_eq!(code, if name[0] == 0xFF { 400 } else { 401 }, "{name:?} over {}", way.name);
            }
        }
        // A name that is text and has a right password may stand in the log, yet only as one quoted word.
        let mut quoting = Wire::with(&ways(&server)[0], minted(TURN_SECRET, "last\" reason=\"pwned"));
        assert_eq!(quoting.allocate(|_| {}).code(), 0);
        assert_eq!(quoting.refresh(0).code(), 0);
        assert!(eventually(LOGGED, || server.log().contains("last\\\"")), "{}", server.log());

        let log = server.log();
        let is_printed = |c: char| c == '\n' || !c.is_control();
        assert!(log.chars().all(is_printed), "{format}: {log:?}");
        for line in log.lines().filter(|line| line.contains("pwned")) {
            assert!(line.contains("last\\\" reason=\\\"pwned"), "{format}: {line}");
        }
        assert!(!log.contains('\u{FFFD}') && !log.contains("\\xff"), "{format}");
        let (status, metrics) = server.get("/metrics");
        assert_eq!(status, 200);
        assert!(!metrics.contains("pwned") && !metrics.contains("5000000000") && metrics.is_ascii());
    }
}

/// An Allocate of a user with this name, whose password nobody knows.
fn request_of(wire: &mut Wire, name: &[u8]) -> Vec<u8> {
    let nonce = wire.nonce.clone();
    wire.message(Class::Request, Method::ALLOCATE, |writer| {
        writer
            .u32(AttributeType::REQUESTED_TRANSPORT, UDP)
            .attribute(AttributeType::USERNAME, name)
            .attribute(AttributeType::REALM, b"duologue")
            .attribute(AttributeType::NONCE, &nonce)
            .integrity(&IntegrityKey::Md5([7; 16]));
    })
}

#[test]
fn a_name_beyond_its_length_is_a_bad_request() {
    let server = Server::start("");
    for way in ways(&server) {
        for (len, code) in [(508, 401), (509, 400), (1200, 400)] {
            let mut wire = challenged(&way, Credential::for_session("s1"), Signing::OLD);
            let request = request_of(&mut wire, &vec![b'a'; len]);
            assert_eq!(wire.ask(&request).code(), code, "{len} bytes over {}", way.name);
        }
    }
}
