//! What people write to each other, and what they make of it.
use std::sync::Arc;

use crate::store::Alias;
use crate::store::ClientMessageId;
use crate::store::MessageId;
use crate::store::Place;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::time::UnixMillis;

/// Reactions to one message; beyond it further ones are refused.
pub const REACTIONS_MAX: usize = 256;

/// What a message is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Words.
    Text,
    /// A voice note.
    Voice,
    /// A picture.
    Image,
    /// Any other file.
    File,
}

impl MessageKind {
    /// Every kind.
    pub const ALL: [MessageKind; 4] = [MessageKind::Text, MessageKind::Voice, MessageKind::Image, MessageKind::File];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            MessageKind::Text => "text",
            MessageKind::Voice => "voice",
            MessageKind::Image => "image",
            MessageKind::File => "file",
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is.
    pub kind: MessageKind,
    /// The words; may be empty beside a file.
    pub text: Arc<str>,
    /// The upload it shows.
    pub file: Option<UploadId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

/// A message as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub place: Place,
    /// Greater than that of every message before it in this place.
    pub mid: MessageId,
    /// Who.
    pub sender: Alias,
    /// The sender's own name of it: unique among its sender's messages in this place.
    pub cid: ClientMessageId,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub content: Content,
}

/// What became of a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is stored, or would be if this place were stored at all.
    New,
    /// Its sender sent it before: this is what it was called then (rule 36).
    Repeated {
        /// Its name.
        mid: MessageId,
        /// Its time.
        at: UnixMillis,
    },
}

/// A message as history shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub mid: MessageId,
    /// Who.
    pub sender: Alias,
    /// When.
    pub at: UnixMillis,
    /// What; `None` once it is deleted (rule 37).
    pub content: Option<Content>,
    /// Who made what of it, by alias and emoji.
    pub reactions: Vec<(Alias, Arc<str>)>,
}

/// Which part of a history; the bounds are exclusive.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// Only what was sent before.
    pub before: Option<MessageId>,
    /// Only what was sent after; the page begins there then, otherwise it ends with the newest.
    pub after: Option<MessageId>,
    /// Messages of a page.
    pub limit: usize,
}

/// A part of a history.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// By time, ascending.
    pub entries: Vec<Entry>,
    /// Whether the window holds more than the page.
    pub more: bool,
}

/// What became of the wish to delete a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Now,
    /// It was gone.
    Before,
    /// It is another's.
    Anothers,
    /// There is none.
    Missing,
}

/// A wish to add or to take back a reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Where.
    pub place: Place,
    /// To what.
    pub mid: MessageId,
    /// Who.
    pub by: Alias,
    /// What.
    pub emoji: Arc<str>,
    /// Whether it is taken back.
    pub remove: bool,
}

/// What became of a reaction.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reacted {
    /// It was added or taken back.
    Changed,
    /// It was like that before.
    Same,
    /// The message has [`REACTIONS_MAX`].
    TooMany,
    /// There is no such message, or it is deleted.
    Missing,
}

/// How far a member has got with what others wrote. Neither ever goes back (rule 37).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Everything up to here has arrived.
    pub delivered_to: Option<MessageId>,
    /// Everything up to here was seen.
    pub read_to: Option<MessageId>,
}

/// Messages and what belongs to them. Where a place's chat is not kept, nothing is stored and nothing is found.
pub trait Chat {
    /// Stores a message, once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] without such a place, [`StoreError::Taken`] if another message there has its `mid`.
    fn append_message(&mut self, message: &Message) -> Result<Appended, StoreError>;

    /// A part of the history of a place.
    ///
    /// # Errors
    ///
    /// An accident.
    fn history(&self, place: &Place, window: Window) -> Result<Page, StoreError>;

    /// The last message of a place, deleted or not.
    ///
    /// # Errors
    ///
    /// An accident.
    fn last_message(&self, place: &Place) -> Result<Option<MessageId>, StoreError>;

    /// Takes away what a message says, if `by` sent it; its place in the order stays, and in a session its words for
    /// [`Chat::withdrawn`]. An upload that no message shows
    /// any more is abandoned.
    ///
    /// # Errors
    ///
    /// An accident.
    fn delete_message(&mut self, place: &Place, mid: MessageId, by: &Alias) -> Result<Deleted, StoreError>;

    /// What a deleted message of a session said, which nobody is shown but who looks into a report.
    ///
    /// # Errors
    ///
    /// An accident.
    fn withdrawn(&self, place: &Place, mid: MessageId) -> Result<Option<Arc<str>>, StoreError>;

    /// Adds or takes back a reaction.
    ///
    /// # Errors
    ///
    /// An accident.
    fn react(&mut self, reaction: &Reaction) -> Result<Reacted, StoreError>;

    /// Moves a member's watermarks forward and returns where they stand now.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] without such a place.
    fn put_receipt(&mut self, place: &Place, by: &Alias, receipt: Receipt) -> Result<Receipt, StoreError>;

    /// The watermarks of everybody in a place who has any, by alias.
    ///
    /// # Errors
    ///
    /// An accident.
    fn receipts(&self, place: &Place) -> Result<Vec<(Alias, Receipt)>, StoreError>;
}
