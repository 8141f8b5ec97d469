//! Accounts as the configuration wants them.
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;

use crate::auth::foreign_keys::ForeignKeys;
use crate::auth::proof_of_work::BITS_MAX;
use crate::config::Config;
use crate::http::hooks::GuestCheckHook;
use crate::http::hooks::GuestHooks;
use crate::http::hooks::GuestWorkHooks;
use crate::identity::Desk;
use crate::identity::GuestCheck;
use crate::identity::GuestWork;
use crate::identity::KeyFetcher;
use crate::identity::KeySource;
use crate::identity::Settings;
use crate::identity::Watch;
use crate::signal::Handle;
use crate::signal::KeyRing;
use crate::store::runner;
use crate::time::Clock;

/// Ends the logins of accounts that were altered while nobody served.
///
/// # Errors
///
/// The store cannot be used.
pub(super) async fn watch(store: &runner::Handle, hub: &Handle) -> anyhow::Result<Watch> {
    Watch::open(store.clone(), hub.clone()).await.context("read which accounts were altered")
}

/// Who fetches the public keys of a backend, and how it is asked; `None`: there are none.
///
/// # Errors
///
/// The machine has no certificates to judge others by.
pub(super) fn keys(config: &Config, keys: &ForeignKeys) -> anyhow::Result<Option<(KeyRing, KeyFetcher)>> {
    let source = match (&config.auth.jwks_file, config.auth.jwks_url.as_str()) {
        (Some(path), _) => KeySource::File(path.clone()),
        (None, "") => return Ok(None),
        (None, url) => KeySource::Url(url.to_owned()),
    };
    let (ring, keeper) = KeyRing::new(keys.clone());
    let fetcher = KeyFetcher::new(source, keeper).context("auth.jwks_url")?;
    Ok(Some((ring, fetcher)))
}

/// What guests have to show.
///
/// # Errors
///
/// The machine has no certificates to judge others by.
pub(super) fn guests(config: &Config, clock: Clock) -> anyhow::Result<GuestHooks> {
    Ok(GuestHooks { work: guest_work(config, clock), check: guest_check(config, clock)? })
}

/// Who is asked about guests; `None`: nobody.
///
/// # Errors
///
/// The machine has no certificates to judge others by.
fn guest_check(config: &Config, clock: Clock) -> anyhow::Result<Option<GuestCheckHook>> {
    if config.auth.guest_check_url.is_empty() {
        return Ok(None);
    }
    let check = GuestCheck::new(config.auth.guest_check_url.clone(), config.auth.guest_check_secret.clone());
    let check = Arc::new(check.context("auth.guest_check_url")?);
    let ask: GuestCheckHook = Arc::new(move |ip: IpAddr, device: String, proof: String| {
        let check = Arc::clone(&check);
        Box::pin(async move { Ok(check.admit(ip, &device, &proof, clock.now().unix).await?) })
    });
    Ok(Some(ask))
}

/// What guests have to work for; `None`: nothing.
fn guest_work(config: &Config, clock: Clock) -> Option<GuestWorkHooks> {
    // More was refused with the configuration.
    let bits = u8::try_from(config.auth.guest_proof_of_work_bits).unwrap_or(BITS_MAX);
    if bits == 0 {
        return None;
    }
    let work = GuestWork::new(bits);
    let tasks = work.clone();
    Some(GuestWorkHooks {
        task: Arc::new(move |ip| tasks.task(ip, clock.now().unix)),
        admit: Arc::new(move |ip, challenge, number| Ok(work.admit(ip, challenge, number, clock.now().unix)?)),
    })
}

/// The desk behind the routes of accounts, where there are any.
pub(super) fn desk(config: &Config, store: runner::Handle, hub: &Handle, clock: Clock) -> Option<Desk> {
    config.auth.accounts.then(|| Desk::new(settings(config), store, hub.clone(), clock))
}

/// What the desk goes by.
pub(super) fn settings(config: &Config) -> Settings {
    Settings {
        registration: config.auth.registration,
        logins_per_minute: config.limits.logins_per_minute,
        exempt: config.limits.exempt.clone(),
    }
}
