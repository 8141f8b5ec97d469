//! A conversation while it goes on: what was just said, by its sender's names, and how far everybody has got. Pure.
use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::signal::id::Alias;
use crate::signal::id::MessageId;
use crate::signal::id::MessageIds;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::store::ClientMessageId;
use crate::store::Receipt;
use crate::store::UploadId;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// How long a `cid` is remembered.
const CID_LIFE: Duration = Duration::from_secs(600);
/// Remembered `cid`s of one sender; nobody writes that much, and beyond it the sender has to wait.
const CIDS_MAX: usize = 4096;

/// The memory of one session's or room's chat. It is empty until somebody writes.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// The last message that went out.
    last_message: Option<MessageId>,
    voice_by_alias: HashMap<Alias, Voice>,
    /// Where messages are not stored, the files that they show. Senders have quotas of files.
    file_by_mid: HashMap<MessageId, UploadId>,
}

/// One who writes or reads.
#[derive(Debug, Default)]
struct Voice {
    sent_by_cid: HashMap<ClientMessageId, Sent>,
    oldest_first: VecDeque<(Mono, ClientMessageId)>,
    receipt: Receipt,
}

#[derive(Copy, Clone, Debug)]
struct Sent {
    message: SentMessage,
    is_out: bool,
}

/// What the server has made of a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SentMessage {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) mid: MessageId,
    pub(crate) ts: UnixMillis,
}

/// Whether a message has gone out before.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It has not; it may be on its way to the store.
    Waiting(SentMessage),
    /// It has: nobody is told again.
    Out(SentMessage),
}

impl Conversation {
    /// One that was begun before: in another process, or while others were in the room.
    pub(crate) fn restored(last_message: Option<MessageId>) -> Self {
        Self { last_message, ..Self::default() }
    }

    /// The last message that went out.
    pub(crate) fn last_message(&self) -> Option<MessageId> {
        self.last_message
    }

    /// Whether a message has a name already.
    pub(crate) fn has_named(&mut self, from: &Alias, cid: ClientMessageId, now: Now) -> bool {
        self.voice_by_alias.get_mut(from).is_some_and(|voice| voice.find(cid, now).is_some())
    }

    /// Names a message. A repeated `cid` gets the name and time it got at first (rule 36).
    ///
    /// # Errors
    ///
    /// `rate_limited` if more is remembered than allowed.
    pub(crate) fn name(
        &mut self,
        from: &Alias,
        cid: ClientMessageId,
        ids: &mut MessageIds,
        now: Now,
    ) -> Result<Named, Refusal> {
        let voice = self.voice_by_alias.entry(from.clone()).or_default();
        if let Some(sent) = voice.find(cid, now) {
            return Ok(if sent.is_out { Named::Out(sent.message) } else { Named::Waiting(sent.message) });
        }
        let message = SentMessage { mid: ids.next(now.unix), ts: now.unix };
        voice.remember(cid, Sent { message, is_out: false }, now)?;
        Ok(Named::Waiting(message))
    }

    /// Notes that a message goes out, under the name that the store knows it by. False: it has gone out before.
    pub(crate) fn send_out(&mut self, from: &Alias, cid: ClientMessageId, message: SentMessage) -> bool {
        self.last_message = self.last_message.max(Some(message.mid));
        let sent = self.voice_by_alias.get_mut(from).and_then(|voice| voice.sent_by_cid.get_mut(&cid));
        // One that the store held up for ten minutes is not remembered any more, and goes out all the same.
        sent.is_none_or(|sent| !std::mem::replace(sent, Sent { message, is_out: true }).is_out)
    }

    /// Forgets the name of a message that went nowhere, so that a second attempt gets another.
    pub(crate) fn take_back(&mut self, from: &Alias, cid: ClientMessageId) {
        if let Some(voice) = self.voice_by_alias.get_mut(from) {
            voice.sent_by_cid.remove(&cid);
        }
    }

    /// Remembers which file a message shows, so that the file goes with it.
    pub(crate) fn keep_file(&mut self, mid: MessageId, file: UploadId) {
        self.file_by_mid.insert(mid, file);
    }

    /// Forgets which file a message shows, and returns it.
    pub(crate) fn take_file(&mut self, mid: MessageId) -> Option<UploadId> {
        self.file_by_mid.remove(&mid)
    }

    /// Checks that a message of that name can have been read here.
    ///
    /// # Errors
    ///
    /// `not_found` for one that nobody has sent yet.
    pub(crate) fn check_sent(&self, mid: MessageId) -> Result<(), Refusal> {
        if self.last_message.is_some_and(|last| mid <= last) { Ok(()) } else { Err(Refusal::no_such_message()) }
    }

    /// Checks that a message of the last ten minutes is of that sender, where nothing else is kept of it.
    ///
    /// # Errors
    ///
    /// `forbidden` for another's, `not_found` for one that is not remembered.
    pub(crate) fn check_sender(&self, mid: MessageId, by: &Alias) -> Result<(), Refusal> {
        let wrote = |voice: &Voice| voice.sent_by_cid.values().any(|sent| sent.is_out && sent.message.mid == mid);
        match self.voice_by_alias.iter().find(|(_, voice)| wrote(voice)) {
            Some((alias, _)) if alias == by => Ok(()),
            Some(_) => Err(Refusal::new(ErrorCode::Forbidden, "the message of another")),
            None => Err(Refusal::no_such_message()),
        }
    }

    /// Moves the watermarks of one member forward, and returns where they stand if they have moved (rule 37).
    pub(crate) fn advance(&mut self, reader: &Alias, receipt: Receipt) -> Option<Receipt> {
        let stands = &mut self.voice_by_alias.entry(reader.clone()).or_default().receipt;
        let moved = Receipt {
            delivered_to: stands.delivered_to.max(receipt.delivered_to),
            read_to: stands.read_to.max(receipt.read_to),
        };
        let before = std::mem::replace(stands, moved);
        (before != moved).then_some(moved)
    }
}

impl Voice {
    fn find(&mut self, cid: ClientMessageId, now: Now) -> Option<Sent> {
        while let Some((at, oldest)) = self.oldest_first.front()
            && now.mono.saturating_since(*at) >= CID_LIFE
        {
            self.sent_by_cid.remove(oldest);
            self.oldest_first.pop_front();
        }
        self.sent_by_cid.get(&cid).copied()
    }

    fn remember(&mut self, cid: ClientMessageId, sent: Sent, now: Now) -> Result<(), Refusal> {
        if self.oldest_first.len() >= CIDS_MAX
            && let Some((at, _)) = self.oldest_first.front()
        {
            let wait = CID_LIFE.saturating_sub(now.mono.saturating_since(*at));
            return Err(Refusal::rate_limited("too many messages in ten minutes", wait));
        }
        self.sent_by_cid.insert(cid, sent);
        self.oldest_first.push_back((now.mono, cid));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(secs: u64) -> Now {
        Now::default().plus(Duration::from_secs(1_000_000 + secs))
    }

    fn cid(n: u32) -> ClientMessageId {
        ClientMessageId(Uuid::from_u128(n.into()))
    }

    fn name(conversation: &mut Conversation, ids: &mut MessageIds, from: &Alias, n: u32, secs: u64) -> Named {
        conversation.name(from, cid(n), ids, at(secs)).expect("there is room")
    }

    #[test]
    fn rule_36_a_repeated_cid_is_the_same_message_for_ten_minutes_and_goes_out_once() {
        let (mut chat, mut ids, ann) = (Conversation::default(), MessageIds::default(), Alias::random());
        let Named::Waiting(first) = name(&mut chat, &mut ids, &ann, 1, 0) else { panic!("the first message is new") };
        assert_eq!(name(&mut chat, &mut ids, &ann, 1, 1), Named::Waiting(first));
        assert_eq!(chat.last_message(), None);
        assert!(chat.send_out(&ann, cid(1), first));
        assert!(!chat.send_out(&ann, cid(1), first));
        assert_eq!(chat.last_message(), Some(first.mid));
        assert_eq!(name(&mut chat, &mut ids, &ann, 1, 599), Named::Out(first));
        let Named::Waiting(of_bob) = name(&mut chat, &mut ids, &Alias::random(), 1, 599) else {
            panic!("every sender has names of its own")
        };
        assert!(of_bob.mid > first.mid);
        assert!(matches!(name(&mut chat, &mut ids, &ann, 1, 600), Named::Waiting(later) if later.mid > of_bob.mid));
    }

    #[test]
    fn a_message_that_went_nowhere_is_named_anew() {
        let (mut chat, mut ids, ann) = (Conversation::default(), MessageIds::default(), Alias::random());
        let Named::Waiting(first) = name(&mut chat, &mut ids, &ann, 1, 0) else { panic!("the first message is new") };
        chat.take_back(&ann, cid(1));
        assert!(matches!(name(&mut chat, &mut ids, &ann, 1, 0), Named::Waiting(second) if second.mid > first.mid));
    }

    #[test]
    fn the_memory_for_cids_is_bounded_and_says_when_there_is_room() {
        let (mut chat, mut ids, ann) = (Conversation::default(), MessageIds::default(), Alias::random());
        for n in 0..CIDS_MAX as u32 {
            name(&mut chat, &mut ids, &ann, n, 0);
        }
        let refusal = chat.name(&ann, cid(1_000_000), &mut ids, at(590)).expect_err("is full");
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(10)));
        name(&mut chat, &mut ids, &ann, 7, 590);
        name(&mut chat, &mut ids, &ann, 1_000_000, 600);
    }

    #[test]
    fn rule_37_receipts_never_go_back() {
        let (mut chat, ann) = (Conversation::default(), Alias::random());
        let mid = |n: u128| Some(MessageId(Uuid::from_u128(n)));
        let read = |read_to| Receipt { delivered_to: None, read_to };
        assert_eq!(
            chat.advance(&ann, Receipt { delivered_to: mid(5), read_to: mid(3) }).map(|now| now.read_to),
            Some(mid(3))
        );
        assert_eq!(chat.advance(&ann, read(mid(2))), None);
        assert_eq!(chat.advance(&ann, read(mid(4))), Some(Receipt { delivered_to: mid(5), read_to: mid(4) }));
        assert_eq!(chat.advance(&ann, Receipt::default()), None);
    }

    #[test]
    fn a_message_that_nobody_has_sent_yet_is_not_found() {
        let (mut chat, mut ids, ann) = (Conversation::default(), MessageIds::default(), Alias::random());
        let never = ids.next(at(0).unix);
        assert_eq!(chat.check_sent(never).map_err(|refusal| refusal.code), Err(ErrorCode::NotFound));
        let Named::Waiting(sent) = name(&mut chat, &mut ids, &ann, 1, 0) else { panic!("the first message is new") };
        assert_eq!(chat.check_sender(sent.mid, &ann).map_err(|refusal| refusal.code), Err(ErrorCode::NotFound));
        chat.send_out(&ann, cid(1), sent);
        assert_eq!(chat.check_sender(sent.mid, &ann), Ok(()));
        assert_eq!(
            chat.check_sender(sent.mid, &Alias::random()).map_err(|refusal| refusal.code),
            Err(ErrorCode::Forbidden)
        );
    }
}
