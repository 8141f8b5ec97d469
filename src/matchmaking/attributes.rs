//! What a user is and what the partner must be: `attrs` and `want` (rule 22).
use std::collections::BTreeMap;

use serde_json::Value;

/// One attribute's value. Numbers compare by value: `1` and `1.0` are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttributeValue {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// The bits of any other finite number.
    Float(u64),
    /// A string, compared exactly.
    Text(Box<str>),
}

impl AttributeValue {
    /// Reads a JSON scalar; `None` for null, lists and objects.
    pub fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Flag(flag)),
            Value::Number(number) => {
                if let Some(whole) = number.as_i64() {
                    return Some(Self::Integer(whole));
                }
                let float = number.as_f64()?;
                let is_safe_integer = float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
                // The cast is exact: the value is whole and below 2^53.
                Some(if is_safe_integer { Self::Integer(float as i64) } else { Self::Float(float.to_bits()) })
            }
            Value::String(text) => Some(Self::Text(text.into())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl From<&AttributeValue> for Value {
    fn from(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::Flag(flag) => Value::from(*flag),
            AttributeValue::Integer(whole) => Value::from(*whole),
            AttributeValue::Float(bits) => Value::from(f64::from_bits(*bits)),
            AttributeValue::Text(text) => Value::from(&**text),
        }
    }
}

/// What a user is, by key.
pub type Attributes = BTreeMap<Box<str>, AttributeValue>;

/// What the partner must be: for each key one of the values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Want {
    /// The accepted values by key.
    pub values_by_key: BTreeMap<Box<str>, Vec<AttributeValue>>,
}

impl Want {
    /// Whether `attributes` satisfy every key; a missing attribute satisfies nothing.
    pub fn accepts(&self, attributes: &Attributes) -> bool {
        self.values_by_key
            .iter()
            .all(|(key, values)| attributes.get(key).is_some_and(|attribute| values.contains(attribute)))
    }
}
