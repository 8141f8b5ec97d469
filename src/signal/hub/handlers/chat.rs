//! `chat.send`, `chat.receipt`, `chat.typing`, `chat.react`, `chat.delete`; rules 36 and 37.
//!
//! A message goes out once it is committed, and its sender is told then: whoever has seen it finds it in the history,
//! and a sender who was told nothing before a crash finds out by its `cid` whether it was sent. That costs one group
//! commit, a fraction of a millisecond. A store that cannot write does not silence anybody: what is said then is heard
//! and not kept, as where the operator keeps nothing, and the history says that it lacks it.
use std::sync::Arc;

use serde_json::json;

use crate::matchmaking::UserId;
use crate::signal::conversation::Named;
use crate::signal::conversation::SentMessage;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::handlers::files;
use crate::signal::hub::handlers::files::Stored;
use crate::signal::hub::happenings;
use crate::signal::hub::screening::Flagged;
use crate::signal::hub::screening::saying_in;
use crate::signal::hub::seats::Seat;
use crate::signal::protocol::ChatSend;
use crate::signal::protocol::Delete;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::React;
use crate::signal::protocol::ReceiptTo;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ToPeer;
use crate::signal::protocol::Typing;
use crate::signal::view::FileView;
use crate::signal::view::ReceiptView;
use crate::signal::view::live::DoneView;
use crate::signal::view::spoken::MessageView;
use crate::store;
use crate::store::Appended;
use crate::store::ClientMessageId;
use crate::store::Deleted;
use crate::store::Event;
use crate::store::Message;
use crate::store::MessageId;
use crate::store::Place;
use crate::store::Reacted;
use crate::store::Reaction;
use crate::store::Receipt;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::Now;

impl Hub {
    pub(super) fn on_chat_send(
        &mut self,
        asking: &Asking,
        message: &ToPeer<ChatSend>,
        now: Now,
    ) -> Result<(), Refusal> {
        self.take_words(&asking.user, now)?;
        let seat = self.seat_at(asking, &message.target)?;
        self.check_not_muted(&asking.user, now.unix)?;
        let ChatSend { cid, content } = &message.body;
        if content.file.is_some() {
            self.file_sharing()?;
        }
        let chat = self.conversation_mut(&seat.place).ok_or_else(Refusal::not_in_session)?;
        if let Some(mid) = content.reply_to {
            chat.check_sent(mid)?;
        }
        // A repeated one is answered, whether the others can be reached or not.
        let is_repeated = chat.has_named(&seat.alias, *cid, now);
        if !is_repeated {
            self.check_room(&seat, &content.text)?;
        }
        let (content, flagged) = self.screen_message(asking, &seat.place, content, is_repeated)?;
        let sent = match self.name_message(&seat, *cid, now)? {
            Named::Out(sent) => {
                self.ok(asking.connection, asking.reply_to, &sent);
                return Ok(());
            }
            Named::Waiting(sent) => sent,
        };
        let cid = *cid;
        let message =
            Message { place: seat.place.clone(), mid: sent.mid, sender: seat.alias.clone(), cid, at: sent.ts, content };
        let is_kept = self.keeps_chat(&seat.place);
        if !is_kept && message.content.file.is_none() {
            let outcome = Ok(Stored::Appended(Appended::New, None));
            if let Some(mid) = self.on_appended(asking, &seat, &message, outcome, now) {
                self.on_news(asking, &seat, &message, mid, flagged, now);
            }
            return Ok(());
        }
        let message = Arc::new(message);
        let (asked, stored, sender) = (asking.clone(), Arc::clone(&message), store::UserId::from(&asking.user));
        let event = told_outside(&message, &asking.user, now);
        let then = move |hub: &mut Hub, outcome, now| {
            if let Some(mid) = hub.on_appended(&asked, &seat, &message, outcome, now) {
                hub.on_news(&asked, &seat, &message, mid, flagged, now);
            }
        };
        if is_kept {
            let append = move |store: &mut dyn Store| {
                let appended = files::append(store, &stored, &sender)?;
                if matches!(appended, Stored::Appended(Appended::New, _)) {
                    store.append_event(&event)?;
                }
                Ok(appended)
            };
            self.write_for(asking, "message", append, then);
        } else {
            let look = move |store: &dyn Store| files::look_up(store, &stored, &sender);
            self.read_for(asking, "upload", look, then);
        }
        Ok(())
    }

    /// What a connection may say in a while is said of its user, who may have had others before.
    fn take_words(&mut self, user: &UserId, now: Now) -> Result<(), Refusal> {
        let Some(user) = self.user_by_id.get_mut(user) else { return Ok(()) };
        user.words.take(self.rates.words, now.mono).map_err(|wait| Refusal::rate_limited("too many messages", wait))
    }

    fn name_message(&mut self, seat: &Seat, cid: ClientMessageId, now: Now) -> Result<Named, Refusal> {
        // Taken out, as the ids are the hub's own too.
        let mut ids = std::mem::take(&mut self.message_ids);
        let chat = self.conversation_mut(&seat.place).ok_or_else(Refusal::not_in_session);
        let named = chat.and_then(|chat| chat.name(&seat.alias, cid, &mut ids, now));
        self.message_ids = ids;
        named
    }

    /// Goes on with a message that has just gone out.
    fn on_news(
        &mut self,
        asking: &Asking,
        seat: &Seat,
        message: &Message,
        mid: MessageId,
        flagged: Option<Flagged>,
        now: Now,
    ) {
        self.ask_classifier(asking, seat, message, mid);
        if let Some(flagged) = flagged {
            self.report_message(asking, seat, mid, flagged, now);
        }
    }

    /// Answers the sender and sends the message out, unless it is out; returns its name if it goes out now.
    fn on_appended(
        &mut self,
        asking: &Asking,
        seat: &Seat,
        message: &Message,
        outcome: Result<Stored, StoreError>,
        now: Now,
    ) -> Option<MessageId> {
        let first = SentMessage { mid: message.mid, ts: message.at };
        let unstored = || Refusal::new(ErrorCode::Unavailable, "the message could not be stored");
        let (is_kept_now, is_lost) = (matches!(outcome, Ok(Stored::Appended(Appended::New, _))), outcome.is_err());
        let (sent, was_stored, upload) = match outcome {
            Ok(Stored::Appended(Appended::New, upload)) => (first, false, upload),
            // Those who missed it in the crash between find it in the history.
            Ok(Stored::Appended(Appended::Repeated { mid, at }, _)) => (SentMessage { mid, ts: at }, true, None),
            Ok(Stored::Refused(refusal)) => {
                self.take_back(asking, seat, message, &refusal, now);
                return None;
            }
            Err(StoreError::Stopped | StoreError::Taken) => {
                self.take_back(asking, seat, message, &unstored(), now);
                return None;
            }
            // Nobody knows whether the file is the sender's.
            Err(_) if message.content.file.is_some() => {
                self.take_back(asking, seat, message, &unstored(), now);
                return None;
            }
            Err(StoreError::Full | StoreError::Damaged(_) | StoreError::Failed(_) | StoreError::Unknown) => {
                if self.conversation_mut(&seat.place).is_none() {
                    self.refuse(asking.connection, asking.reply_to, &Refusal::not_in_session(), now);
                    return None;
                }
                (first, false, None)
            }
        };
        self.ok(asking.connection, asking.reply_to, &sent);
        let is_kept = self.keeps_chat(&seat.place);
        let chat = self.conversation_mut(&seat.place)?;
        let goes_out = chat.send_out(&seat.alias, message.cid, sent);
        let is_news = goes_out && !was_stored;
        if let Some(upload) = upload.as_ref().filter(|_| !is_kept) {
            chat.keep_file(sent.mid, upload.id.clone());
        }
        if is_lost && goes_out {
            self.losses.add(&seat.place, sent.ts);
        } else if is_kept && is_kept_now && !goes_out {
            // Its first attempt was lost, and the second was under way by then.
            self.losses.take_back(&seat.place);
        }
        if is_news {
            self.stats.chat_messages_total.add_one();
            if !is_kept {
                let event = told_outside(message, &asking.user, now);
                self.note("event", move |store| store.append_event(&event));
            }
            let sharing = self.settings.files.as_ref();
            let file = upload.as_ref().zip(sharing).map(|(upload, sharing)| FileView::new(upload, sharing, now.unix));
            let view =
                MessageView { cid: Some(message.cid), file, ..MessageView::new(sent.mid, sent.ts, &message.content) };
            self.tell_others(seat, PushKind::ChatMessage, &view, now);
        }
        is_news.then_some(sent.mid)
    }

    /// Refuses a message that goes nowhere.
    fn take_back(&mut self, asking: &Asking, seat: &Seat, message: &Message, refusal: &Refusal, now: Now) {
        if let Some(chat) = self.conversation_mut(&seat.place) {
            chat.take_back(&seat.alias, message.cid);
        }
        self.refuse(asking.connection, asking.reply_to, refusal, now);
    }

    pub(super) fn on_receipt(&mut self, asking: &Asking, message: &ToPeer<ReceiptTo>, now: Now) -> Result<(), Refusal> {
        let seat = self.seat_at(asking, &message.target)?;
        let receipt = message.body.receipt;
        let chat = self.conversation_mut(&seat.place).ok_or_else(Refusal::not_in_session)?;
        if let Some(furthest) = receipt.delivered_to.max(receipt.read_to) {
            chat.check_sent(furthest)?;
        }
        if self.is_of_group(&seat.place) {
            self.ok(asking.connection, asking.reply_to, &DoneView {});
            self.tell_receipt(&seat, receipt, now);
            return Ok(());
        }
        let (asked, place, reader) = (asking.clone(), seat.place.clone(), seat.alias.clone());
        self.write_for(
            asking,
            "receipt",
            move |store| store.put_receipt(&place, &reader, receipt),
            move |hub, outcome, now| {
                // What was lost or never kept is still told.
                let stands = outcome.unwrap_or(receipt);
                hub.ok(asked.connection, asked.reply_to, &DoneView {});
                hub.tell_receipt(&seat, stands, now);
            },
        );
        Ok(())
    }

    fn tell_receipt(&mut self, seat: &Seat, receipt: Receipt, now: Now) {
        let Some(chat) = self.conversation_mut(&seat.place) else { return };
        if let Some(stands) = chat.advance(&seat.alias, receipt) {
            self.tell_others(seat, PushKind::ChatReceipt, &ReceiptView::from(stands), now);
        }
    }

    pub(super) fn on_typing(&mut self, asking: &Asking, message: &ToPeer<Typing>, now: Now) -> Result<(), Refusal> {
        let seat = self.seat_at(asking, &message.target)?;
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        self.tell_others(&seat, PushKind::ChatTyping, &message.body, now);
        Ok(())
    }

    pub(super) fn on_react(&mut self, asking: &Asking, message: &ToPeer<React>, now: Now) -> Result<(), Refusal> {
        self.take_words(&asking.user, now)?;
        let seat = self.seat_at(asking, &message.target)?;
        self.check_not_muted(&asking.user, now.unix)?;
        self.check_room(&seat, &message.body.emoji)?;
        if !message.body.remove {
            self.screen_label(&asking.user, &seat.place, saying_in(&seat.place), &message.body.emoji, now)?;
        }
        let is_kept = self.keeps_chat(&seat.place);
        let mid = message.body.mid;
        if let Some(mid) = mid {
            let chat = self.conversation_mut(&seat.place).ok_or_else(Refusal::not_in_session)?;
            chat.check_sent(mid)?;
        }
        let Some(mid) = mid.filter(|_| is_kept) else {
            self.ok(asking.connection, asking.reply_to, &DoneView {});
            self.tell_others(&seat, PushKind::ChatReaction, &message.body, now);
            return Ok(());
        };
        let React { emoji, remove, .. } = message.body.clone();
        let reaction = Reaction { place: seat.place.clone(), mid, by: seat.alias.clone(), emoji, remove };
        let (asked, body) = (asking.clone(), message.body.clone());
        self.write_for(
            asking,
            "reaction",
            move |store| store.react(&reaction),
            move |hub, outcome, now| {
                let refusal = match outcome {
                    Ok(Reacted::Changed | Reacted::Same) => None,
                    Ok(Reacted::TooMany) => Some(Refusal::bad_request("a message has at most 256 reactions")),
                    Ok(Reacted::Missing) => Some(Refusal::no_such_message()),
                    Err(_) => Some(Refusal::new(ErrorCode::Unavailable, "the reaction could not be stored")),
                };
                hub.answer(&asked, refusal.as_ref(), now);
                if outcome == Ok(Reacted::Changed) {
                    hub.tell_others(&seat, PushKind::ChatReaction, &body, now);
                }
            },
        );
        Ok(())
    }

    pub(super) fn on_delete(&mut self, asking: &Asking, message: &ToPeer<Delete>, now: Now) -> Result<(), Refusal> {
        let seat = self.seat_at(asking, &message.target)?;
        let deletion = message.body;
        let event = deletion_told_outside(&seat.place, deletion.mid, &asking.user, now);
        if !self.keeps_chat(&seat.place) {
            let chat = self.conversation_mut(&seat.place).ok_or_else(Refusal::not_in_session)?;
            chat.check_sender(deletion.mid, &seat.alias)?;
            if let Some(file) = chat.take_file(deletion.mid) {
                self.abandon_file(file);
            }
            self.note("event", move |store| store.append_event(&event));
            self.ok(asking.connection, asking.reply_to, &DoneView {});
            self.tell_others(&seat, PushKind::ChatDeleted, &deletion, now);
            return Ok(());
        }
        let (asked, place, by) = (asking.clone(), seat.place.clone(), seat.alias.clone());
        self.write_for(
            asking,
            "deletion",
            move |store| {
                let deleted = store.delete_message(&place, deletion.mid, &by)?;
                if deleted == Deleted::Now {
                    store.append_event(&event)?;
                }
                Ok(deleted)
            },
            move |hub, outcome, now| {
                let refusal = match outcome {
                    Ok(Deleted::Now | Deleted::Before) => None,
                    Ok(Deleted::Anothers) => Some(Refusal::new(ErrorCode::Forbidden, "the message of another")),
                    Ok(Deleted::Missing) => Some(Refusal::no_such_message()),
                    Err(_) => Some(Refusal::new(ErrorCode::Unavailable, "the message could not be deleted")),
                };
                hub.answer(&asked, refusal.as_ref(), now);
                if outcome == Ok(Deleted::Now) {
                    hub.release_files();
                    hub.tell_others(&seat, PushKind::ChatDeleted, &deletion, now);
                }
            },
        );
        Ok(())
    }
}

/// That somebody wrote, without what: those who watch from outside learn no more of a conversation.
fn told_outside(message: &Message, sender: &UserId, now: Now) -> Event {
    let Message { place, mid, content, .. } = message;
    let data = json!({
        "mid": mid,
        "place": kind_of(place),
        "user": &*sender.0,
        "kind": content.kind.as_str(),
        "characters": content.text.chars().count(),
        "file": content.file.as_ref().map(|file| &*file.0),
    });
    happenings::event(happenings::CHAT_MESSAGE, place.as_str(), &data, now)
}

/// That somebody took a message back.
pub(in crate::signal::hub) fn deletion_told_outside(place: &Place, mid: MessageId, by: &UserId, now: Now) -> Event {
    let data = json!({"mid": mid, "place": kind_of(place), "user": &*by.0});
    happenings::event(happenings::CHAT_DELETED, place.as_str(), &data, now)
}

fn kind_of(place: &Place) -> &'static str {
    if matches!(place, Place::Room(_)) { "room" } else { "session" }
}
