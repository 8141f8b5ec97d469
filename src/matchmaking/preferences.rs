//! What a user asks for, in the one form the engine compares (rules 10, 19, 21, 22).
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::matchmaking::AttributeValue;
use crate::matchmaking::Attributes;
use crate::matchmaking::GroupSize;
use crate::matchmaking::Want;

/// Entries of `tags`, as sent.
pub const TAGS_MAX: usize = 10;
/// Entries of `languages`, as sent.
pub const LANGUAGES_MAX: usize = 10;
/// Characters of a tag, language, region, mode or attribute key.
const NAME_CHARS_MAX: usize = 32;
/// Keys of `attrs` and of `want`, and values of one `want` key.
const ATTRIBUTES_MAX: usize = 16;
/// Characters of an attribute's text.
const ATTRIBUTE_CHARS_MAX: usize = 64;
/// The longest `tag_wait_ms`. Rule 19.
const TAG_WAIT_MAX: Duration = Duration::from_secs(60);

const MODE_DEFAULT: &str = "video";
const ANY: &str = "any";

/// The data of `queue.join` as it comes off the wire, or as it is kept; `media` filters nothing and is not read here.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Preferences)]
#[serde(default)]
pub struct RawPreferences {
    /// Default `video`.
    #[schema(max_length = 32)]
    pub mode: Option<String>,
    /// How many are to meet; default 2.
    #[schema(minimum = 2, maximum = 8)]
    pub size: Option<u64>,
    /// Interests.
    #[schema(max_items = 10)]
    pub tags: Vec<String>,
    /// Spoken languages, the preferred one first.
    #[schema(max_items = 10)]
    pub languages: Vec<String>,
    /// The region; missing means any.
    #[schema(max_length = 32)]
    pub region: Option<String>,
    /// What the user is: at most 16 texts of 64 characters, numbers and truths.
    pub attrs: BTreeMap<String, Value>,
    /// What the partner must be: for a key of `attrs` a value, or at most 16 of which it is one.
    pub want: BTreeMap<String, Value>,
    /// Milliseconds until tags stop to matter.
    #[schema(maximum = 60000)]
    pub tag_wait_ms: Option<u64>,
}

/// What a user asks for. An empty list and a missing region mean anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// The kind of call; never crossed.
    pub mode: Arc<str>,
    /// How many are to meet; never crossed.
    pub size: GroupSize,
    /// Normalized tags, without repeats, in the order given.
    pub tags: Vec<Arc<str>>,
    /// Normalized languages, without repeats, in the order given.
    pub languages: Vec<Arc<str>>,
    /// The normalized region.
    pub region: Option<Arc<str>>,
    /// What the user is.
    pub attributes: Arc<Attributes>,
    /// What the partner must be.
    pub want: Arc<Want>,
    /// Replaces the first of the level waits.
    pub tag_wait: Option<Duration>,
}

impl Default for Preferences {
    /// Mode `video` and anybody in it.
    fn default() -> Self {
        Self {
            mode: Arc::from(MODE_DEFAULT),
            size: GroupSize::PAIR,
            tags: Vec::new(),
            languages: Vec::new(),
            region: None,
            attributes: Arc::default(),
            want: Arc::default(),
            tag_wait: None,
        }
    }
}

/// The part of the request that was refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `mode`.
    Mode,
    /// `size`.
    Size,
    /// `tags`.
    Tags,
    /// `languages`.
    Languages,
    /// `region`.
    Region,
    /// `attrs`.
    Attrs,
    /// `want`.
    Want,
    /// `tag_wait_ms`.
    TagWait,
}

impl Field {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::Mode => "mode",
            Field::Size => "size",
            Field::Tags => "tags",
            Field::Languages => "languages",
            Field::Region => "region",
            Field::Attrs => "attrs",
            Field::Want => "want",
            Field::TagWait => "tag_wait_ms",
        }
    }
}

/// Why preferences are refused; nothing is ever clamped (rule 10).
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferencesError {
    /// More entries than allowed: `bad_request`.
    #[error("too many entries in {}", .0.as_str())]
    TooMany(Field),
    /// More characters than allowed: `too_large`.
    #[error("an entry of {} is too long", .0.as_str())]
    TooLong(Field),
    /// Empty, of a wrong kind or out of range: `bad_request`.
    #[error("{} is not well formed", .0.as_str())]
    Malformed(Field),
}

impl TryFrom<RawPreferences> for Preferences {
    type Error = PreferencesError;

    fn try_from(raw: RawPreferences) -> Result<Self, PreferencesError> {
        let mode = match raw.mode {
            None => Arc::from(MODE_DEFAULT),
            Some(mode) => checked(Field::Mode, mode.trim().to_owned())?,
        };
        let region = raw.region.map(|region| normalized(Field::Region, &region)).transpose()?;
        let size = raw.size.map_or(Some(GroupSize::PAIR), GroupSize::new);
        Ok(Self {
            mode,
            size: size.ok_or(PreferencesError::Malformed(Field::Size))?,
            tags: names(Field::Tags, TAGS_MAX, raw.tags)?,
            languages: names(Field::Languages, LANGUAGES_MAX, raw.languages)?,
            region: region.filter(|region| &**region != ANY),
            attributes: Arc::new(attributes(raw.attrs)?),
            want: Arc::new(want(raw.want)?),
            tag_wait: raw.tag_wait_ms.map(tag_wait).transpose()?,
        })
    }
}

impl From<&Preferences> for RawPreferences {
    fn from(read: &Preferences) -> Self {
        let texts = |list: &[Arc<str>]| list.iter().map(|text| text.to_string()).collect();
        let value = |values: &Vec<AttributeValue>| Value::Array(values.iter().map(Value::from).collect());
        let want = &read.want.values_by_key;
        Self {
            mode: Some(read.mode.to_string()),
            size: Some(read.size.people() as u64),
            tags: texts(&read.tags),
            languages: texts(&read.languages),
            region: read.region.as_deref().map(str::to_owned),
            attrs: read.attributes.iter().map(|(key, is)| (key.to_string(), is.into())).collect(),
            want: want.iter().map(|(key, values)| (key.to_string(), value(values))).collect(),
            tag_wait_ms: read.tag_wait.map(|wait| wait.as_millis() as u64),
        }
    }
}

fn names(field: Field, max: usize, raw: Vec<String>) -> Result<Vec<Arc<str>>, PreferencesError> {
    if raw.len() > max {
        return Err(PreferencesError::TooMany(field));
    }
    let mut names: Vec<Arc<str>> = Vec::with_capacity(raw.len());
    for entry in raw {
        let name = normalized(field, &entry)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.iter().any(|name| &**name == ANY) {
        names.clear();
    }
    Ok(names)
}

fn normalized(field: Field, raw: &str) -> Result<Arc<str>, PreferencesError> {
    // Lower-casing may take a text out of NFC, so it comes first.
    checked(field, raw.trim().to_lowercase().nfc().collect())
}

fn checked(field: Field, name: String) -> Result<Arc<str>, PreferencesError> {
    if name.is_empty() {
        return Err(PreferencesError::Malformed(field));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(PreferencesError::TooLong(field));
    }
    Ok(name.into())
}

fn attributes(raw: BTreeMap<String, Value>) -> Result<Attributes, PreferencesError> {
    if raw.len() > ATTRIBUTES_MAX {
        return Err(PreferencesError::TooMany(Field::Attrs));
    }
    raw.into_iter()
        .map(|(key, value)| Ok((attribute_key(Field::Attrs, key)?, attribute(Field::Attrs, value)?)))
        .collect()
}

fn want(raw: BTreeMap<String, Value>) -> Result<Want, PreferencesError> {
    if raw.len() > ATTRIBUTES_MAX {
        return Err(PreferencesError::TooMany(Field::Want));
    }
    let mut values_by_key = BTreeMap::new();
    for (key, value) in raw {
        let values = match value {
            Value::Array(values) if values.len() > ATTRIBUTES_MAX => {
                return Err(PreferencesError::TooMany(Field::Want));
            }
            Value::Array(values) => {
                values.into_iter().map(|value| attribute(Field::Want, value)).collect::<Result<_, _>>()?
            }
            single => vec![attribute(Field::Want, single)?],
        };
        values_by_key.insert(attribute_key(Field::Want, key)?, values);
    }
    Ok(Want { values_by_key })
}

fn attribute_key(field: Field, key: String) -> Result<Box<str>, PreferencesError> {
    checked(field, key).map(|key| Box::from(&*key))
}

fn attribute(field: Field, value: Value) -> Result<AttributeValue, PreferencesError> {
    let value = AttributeValue::from_json(value).ok_or(PreferencesError::Malformed(field))?;
    if let AttributeValue::Text(text) = &value
        && text.chars().count() > ATTRIBUTE_CHARS_MAX
    {
        return Err(PreferencesError::TooLong(field));
    }
    Ok(value)
}

fn tag_wait(millis: u64) -> Result<Duration, PreferencesError> {
    let wait = Duration::from_millis(millis);
    if wait > TAG_WAIT_MAX {
        return Err(PreferencesError::Malformed(Field::TagWait));
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(data: Value) -> Result<Preferences, PreferencesError> {
        let raw: RawPreferences = serde_json::from_value(data).expect("of the right shape");
        Preferences::try_from(raw)
    }

    fn texts(list: &[Arc<str>]) -> Vec<&str> {
        list.iter().map(|text| &**text).collect()
    }

    #[test]
    fn nothing_asked_is_anybody_in_video() {
        assert_eq!(read(json!({})), Ok(Preferences::default()));
        assert_eq!(read(json!({"media": {"audio": true}, "unknown": 1})), Ok(Preferences::default()));
    }

    #[test]
    fn tags_are_trimmed_lowered_composed_and_merged() {
        // The last one is an a with a combining ring, the one before the composed letter.
        let read = read(json!({"tags": [" Rust ", "CHESS", "rust", "\u{e5}", "A\u{30a}"]})).expect("well formed");
        assert_eq!(texts(&read.tags), ["rust", "chess", "\u{e5}"]);
    }

    #[test]
    fn any_makes_a_list_or_a_region_a_wildcard() {
        let read = read(json!({"tags": ["rust", "ANY"], "languages": ["any", "en"], "region": " Any "})).expect("fine");
        assert_eq!(read, Preferences::default());
    }

    #[test]
    fn the_order_of_languages_is_kept() {
        let read = read(json!({"languages": ["tr", "EN", "de"], "region": "EU"})).expect("well formed");
        assert_eq!((texts(&read.languages), read.region.as_deref()), (vec!["tr", "en", "de"], Some("eu")));
    }

    #[test]
    fn too_many_and_too_long_are_told_apart_and_never_clamped() {
        let eleven: Vec<String> = (0..11).map(|number| number.to_string()).collect();
        let (fits, long) = ("\u{e9}".repeat(32), "x".repeat(33));
        assert!(read(json!({"tags": [fits], "languages": [fits], "region": fits, "mode": fits})).is_ok());
        for (data, error) in [
            (json!({"tags": eleven}), PreferencesError::TooMany(Field::Tags)),
            (json!({"languages": eleven}), PreferencesError::TooMany(Field::Languages)),
            (json!({"tags": [long]}), PreferencesError::TooLong(Field::Tags)),
            (json!({"region": long}), PreferencesError::TooLong(Field::Region)),
            (json!({"mode": long}), PreferencesError::TooLong(Field::Mode)),
            (json!({"tags": ["  "]}), PreferencesError::Malformed(Field::Tags)),
            (json!({"mode": ""}), PreferencesError::Malformed(Field::Mode)),
            (json!({"size": 1}), PreferencesError::Malformed(Field::Size)),
            (json!({"size": 9}), PreferencesError::Malformed(Field::Size)),
            (json!({"attrs": {"k": "x".repeat(65)}}), PreferencesError::TooLong(Field::Attrs)),
            (json!({"attrs": {"k": [1]}}), PreferencesError::Malformed(Field::Attrs)),
            (json!({"want": {"k": null}}), PreferencesError::Malformed(Field::Want)),
            (json!({"want": {"k": vec![0; 17]}}), PreferencesError::TooMany(Field::Want)),
            (json!({"tag_wait_ms": 60_001}), PreferencesError::Malformed(Field::TagWait)),
        ] {
            assert_eq!(read(data.clone()), Err(error), "{data}");
        }
    }

    #[test]
    fn what_was_read_is_kept_and_read_back_as_the_same() {
        let full = json!({
            "mode": "Audio", "tags": [" Rust ", "tea"], "languages": ["de", "en"], "region": "EU", "tag_wait_ms": 700,
            "size": 4,
            "attrs": {"age": 30, "size": 1.85, "name": "Ann", "new": true},
            "want": {"age": [29, 30.0], "old": false, "none": []},
        });
        for data in [json!({}), full] {
            let read = read(data).expect("well formed");
            let kept = serde_json::to_string(&RawPreferences::from(&read)).expect("serializes");
            let again: RawPreferences = serde_json::from_str(&kept).expect("of the right shape");
            assert_eq!(Preferences::try_from(again), Ok(read));
        }
    }

    #[test]
    fn the_tag_wait_has_its_whole_range() {
        for millis in [0, 60_000] {
            let read = read(json!({"tag_wait_ms": millis})).expect("in range");
            assert_eq!(read.tag_wait, Some(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn a_want_takes_one_value_or_several() {
        let wants = |data: Value| read(json!({"want": {"age": data}})).expect("well formed").want;
        let is = |data: Value| read(json!({"attrs": {"age": data}})).expect("well formed").attributes;
        assert!(wants(json!(30)).accepts(&is(json!(30.0))));
        assert!(wants(json!([29, "30"])).accepts(&is(json!("30"))));
        assert!(!wants(json!([29, "30"])).accepts(&is(json!(30))));
        assert!(!wants(json!([])).accepts(&is(json!(30))));
        assert!(!wants(json!(30)).accepts(&Attributes::new()));
    }
}
