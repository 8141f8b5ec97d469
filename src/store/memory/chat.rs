use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::store::Alias;
use crate::store::Appended;
use crate::store::Chat;
use crate::store::ClientMessageId;
use crate::store::Content;
use crate::store::Deleted;
use crate::store::Entry;
use crate::store::MemoryStore;
use crate::store::Message;
use crate::store::MessageId;
use crate::store::Page;
use crate::store::Place;
use crate::store::REACTIONS_MAX;
use crate::store::Reacted;
use crate::store::Reaction;
use crate::store::Receipt;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::store::Uploads;
use crate::store::Window;
use crate::time::UnixMillis;

/// Every place there is, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations {
    conversation_by_name: HashMap<Arc<str>, Conversation>,
    /// Uploads that messages show, each as often as it is shown.
    shown: HashMap<UploadId, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Conversation {
    place: Place,
    /// Its room was removed; what was written waits for the sweep.
    pub(super) is_gone: bool,
    stored_by_mid: BTreeMap<MessageId, Stored>,
    mid_by_cid: HashMap<(Alias, ClientMessageId), MessageId>,
    receipt_by_alias: BTreeMap<Alias, Receipt>,
}

#[derive(Clone, Debug)]
struct Stored {
    sender: Alias,
    cid: ClientMessageId,
    at: UnixMillis,
    content: Option<Content>,
    /// What a deleted message of a session said.
    withdrawn: Option<Arc<str>>,
    reactions: Vec<(Alias, Arc<str>)>,
}

impl Conversations {
    /// Makes an empty conversation.
    pub(super) fn open(&mut self, place: Place) -> Result<(), StoreError> {
        let name: Arc<str> = place.as_str().into();
        if self.conversation_by_name.contains_key(&name) {
            return Err(StoreError::Taken);
        }
        let conversation = Conversation {
            place,
            is_gone: false,
            stored_by_mid: BTreeMap::new(),
            mid_by_cid: HashMap::new(),
            receipt_by_alias: BTreeMap::new(),
        };
        self.conversation_by_name.insert(name, conversation);
        Ok(())
    }

    /// Takes away an empty or unwanted conversation.
    pub(super) fn remove(&mut self, place: &Place) {
        while self.take_message(place, |_| true) {}
        self.conversation_by_name.remove(place.as_str());
    }

    /// Marks the conversation of a room that is removed.
    pub(super) fn abandon(&mut self, place: &Place) {
        if let Some(conversation) = self.conversation_by_name.get_mut(place.as_str()) {
            conversation.is_gone = true;
        }
    }

    /// Takes away the first message of a place that was sent at a moment that `is_old`, if there is one.
    pub(super) fn take_message(&mut self, place: &Place, is_old: impl Fn(UnixMillis) -> bool) -> bool {
        let Some(conversation) = self.conversation_by_name.get_mut(place.as_str()) else { return false };
        let first = conversation.stored_by_mid.iter().find(|(_, stored)| is_old(stored.at)).map(|(mid, _)| *mid);
        let Some(stored) = first.and_then(|mid| conversation.stored_by_mid.remove(&mid)) else { return false };
        conversation.mid_by_cid.remove(&(stored.sender, stored.cid));
        hide(&mut self.shown, stored.content);
        true
    }

    /// The first messages of a member that say something.
    pub(super) fn said_by(&self, place: &Place, alias: &Alias, limit: usize) -> Vec<MessageId> {
        let stored = self.get(place).into_iter().flat_map(|found| &found.stored_by_mid);
        let own = stored.filter(|(_, stored)| stored.sender == *alias && stored.content.is_some());
        own.map(|(mid, _)| *mid).take(limit).collect()
    }

    /// Whether a member has left anything in a place.
    pub(super) fn knows(&self, place: &Place, alias: &Alias) -> bool {
        self.get(place).is_some_and(|found| {
            let has_reacted = |stored: &Stored| stored.reactions.iter().any(|(by, _)| by == alias);
            found.receipt_by_alias.contains_key(alias)
                || found.stored_by_mid.values().any(|stored| stored.sender == *alias || has_reacted(stored))
        })
    }

    /// Takes back reactions of a member, at most `limit`, and returns how many.
    pub(super) fn take_back_reactions(&mut self, place: &Place, alias: &Alias, limit: usize) -> usize {
        let mut taken = 0;
        for stored in self.get_mut(place).into_iter().flat_map(|found| found.stored_by_mid.values_mut()) {
            stored.reactions.retain(|(by, _)| {
                let goes = by == alias && taken < limit;
                taken += usize::from(goes);
                !goes
            });
        }
        taken
    }

    /// Takes away what one member has confirmed in a place.
    pub(super) fn forget_receipt(&mut self, place: &Place, alias: &Alias) {
        if let Some(conversation) = self.get_mut(place) {
            conversation.receipt_by_alias.remove(alias);
        }
    }

    /// Takes away what members have confirmed in a place.
    pub(super) fn forget_receipts(&mut self, place: &Place) {
        if let Some(conversation) = self.conversation_by_name.get_mut(place.as_str()) {
            conversation.receipt_by_alias.clear();
        }
    }

    /// The rooms, with whether they are removed.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (&Place, bool)> {
        let all = self.conversation_by_name.values();
        all.filter(|one| matches!(one.place, Place::Room(_))).map(|one| (&one.place, one.is_gone))
    }

    /// Whether a message shows that upload.
    pub(super) fn shows(&self, upload: &UploadId) -> bool {
        self.shown.contains_key(upload)
    }

    fn get(&self, place: &Place) -> Option<&Conversation> {
        self.conversation_by_name.get(place.as_str()).filter(|found| found.is_at(place))
    }

    fn get_mut(&mut self, place: &Place) -> Option<&mut Conversation> {
        self.conversation_by_name.get_mut(place.as_str()).filter(|found| found.is_at(place))
    }
}

impl Conversation {
    fn is_at(&self, place: &Place) -> bool {
        self.place == *place && !self.is_gone
    }
}

fn hide(shown: &mut HashMap<UploadId, usize>, content: Option<Content>) {
    if let Some(file) = content.and_then(|content| content.file)
        && let Some(times) = shown.get_mut(&file)
    {
        *times -= 1;
        if *times == 0 {
            shown.remove(&file);
        }
    }
}

impl Chat for MemoryStore {
    fn append_message(&mut self, message: &Message) -> Result<Appended, StoreError> {
        if !self.retention.keeps_chat(&message.place) {
            return Ok(Appended::New);
        }
        let conversation = self.conversations.get_mut(&message.place).ok_or(StoreError::Unknown)?;
        let cid = (message.sender.clone(), message.cid);
        if let Some(mid) = conversation.mid_by_cid.get(&cid) {
            let at = conversation.stored_by_mid.get(mid).map_or(message.at, |stored| stored.at);
            return Ok(Appended::Repeated { mid: *mid, at });
        }
        if conversation.stored_by_mid.contains_key(&message.mid) {
            return Err(StoreError::Taken);
        }
        conversation.mid_by_cid.insert(cid, message.mid);
        let stored = Stored {
            sender: message.sender.clone(),
            cid: message.cid,
            at: message.at,
            content: Some(message.content.clone()),
            withdrawn: None,
            reactions: Vec::new(),
        };
        conversation.stored_by_mid.insert(message.mid, stored);
        if let Some(file) = &message.content.file {
            *self.conversations.shown.entry(file.clone()).or_default() += 1;
        }
        Ok(Appended::New)
    }

    fn history(&self, place: &Place, window: Window) -> Result<Page, StoreError> {
        let Some(conversation) = self.conversations.get(place) else { return Ok(Page::default()) };
        if let (Some(after), Some(before)) = (window.after, window.before)
            && after >= before
        {
            return Ok(Page::default());
        }
        let bounds = (bound(window.after), bound(window.before));
        let mut found = conversation.stored_by_mid.range(bounds);
        let mut entries = Vec::new();
        while entries.len() < window.limit {
            let next = if window.after.is_some() { found.next() } else { found.next_back() };
            let Some((mid, stored)) = next else { break };
            entries.push(stored.entry(*mid));
        }
        if window.after.is_none() {
            entries.reverse();
        }
        Ok(Page { entries, more: found.next().is_some() })
    }

    fn last_message(&self, place: &Place) -> Result<Option<MessageId>, StoreError> {
        let conversation = self.conversations.get(place);
        Ok(conversation.and_then(|found| found.stored_by_mid.last_key_value()).map(|(mid, _)| *mid))
    }

    fn delete_message(&mut self, place: &Place, mid: MessageId, by: &Alias) -> Result<Deleted, StoreError> {
        let conversation = self.conversations.get_mut(place);
        let Some(stored) = conversation.and_then(|found| found.stored_by_mid.get_mut(&mid)) else {
            return Ok(Deleted::Missing);
        };
        if stored.sender != *by {
            return Ok(Deleted::Anothers);
        }
        let content = stored.content.take();
        let outcome = if content.is_some() { Deleted::Now } else { Deleted::Before };
        if let (Some(content), Place::Session(_)) = (&content, place) {
            stored.withdrawn = Some(content.text.clone());
        }
        stored.reactions.clear();
        let file = content.as_ref().and_then(|content| content.file.clone());
        hide(&mut self.conversations.shown, content);
        if let Some(file) = file {
            self.abandon_upload(&file)?;
        }
        Ok(outcome)
    }

    fn withdrawn(&self, place: &Place, mid: MessageId) -> Result<Option<Arc<str>>, StoreError> {
        let stored = self.conversations.get(place).and_then(|found| found.stored_by_mid.get(&mid));
        Ok(stored.and_then(|stored| stored.withdrawn.clone()))
    }

    fn react(&mut self, reaction: &Reaction) -> Result<Reacted, StoreError> {
        let conversation = self.conversations.get_mut(&reaction.place);
        let stored = conversation.and_then(|found| found.stored_by_mid.get_mut(&reaction.mid));
        let Some(stored) = stored.filter(|stored| stored.content.is_some()) else { return Ok(Reacted::Missing) };
        let one = (reaction.by.clone(), reaction.emoji.clone());
        let place = stored.reactions.binary_search(&one);
        Ok(match (place, reaction.remove) {
            (Ok(_), false) | (Err(_), true) => Reacted::Same,
            (Err(_), false) if stored.reactions.len() >= REACTIONS_MAX => Reacted::TooMany,
            (Err(at), false) => {
                stored.reactions.insert(at, one);
                Reacted::Changed
            }
            (Ok(at), true) => {
                stored.reactions.remove(at);
                Reacted::Changed
            }
        })
    }

    fn put_receipt(&mut self, place: &Place, by: &Alias, receipt: Receipt) -> Result<Receipt, StoreError> {
        if !self.retention.keeps_chat(place) {
            return Ok(receipt);
        }
        let conversation = self.conversations.get_mut(place).ok_or(StoreError::Unknown)?;
        let stands = conversation.receipt_by_alias.entry(by.clone()).or_default();
        stands.delivered_to = stands.delivered_to.max(receipt.delivered_to);
        stands.read_to = stands.read_to.max(receipt.read_to);
        Ok(*stands)
    }

    fn receipts(&self, place: &Place) -> Result<Vec<(Alias, Receipt)>, StoreError> {
        let Some(conversation) = self.conversations.get(place) else { return Ok(Vec::new()) };
        Ok(conversation.receipt_by_alias.iter().map(|(alias, receipt)| (alias.clone(), *receipt)).collect())
    }
}

fn bound(mid: Option<MessageId>) -> Bound<MessageId> {
    mid.map_or(Bound::Unbounded, Bound::Excluded)
}

impl Stored {
    fn entry(&self, mid: MessageId) -> Entry {
        Entry {
            mid,
            sender: self.sender.clone(),
            at: self.at,
            content: self.content.clone(),
            reactions: self.reactions.clone(),
        }
    }
}
