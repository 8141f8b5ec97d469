//! What authorities are told that check whether names are ours, while they may ask.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::CertificateParams;
use rcgen::CustomExtension;
use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use crate::listener::Certificates;

/// Answers to challenges: tokens over HTTP, certificates in handshakes. Written by one order at a time.
#[derive(Debug)]
pub struct Answers {
    certificates: Arc<Certificates>,
    body_by_token: ArcSwap<HashMap<String, String>>,
}

impl Answers {
    /// Answers nothing yet.
    pub fn new(certificates: Arc<Certificates>) -> Self {
        Self { certificates, body_by_token: ArcSwap::default() }
    }

    /// What is answered to who asks for that token over HTTP. RFC 8555 §8.3.
    pub fn to_token(&self, token: &str) -> Option<String> {
        self.body_by_token.load().get(token).cloned()
    }

    /// Begins to answer, until what is returned is dropped.
    pub(super) fn give(&self, answers: Prepared) -> Given<'_> {
        self.certificates.show_challenges(answers.certificate_by_name);
        self.body_by_token.store(Arc::new(answers.body_by_token));
        Given { answers: self }
    }
}

/// As long as it lives, the answers are given.
pub(super) struct Given<'a> {
    answers: &'a Answers,
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.answers.certificates.show_challenges(HashMap::new());
        self.answers.body_by_token.store(Arc::default());
    }
}

/// The answers of one order.
#[derive(Default)]
pub(super) struct Prepared {
    certificate_by_name: HashMap<String, Arc<CertifiedKey>>,
    body_by_token: HashMap<String, String>,
}

impl Prepared {
    /// RFC 8555 §8.3.
    pub(super) fn add_token(&mut self, token: &str, key_authorization: &str) {
        self.body_by_token.insert(token.to_owned(), key_authorization.to_owned());
    }

    /// A certificate that says nothing but the digest of the key authorization. RFC 8737 §3, and RFC 8738 §6 for addresses.
    ///
    /// # Errors
    ///
    /// What rcgen or rustls said.
    pub(super) fn add_handshake(
        &mut self,
        domain: &str,
        digest: &[u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![domain.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?;
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let private = aws_lc_rs::default_provider().key_provider.load_private_key(private)?;
        // Checking the pair would parse the certificate, and rustls takes none with a critical extension it does not know.
        let certified = CertifiedKey::new(vec![certificate.der().clone()], private);
        self.certificate_by_name.insert(asked_as(domain), Arc::new(certified));
        Ok(())
    }
}

/// The server name that the authority asks for. Addresses cannot be asked for, so their names in `arpa` stand in.
fn asked_as(domain: &str) -> String {
    match domain.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            let labels: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{labels}ip6.arpa")
        }
        Err(_) => domain.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_with_a_certificate_of_its_digest() {
        let mut prepared = Prepared::default();
        prepared.add_handshake("a.example", &[7; 32]).expect("made");
        let certified = prepared.certificate_by_name.get("a.example").expect("by its name");
        // OCTET STRING in OCTET STRING, as RFC 8737 section 3 draws it.
        let value = [&[0x04, 0x22, 0x04, 0x20][..], &[7; 32]].concat();
        let der: &[u8] = certified.cert.first().expect("a leaf");
        assert!(der.windows(value.len()).any(|window| window == value));
    }

    #[test]
    fn addresses_are_asked_for_by_their_names_in_arpa() {
        assert_eq!(asked_as("A.example"), "a.example");
        assert_eq!(asked_as("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        let v6 = asked_as("2001:db8::1");
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{v6}");
        assert_eq!(v6.matches('.').count(), 33);
    }
}
