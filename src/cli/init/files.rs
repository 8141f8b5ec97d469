//! The files that `init` writes: whole or not at all, and never over what somebody has written.
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use toml::Value;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::config::Sources;

/// The configuration.
const CONFIG: &str = "duologue.toml";
/// One TURN secret per line.
pub(in crate::cli) const TURN_SECRETS: &str = "turn-secrets";
/// As much as the strongest MAC computed with it.
const SECRET_BYTES: usize = 32;

/// A file that only its owner may read, named in the configuration by its path.
pub(in crate::cli) struct SecretFile {
    pub(in crate::cli) name: &'static str,
    pub(in crate::cli) text: Zeroizing<String>,
}

/// What is there now.
#[derive(Debug)]
pub(in crate::cli) struct Written {
    pub(in crate::cli) config: PathBuf,
    /// The configuration that was there before.
    pub(in crate::cli) moved: Option<PathBuf>,
}

/// Writes the configuration and its secrets into `directory`, which is made if need be; first the program reads it as a draft.
///
/// # Errors
///
/// Something is there and `force` was not given; the draft is not sound; the system refuses.
pub(in crate::cli) fn write(
    directory: &Path,
    text: &str,
    secrets: &[SecretFile],
    force: bool,
) -> anyhow::Result<Written> {
    let names = [CONFIG].into_iter().chain(secrets.iter().map(|secret| secret.name));
    for path in names.map(|name| directory.join(name)) {
        if !force && fs::symlink_metadata(&path).is_ok() {
            bail!("{} is there already; name another --dir, or say --force to replace it", path.display());
        }
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(directory).with_context(|| format!("make {}", directory.display()))?;
    // A directory of its own: whatever lies in conf.d beside the place is not of this draft's making.
    let drafts = directory.join(format!(".duologue-init.{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&drafts).with_context(|| format!("make {}", drafts.display()))?;
    let written = in_drafts(&drafts, directory, text, secrets, force);
    fs::remove_dir_all(&drafts).with_context(|| format!("remove {}", drafts.display()))?;
    written
}

fn in_drafts(
    drafts: &Path,
    directory: &Path,
    text: &str,
    secrets: &[SecretFile],
    force: bool,
) -> anyhow::Result<Written> {
    let (config, draft) = (directory.join(CONFIG), drafts.join(CONFIG));
    // The text names the secrets where they will be; the draft is read with those beside it.
    let mut beside = text.to_owned();
    for secret in secrets {
        create(&drafts.join(secret.name), 0o600, &secret.text)?;
        beside = beside.replace(&quoted(&directory.join(secret.name)), &quoted(&drafts.join(secret.name)));
    }
    create(&draft, 0o600, &beside)?;
    // As check-config would: a slip in a name is told before anything is replaced.
    Config::load(Sources::default().with_file(Some(draft.clone())))?;
    fs::remove_file(&draft).context("replace the draft")?;
    create(&draft, 0o644, text)?;
    let moved = if force { set_aside(&config)? } else { None };
    for secret in secrets {
        place(&drafts.join(secret.name), &directory.join(secret.name), force)?;
    }
    place(&draft, &config, force)?;
    Ok(Written { config, moved })
}

/// A path as a TOML text.
pub(in crate::cli) fn quoted(path: &Path) -> String {
    Value::from(path.display().to_string()).to_string()
}

fn create(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// A link fails if somebody was faster; only force replaces.
fn place(draft: &Path, path: &Path, force: bool) -> anyhow::Result<()> {
    let placed = if force { fs::rename(draft, path) } else { fs::hard_link(draft, path) };
    placed.with_context(|| format!("write {}", path.display()))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("write {}", path.display()))
}

/// Keeps what is replaced, under the first free number.
fn set_aside(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    for number in 1..=u32::MAX {
        let aside = path.with_extension(format!("toml.old.{number}"));
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("keep {}", path.display())),
        }
    }
    bail!("{} has too many predecessors", path.display())
}

/// A fresh secret, as a line of its file.
pub(super) fn fresh_secret() -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).context("the operating system gives no random numbers")?;
    Ok(Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
}
