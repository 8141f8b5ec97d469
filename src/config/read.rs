//! From untyped settings to typed values; what does not fit is noted and the default stands in for it.
use std::collections::BTreeMap;
use std::fs;

use crate::auth::secret::Secret;

use super::nearest::nearest;
use super::parse::FromNode;
use super::parse::Wrong;
use super::parse::text_of;
use super::problem::Complaint;
use super::problem::Origin;
use super::problem::Problem;
use super::tree::FILE_SUFFIX;
use super::tree::Node;
use super::tree::Table;
use super::tree::Value;
use super::tree::parse_inline;

/// How to get a good secret.
const SECRET_FIX: &str = "write a random one, for example the output of: openssl rand -base64 32";

/// Collects problems, and where each key was written, while the sections are read.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
    origin_by_key: BTreeMap<String, Origin>,
    known_keys: Vec<String>,
}

impl Reader {
    /// Where `key` was written; `None` if it was not.
    pub(super) fn origin(&self, key: &str) -> Option<Origin> {
        self.origin_by_key.get(key).cloned()
    }

    /// Notes a clash that concerns `keys`; the place is that of the first one that was written.
    pub(super) fn clash(&mut self, keys: &[&str], complaint: Complaint) {
        let origin = keys.iter().find_map(|key| self.origin(key));
        let written = keys.iter().find(|key| self.origin_by_key.contains_key(**key));
        let key = written.or(keys.first()).copied().unwrap_or_default();
        self.problems.push(Problem::new(origin, key, complaint));
    }

    /// Every key that was asked for, in the order of the questions.
    #[cfg(test)]
    pub(super) fn known_keys(&self) -> &[String] {
        &self.known_keys
    }

    /// Complains about sections that nobody reads.
    pub(super) fn refuse_unknown_sections(&mut self, root: &Table, known: &[&str]) {
        for (name, node) in root {
            if known.contains(&name.as_str()) {
                continue;
            }
            let top_level_key = !matches!(node.value, Value::Table(_));
            let fix = match nearest(name, known.iter().copied()) {
                Some(guess) => format!("did you mean [{guess}]?"),
                None if top_level_key => format!("put it below one of the sections [{}]", known.join("], [")),
                None => format!("the sections are [{}]", known.join("], [")),
            };
            let what = if top_level_key { "unknown key outside of any section" } else { "unknown section" };
            self.problems.push(Problem::new(Some(node.origin.clone()), name, Complaint::new(what, fix)));
        }
    }
}

/// One section while it is read.
pub(super) struct Section<'a> {
    name: String,
    table: Table,
    known: Vec<String>,
    reader: &'a mut Reader,
}

impl<'a> Section<'a> {
    /// Takes the section `name` out of `root`; a missing one is empty.
    pub(super) fn take(root: &mut Table, name: &'static str, reader: &'a mut Reader) -> Self {
        let node = root.remove(name);
        Self::of(name.to_owned(), node, reader)
    }

    /// The same for a name that is made up while reading.
    pub(super) fn named(root: &mut Table, name: String, reader: &'a mut Reader) -> Self {
        let node = root.remove(&name);
        Self::of(name, node, reader)
    }

    fn of(name: String, node: Option<Node>, reader: &'a mut Reader) -> Self {
        let table = match node.map(|node| (node.value, node.origin)) {
            None => Table::new(),
            Some((Value::Table(table), _)) => table,
            Some((other, origin)) => {
                let what = format!("is {}, but it is a section", other.kind());
                let fix = format!("write its keys on lines of their own below [{name}]");
                reader.problems.push(Problem::new(Some(origin), &name, Complaint::new(what, fix)));
                Table::new()
            }
        };
        Self { name, table, known: Vec::new(), reader }
    }

    /// Reads the section `key` inside of this one.
    pub(super) fn inner<T>(&mut self, key: &'static str, read: impl FnOnce(Section<'_>) -> T) -> T {
        let node = self.note(key);
        // The keys of the inner section are noted one by one.
        self.reader.known_keys.pop();
        read(Section::of(self.path(key), node, self.reader))
    }

    /// Reads `key`, or `default` if it is missing or wrong.
    pub(super) fn value<T: FromNode>(&mut self, key: &'static str, default: T) -> T {
        self.checked(key, default, |_| Ok(()))
    }

    /// Like [`Section::value`], for a type that can still hold what makes no sense.
    pub(super) fn checked<T: FromNode>(
        &mut self,
        key: &'static str,
        default: T,
        check: impl FnOnce(&T) -> Result<(), Complaint>,
    ) -> T {
        let Some(node) = self.note(key) else {
            return default;
        };
        let mut wrong = Wrong::default();
        let value = T::from_node(&node, &mut wrong);
        if let Some(Err(complaint)) = value.as_ref().filter(|_| wrong.is_empty()).map(check) {
            wrong.add(&node.origin, complaint);
        }
        match value {
            Some(value) if wrong.is_empty() => value,
            Some(_) | None => {
                self.complain(key, wrong);
                default
            }
        }
    }

    /// Reads `key` as a number within `low..=high`.
    pub(super) fn number<T>(&mut self, key: &'static str, default: T, low: T, high: T) -> T
    where
        T: FromNode + PartialOrd + std::fmt::Display,
    {
        self.checked(key, default, |number| {
            if *number < low || *number > high {
                let fix = format!("write a number from {low} to {high}");
                return Err(Complaint::new(format!("{number} is out of range"), fix));
            }
            Ok(())
        })
    }

    /// Complains that `missing` was not written although `beside` was.
    pub(super) fn misses(&mut self, missing: &'static str, beside: &'static str, what: &str, fix: &str) {
        // One that was written but is wrong has its own complaint.
        if self.reader.origin(&self.path(missing)).is_none() {
            let path = self.path(beside);
            self.reader.clash(&[&path], Complaint::new(what, fix));
        }
    }

    /// Notes what is wrong in a file that a key of the section names.
    pub(super) fn note_problems(&mut self, problems: Vec<Problem>) {
        self.reader.problems.extend(problems);
    }

    /// Complains about what was read of `key`.
    pub(super) fn refuse(&mut self, key: &'static str, complaint: Complaint) {
        let (path, file) = (self.path(key), self.path(&format!("{key}_file")));
        self.reader.clash(&[&path, &file], complaint);
    }

    /// Reads a list of shared secrets, from `key` or from the lines of the file `key_file`.
    pub(super) fn secrets(&mut self, key: &'static str) -> Vec<Secret> {
        let from_list = |node: &Node| -> Result<Vec<(Origin, String)>, Wrong> {
            let mut wrong = Wrong::default();
            let texts = secret_texts(node, &mut wrong);
            if wrong.is_empty() { Ok(texts) } else { Err(wrong) }
        };
        let from_file = |text: &str, origin: &Origin| {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            Ok(lines.map(|line| (origin.clone(), line.to_owned())).collect())
        };
        let texts: Vec<(Origin, String)> = self.value_or_file(key, from_list, from_file).unwrap_or_default();
        let mut secrets = Vec::with_capacity(texts.len());
        let mut wrong = Wrong::default();
        for (origin, text) in texts {
            if text.is_empty() {
                wrong.add(&origin, Complaint::new("an empty secret is none", SECRET_FIX));
            } else {
                secrets.push(Secret::new(text.into_bytes()));
            }
        }
        self.complain(key, wrong);
        secrets
    }

    /// Reads one secret, from the text `key` or from the file `key_file`; an empty text is none.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let from_text = |node: &Node| match text_of(&node.value) {
            Some(text) => Ok(text.trim().to_owned()),
            None => {
                let what = format!("is {}, not a secret", node.value.kind());
                Err(Wrong::one(&node.origin, Complaint::new(what, "write it as a text in double quotes")))
            }
        };
        let text = self.value_or_file(key, from_text, |text, _| Ok(text.trim().to_owned())).unwrap_or_default();
        (!text.is_empty()).then(|| Secret::new(text.into_bytes()))
    }

    /// Reads passwords by name, from the table `key` or from the `name:password` lines of the file `key_file`.
    pub(super) fn passwords(&mut self, key: &'static str) -> BTreeMap<String, Secret> {
        let from_table = |node: &Node| {
            let mut wrong = Wrong::default();
            let texts = password_texts(node, &mut wrong);
            if wrong.is_empty() { Ok(texts) } else { Err(wrong) }
        };
        let texts = self.value_or_file(key, from_table, passwords_of_file).unwrap_or_default();
        let mut passwords = BTreeMap::new();
        let mut wrong = Wrong::default();
        for (name, (origin, password)) in texts {
            // RFC 8489 §14.3: the name is part of what is hashed, joined by colons.
            if name.is_empty() || name.len() > 508 || name.contains(':') || password.is_empty() {
                let what = format!("the user {name:?} cannot log in like this");
                wrong.add(&origin, Complaint::new(what, "give a name without colon and a password that is not empty"));
            } else {
                passwords.insert(name, Secret::new(password.into_bytes()));
            }
        }
        self.complain(key, wrong);
        passwords
    }

    fn value_or_file<T>(
        &mut self,
        key: &'static str,
        from_value: impl FnOnce(&Node) -> Result<T, Wrong>,
        from_file: impl FnOnce(&str, &Origin) -> Result<T, Wrong>,
    ) -> Option<T> {
        let plain = self.note(key);
        let file_key = format!("{key}{FILE_SUFFIX}");
        let file = self.table.remove(&file_key);
        self.known.push(file_key.clone());
        let read = match (plain, file) {
            (None, None) => return None,
            (Some(node), None) => from_value(&node),
            (None, Some(node)) => {
                self.reader.origin_by_key.insert(self.path(key), node.origin.clone());
                read_secret_file(&node).and_then(|text| from_file(&text, &node.origin))
            }
            (Some(_), Some(node)) => {
                let fix = format!("keep one of {key} and {file_key}");
                Err(Wrong::one(&node.origin, Complaint::new(format!("{key} is given beside it"), fix)))
            }
        };
        read.map_err(|wrong| self.complain(key, wrong)).ok()
    }

    /// Complains about keys that nobody asked for.
    pub(super) fn finish(self) {
        for (key, node) in &self.table {
            let fix = match nearest(key, self.known.iter().map(String::as_str)) {
                Some(guess) => format!("did you mean {guess}?"),
                None => format!("the keys of [{}] are {}", self.name, self.known.join(", ")),
            };
            let path = self.path(key);
            self.reader.problems.push(Problem::new(
                Some(node.origin.clone()),
                path,
                Complaint::new("unknown key", fix),
            ));
        }
    }

    fn note(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key.to_owned());
        let path = self.path(key);
        self.reader.known_keys.push(path.clone());
        let node = self.table.remove(key)?;
        self.reader.origin_by_key.insert(path, node.origin.clone());
        Some(node)
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn complain(&mut self, key: &str, wrong: Wrong) {
        let path = self.path(key);
        let problems = wrong.into_iter().map(|(origin, complaint)| Problem::new(Some(origin), &path, complaint));
        self.reader.problems.extend(problems);
    }
}

fn read_secret_file(node: &Node) -> Result<String, Wrong> {
    let Some(path) = text_of(&node.value) else {
        let what = format!("is {}, not the name of a file", node.value.kind());
        return Err(Wrong::one(&node.origin, Complaint::new(what, "write the path of the file in double quotes")));
    };
    fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot read the secret from {path:?}: {error}");
        let fix = "name a file that the server's user may read (paths start at the working directory)";
        Wrong::one(&node.origin, Complaint::new(what, fix))
    })
}

/// The texts of a list of secrets; messages never quote them.
fn secret_texts(node: &Node, wrong: &mut Wrong) -> Vec<(Origin, String)> {
    let items = match &node.value {
        Value::List(items) => items.clone(),
        Value::Raw(raw) if raw.trim_start().starts_with('[') => match parse_inline(raw, &node.origin) {
            Ok(Value::List(items)) => items,
            Ok(_) | Err(_) => Vec::new(),
        },
        Value::Raw(raw) => {
            let parts = raw.split(',').map(str::trim).filter(|part| !part.is_empty());
            return parts.map(|part| (node.origin.clone(), part.to_owned())).collect();
        }
        Value::Text(_) | Value::Integer(_) | Value::Other(_) | Value::Boolean(_) | Value::Table(_) => {
            let what = format!("is {}, but several secrets may be valid at once", node.value.kind());
            wrong.add(&node.origin, Complaint::new(what, "write a list: [\"...\"]"));
            return Vec::new();
        }
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match text_of(&item.value) {
            Some(text) => texts.push((item.origin, text.to_owned())),
            None => {
                let what = format!("a secret is {}", item.value.kind());
                wrong.add(&item.origin, Complaint::new(what, "write it as a text in double quotes"));
            }
        }
    }
    texts
}

type PlacedText = (Origin, String);

fn password_texts(node: &Node, wrong: &mut Wrong) -> BTreeMap<String, PlacedText> {
    let parsed = match &node.value {
        Value::Raw(raw) => parse_inline(raw, &node.origin).ok(),
        other => Some(other.clone()),
    };
    let Some(Value::Table(table)) = parsed else {
        let complaint = Complaint::new("is no table of names and passwords", "write users = { name = \"password\" }");
        wrong.add(&node.origin, complaint);
        return BTreeMap::new();
    };
    let mut password_by_name = BTreeMap::new();
    for (name, item) in table {
        match text_of(&item.value) {
            Some(text) => {
                password_by_name.insert(name, (item.origin.clone(), text.to_owned()));
            }
            None => {
                let what = format!("the password of {name:?} is {}", item.value.kind());
                wrong.add(&item.origin, Complaint::new(what, "write it as a text in double quotes"));
            }
        }
    }
    password_by_name
}

fn passwords_of_file(text: &str, origin: &Origin) -> Result<BTreeMap<String, PlacedText>, Wrong> {
    let mut password_by_name = BTreeMap::new();
    let mut wrong = Wrong::default();
    for (position, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.split_once(':') {
            Some((name, password)) => {
                password_by_name.insert(name.trim().to_owned(), (origin.clone(), password.trim().to_owned()));
            }
            None => {
                let what = format!("line {} of the file has no colon", position + 1);
                wrong.add(origin, Complaint::new(what, "write name:password on each line"));
            }
        }
    }
    if wrong.is_empty() { Ok(password_by_name) } else { Err(wrong) }
}
