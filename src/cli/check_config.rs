//! `check-config`: the configuration in force.
use std::io;
use std::io::Write;

use anyhow::Context;

use crate::config::Config;

/// The mistakes were told by whoever loaded the configuration; here it is whole.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    for warning in config.warnings() {
        writeln!(io::stderr(), "warning: {warning}").context("write a warning")?;
    }
    io::stdout().write_all(config.to_toml().as_bytes()).context("write the configuration")
}
