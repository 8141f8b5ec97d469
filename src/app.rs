//! The composition root.
use crate::config::Config;

/// Serves until a signal ends it.
///
/// # Errors
///
/// What keeps the server from starting.
pub async fn run(config: Config) -> anyhow::Result<()> {
    tracing::info!(host = %config.server.public_host, "started");
    Ok(())
}
