//! `chat.history`: what was written, for those who were there, and in rooms for members (rule 37).
use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::losses::Loss;
use crate::signal::hub::room_book::MEMBERS_MAX;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::History;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::signal::protocol::ToPeer;
use crate::signal::settings::FileSharing;
use crate::signal::view::EntryView;
use crate::signal::view::FileView;
use crate::signal::view::HistoryView;
use crate::signal::view::LossView;
use crate::signal::view::ReactionView;
use crate::signal::view::ReceiptOf;
use crate::store;
use crate::store::Alias;
use crate::store::Content;
use crate::store::Entry;
use crate::store::Member;
use crate::store::MessageId;
use crate::store::Page;
use crate::store::Party;
use crate::store::Place;
use crate::store::Receipt;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Window;
use crate::time::Now;
use crate::time::UnixMillis;

/// After a session both sides may read for that long (rule 37).
const OPEN_AFTER_END: Duration = Duration::from_secs(86_400);

/// What one reader is shown.
pub(in crate::signal::hub) struct Shown {
    reader: Alias,
    page: Page,
    /// Whether further pages are newer.
    is_from_oldest: bool,
    receipts: Vec<(Alias, Receipt)>,
    /// Whom the reader may be kept apart from, by what they are called.
    members: Vec<(Alias, Party)>,
    upload_by_id: HashMap<UploadId, Upload>,
}

impl Shown {
    /// What the next page is asked for by: as `after` if this one was, else as `before`.
    fn next(&self) -> Option<MessageId> {
        let end = if self.is_from_oldest { self.page.entries.last() } else { self.page.entries.first() };
        end.filter(|_| self.page.more).map(|entry| entry.mid)
    }
}

/// Messages of a page in bytes of JSON. An outbox holds twice as much: a reader of long messages is not slow.
const PAGE_BYTES_MAX: usize = 128 * 1024;
/// What is around the text of a message, around an emoji, of a file with its name and address, and of a deleted message.
const MESSAGE_BYTES: usize = 256;
const REACTION_BYTES: usize = 48;
const FILE_BYTES: usize = 2560;
const DELETED_BYTES: usize = 96;

impl Hub {
    pub(super) fn on_history(&mut self, asking: &Asking, request: &ToPeer<History>, now: Now) -> Result<(), Refusal> {
        let window = request.body.window;
        let (place, seated) = match (self.seat_at(asking, &request.target), &request.target) {
            (Ok(seat), _) => (seat.place, Some(seat.alias)),
            (Err(_), Target::Session(id)) => (Place::Session(SessionId(id.as_str().into())), None),
            (Err(_), Target::Room(id)) => {
                let id = RoomId(id.as_str().into());
                if self.rooms.is_kept_out(&id, &asking.user) {
                    return Err(Refusal::not_in_session());
                }
                (Place::Room(id), None)
            }
        };
        let (asked, user, at) = (asking.clone(), store::UserId::from(&asking.user), now.unix);
        let names_members = !self.separations.is_empty();
        let read = place.clone();
        self.read_for(
            asking,
            "history",
            move |store| {
                let reader = match seated {
                    Some(alias) => Some(alias),
                    None => past_alias(store, &read, &user, at)?,
                };
                reader.map(|reader| look_up(store, &read, reader, window, names_members)).transpose()
            },
            move |hub, outcome, now| match outcome {
                Ok(Some(mut shown)) => {
                    if let Some(reader) = hub.party(&asked.user) {
                        hub.hide_separated(&mut shown, &reader);
                    }
                    let view = view(&shown, hub.losses.of(&place), hub.settings.files.as_ref(), now);
                    hub.ok(asked.connection, asked.reply_to, &view);
                }
                Ok(None) => hub.refuse(asked.connection, asked.reply_to, &Refusal::not_in_session(), now),
                Err(_) => {
                    let refusal = Refusal::new(ErrorCode::Unavailable, "the history cannot be read");
                    hub.refuse(asked.connection, asked.reply_to, &refusal, now);
                }
            },
        );
        Ok(())
    }

    /// Leaves of what the reader and somebody else keep from each other no more than its place in the order.
    pub(in crate::signal::hub) fn hide_separated(&self, shown: &mut Shown, reader: &Party) {
        let is_hidden = |(_, party): &(Alias, Party)| self.separations.separates(reader, party);
        let hidden: Vec<Alias> =
            std::mem::take(&mut shown.members).into_iter().filter(is_hidden).map(|(alias, _)| alias).collect();
        if hidden.is_empty() {
            return;
        }
        for entry in &mut shown.page.entries {
            entry.content.take_if(|_| hidden.contains(&entry.sender));
            entry.reactions.retain(|(by, _)| !hidden.contains(by));
        }
        shown.receipts.retain(|(reader, _)| !hidden.contains(reader));
    }
}

/// What a user was called in a session that is over, as long as its history is open; what a member of a room is called.
fn past_alias(
    store: &dyn Store,
    place: &Place,
    user: &store::UserId,
    now: UnixMillis,
) -> Result<Option<Alias>, StoreError> {
    let id = match place {
        Place::Session(id) => id,
        Place::Room(id) => return Ok(store.member(id, user)?.map(|member| member.alias)),
    };
    let Some(record) = store.session(id)? else { return Ok(None) };
    if record.ending.is_some_and(|ending| ending.at + OPEN_AFTER_END <= now) {
        return Ok(None);
    }
    let own = record.session.participants.into_iter().find(|participant| participant.party.user == *user);
    Ok(own.map(|participant| participant.alias))
}

pub(in crate::signal::hub) fn look_up(
    store: &dyn Store,
    place: &Place,
    reader: Alias,
    window: Window,
    names_members: bool,
) -> Result<Shown, StoreError> {
    let mut page = store.history(place, window)?;
    shorten(&mut page, window);
    let mut upload_by_id = HashMap::new();
    for id in page.entries.iter().filter_map(|entry| entry.content.as_ref()?.file.as_ref()) {
        if let Some(upload) = store.upload(id)? {
            upload_by_id.insert(id.clone(), upload);
        }
    }
    let members = match place {
        Place::Room(id) if names_members => store.members(id, MEMBERS_MAX)?,
        Place::Room(_) | Place::Session(_) => Vec::new(),
    };
    let party = |member: Member| (member.alias, Party { user: member.user, device: member.device });
    let members = members.into_iter().map(party).collect();
    Ok(Shown {
        reader,
        page,
        is_from_oldest: window.after.is_some(),
        receipts: store.receipts(place)?,
        members,
        upload_by_id,
    })
}

/// Leaves as much of a page as a reply can carry, at least one message; the rest is on the next page.
fn shorten(page: &mut Page, window: Window) {
    let is_from_oldest = window.after.is_some();
    if !is_from_oldest {
        page.entries.reverse();
    }
    let mut bytes = 0;
    let fits = page.entries.iter().take_while(|entry| {
        bytes += bytes_of(entry);
        bytes <= PAGE_BYTES_MAX
    });
    let fits = fits.count().max(1);
    page.more |= fits < page.entries.len();
    page.entries.truncate(fits);
    if !is_from_oldest {
        page.entries.reverse();
    }
}

/// What a message takes in a reply, rather more than less.
fn bytes_of(entry: &Entry) -> usize {
    let Some(content) = &entry.content else { return DELETED_BYTES };
    // What JSON escapes may take six bytes in place of one.
    let escaped = content.text.chars().filter(|c| c.is_control() || matches!(c, '"' | '\\')).count();
    let emoji: usize = entry.reactions.iter().map(|(_, emoji)| REACTION_BYTES + emoji.len()).sum();
    let file = content.file.as_ref().map_or(0, |_| FILE_BYTES);
    MESSAGE_BYTES + content.text.len() + 5 * escaped + emoji + file
}

pub(in crate::signal::hub) fn view(
    shown: &Shown,
    loss: Option<Loss>,
    sharing: Option<&FileSharing>,
    now: Now,
) -> Value {
    let file_of = |content: &Content| {
        let upload = content.file.as_ref().and_then(|id| shown.upload_by_id.get(id));
        upload.zip(sharing).map(|(upload, sharing)| FileView::new(upload, sharing, now.unix))
    };
    let receipts = shown.receipts.iter().map(|(from, receipt)| {
        let Receipt { delivered_to, read_to } = *receipt;
        ReceiptOf { from, delivered_to, read_to }
    });
    json!(HistoryView {
        own: &shown.reader,
        messages: shown.page.entries.iter().map(|entry| entry_view(entry, file_of)).collect(),
        more: shown.page.more,
        next: shown.next(),
        receipts: receipts.collect(),
        lost: loss.map(|Loss { count, first, last }| LossView { count, first_ts: first, last_ts: last }),
    })
}

/// A message of a history. Of a deleted one only its place in the order is left.
fn entry_view<'a>(entry: &'a Entry, file_of: impl Fn(&'a Content) -> Option<FileView<'a>>) -> EntryView<'a> {
    let mid = Some(entry.mid);
    let Some(content) = &entry.content else { return EntryView { mid, deleted: Some(true), ..EntryView::default() } };
    EntryView {
        mid,
        ts: Some(entry.at),
        from: Some(&entry.sender),
        kind: Some(content.kind.as_str()),
        text: Some(&content.text),
        file: file_of(content),
        reply_to: content.reply_to,
        reactions: entry.reactions.iter().map(|(from, emoji)| ReactionView { from, emoji }).collect(),
        ..EntryView::default()
    }
}
