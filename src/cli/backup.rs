//! `backup` and `restore`: a copy of the database, and the way back.
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::bail;

use crate::config::Config;
use crate::store;
use crate::time::Clock;

/// Copies the database, whether a server uses it or not.
pub(super) fn back_up(config: &Config, to: &Path) -> anyhow::Result<()> {
    let database = database(config)?;
    let bytes = store::back_up(&database, to)?;
    writeln!(io::stdout(), "{} holds all of {} ({bytes} bytes)", to.display(), database.display())
        .context("write the result")
}

/// Puts a copy in the place of the database.
pub(super) fn restore(config: &Config, from: &Path) -> anyhow::Result<()> {
    let database = database(config)?;
    let aside = store::restore(from, &database, Clock::start().now().unix)?;
    let mut out = io::stdout();
    writeln!(out, "{} is what {} holds", database.display(), from.display()).context("write the result")?;
    if let Some(aside) = aside {
        writeln!(out, "what was there is {} now", aside.display()).context("write the result")?;
    }
    Ok(())
}

fn database(config: &Config) -> anyhow::Result<PathBuf> {
    match config.database() {
        Some(path) => Ok(path),
        None => bail!("store.path is \":memory:\", so there is no database"),
    }
}
