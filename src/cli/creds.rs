//! `creds`: a TURN credential for the operator's own tests.
use std::io;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::auth::turn::Minter;
use crate::config::Config;
use crate::ice::TurnListeners;
use crate::state::State;
use crate::time::Clock;
use crate::time::UnixMillis;

/// What is printed. Rule 11: times in milliseconds.
#[derive(Serialize)]
struct Creds<'a> {
    username: &'a str,
    password: &'a str,
    expires_at: UnixMillis,
    ice_servers: [IceServer<'a>; 1],
}

/// An `RTCIceServer` of the WebRTC API.
#[derive(Serialize)]
struct IceServer<'a> {
    urls: Vec<String>,
    username: &'a str,
    credential: &'a str,
}

pub(super) fn run(config: &Config, ttl: Duration, user: &str) -> anyhow::Result<()> {
    let secret = match config.turn.secrets.first() {
        Some(secret) => secret.clone(),
        None => State::existing_turn_secret(&config.server.state_dir)?,
    };
    let expires_at = Clock::start().now().unix + ttl;
    let credential = Minter::new(secret).mint(user, expires_at.as_secs());
    let listeners = TurnListeners {
        udp: config.turn.udp_listen.clone(),
        tcp: config.turn.tcp_listen.clone(),
        tls: [config.turn.tls_listen.as_slice(), config.http.tls_listen.as_slice()].concat(),
    };
    let creds = Creds {
        username: &credential.username,
        password: &credential.password,
        expires_at: UnixMillis(expires_at.as_secs().saturating_mul(1000)),
        ice_servers: [IceServer {
            urls: listeners.urls(&config.server.public_host.in_url()),
            username: &credential.username,
            credential: &credential.password,
        }],
    };
    let mut text = serde_json::to_string_pretty(&creds).context("write JSON")?;
    text.push('\n');
    io::stdout().write_all(text.as_bytes()).context("write the credential")
}
