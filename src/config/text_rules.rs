//! The file of `moderation.text_rules_file`: what people may not say, checked as the configuration is.
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::filter::Action;
use crate::filter::Filter;
use crate::filter::Rule;
use crate::filter::RuleError;
use crate::filter::Saying;

use super::nearest::nearest;
use super::parse::FromText;
use super::problem::Complaint;
use super::problem::Origin;
use super::problem::Problem;
use super::read::Reader;
use super::read::Section;
use super::tree;
use super::tree::Node;
use super::tree::Table;
use super::tree::Value;

/// The name of the list in the file.
const LIST: &str = "rule";
/// The longest silence that a rule may ask for.
const MUTE_MAX: Duration = Duration::from_secs(365 * 86_400);
/// A larger file was not meant.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The words of `action`; how long a mute lasts is a key of its own.
#[derive(Copy, Clone)]
enum ActionWord {
    Flag,
    Mask,
    Refuse,
    Mute,
}

impl FromText for ActionWord {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "flag" => Ok(Self::Flag),
            "mask" => Ok(Self::Mask),
            "refuse" => Ok(Self::Refuse),
            "mute" => Ok(Self::Mute),
            _ => Err(unknown_word(text, &Action::WORDS)),
        }
    }
}

impl FromText for Saying {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        let known = Saying::ALL.into_iter().find(|saying| saying.as_str() == text);
        known.ok_or_else(|| unknown_word(text, &Saying::ALL.map(Saying::as_str)))
    }
}

fn unknown_word(text: &str, known: &[&str]) -> Complaint {
    let fix = match nearest(text, known.iter().copied()) {
        Some(guess) => format!("did you mean {guess:?}?"),
        None => format!("write one of {}", known.join(", ")),
    };
    Complaint::new(format!("{text:?} is unknown here"), fix)
}

/// Reads and compiles the rules of a file.
///
/// # Errors
///
/// Every mistake found, each with line, rule and remedy.
pub(super) fn read(path: &Path) -> Result<Filter, Vec<Problem>> {
    let text = read_file(path).map_err(|error| vec![unreadable(path, &error)])?;
    let path: Arc<Path> = Arc::from(path);
    let mut root = tree::parse_file(&path, &text)?;
    let mut reader = Reader::default();
    let mut rules = Vec::new();
    match root.remove(LIST).map(|node| (node.value, node.origin)) {
        None => {}
        Some((Value::List(nodes), _)) => {
            for node in nodes {
                let origin = node.origin.clone();
                rules.extend(read_rule(node, &mut reader).map(|rule| (origin, rule)));
            }
        }
        Some((_, origin)) => reader.problems.push(Problem::new(Some(origin), LIST, no_list())),
    }
    for (key, node) in root {
        let fix = "a file of rules holds [[rule]] alone, each with its keys below";
        reader.problems.push(Problem::new(Some(node.origin), key, Complaint::new("unknown key", fix)));
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let (origins, rules): (Vec<Origin>, Vec<Rule>) = rules.into_iter().unzip();
    let ids: Vec<_> = rules.iter().map(|rule| rule.id.clone()).collect();
    Filter::new(rules).map_err(|errors| {
        let problem = |error: RuleError| {
            let id = ids.get(error.at).map(|id| &**id).unwrap_or_default();
            let key = format!("{}.{}", name(id), error.key);
            Problem::new(origins.get(error.at).cloned(), key, Complaint::new(error.what, error.fix))
        };
        errors.into_iter().map(problem).collect()
    })
}

fn read_file(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    fs::read_to_string(path)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let what = format!("cannot read {}: {error}", path.display());
    let fix = "name a file that the server's user may read (paths start at the working directory)";
    Problem::new(None, "moderation.text_rules_file", Complaint::new(what, fix))
}

fn no_list() -> Complaint {
    Complaint::new("is no list of rules", "begin each rule with a line [[rule]]")
}

/// One rule; `None` if it is none, which is noted.
fn read_rule(node: Node, reader: &mut Reader) -> Option<Rule> {
    let Value::Table(table) = node.value else {
        reader.problems.push(Problem::new(Some(node.origin), LIST, no_list()));
        return None;
    };
    let id = id_of(&table);
    let before = reader.problems.len();
    if id.is_none() {
        let fix = "write id = \"...\": logs, the audit and moderators know the rule by it";
        reader.problems.push(Problem::new(Some(node.origin.clone()), LIST, Complaint::new("a rule has a name", fix)));
    }
    let rule_name = name(id.as_deref().unwrap_or_default());
    let mut root = Table::from([(rule_name.clone(), Node { value: Value::Table(table), origin: node.origin.clone() })]);
    let mut section = Section::named(&mut root, rule_name.clone(), reader);
    let rule = Rule {
        id: section.value("id", String::new()).into(),
        words: section.value("words", Vec::new()),
        whole_words: section.value("whole_words", true),
        pattern: section.value("pattern", None),
        action: Action::Flag,
        kinds: section.value("kinds", Saying::ALL.to_vec()),
    };
    let word = section.value("action", None::<ActionWord>);
    let life = section.checked("mute_for", Duration::ZERO, |life| check_life(*life));
    section.finish();
    if reader.problems.len() > before {
        return None;
    }
    let mut refuse = |key: &str, what: &str, fix: &str| {
        let key = format!("{rule_name}.{key}");
        reader.problems.push(Problem::new(Some(node.origin.clone()), key, Complaint::new(what, fix)));
        None
    };
    let action = match word {
        None => return refuse("action", "a rule says what follows", "write action = \"mask\", refuse, flag or mute"),
        Some(ActionWord::Mute) if life.is_zero() => {
            return refuse("mute_for", "a mute has an end", "write mute_for = \"10m\"");
        }
        Some(ActionWord::Mute) => Action::Mute(life),
        Some(_) if !life.is_zero() => return refuse("mute_for", "only a mute has an end", "take it away"),
        Some(ActionWord::Flag) => Action::Flag,
        Some(ActionWord::Mask) => Action::Mask,
        Some(ActionWord::Refuse) => Action::Refuse,
    };
    Some(Rule { action, ..rule })
}

/// The name of a rule, if it has one that can be read.
fn id_of(table: &Table) -> Option<String> {
    match &table.get("id")?.value {
        Value::Text(text) => Some(text.clone()),
        Value::Raw(_) | Value::Integer(_) | Value::Other(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) => {
            Some(String::new())
        }
    }
}

fn name(id: &str) -> String {
    format!("rule {id:?}")
}

fn check_life(life: Duration) -> Result<(), Complaint> {
    if life.is_zero() || life > MUTE_MAX {
        return Err(Complaint::new("a mute lasts from a moment to a year", "write for example \"10m\""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct File(std::path::PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("duologue-rules-{}-{name}.toml", std::process::id()));
            fs::write(&path, text).expect("written");
            Self(path)
        }

        fn problems(&self) -> Vec<String> {
            let problems = read(&self.0).expect_err("is wrong");
            let directory = format!("{}/", std::env::temp_dir().display());
            problems.iter().map(|problem| problem.to_string().replace(&directory, "")).collect()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            // What is left in a directory for temporary files harms nobody.
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn the_example_is_read_and_holds_what_it_says() {
        let filter = read(Path::new("config/text-rules.toml")).expect("the example is good");
        let check = |saying, text| filter.check(saying, text);
        assert!(check(Saying::Chat, "join t.me/something").is_refused());
        assert_eq!(check(Saying::Room, "you damn fool").masked.as_deref(), Some("you **** fool"));
        assert!(check(Saying::Chat, "get free followers now").muted_by.is_some());
        assert_eq!(check(Saying::Chat, "call 0123 456789").flagged_by, [crate::filter::RuleId::from("phone-numbers")]);
        assert!(check(Saying::DisplayName, "The Moderator").is_refused());
        assert!(!check(Saying::Chat, "ask a moderator").is_refused());
        assert_eq!(check(Saying::Chat, "hello"), crate::filter::Verdict::default());
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_with_line_rule_and_remedy() {
        let file = File::new(
            "shape",
            "[[rule]]\nid = \"a\"\nwords = [\"x\"]\naction = \"mak\"\n\n[[rule]]\nwords = [\"x\"]\naction = \"mask\"\n\n\
             [[rule]]\nid = \"c\"\nword = [\"x\"]\naction = \"mask\"\nkinds = [\"chat\", \"rooms\"]\n\n[other]\n",
        );
        let problems = file.problems();
        let starts = [
            ":4: rule \"a\".action: \"mak\" is unknown here; did you mean \"mask\"?",
            ":6: rule: a rule has a name; write id",
            ":14: rule \"c\".kinds: \"rooms\" is unknown here; did you mean \"room\"?",
            ":12: rule \"c\".word: unknown key; did you mean words?",
            ":16: other: unknown key; a file of rules holds [[rule]] alone",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.contains(start), "{problem}\n{start}");
        }
    }

    #[test]
    fn rules_that_cannot_work_are_told_the_same_way() {
        let file = File::new(
            "work",
            "[[rule]]\nid = \"a\"\npattern = 'a(b'\naction = \"flag\"\n\n[[rule]]\nid = \"b\"\nwords = [\"x\"]\n\
             action = \"flag\"\n\n[[rule]]\nid = \"b\"\npattern = 'x*'\naction = \"mute\"\nmute_for = \"1h\"\n",
        );
        let problems = file.problems();
        assert_eq!(problems.len(), 3, "{problems:#?}");
        assert!(problems[0].contains("work.toml:1: rule \"a\".pattern: unclosed group; see"), "{}", problems[0]);
        assert!(problems[1].contains(":11: rule \"b\".id: "), "{}", problems[1]);
        assert!(problems[2].contains(":11: rule \"b\".pattern: meets the empty text"), "{}", problems[2]);
        for (name, keys, told) in [
            ("endless", "action = \"mute\"", "mute_for: a mute has an end; write mute_for = \"10m\""),
            ("end", "action = \"mask\"\nmute_for = \"1h\"", "mute_for: only a mute has an end; take it away"),
            ("long", "action = \"mute\"\nmute_for = \"400d\"", "mute_for: a mute lasts from a moment to a year"),
            ("nothing", "", "action: a rule says what follows"),
        ] {
            let file = File::new(name, &format!("[[rule]]\nid = \"a\"\nwords = [\"x\"]\n{keys}\n"));
            let problems = file.problems();
            assert!(problems.len() == 1 && problems[0].contains(told), "{problems:?}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_told() {
        let problems = read(Path::new("nowhere/rules.toml")).expect_err("is missing");
        assert_eq!(problems[0].key, "moderation.text_rules_file");
        assert!(problems[0].what.contains("nowhere/rules.toml"));
        let file = File::new("text", "[[rule]\n");
        assert!(file.problems()[0].contains("text.toml:1: not TOML"));
    }
}
