use std::sync::Arc;

use rusqlite::Row;
use rusqlite::params;

use crate::store::Alias;
use crate::store::Appended;
use crate::store::Chat;
use crate::store::Content;
use crate::store::Deleted;
use crate::store::Entry;
use crate::store::Message;
use crate::store::MessageId;
use crate::store::Page;
use crate::store::Place;
use crate::store::REACTIONS_MAX;
use crate::store::Reacted;
use crate::store::Reaction;
use crate::store::Receipt;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::store::Window;
use crate::store::sqlite::failure::is_taken;
use crate::store::sqlite::upload::ABANDON;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::kind_of;
use crate::store::sqlite::value::message_kind_at;
use crate::store::sqlite::value::mid_at;
use crate::store::sqlite::value::mid_bytes;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::optional_mid_at;
use crate::store::sqlite::value::time_at;

/// Above every mid, which has one byte less.
const ABOVE_ALL: &[u8] = &[0xff; 17];

/// The number of the conversation, the message and the check of its cid in one statement. The kind of a conversation
/// that can be written to is at once whether it is a room.
pub(super) const APPEND: &str =
    "INSERT INTO message (conversation, mid, sender, cid, at, is_in_room, kind, text, file, reply_to)
    SELECT id, ?3, ?4, ?5, ?6, kind, ?7, ?8, ?9, ?10 FROM conversation WHERE name = ?1 AND kind = ?2
    ON CONFLICT (conversation, sender, cid) DO NOTHING";

pub(super) const BY_CID: &str = "SELECT m.mid, m.at FROM conversation c JOIN message m ON m.conversation = c.id
    WHERE c.name = ?1 AND c.kind = ?2 AND m.sender = ?3 AND m.cid = ?4";

pub(super) const FROM: &str = "SELECT mid, sender, at, kind, text, file, reply_to FROM message
    WHERE conversation = ?1 AND mid > ?2 AND mid < ?3 ORDER BY mid LIMIT ?4";

pub(super) const UP_TO: &str = "SELECT mid, sender, at, kind, text, file, reply_to FROM message
    WHERE conversation = ?1 AND mid < ?2 ORDER BY mid DESC LIMIT ?3";

pub(super) const REACTIONS: &str = "SELECT mid, member, emoji FROM reaction
    WHERE conversation = ?1 AND mid BETWEEN ?2 AND ?3 ORDER BY mid, member, emoji";

pub(super) const DELETE: &str = "UPDATE message SET withdrawn = CASE is_in_room WHEN 0 THEN text END,
    kind = NULL, text = NULL, file = NULL, reply_to = NULL WHERE conversation = ?1 AND mid = ?2";

pub(super) const CONFIRM: &str = "INSERT INTO receipt (conversation, member, delivered_to, read_to)
    SELECT id, ?3, ?4, ?5 FROM conversation WHERE name = ?1 AND kind = ?2
    ON CONFLICT DO UPDATE SET delivered_to = max(delivered_to, excluded.delivered_to),
    read_to = max(read_to, excluded.read_to) RETURNING delivered_to, read_to";

impl SqliteStore {
    /// The number of a place that can be written to.
    pub(super) fn conversation(&self, place: &Place) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM conversation WHERE name = ?1 AND kind = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![place.as_str(), kind_of(place)])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// What the sender's message of that cid was called, if there is one.
    fn by_cid(&self, message: &Message) -> Result<Option<Appended>, StoreError> {
        let Message { place, sender, cid, .. } = message;
        let mut statement = self.connection.prepare_cached(BY_CID)?;
        let mut rows = statement.query(params![place.as_str(), kind_of(place), sender.0, cid.0.as_bytes()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Appended::Repeated { mid: mid_at(row, 0)?, at: time_at(row, 1)? }))
    }

    /// Puts reactions to the entries they belong to; both are in the order of their messages.
    fn add_reactions(&self, conversation: i64, entries: &mut [Entry]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let (first, last) = (first.mid, last.mid);
        let mut statement = self.connection.prepare_cached(REACTIONS)?;
        let mut rows = statement.query(params![conversation, mid_bytes(&first), mid_bytes(&last)])?;
        let mut entries = entries.iter_mut().peekable();
        while let Some(row) = rows.next()? {
            let mid = mid_at(row, 0)?;
            while entries.peek().is_some_and(|entry| entry.mid < mid) {
                entries.next();
            }
            if let Some(entry) = entries.peek_mut().filter(|entry| entry.mid == mid) {
                entry.reactions.push((Alias(row.get(1)?), row.get(2)?));
            }
        }
        Ok(())
    }

    /// Takes away what a message says and what others made of it; its upload is abandoned.
    pub(super) fn empty_message(&self, conversation: i64, mid: &[u8], file: Option<&str>) -> Result<(), StoreError> {
        let key = params![conversation, mid];
        self.execute(DELETE, key)?;
        self.execute("DELETE FROM reaction WHERE conversation = ?1 AND mid = ?2", key)?;
        if let Some(file) = file {
            self.execute(ABANDON, params![file])?;
        }
        Ok(())
    }

    /// Whether there is such a message that says something.
    fn can_react(&self, conversation: i64, mid: MessageId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM message WHERE conversation = ?1 AND mid = ?2 AND kind IS NOT NULL";
        Ok(self.connection.prepare_cached(sql)?.exists(params![conversation, mid_bytes(&mid)])?)
    }
}

impl Chat for SqliteStore {
    fn append_message(&mut self, message: &Message) -> Result<Appended, StoreError> {
        let Message { place, mid, sender, cid, at, content } = message;
        if !self.retention.keeps_chat(place) {
            return Ok(Appended::New);
        }
        let inserted = self.connection.prepare_cached(APPEND)?.execute(params![
            place.as_str(),
            kind_of(place),
            mid_bytes(mid),
            sender.0,
            cid.0.as_bytes(),
            millis(*at),
            content.kind as i64,
            content.text,
            content.file.as_ref().map(|file| &file.0),
            content.reply_to.as_ref().map(mid_bytes),
        ]);
        match inserted {
            Ok(0) => self.by_cid(message)?.ok_or(StoreError::Unknown),
            Ok(_) => Ok(Appended::New),
            Err(error) if is_taken(&error) => self.by_cid(message)?.ok_or(StoreError::Taken),
            Err(error) => Err(error.into()),
        }
    }

    fn history(&self, place: &Place, window: Window) -> Result<Page, StoreError> {
        let Some(conversation) = self.conversation(place)? else { return Ok(Page::default()) };
        let Window { before, after, limit } = window;
        let before = before.as_ref().map_or(ABOVE_ALL, mid_bytes);
        // One more than the page tells whether there is more.
        let enough = count(limit.saturating_add(1));
        let mut entries: Vec<Entry> = match &after {
            Some(after) => {
                let mut statement = self.connection.prepare_cached(FROM)?;
                let rows = statement.query_map(params![conversation, mid_bytes(after), before, enough], entry_at)?;
                rows.collect::<rusqlite::Result<_>>()?
            }
            None => {
                let mut statement = self.connection.prepare_cached(UP_TO)?;
                let rows = statement.query_map(params![conversation, before, enough], entry_at)?;
                rows.collect::<rusqlite::Result<_>>()?
            }
        };
        let more = entries.len() > limit;
        entries.truncate(limit);
        if after.is_none() {
            entries.reverse();
        }
        self.add_reactions(conversation, &mut entries)?;
        Ok(Page { entries, more })
    }

    fn last_message(&self, place: &Place) -> Result<Option<MessageId>, StoreError> {
        let Some(conversation) = self.conversation(place)? else { return Ok(None) };
        let sql = "SELECT max(mid) FROM message WHERE conversation = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row(params![conversation], |row| optional_mid_at(row, 0))?)
    }

    fn delete_message(&mut self, place: &Place, mid: MessageId, by: &Alias) -> Result<Deleted, StoreError> {
        self.whole(|store| {
            let Some(conversation) = store.conversation(place)? else { return Ok(Deleted::Missing) };
            let key = params![conversation, mid_bytes(&mid)];
            let sql = "SELECT sender, kind IS NULL, file FROM message WHERE conversation = ?1 AND mid = ?2";
            let mut statement = store.connection.prepare_cached(sql)?;
            let mut rows = statement.query(key)?;
            let Some(row) = rows.next()? else { return Ok(Deleted::Missing) };
            let (sender, is_deleted): (Arc<str>, bool) = (row.get(0)?, row.get(1)?);
            let file: Option<Arc<str>> = row.get(2)?;
            if sender != by.0 {
                return Ok(Deleted::Anothers);
            }
            if is_deleted {
                return Ok(Deleted::Before);
            }
            store.empty_message(conversation, mid_bytes(&mid), file.as_deref())?;
            Ok(Deleted::Now)
        })
    }

    fn withdrawn(&self, place: &Place, mid: MessageId) -> Result<Option<Arc<str>>, StoreError> {
        let Some(conversation) = self.conversation(place)? else { return Ok(None) };
        let sql = "SELECT withdrawn FROM message WHERE conversation = ?1 AND mid = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![conversation, mid_bytes(&mid)])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?.flatten())
    }

    fn react(&mut self, reaction: &Reaction) -> Result<Reacted, StoreError> {
        let Reaction { place, mid, by, emoji, remove } = reaction;
        let Some(conversation) = self.conversation(place)? else { return Ok(Reacted::Missing) };
        if !self.can_react(conversation, *mid)? {
            return Ok(Reacted::Missing);
        }
        let one = params![conversation, mid_bytes(mid), by.0, emoji];
        if *remove {
            let sql = "DELETE FROM reaction WHERE conversation = ?1 AND mid = ?2 AND member = ?3 AND emoji = ?4";
            return Ok(if self.execute(sql, one)? > 0 { Reacted::Changed } else { Reacted::Same });
        }
        let sql = "SELECT 1 FROM reaction WHERE conversation = ?1 AND mid = ?2 AND member = ?3 AND emoji = ?4";
        if self.connection.prepare_cached(sql)?.exists(one)? {
            return Ok(Reacted::Same);
        }
        let sql = "SELECT count(*) FROM reaction WHERE conversation = ?1 AND mid = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let reactions: usize = statement.query_row(params![conversation, mid_bytes(mid)], |row| row.get(0))?;
        if reactions >= REACTIONS_MAX {
            return Ok(Reacted::TooMany);
        }
        self.execute("INSERT INTO reaction (conversation, mid, member, emoji) VALUES (?1, ?2, ?3, ?4)", one)?;
        Ok(Reacted::Changed)
    }

    fn put_receipt(&mut self, place: &Place, by: &Alias, receipt: Receipt) -> Result<Receipt, StoreError> {
        if !self.retention.keeps_chat(place) {
            return Ok(receipt);
        }
        let [delivered_to, read_to] =
            [&receipt.delivered_to, &receipt.read_to].map(|mid| mid.as_ref().map_or(&[][..], mid_bytes));
        let mut statement = self.connection.prepare_cached(CONFIRM)?;
        let params = params![place.as_str(), kind_of(place), by.0, delivered_to, read_to];
        let stands = statement.query_map(params, |row| receipt_at(row, 0))?;
        stands.collect::<rusqlite::Result<Vec<_>>>()?.pop().ok_or(StoreError::Unknown)
    }

    fn receipts(&self, place: &Place) -> Result<Vec<(Alias, Receipt)>, StoreError> {
        let Some(conversation) = self.conversation(place)? else { return Ok(Vec::new()) };
        let sql = "SELECT member, delivered_to, read_to FROM receipt WHERE conversation = ?1 ORDER BY member";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![conversation], |row| Ok((Alias(row.get(0)?), receipt_at(row, 1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn entry_at(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let content = match row.get::<_, Option<i64>>(3)? {
        None => None,
        Some(_) => Some(Content {
            kind: message_kind_at(row, 3)?,
            text: row.get(4)?,
            file: row.get::<_, Option<_>>(5)?.map(UploadId),
            reply_to: optional_mid_at(row, 6)?,
        }),
    };
    Ok(Entry { mid: mid_at(row, 0)?, sender: Alias(row.get(1)?), at: time_at(row, 2)?, content, reactions: Vec::new() })
}

fn receipt_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Receipt> {
    let watermark = |column| match row.get_ref(column)?.as_blob() {
        Ok([]) => Ok(None),
        Ok(_) | Err(_) => mid_at(row, column).map(Some),
    };
    Ok(Receipt { delivered_to: watermark(first)?, read_to: watermark(first + 1)? })
}
