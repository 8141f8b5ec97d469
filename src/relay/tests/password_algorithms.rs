//! SHA-256 beside MD5: keys, integrity, and attempts to bid a client down. RFC 8489 §9.2.
use super::fixture::*;
use crate::auth::nonce::SecurityFeatures;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::IntegrityKey;
use crate::stun::IntegrityKind;
use crate::stun::Method;
use crate::stun::PasswordAlgorithm;
use crate::stun::TransactionId;
use crate::stun::Writer;

const MD5: PasswordAlgorithm = PasswordAlgorithm::Md5;
const SHA256: PasswordAlgorithm = PasswordAlgorithm::Sha256;

/// How a request is signed.
#[derive(Clone)]
pub(super) struct Signing {
    pub(super) offered: Option<Vec<u8>>,
    pub(super) chosen: Option<Vec<u8>>,
    pub(super) key: PasswordAlgorithm,
    pub(super) integrity: Vec<IntegrityKind>,
    pub(super) features: SecurityFeatures,
}

impl Signing {
    /// As RFC 8489 wants it.
    pub(super) fn with(algorithm: PasswordAlgorithm, integrity: IntegrityKind) -> Self {
        Self {
            offered: Some(PasswordAlgorithm::OFFERED.to_vec()),
            chosen: Some(algorithm.to_bytes().to_vec()),
            key: algorithm,
            integrity: vec![integrity],
            features: FEATURES,
        }
    }

    /// As a client signs that knows nothing of algorithms.
    fn plain(integrity: &[IntegrityKind]) -> Self {
        let with_algorithm = Self::with(MD5, IntegrityKind::Sha1);
        Self { offered: None, chosen: None, integrity: integrity.to_vec(), ..with_algorithm }
    }

    pub(super) fn key(&self, client: &Client) -> IntegrityKey {
        self.key.key(&client.username, REALM, &client.password)
    }

    fn request(&self, relay: &Fixture, client: &Client, method: Method, id: TransactionId) -> Vec<u8> {
        let name = (AttributeType::USERNAME, client.username.as_bytes());
        self.request_as(name, relay, client, method, id)
    }

    /// A request whose user is named by this attribute.
    pub(super) fn request_as(
        &self,
        (ty, name): (AttributeType, &[u8]),
        relay: &Fixture,
        client: &Client,
        method: Method,
        id: TransactionId,
    ) -> Vec<u8> {
        let nonce = nonce_key().issue(self.features, client.address.remote, relay.now.unix.as_secs());
        message(Class::Request, method, id, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP).attribute(ty, name);
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, nonce.as_bytes());
            if let Some(offered) = &self.offered {
                writer.attribute(AttributeType::PASSWORD_ALGORITHMS, offered);
            }
            if let Some(chosen) = &self.chosen {
                writer.attribute(AttributeType::PASSWORD_ALGORITHM, chosen);
            }
            for kind in &self.integrity {
                writer.sign(*kind, &self.key(client));
            }
        })
    }
}

fn ask(relay: &mut Fixture, client: &Client, method: Method, signing: &Signing) -> Reply {
    let id = relay.id();
    let packet = signing.request(relay, client, method, id);
    relay.exchange(client.address, &packet).expect("an answer")
}

/// The kind of an answer's integrity, which is made with this key.
fn integrity(reply: &Reply, key: &IntegrityKey) -> IntegrityKind {
    let message = reply.message();
    assert!(message.verify(key));
    assert_ne!(message.has_integrity(), message.has_integrity_sha256());
    message.integrity().expect("an integrity").expect("a sound one")
}

#[test]
fn every_algorithm_goes_with_every_integrity_and_the_answer_has_that_of_the_request() {
    for algorithm in [MD5, SHA256] {
        for kind in [IntegrityKind::Sha1, IntegrityKind::Sha256] {
            let mut relay = Fixture::new();
            let client = Client::udp(1, "s1");
            let signing = Signing::with(algorithm, kind);
            let key = signing.key(&client);
            let success = ask(&mut relay, &client, Method::ALLOCATE, &signing);
            assert_eq!((success.code(), integrity(&success, &key)), (0, kind), "{algorithm:?} {kind:?}");
            let error = ask(&mut relay, &client, Method::ALLOCATE, &signing);
            assert_eq!((error.code(), integrity(&error, &key)), (437, kind));
            let refresh = ask(&mut relay, &client, Method::REFRESH, &signing);
            assert_eq!((refresh.code(), integrity(&refresh, &key)), (0, kind));
        }
    }
}

#[test]
fn a_request_that_names_no_algorithm_has_an_md5_key() {
    let client = Client::udp(1, "s1");
    for (kinds, answered) in [
        (&[IntegrityKind::Sha1][..], IntegrityKind::Sha1),
        (&[IntegrityKind::Sha256], IntegrityKind::Sha256),
        (&[IntegrityKind::Sha1, IntegrityKind::Sha256], IntegrityKind::Sha1),
    ] {
        let signing = Signing::plain(kinds);
        let reply = ask(&mut Fixture::new(), &client, Method::ALLOCATE, &signing);
        assert_eq!((reply.code(), integrity(&reply, &signing.key(&client))), (0, answered), "{kinds:?}");
        let stronger = Signing { key: SHA256, ..signing };
        assert_eq!(ask(&mut Fixture::new(), &client, Method::ALLOCATE, &stronger).code(), 401);
    }
}

#[test]
fn an_algorithm_answered_with_both_integrities_gets_the_stronger_one() {
    let client = Client::udp(1, "s1");
    let both = vec![IntegrityKind::Sha1, IntegrityKind::Sha256];
    let signing = Signing { integrity: both, ..Signing::with(SHA256, IntegrityKind::Sha256) };
    let reply = ask(&mut Fixture::new(), &client, Method::ALLOCATE, &signing);
    assert_eq!(integrity(&reply, &signing.key(&client)), IntegrityKind::Sha256);
}

#[test]
fn a_key_of_another_algorithm_than_the_chosen_one_is_wrong() {
    let client = Client::udp(1, "s1");
    for (chosen, key) in [(MD5, SHA256), (SHA256, MD5)] {
        let signing = Signing { key, ..Signing::with(chosen, IntegrityKind::Sha256) };
        assert_eq!(ask(&mut Fixture::new(), &client, Method::ALLOCATE, &signing).code(), 401);
    }
}

#[test]
fn a_list_that_is_not_the_offered_one_is_a_bad_request() {
    let client = Client::udp(1, "s1");
    let sound = Signing::with(MD5, IntegrityKind::Sha1);
    for offered in [
        &b""[..],
        &[0, 1, 0, 0],
        &[0, 2, 0, 0],
        &[0, 1, 0, 0, 0, 2, 0, 0],
        &[0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0],
        &[0, 2, 0, 0, 0, 1, 0],
    ] {
        let signing = Signing { offered: Some(offered.to_vec()), ..sound.clone() };
        let reply = ask(&mut Fixture::new(), &client, Method::ALLOCATE, &signing);
        assert_eq!((reply.code(), reply.types()), (400, vec![AttributeType::ERROR_CODE]), "{offered:?}");
        assert!(!reply.message().has_integrity());
    }
}

#[test]
fn one_algorithm_attribute_without_the_other_is_a_bad_request() {
    let client = Client::udp(1, "s1");
    for sound in [Signing::with(MD5, IntegrityKind::Sha1), Signing::with(SHA256, IntegrityKind::Sha256)] {
        for signing in [Signing { offered: None, ..sound.clone() }, Signing { chosen: None, ..sound.clone() }] {
            assert_eq!(ask(&mut Fixture::new(), &client, Method::ALLOCATE, &signing).code(), 400);
        }
    }
}

#[test]
fn an_algorithm_that_was_not_offered_is_a_bad_request() {
    let client = Client::udp(1, "s1");
    for chosen in [&b""[..], &[0, 0, 0, 0], &[0, 3, 0, 0], &[0, 2, 0, 4, 1, 2, 3, 4], &[0, 2]] {
        let signing = Signing { chosen: Some(chosen.to_vec()), ..Signing::with(SHA256, IntegrityKind::Sha256) };
        assert_eq!(ask(&mut Fixture::new(), &client, Method::ALLOCATE, &signing).code(), 400, "{chosen:?}");
    }
}

#[test]
fn a_challenge_without_its_features_never_lets_a_client_in() {
    // The attacker takes PASSWORD-ALGORITHMS out of the challenge, and the feature out of the nonce so that the client
    // does not notice: the client signs with the weaker algorithm, and is challenged again.
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let mut packet = Signing::plain(&[]).request(&relay, &client, Method::ALLOCATE, TransactionId([1; 12]));
    let at = packet.windows(4).position(|window| window == b"gAAB").expect("features");
    packet[at..at + 4].copy_from_slice(b"AAAA");
    let weakened = crate::stun::Message::parse(&packet).expect("valid");
    let resigned = message(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), |writer| {
        weakened.attributes().for_each(|(ty, value)| {
            writer.attribute(ty, value);
        });
        writer.integrity(&client.key());
    });
    let reply = relay.exchange(client.address, &resigned).expect("an answer");
    assert_eq!(reply.code(), 438);
    assert_eq!(
        reply.message().attribute(AttributeType::PASSWORD_ALGORITHMS),
        Some(&PasswordAlgorithm::OFFERED[..]),
        "the algorithms come with the fresh nonce"
    );
    assert_eq!(relay.server.allocations(), 0);
}

#[test]
fn an_integrity_of_a_wrong_length_is_a_bad_request_and_a_truncated_one_is_not_accepted() {
    let client = Client::udp(1, "s1");
    let signing = Signing { integrity: Vec::new(), ..Signing::with(SHA256, IntegrityKind::Sha256) };
    let unsigned = signing.request(&Fixture::new(), &client, Method::ALLOCATE, TransactionId([1; 12]));
    for (len, code) in
        [(0, 400), (12, 400), (15, 400), (16, 401), (18, 400), (20, 401), (28, 401), (31, 400), (32, 0), (36, 400)]
    {
        let packet = truncated(&unsigned, AttributeType::MESSAGE_INTEGRITY_SHA256, len, &signing.key(&client));
        assert_eq!(Fixture::new().exchange(client.address, &packet).expect("an answer").code(), code, "{len} bytes");
    }
    for len in [0, 16, 19, 24, 32] {
        let packet = truncated(&unsigned, AttributeType::MESSAGE_INTEGRITY, len, &signing.key(&client));
        assert_eq!(Fixture::new().exchange(client.address, &packet).expect("an answer").code(), 400, "{len} bytes");
    }
}

/// The request with an integrity of `len` bytes: the first ones of the right value, as far as it goes.
fn truncated(unsigned: &[u8], ty: AttributeType, len: usize, key: &IntegrityKey) -> Vec<u8> {
    use hmac::KeyInit;
    use hmac::Mac;
    let IntegrityKey::Sha256(key) = key else { panic!("a SHA-256 key") };
    let padded = len.next_multiple_of(4);
    let mut packet = unsigned.to_vec();
    let length = u16::try_from(packet.len() - 20 + 4 + padded).expect("short");
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("any length").chain_update(&packet);
    let mut value = mac.finalize().into_bytes().to_vec();
    value.resize(len, 0);
    packet.extend_from_slice(&ty.0.to_be_bytes());
    packet.extend_from_slice(&u16::try_from(len).expect("short").to_be_bytes());
    packet.extend_from_slice(&value);
    packet.resize(usize::from(length) + 20, 0);
    packet
}

#[test]
fn an_owner_is_known_under_the_other_algorithm_too() {
    for (first, second) in [(MD5, SHA256), (SHA256, MD5)] {
        let mut relay = Fixture::new();
        let client = Client::udp(1, "s1");
        let [first, second] = [first, second].map(|algorithm| Signing::with(algorithm, IntegrityKind::Sha256));
        assert_eq!(ask(&mut relay, &client, Method::ALLOCATE, &first).code(), 0);
        let reply = ask(&mut relay, &client, Method::REFRESH, &second);
        assert_eq!(reply.code(), 0);
        assert!(reply.message().verify(&second.key(&client)));
        let thief = Client { password: "wrong".into(), ..client.clone() };
        assert_eq!(ask(&mut relay, &thief, Method::REFRESH, &second).code(), 401);
        assert_eq!(ask(&mut relay, &client, Method::REFRESH, &first).code(), 0);
    }
}

#[test]
fn a_repeated_allocate_is_answered_with_the_key_of_the_repetition() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let id = relay.id();
    for algorithm in [MD5, SHA256] {
        let signing = Signing::with(algorithm, IntegrityKind::Sha256);
        let packet = signing.request(&relay, &client, Method::ALLOCATE, id);
        let reply = relay.exchange(client.address, &packet).expect("an answer");
        assert_eq!(reply.code(), 0);
        assert!(reply.message().verify(&signing.key(&client)), "{algorithm:?}");
    }
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn strict_expiry_holds_under_the_other_algorithm_too() {
    let mut relay = Fixture::with(&Setup { strict_expiry: true, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.pass_secs(3599);
    assert_eq!(ask(&mut relay, &client, Method::ALLOCATE, &Signing::with(MD5, IntegrityKind::Sha1)).code(), 0);
    relay.pass_secs(1);
    for algorithm in [MD5, SHA256] {
        let reply = ask(&mut relay, &client, Method::REFRESH, &Signing::with(algorithm, IntegrityKind::Sha256));
        assert!(matches!(reply.code(), 401 | 437), "{algorithm:?}: {}", reply.code());
    }
}

#[test]
fn an_unknown_attribute_is_told_with_the_stronger_integrity() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let signing = Signing { integrity: Vec::new(), ..Signing::with(SHA256, IntegrityKind::Sha256) };
    let unsigned = signing.request(&relay, &client, Method::REFRESH, TransactionId([1; 12]));
    let unsigned = crate::stun::Message::parse(&unsigned).expect("valid");
    let packet = message(Class::Request, Method::REFRESH, TransactionId([1; 12]), |writer| {
        unsigned.attributes().for_each(|(ty, value)| {
            writer.attribute(ty, value);
        });
        write_unknown(writer);
        writer.integrity_sha256(&signing.key(&client)).fingerprint();
    });
    let reply = relay.exchange(client.address, &packet).expect("an answer");
    assert_eq!((reply.code(), integrity(&reply, &signing.key(&client))), (420, IntegrityKind::Sha256));
    let told = reply.message().attribute(AttributeType::UNKNOWN_ATTRIBUTES).expect("told").len();
    assert_eq!((told, reply.message().has_fingerprint()), (2 * 592, true), "as many as the answer holds");
}

/// More types than an answer holds, some of them twice.
fn write_unknown(writer: &mut Writer<'_>) {
    for ty in (0x7000..0x7180).chain(0x7000..0x7040).chain(0x7200..0x72E0) {
        writer.attribute(AttributeType(ty), b"");
    }
}
