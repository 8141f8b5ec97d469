//! Where settings come from, in the order in which they overlay each other.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::problem::Complaint;
use super::problem::Origin;
use super::problem::Problem;
use super::problem::Problems;
use super::tree;
use super::tree::Table;

/// Environment variables that begin so are settings.
const PREFIX: &str = "DUOLOGUE__";

/// The directory beside the configuration file whose `*.toml` files overlay it, in the order of their names.
const OVERLAY_DIR: &str = "conf.d";

/// Where settings come from. Nothing given: development defaults.
///
/// `Debug` shows names only: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sources {
    file: Option<PathBuf>,
    variables: BTreeMap<String, OsString>,
    flags: Vec<(String, String)>,
}

impl Sources {
    /// A configuration file, with the `conf.d` beside it.
    #[must_use]
    pub fn with_file(self, file: Option<PathBuf>) -> Self {
        Self { file, ..self }
    }

    /// The settings among environment variables: `DUOLOGUE__SECTION__KEY`.
    #[must_use]
    pub fn with_environment(self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let setting = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then_some((name, value))
        };
        Self { variables: variables.into_iter().filter_map(setting).collect(), ..self }
    }

    /// Dotted keys and values of the command line.
    #[must_use]
    pub fn with_flags(self, flags: Vec<(String, String)>) -> Self {
        Self { flags, ..self }
    }

    /// The configuration file, if one is used.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads everything and lays it over each other.
    pub(super) fn read(&self) -> Result<Table, Problems> {
        let mut problems = Vec::new();
        let mut root = Table::new();
        if let Some(file) = &self.file {
            for path in with_overlays(file, &mut problems) {
                match read_file(&path) {
                    Ok(table) => tree::merge(&mut root, table),
                    Err(found) => problems.extend(found),
                }
            }
        }
        for (name, value) in &self.variables {
            match read_variable(name, value) {
                Ok(table) => tree::merge(&mut root, table),
                Err(problem) => problems.push(problem),
            }
        }
        for (key, value) in &self.flags {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            let origin = Origin::Flag(Arc::from(key.as_str()));
            tree::merge(&mut root, tree::branch(&path, value.clone(), &origin));
        }
        // A file that cannot be parsed would only make its keys look unset.
        match Problems::collect(problems) {
            Some(problems) => Err(problems),
            None => Ok(root),
        }
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("variables", &self.variables.keys())
            .field("flags", &self.flags.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .finish()
    }
}

/// The file itself, then the `*.toml` files of the directory beside it by name.
fn with_overlays(file: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let directory = file.parent().unwrap_or(Path::new("")).join(OVERLAY_DIR);
    let listed = match fs::read_dir(&directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut overlays = listed.unwrap_or_else(|error| {
        problems.push(unreadable(&directory, &error));
        Vec::new()
    });
    overlays.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    overlays.sort();
    overlays.insert(0, file.to_owned());
    overlays
}

fn read_file(path: &Path) -> Result<Table, Vec<Problem>> {
    let text = fs::read_to_string(path).map_err(|error| vec![unreadable(path, &error)])?;
    tree::parse_file(&Arc::from(path), &text)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "check the path given with --config",
        io::ErrorKind::PermissionDenied => "let the server's user read it",
        io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "name a readable file with --config",
    };
    Problem::new(None, "", Complaint::new(format!("cannot read {}: {error}", path.display()), fix))
}

fn read_variable(name: &str, value: &OsString) -> Result<Table, Problem> {
    let origin = Origin::Variable(Arc::from(name));
    let refuse = |what: &str, fix: &str| Problem::new(Some(origin.clone()), "", Complaint::new(what, fix));
    let value = value.to_str().ok_or_else(|| refuse("is not UTF-8", "write the value as UTF-8"))?;
    let path: Vec<String> =
        name.strip_prefix(PREFIX).unwrap_or_default().split("__").map(str::to_ascii_lowercase).collect();
    if path.len() < 2 || path.iter().any(String::is_empty) {
        return Err(refuse("names no section and key", "write DUOLOGUE__SECTION__KEY, two underlines each"));
    }
    Ok(tree::branch(&path, value.to_owned(), &origin))
}
