//! How one setting becomes one typed value.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::duration;
use super::problem::Complaint;
use super::problem::Origin;
use super::tree::Node;
use super::tree::Value;
use super::tree::parse_inline;

/// What is wrong with one setting, at the places of its parts.
#[derive(Debug, Default)]
pub(super) struct Wrong(Vec<(Origin, Complaint)>);

impl Wrong {
    pub(super) fn one(origin: &Origin, complaint: Complaint) -> Self {
        Self(vec![(origin.clone(), complaint)])
    }

    pub(super) fn add(&mut self, origin: &Origin, complaint: Complaint) {
        self.0.push((origin.clone(), complaint));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Wrong {
    type Item = (Origin, Complaint);
    type IntoIter = std::vec::IntoIter<(Origin, Complaint)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A type that a setting can have.
pub(super) trait FromNode: Sized {
    /// Converts the setting, or notes what is wrong with it.
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self>;
}

/// A type that is written as a text.
pub(super) trait FromText: Sized {
    /// Converts the text, or says what is wrong with it.
    fn from_text(text: &str) -> Result<Self, Complaint>;
}

impl<T: FromText> FromNode for T {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        let Some(text) = text_of(&node.value) else {
            wrong.add(&node.origin, not_a_text(&node.value));
            return None;
        };
        T::from_text(text).map_err(|complaint| wrong.add(&node.origin, complaint)).ok()
    }
}

/// An empty text stands for "not set".
impl<T: FromText> FromNode for Option<T> {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        match text_of(&node.value) {
            Some("") => Some(None),
            Some(_) | None => T::from_node(node, wrong).map(Some),
        }
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        let truth = match &node.value {
            Value::Boolean(truth) => Some(*truth),
            Value::Raw(raw) => raw.trim().parse().ok(),
            Value::Text(_) | Value::Integer(_) | Value::Other(_) | Value::List(_) | Value::Table(_) => None,
        };
        if truth.is_none() {
            let complaint =
                Complaint::new(format!("{} is neither true nor false", shown(&node.value)), "write true or false");
            wrong.add(&node.origin, complaint);
        }
        truth
    }
}

impl FromNode for u16 {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        number(node, wrong, u64::from(u16::MAX))
    }
}

impl FromNode for u32 {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        number(node, wrong, u64::from(u32::MAX))
    }
}

impl FromNode for u64 {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        number(node, wrong, u64::MAX)
    }
}

impl FromNode for usize {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        number(node, wrong, u64::try_from(usize::MAX).unwrap_or(u64::MAX))
    }
}

fn number<T: TryFrom<u64>>(node: &Node, wrong: &mut Wrong, highest: u64) -> Option<T> {
    let number = match &node.value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Raw(raw) => raw.trim().parse().ok(),
        Value::Text(_) | Value::Other(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) => None,
    };
    let value = number.and_then(|number| T::try_from(number).ok());
    if value.is_none() {
        let what = format!("{} is no whole number from 0 to {highest}", shown(&node.value));
        wrong.add(&node.origin, Complaint::new(what, "write digits only, without quotes, for example 64"));
    }
    value
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        let items = match &node.value {
            Value::List(items) => items.clone(),
            Value::Raw(raw) => items_of_raw(raw, &node.origin, wrong)?,
            Value::Text(_) | Value::Integer(_) | Value::Other(_) | Value::Boolean(_) | Value::Table(_) => {
                let shown = shown(&node.value);
                let fix = match &node.value {
                    Value::Table(_) => "write a list: [\"a\", \"b\"]".to_owned(),
                    Value::Text(_)
                    | Value::Integer(_)
                    | Value::Other(_)
                    | Value::Boolean(_)
                    | Value::List(_)
                    | Value::Raw(_) => {
                        format!("put it into brackets: [{shown}]")
                    }
                };
                wrong.add(&node.origin, Complaint::new(format!("{shown} is no list"), fix));
                return None;
            }
        };
        // All items are looked at, so that one run tells every mistake.
        let values: Vec<Option<T>> = items.iter().map(|item| T::from_node(item, wrong)).collect();
        values.into_iter().collect()
    }
}

fn items_of_raw(raw: &str, origin: &Origin, wrong: &mut Wrong) -> Option<Vec<Node>> {
    if raw.trim_start().starts_with('[') {
        match parse_inline(raw, origin) {
            Ok(Value::List(items)) => return Some(items),
            // An IPv6 address with a port starts with a bracket too.
            Ok(_) | Err(_) if raw.contains("]:") => {}
            Ok(_) | Err(_) => {
                let fix = "separate the items by commas, or write a TOML list: [\"a\", \"b\"]";
                wrong.add(origin, Complaint::new(format!("{raw:?} is no list"), fix));
                return None;
            }
        }
    }
    let parts = raw.split(',').map(str::trim).filter(|part| !part.is_empty());
    Some(parts.map(|part| Node { value: Value::Raw(part.to_owned()), origin: origin.clone() }).collect())
}

impl<const N: usize, T: FromNode> FromNode for [T; N] {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        let values = Vec::from_node(node, wrong)?;
        let count = values.len();
        let array = Self::try_from(values).ok();
        if array.is_none() {
            let complaint = Complaint::new(format!("the list has {count} items"), format!("write exactly {N}"));
            wrong.add(&node.origin, complaint);
        }
        array
    }
}

impl<K: FromText + Ord, V: FromNode> FromNode for BTreeMap<K, V> {
    fn from_node(node: &Node, wrong: &mut Wrong) -> Option<Self> {
        let parsed = match &node.value {
            Value::Raw(raw) => parse_inline(raw, &node.origin).ok(),
            other => Some(other.clone()),
        };
        let Some(Value::Table(table)) = parsed else {
            let what = format!("{} is no table", shown(&node.value));
            wrong.add(&node.origin, Complaint::new(what, "write { \"a\" = \"b\" }"));
            return None;
        };
        let pair = |(name, item): (&String, &Node)| {
            let key = K::from_text(name).map_err(|complaint| wrong.add(&item.origin, complaint)).ok();
            let value = V::from_node(item, wrong);
            key.zip(value)
        };
        let pairs: Vec<Option<(K, V)>> = table.iter().map(pair).collect();
        pairs.into_iter().collect()
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        Ok(text.to_owned())
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() {
            return Err(Complaint::new("the path is empty", "name a file or directory"));
        }
        Ok(Self::from(text))
    }
}

impl FromText for Duration {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        duration::parse(text)
    }
}

impl FromText for SocketAddr {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(|_| {
            let fix = match text.parse::<IpAddr>() {
                Ok(address) => format!("add the port: \"{}\"", SocketAddr::new(address, 3478)),
                Err(_) if text.starts_with("localhost:") => {
                    format!("write \"{}\"", text.replace("localhost", "127.0.0.1"))
                }
                Err(_) if text.starts_with(':') => format!("write \"0.0.0.0{text}\" for every IPv4 address"),
                Err(_) => "write IP:PORT, for example \"0.0.0.0:3478\" or \"[::]:3478\"".to_owned(),
            };
            Complaint::new(format!("{text:?} is no address with a port"), fix)
        })
    }
}

impl FromText for IpAddr {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(|_| {
            let fix = "write it like 203.0.113.7 or 2001:db8::7, without a port";
            Complaint::new(format!("{text:?} is no IP address"), fix)
        })
    }
}

/// A single address stands for the network of just this address; host bits are refused, they are mostly a slip.
impl FromText for IpNet {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self::from(address)),
            Err(_) => text.parse::<Self>(),
        };
        let net = net.map_err(|_| {
            let fix = "write it like 10.0.0.0/8, 2001:db8::/32 or 203.0.113.7";
            Complaint::new(format!("{text:?} is no network"), fix)
        })?;
        if net.trunc() != net {
            let complaint =
                Complaint::new(format!("{net} has bits beyond its prefix"), format!("write {}", net.trunc()));
            return Err(complaint);
        }
        Ok(net)
    }
}

/// The text of a setting that was written as text or comes from the environment.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Raw(text) => Some(text),
        Value::Integer(_) | Value::Other(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) => None,
    }
}

fn not_a_text(value: &Value) -> Complaint {
    let fix = match value {
        Value::Integer(number) => format!("put it into double quotes; a length of time needs its unit: \"{number}s\""),
        Value::List(_) => "write one text without brackets".to_owned(),
        Value::Raw(_) | Value::Text(_) | Value::Other(_) | Value::Boolean(_) | Value::Table(_) => {
            "put it into double quotes".to_owned()
        }
    };
    Complaint::new(format!("{} is no text", shown(value)), fix)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Raw(text) | Value::Text(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Other(_) | Value::List(_) | Value::Table(_) => value.kind().to_owned(),
    }
}
