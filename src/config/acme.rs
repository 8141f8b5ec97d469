//! `[tls.acme]`: certificates ordered from an authority and renewed. RFC 8555.
use std::path::PathBuf;

use serde::Serialize;
use serde::Serializer;

use crate::auth::secret::Secret;

use super::mask;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;
use super::server::PublicHost;

/// Names in one certificate; more are no business of one server.
const DOMAINS_MAX: usize = 25;

/// `[tls.acme]`: whom to ask for certificates, for which names, and how to prove that they are ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acme {
    /// Names and addresses of the certificate; empty: no ACME.
    pub domains: Vec<PublicHost>,
    /// Where the authority may write to, `mailto:` included.
    pub contact: Vec<String>,
    /// The authority's directory.
    pub directory_url: String,
    /// How names are proven to be ours.
    pub challenge: AcmeChallenge,
    /// The PEM file of who signs the authority's own HTTPS; `None`: as the system trusts.
    #[serde(serialize_with = "path_or_empty")]
    pub ca_file: Option<PathBuf>,
    /// The kind of certificate to ask for; empty: the authority's default.
    pub profile: String,
    /// The number of an account with the authority outside of ACME; empty: none.
    pub eab_kid: String,
    /// Its key, base64url.
    #[serde(serialize_with = "mask::one")]
    pub eab_key: Option<Secret>,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            contact: Vec::new(),
            directory_url: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            challenge: AcmeChallenge::TlsAlpn01,
            ca_file: None,
            profile: String::new(),
            eab_kid: String::new(),
            eab_key: None,
        }
    }
}

impl Acme {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let contact: Vec<String> = section.checked("contact", default.contact, |list| check_contacts(list));
        let read = Self {
            domains: section.checked("domains", default.domains, |domains: &Vec<PublicHost>| check_domains(domains)),
            contact: contact.into_iter().map(|address| with_scheme(&address)).collect(),
            directory_url: section.checked("directory_url", default.directory_url, |url: &String| check_url(url)),
            challenge: section.value("challenge", default.challenge),
            ca_file: section.checked("ca_file", default.ca_file, super::http::readable),
            profile: section.value("profile", default.profile),
            eab_kid: section.value("eab_kid", default.eab_kid),
            eab_key: section.secret("eab_key"),
        };
        match (read.eab_kid.is_empty(), read.eab_key.is_some()) {
            (false, false) => {
                section.misses(
                    "eab_key",
                    "eab_kid",
                    "the account has no key",
                    "write eab_key, as the authority shows it",
                );
            }
            (true, true) => {
                section.misses(
                    "eab_kid",
                    "eab_key",
                    "the key has no account",
                    "write eab_kid, as the authority shows it",
                );
            }
            (true, false) | (false, true) => {}
        }
        section.finish();
        read
    }

    /// Whether certificates are ordered at all.
    pub fn is_on(&self) -> bool {
        !self.domains.is_empty()
    }
}

/// How a name is proven to be ours.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
pub enum AcmeChallenge {
    /// In a TLS handshake at port 443. RFC 8737.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// In an answer over plain HTTP at port 80. RFC 8555 §8.3.
    #[serde(rename = "http-01")]
    Http01,
}

impl FromText for AcmeChallenge {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "tls-alpn-01" => Ok(Self::TlsAlpn01),
            "http-01" => Ok(Self::Http01),
            "dns-01" => Err(Complaint::new(
                "dns-01 needs the key of a DNS provider, which this server does not hold",
                "write \"tls-alpn-01\" or \"http-01\", or let another program renew and name its files in tls.cert and tls.key",
            )),
            _ => Err(Complaint::new(format!("{text:?} is no challenge"), "write \"tls-alpn-01\" or \"http-01\"")),
        }
    }
}

fn check_domains(domains: &[PublicHost]) -> Result<(), Complaint> {
    if domains.len() > DOMAINS_MAX {
        return Err(Complaint::new(
            format!("{} names do not fit into one certificate", domains.len()),
            format!("name at most {DOMAINS_MAX}"),
        ));
    }
    if let Some(local) = domains.iter().find(|domain| domain.as_str().ends_with(".local") || domain.is_local()) {
        let fix = "name what the authority reaches this server by; for development leave tls.acme.domains empty";
        return Err(Complaint::new(format!("no authority reaches {local}"), fix));
    }
    Ok(())
}

fn check_contacts(contacts: &[String]) -> Result<(), Complaint> {
    match contacts.iter().find(|contact| !contact.contains('@') || contact.contains([' ', ','])) {
        Some(contact) => {
            Err(Complaint::new(format!("{contact:?} is no mail address"), "write one like \"admin@example.org\""))
        }
        None => Ok(()),
    }
}

fn with_scheme(address: &str) -> String {
    if address.starts_with("mailto:") { address.to_owned() } else { format!("mailto:{address}") }
}

fn check_url(url: &str) -> Result<(), Complaint> {
    let host = url.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    if host.is_some_and(|host| !host.is_empty()) && !url.contains([' ', '#']) {
        return Ok(());
    }
    let fix = "write the https URL of the authority's directory, as its documentation names it";
    Err(Complaint::new(format!("{url:?} is no directory"), fix))
}

fn path_or_empty<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.clone().unwrap_or_default().serialize(to)
}
