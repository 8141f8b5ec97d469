//! `backup` and `restore`: a copy of the database and of the files of chat, and the way back.
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::bail;

use crate::config::Config;
use crate::config::FileStorage;
use crate::files;
use crate::store;
use crate::time::Clock;

/// Copies the database and the files that its messages carry, whether a server uses them or not.
pub(super) fn back_up(config: &Config, to: &Path) -> anyhow::Result<()> {
    let database = database(config)?;
    let (from, files) = (config.uploads(), files_of(to));
    let is_local = config.files.storage == FileStorage::Local;
    if is_local && files.try_exists().with_context(|| files.display().to_string())? {
        bail!("{} exists already; name another file", files.display());
    }
    let bytes = store::back_up(&database, to)?;
    let mut out = io::stdout();
    writeln!(out, "{} holds all of {} ({bytes} bytes)", to.display(), database.display())
        .context("write the result")?;
    match config.files.storage {
        // The database first: whatever it names has arrived by now, and is still there unless it was deleted since.
        FileStorage::Local if from.is_dir() => tell_copied(&from, &files),
        FileStorage::Local | FileStorage::None => Ok(()),
        FileStorage::S3 => {
            writeln!(out, "the files of chat are in the bucket {} and not copied", config.files.s3.bucket)
                .context("write the result")
        }
    }
}

/// Puts a copy in the place of the database, and the files beside it among those that are there.
pub(super) fn restore(config: &Config, from: &Path) -> anyhow::Result<()> {
    let database = database(config)?;
    let aside = store::restore(from, &database, Clock::start().now().unix)?;
    let mut out = io::stdout();
    writeln!(out, "{} is what {} holds", database.display(), from.display()).context("write the result")?;
    if let Some(aside) = aside {
        writeln!(out, "what was there is {} now", aside.display()).context("write the result")?;
    }
    let files = files_of(from);
    if config.files.storage == FileStorage::Local && files.is_dir() {
        return tell_copied(&files, &config.uploads());
    }
    Ok(())
}

fn tell_copied(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (count, bytes) = files::copy_directory(from, to).context("copy the files of chat")?;
    writeln!(io::stdout(), "{} has {count} files of {} ({bytes} bytes)", to.display(), from.display())
        .context("write the result")
}

/// Where the files are that belong to the copy of a database.
fn files_of(copy: &Path) -> PathBuf {
    let mut path = copy.as_os_str().to_owned();
    path.push(".files");
    path.into()
}

fn database(config: &Config) -> anyhow::Result<PathBuf> {
    match config.database() {
        Some(path) => Ok(path),
        None => bail!("store.path is \":memory:\", so there is no database"),
    }
}
