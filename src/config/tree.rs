//! The untyped settings of all sources, laid over one another; each value remembers where it was written.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::problem::Complaint;
use super::problem::Origin;
use super::problem::Problem;

/// The ending of a key that names a file holding the secret, e.g. `secrets_file`.
pub(super) const FILE_SUFFIX: &str = "_file";

pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Text of the environment or the command line, whose type only the reader of the key knows.
    Raw(String),
    Text(String),
    Integer(i64),
    /// A TOML value no key takes: a float, a date, a number beyond 64 bits.
    Other(&'static str),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// The type in the words of an error message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Raw(_) | Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Other(kind) => kind,
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Parses the text of one file.
///
/// # Errors
///
/// Every syntax error of the text, each with its line.
pub(super) fn parse_file(path: &Arc<Path>, text: &str) -> Result<Table, Vec<Problem>> {
    let origin_at = |offset: usize| Origin::File { path: path.clone(), line: line_at(text, offset) };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(convert_table(table.get_ref(), &origin_at));
    }
    let fix = "every line is `key = value` or `[section]`, texts stand in double quotes";
    let problem = |error: &toml::de::Error| {
        let origin = origin_at(error.span().map_or(0, |span| span.start));
        Problem::new(Some(origin), "", Complaint::new(format!("not TOML: {}", one_line(error.message())), fix))
    };
    Err(errors.iter().map(problem).collect())
}

/// Parses a list or an inline table from the environment or the command line.
///
/// # Errors
///
/// The parser's message.
pub(super) fn parse_inline(text: &str, origin: &Origin) -> Result<Value, String> {
    let value = DeValue::parse(text).map_err(|error| one_line(error.message()))?;
    Ok(convert(&value, &|_| origin.clone()).value)
}

/// Lays `upper` over `lower`: tables by key, everything else as a whole.
///
/// `KEY` and `KEY_file` are two spellings of one setting, so the upper one takes the place of either.
pub(super) fn merge(lower: &mut Table, upper: Table) {
    for (section, node) in upper {
        match (lower.get_mut(&section).map(|below| &mut below.value), node.value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge_section(below, above),
            (_, value) => {
                lower.insert(section, Node { value, origin: node.origin });
            }
        }
    }
}

fn merge_section(lower: &mut Table, upper: Table) {
    for key in upper.keys() {
        let twin = match key.strip_suffix(FILE_SUFFIX) {
            Some(plain) => plain.to_owned(),
            None => format!("{key}{FILE_SUFFIX}"),
        };
        // In one source both spellings stay: that is a mistake the reader reports.
        if !upper.contains_key(&twin) {
            lower.remove(&twin);
        }
    }
    for (key, node) in upper {
        match (lower.get_mut(&key).map(|below| &mut below.value), node.value) {
            (Some(Value::Table(below)), Value::Table(above)) => below.extend(above),
            (_, value) => {
                lower.insert(key, Node { value, origin: node.origin });
            }
        }
    }
}

/// The settings of one path of keys, e.g. of an environment variable.
pub(super) fn branch(path: &[String], raw: String, origin: &Origin) -> Table {
    let mut node = Node { value: Value::Raw(raw), origin: origin.clone() };
    for key in path.iter().skip(1).rev() {
        let table = Table::from([(key.clone(), node)]);
        node = Node { value: Value::Table(table), origin: origin.clone() };
    }
    path.first().map(|section| Table::from([(section.clone(), node)])).unwrap_or_default()
}

fn convert_table(table: &DeTable<'_>, origin_at: &dyn Fn(usize) -> Origin) -> Table {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let origin = origin_at(key.span().start);
        (key.get_ref().to_string(), Node { value: convert(value, origin_at).value, origin })
    };
    table.iter().map(entry).collect()
}

fn convert(value: &Spanned<DeValue<'_>>, origin_at: &dyn Fn(usize) -> Origin) -> Node {
    let origin = origin_at(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other("a number beyond 64 bits"),
        },
        DeValue::Float(_) => Value::Other("a number with a point"),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(|item| convert(item, origin_at)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, origin_at)),
    };
    Node { value, origin }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> Table {
        parse_file(&Arc::from(Path::new(name)), text).expect("the text is TOML")
    }

    fn at<'a>(table: &'a Table, path: &[&str]) -> &'a Node {
        let (last, parents) = path.split_last().expect("the path has a key");
        let mut table = table;
        for key in parents {
            let Value::Table(inner) = &table[*key].value else { panic!("{key} is no table") };
            table = inner;
        }
        &table[*last]
    }

    #[test]
    fn every_value_knows_its_line() {
        let table = file("a.toml", "[http]\nlisten = [\n  \"1\",\n  \"2\",\n]\n");
        let Value::List(items) = &at(&table, &["http", "listen"]).value else { panic!("no list") };
        let lines: Vec<String> = items.iter().map(|item| item.origin.to_string()).collect();
        assert_eq!(lines, ["a.toml:3", "a.toml:4"]);
        assert_eq!(at(&table, &["http", "listen"]).origin.to_string(), "a.toml:2");
    }

    #[test]
    fn all_syntax_errors_of_a_file_are_told() {
        let wrong = parse_file(&Arc::from(Path::new("a.toml")), "[http\nlisten = 1\n[log]\nlevel = info\n");
        let lines: Vec<String> = wrong
            .expect_err("two lines are broken")
            .iter()
            .map(|p| p.origin.clone().expect("a place").to_string())
            .collect();
        assert_eq!(lines, ["a.toml:1", "a.toml:4"]);
    }

    #[test]
    fn the_upper_source_wins_key_by_key_and_lists_are_replaced() {
        let mut lower =
            file("low.toml", "[turn]\nrealm = \"a\"\nsecrets = [\"1\", \"2\"]\n[turn.users]\nann = \"x\"\n");
        merge(&mut lower, file("up.toml", "[turn]\nsecrets = [\"3\"]\n[turn.users]\nbob = \"y\"\n"));
        let Value::List(items) = &at(&lower, &["turn", "secrets"]).value else { panic!("no list") };
        assert_eq!(items.len(), 1);
        assert_eq!(at(&lower, &["turn", "realm"]).origin.to_string(), "low.toml:2");
        assert_eq!(at(&lower, &["turn", "users", "ann"]).origin.to_string(), "low.toml:5");
        assert_eq!(at(&lower, &["turn", "users", "bob"]).origin.to_string(), "up.toml:4");
    }

    #[test]
    fn a_secret_and_its_file_replace_each_other() {
        let mut lower = file("low.toml", "[turn]\nsecrets = [\"1\"]\n[auth]\njwt_secrets_file = \"f\"\n");
        merge(&mut lower, file("up.toml", "[turn]\nsecrets_file = \"f\"\n[auth]\njwt_secrets = [\"1\"]\n"));
        let keys = |section: &str| {
            let Value::Table(table) = &lower[section].value else { panic!("{section} is no table") };
            table.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys("turn"), ["secrets_file"]);
        assert_eq!(keys("auth"), ["jwt_secrets"]);
    }
}
