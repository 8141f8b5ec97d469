//! `token`: an access token for the operator's own tests, as a backend or as this server makes them.
use std::io;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::auth::token::Grant;
use crate::auth::token::Role;
use crate::auth::token::mint;
use crate::config::Config;
use crate::state::State;
use crate::time::Clock;
use crate::time::UnixMillis;

/// What the token says.
#[derive(Debug, Args)]
pub(super) struct Wish {
    /// The user's id; behind a backend's key it is prefixed by its issuer
    #[arg(long, value_parser = claim)]
    user: String,
    /// user, moderator or admin
    #[arg(long, default_value = "user", value_parser = role)]
    role: Role,
    /// How long it is good, e.g. 10m, 1h
    #[arg(long, default_value = "1h", value_parser = super::ttl)]
    ttl: Duration,
    /// The device: the key for exclusion, limits and bans
    #[arg(long, value_parser = claim)]
    device: Option<String>,
    /// The pool in matchmaking
    #[arg(long, value_parser = claim)]
    age_band: Option<String>,
    /// Sign it with this server's own key, although auth.jwt_secrets has one of a backend
    #[arg(long)]
    own: bool,
}

pub(super) fn run(config: &Config, wish: &Wish) -> anyhow::Result<()> {
    let backends = config.auth.jwt_secrets.first().filter(|_| !wish.own);
    let key = match backends {
        Some(key) => key.clone(),
        None => State::existing_token_secret(&config.server.state_dir)?,
    };
    let configured = |text: &str| Some(text.to_owned()).filter(|text| backends.is_some() && !text.is_empty());
    let now = Clock::start().now().unix;
    let expires = now + wish.ttl;
    let grant = Grant {
        user: wish.user.clone(),
        role: wish.role,
        device: wish.device.clone(),
        age_band: wish.age_band.clone(),
        issuer: configured(&config.auth.issuer),
        audience: configured(&config.auth.audience),
        expires,
    };
    let token = match backends {
        Some(_) => mint::of_backend(&key, &grant, now),
        None => mint::of_our_own(&key, &grant, now),
    };
    let printed = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_at": UnixMillis(expires.as_secs().saturating_mul(1000)),
        "user": wish.user,
        "role": wish.role,
    });
    let text = serde_json::to_string_pretty(&printed).context("write JSON")?;
    writeln!(io::stdout(), "{text}").context("write the token")
}

fn role(text: &str) -> Result<Role, String> {
    let found = [Role::User, Role::Moderator, Role::Admin].into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| "write user, moderator or admin".to_owned())
}

fn claim(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        return Err("write 1 to 128 bytes".to_owned());
    }
    Ok(text.to_owned())
}
