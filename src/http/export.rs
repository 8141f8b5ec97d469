//! All that is kept about somebody as one JSON document, written part by part: it has no bound, each part of it has.
use std::collections::VecDeque;
use std::future;
use std::mem;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use futures_util::stream;
use serde_json::Value;
use uuid::Uuid;

use crate::admission::Permit;
use crate::auth::token::Subject;
use crate::http::hooks::PersonHook;
use crate::http::problem::Problem;
use crate::signal::ExportPart;
use crate::signal::PersonAsk;
use crate::store::MessageId;
use crate::store::Place;
use crate::store::RoomId;
use crate::store::SessionId;

/// A list of the document, in its order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum List {
    Uploads,
    Sessions,
    Rooms,
}

impl List {
    const fn name(self) -> &'static str {
        match self {
            List::Uploads => "uploads",
            List::Sessions => "sessions",
            List::Rooms => "rooms",
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            List::Uploads => Some(List::Sessions),
            List::Sessions => Some(List::Rooms),
            List::Rooms => None,
        }
    }
}

/// What is to be written next.
enum Step {
    /// A part of a list.
    Part {
        list: List,
        after: Option<String>,
        is_first: bool,
    },
    /// Entries of that part, one after the other, with what was said there.
    Entries {
        list: List,
        left: VecDeque<Value>,
        next: Option<String>,
        is_first: bool,
    },
    /// What was said in the place of the entry before.
    Chat {
        place: Place,
        after: Option<MessageId>,
        is_first: bool,
        then: Box<Step>,
    },
    Done,
}

struct Writer {
    person: PersonHook,
    subject: Subject,
    step: Step,
    _place: Permit,
}

/// The document, beginning with what comes once: whoever may not have it is told so before it begins.
///
/// # Errors
///
/// What the first part is refused with. A later one breaks the document off.
pub(crate) async fn document(
    person: PersonHook,
    subject: Subject,
    place: Permit,
) -> Result<impl Stream<Item = Result<Bytes, std::io::Error>>, Problem> {
    let head = (person)(subject.clone(), PersonAsk::Export(ExportPart::Head)).await?;
    let mut begin = head.to_string();
    // The lists are the last members of that object.
    begin.pop();
    begin.push_str(",\"uploads\":[");
    let step = Step::Part { list: List::Uploads, after: None, is_first: true };
    let writer = Writer { person, subject, step, _place: place };
    let rest = stream::try_unfold(writer, |mut writer| async move {
        let written = writer.write().await?;
        Ok::<_, Problem>(written.map(|written| (written, writer)))
    });
    let broken = |_: Problem| std::io::Error::other("what is kept cannot be read now");
    let rest = rest.try_filter(|written| future::ready(!written.is_empty())).map_err(broken);
    Ok(stream::once(future::ready(Ok(Bytes::from(begin)))).chain(rest))
}

impl Writer {
    async fn ask(&self, part: ExportPart) -> Result<(Vec<Value>, Option<String>), Problem> {
        let mut told = (self.person)(self.subject.clone(), PersonAsk::Export(part)).await?;
        let next = told["next"].as_str().map(str::to_owned);
        let entries = match told["entries"].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        };
        Ok((entries, next))
    }

    /// Writes a piece; `None`: the document is whole.
    async fn write(&mut self) -> Result<Option<Bytes>, Problem> {
        let mut text = String::new();
        self.step = match mem::replace(&mut self.step, Step::Done) {
            Step::Part { list, after, is_first } => {
                let part = match list {
                    List::Uploads => ExportPart::Uploads { after },
                    List::Sessions => ExportPart::Sessions { after },
                    List::Rooms => ExportPart::Rooms,
                };
                let (entries, next) = self.ask(part).await?;
                Step::Entries { list, left: entries.into(), next, is_first }
            }
            Step::Entries { list, mut left, next, is_first } => match left.pop_front() {
                Some(entry) => {
                    if !is_first {
                        text.push(',');
                    }
                    let place = place_of(list, &entry);
                    text.push_str(&entry.to_string());
                    let then = Step::Entries { list, left, next, is_first: false };
                    match place {
                        None => then,
                        Some(place) => {
                            // As the last member of the entry.
                            text.pop();
                            text.push_str(",\"chat\":[");
                            Step::Chat { place, after: None, is_first: true, then: Box::new(then) }
                        }
                    }
                }
                None if next.is_some() => Step::Part { list, after: next, is_first },
                None => {
                    text.push(']');
                    match list.next() {
                        Some(list) => {
                            text.push_str(&format!(",\"{}\":[", list.name()));
                            Step::Part { list, after: None, is_first: true }
                        }
                        None => {
                            text.push('}');
                            Step::Done
                        }
                    }
                }
            },
            Step::Chat { place, after, is_first, then } => {
                let (entries, next) = self.ask(ExportPart::Chat { place: place.clone(), after }).await?;
                for (at, entry) in entries.iter().enumerate() {
                    if !is_first || at > 0 {
                        text.push(',');
                    }
                    text.push_str(&entry.to_string());
                }
                let is_first = is_first && entries.is_empty();
                match next.and_then(|next| Uuid::parse_str(&next).ok()) {
                    Some(next) => Step::Chat { place, after: Some(MessageId(next)), is_first, then },
                    None => {
                        text.push_str("]}");
                        *then
                    }
                }
            }
            Step::Done => return Ok(None),
        };
        Ok(Some(text.into()))
    }
}

/// Where something may have been said.
fn place_of(list: List, entry: &Value) -> Option<Place> {
    let name = |member: &str| entry[member].as_str().map(Into::into);
    match list {
        List::Uploads => None,
        List::Sessions => name("session").map(SessionId).map(Place::Session),
        List::Rooms => name("room").map(RoomId).map(Place::Room),
    }
}
