//! `migrate-coturn`: the configuration of a coturn as one of ours, and what of it has no counterpart.
mod mapping;
mod peers;
mod setting;

use std::fs;
use std::io;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use zeroize::Zeroizing;

use super::init::files;
use super::init::files::SecretFile;

use mapping::Mapping;

/// Static users, one name:password per line.
const TURN_USERS: &str = "turn-users";

/// What is to be translated, and where to.
#[derive(Clone, Debug, Args)]
pub(super) struct Wishes {
    /// The configuration of coturn
    #[arg(value_name = "turnserver.conf")]
    from: PathBuf,
    /// Where to write duologue.toml and its secrets
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The name that clients reach the server by; without one, the realm
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Replace a configuration that is there, and its secrets
    #[arg(long)]
    force: bool,
}

pub(super) fn run(wishes: &Wishes) -> anyhow::Result<()> {
    let text =
        Zeroizing::new(fs::read_to_string(&wishes.from).with_context(|| format!("read {}", wishes.from.display()))?);
    let directory = std::path::absolute(&wishes.dir).context("find the directory")?;
    let mapping = Mapping::of(setting::read(&text), wishes.domain.as_deref());
    let mut secrets = Vec::new();
    for (name, lines) in [(files::TURN_SECRETS, &mapping.secrets), (TURN_USERS, &mapping.users)] {
        if !lines.is_empty() {
            let lines: Zeroizing<String> =
                Zeroizing::new(lines.iter().map(|line| format!("{}\n", line.as_str())).collect());
            secrets.push(SecretFile { name, text: lines });
        }
    }
    let place = |name: &str| {
        let is_written = secrets.iter().any(|secret| secret.name == name);
        is_written.then(|| files::quoted(&directory.join(name)))
    };
    let toml = mapping.to_toml(place(files::TURN_SECRETS), place(TURN_USERS), &files::quoted(&directory.join("state")));
    let written = files::write(&directory, &toml, &secrets, wishes.force)?;
    let mut out = io::stdout().lock();
    let mut tell = |text: &str| writeln!(out, "{text}").context("write the result");
    tell(&format!("{}  the configuration", written.config.display()))?;
    for secret in &secrets {
        tell(&format!("{}  taken over, for the owner's eyes only", directory.join(secret.name).display()))?;
    }
    if let Some(moved) = &written.moved {
        tell(&format!("{}  what was there before", moved.display()))?;
    }
    for (title, notes) in [("No counterpart", &mapping.missing), ("To know", &mapping.notes)] {
        if !notes.is_empty() {
            tell(&format!("\n{title}:"))?;
            for note in notes {
                tell(&format!("  {note}"))?;
            }
        }
    }
    tell(&format!("\nThen: duologue doctor --config {}", written.config.display()))
}
