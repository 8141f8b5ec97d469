//! One order: from the names to the certificate.
use std::time::Duration;

use instant_acme::Account;
use instant_acme::AuthorizationStatus;
use instant_acme::CertificateIdentifier;
use instant_acme::ChallengeType;
use instant_acme::Identifier;
use instant_acme::NewOrder;
use instant_acme::Order;
use instant_acme::OrderStatus;
use instant_acme::RetryPolicy;
use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::KeyPair;
use zeroize::Zeroizing;

use crate::acme::Settings;
use crate::acme::answers::Answers;
use crate::acme::answers::Prepared;
use crate::acme::shelf::ShelfError;
use crate::acme::shelf::Unusable;

/// How long the authority may take to check the names, and once more to sign.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a name is proven to be ours.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// RFC 8737.
    TlsAlpn01,
    /// RFC 8555 §8.3.
    Http01,
}

impl Challenge {
    fn kind(self) -> ChallengeType {
        match self {
            Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Challenge::Http01 => ChallengeType::Http01,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Challenge::TlsAlpn01 => "tls-alpn-01",
            Challenge::Http01 => "http-01",
        }
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the account: {0}")]
    Account(String),
    #[error("{0}")]
    Shelf(#[from] ShelfError),
    #[error("the authority offers no {0} for {1}")]
    NoChallenge(&'static str, String),
    #[error("the authority does not believe that the names are ours: {0}")]
    Unproven(String),
    #[error("cannot prepare the order: {0}")]
    Preparation(Box<dyn std::error::Error + Send + Sync>),
    #[error("the new certificate is of no use: {0}")]
    Unusable(#[from] Unusable),
    #[error("it takes too long")]
    Late,
}

impl OrderError {
    /// Whether the authority complains of that. RFC 8555 §6.7.
    pub(super) fn is(&self, kind: &str) -> bool {
        let OrderError::Authority(instant_acme::Error::Api(problem)) = self else { return false };
        problem.r#type.as_deref().and_then(|of| of.strip_prefix("urn:ietf:params:acme:error:")) == Some(kind)
    }
}

/// Orders a certificate and returns its new key and its chain as PEM.
///
/// # Errors
///
/// [`OrderError`]; the answers to challenges are taken back in any case.
pub(super) async fn place(
    account: &Account,
    settings: &Settings,
    answers: &Answers,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<Zeroizing<String>, OrderError> {
    let identifiers: Vec<Identifier> = settings.domains.iter().map(|domain| identifier(domain)).collect();
    let mut wanted = NewOrder::new(&identifiers);
    if let Some(replaces) = replaces {
        wanted = wanted.replaces(replaces);
    }
    if let Some(profile) = &settings.profile {
        wanted = wanted.profile(profile);
    }
    let mut order = account.new_order(&wanted).await?;
    let prepared = prepare(&mut order, settings.challenge).await?;
    let given = answers.give(prepared);
    announce(&mut order, settings.challenge).await?;
    let patience = RetryPolicy::new().timeout(PATIENCE);
    let status = order.poll_ready(&patience).await?;
    if !matches!(status, OrderStatus::Ready | OrderStatus::Valid) {
        return Err(OrderError::Unproven(complaints(&mut order).await));
    }
    drop(given);
    let (key, request) = request(&settings.domains).map_err(|error| OrderError::Preparation(error.into()))?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&patience).await?;
    Ok(Zeroizing::new(format!("{}{chain}", key.as_str())))
}

fn identifier(domain: &str) -> Identifier {
    domain.parse().map_or_else(|_| Identifier::Dns(domain.to_owned()), Identifier::Ip)
}

/// Works out the answer to each challenge that is still open.
async fn prepare(order: &mut Order, challenge: Challenge) -> Result<Prepared, OrderError> {
    let mut prepared = Prepared::default();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let Some(open) = authorization.challenge(challenge.kind()) else {
            return Err(OrderError::NoChallenge(challenge.name(), domain));
        };
        let proof = open.key_authorization();
        match challenge {
            Challenge::Http01 => prepared.add_token(&open.token, proof.as_str()),
            Challenge::TlsAlpn01 => {
                prepared.add_handshake(&domain, proof.digest().as_ref()).map_err(OrderError::Preparation)?;
            }
        }
    }
    Ok(prepared)
}

/// Tells the authority that it may ask now.
async fn announce(order: &mut Order, challenge: Challenge) -> Result<(), OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        if let Some(mut open) = authorization.challenge(challenge.kind()) {
            open.set_ready().await?;
        }
    }
    Ok(())
}

/// What the authority found, name by name.
async fn complaints(order: &mut Order) -> String {
    let mut told = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let Ok(fresh) = authorization.refresh().await else { continue };
        let domain = fresh.identifier().to_string();
        let errors = fresh.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        told.extend(errors.map(|error| format!("{domain}: {error}")));
    }
    if told.is_empty() { "it does not say why".to_owned() } else { told.join("; ") }
}

/// A new key and what is to be signed for it. RFC 2986.
fn request(domains: &[String]) -> Result<(Zeroizing<String>, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(domains.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?.der().to_vec();
    Ok((Zeroizing::new(key.serialize_pem()), request))
}
