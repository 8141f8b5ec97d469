//! Which certificate is shown, and who looks after it.
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Notify;
use tracing::info;

use crate::acme;
use crate::acme::Answers;
use crate::acme::Keeper;
use crate::acme::Shelf;
use crate::config::AcmeChallenge;
use crate::config::Config;
use crate::http::hooks::ChallengeHook;
use crate::listener::Certificates;
use crate::listener::local_ca;
use crate::time::Clock;

/// The certificate to start with: the configured one, the last one that was ordered, or a self-signed one.
pub(super) fn certificates(config: &Config, clock: Clock) -> anyhow::Result<Arc<Certificates>> {
    if let Some(files) = &config.tls.files {
        return Ok(Certificates::load(&files.cert, &files.key)?);
    }
    let state_dir = &config.server.state_dir;
    let local = local_ca::ensure(state_dir, config.server.public_host.as_str(), clock.now().unix)?;
    if config.tls.acme.is_on() {
        let shelf = Shelf::open(state_dir, &config.tls.acme.directory_url)?;
        return Ok(Certificates::load_awaited(&shelf.certificate(), &local.cert, &local.key)?);
    }
    if local.fresh {
        info!(authority = %local.authority.display(), "made a local certificate; browsers trust it through its authority");
    }
    Ok(Certificates::load(&local.cert, &local.key)?)
}

/// Who orders certificates, and what is answered to authorities over HTTP. `None`: nobody does.
pub(super) fn keeper(
    config: &Config,
    certificates: &Arc<Certificates>,
    asked: &Arc<Notify>,
) -> anyhow::Result<Option<(Keeper, ChallengeHook)>> {
    let acme = &config.tls.acme;
    if !acme.is_on() {
        return Ok(None);
    }
    let settings = acme::Settings {
        domains: acme.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
        contact: acme.contact.clone(),
        directory_url: acme.directory_url.clone(),
        challenge: match acme.challenge {
            AcmeChallenge::TlsAlpn01 => acme::Challenge::TlsAlpn01,
            AcmeChallenge::Http01 => acme::Challenge::Http01,
        },
        ca_file: acme.ca_file.clone(),
        profile: Some(acme.profile.clone()).filter(|profile| !profile.is_empty()),
        external_account: acme.eab_key.clone().map(|key| (acme.eab_kid.clone(), key)),
    };
    let answers = Arc::new(Answers::new(Arc::clone(certificates)));
    let shelf = Shelf::open(&config.server.state_dir, &acme.directory_url)?;
    let keeper = Keeper::new(settings, shelf, Arc::clone(certificates), Arc::clone(&answers), Arc::clone(asked));
    Ok(Some((keeper.context("prepare ACME")?, Arc::new(move |token| answers.to_token(token)))))
}
