//! An event as those outside see it.
use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::Event;
use crate::time::UnixMillis;

/// The JSON object of one event.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    /// Told twice, it is the same.
    id: String,
    /// What it was.
    #[serde(rename = "type")]
    kind: &'a str,
    /// When: Unix milliseconds.
    at: UnixMillis,
    /// The session, room or user it happened to.
    subject: &'a str,
    /// The rest.
    data: &'a RawValue,
}

impl<'a> Told<'a> {
    /// Shows an event. One whose data is no JSON, which nobody here has written, has none.
    pub fn new(event: &'a Event) -> Self {
        let data = serde_json::from_str(&event.data).unwrap_or(RawValue::NULL);
        Self { id: event.id.to_string(), kind: &event.kind, at: event.at, subject: &event.subject, data }
    }

    /// As one line of text.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers make an object")
    }
}
