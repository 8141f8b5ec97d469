//! What somebody outside thinks of a message that has gone out, carried out as a moderator's decision is.
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::matchmaking::UserId;
use crate::signal::classifier::Consequence;
use crate::signal::classifier::Judgment;
use crate::signal::classifier::Question;
use crate::signal::hub::Asking;
use crate::signal::hub::Author;
use crate::signal::hub::Hub;
use crate::signal::hub::automatic::Imposed;
use crate::signal::hub::automatic::actor;
use crate::signal::hub::evidence::Remark;
use crate::signal::hub::handlers::chat::deletion_told_outside;
use crate::signal::hub::seats::Seat;
use crate::signal::protocol::PushKind;
use crate::store;
use crate::store::Deleted;
use crate::store::Message;
use crate::store::MessageId;
use crate::store::Sanction;
use crate::store::Store;
use crate::time::Now;

/// Who does it, in bans, reports and audit. No user has that name.
pub(super) const NAME: &str = "classifier";

impl Hub {
    /// Asks about a message that has just gone out, if there is anybody to ask and anything to read.
    pub(super) fn ask_classifier(&mut self, asking: &Asking, seat: &Seat, message: &Message, mid: MessageId) {
        let Some(classifier) = &self.settings.classifier else { return };
        if message.content.text.is_empty() {
            return;
        }
        classifier.ask(Question {
            mid,
            place: seat.place.clone(),
            kind: message.content.kind.as_str(),
            text: Arc::clone(&message.content.text),
            at: message.at,
            author: self.author(&asking.user, seat),
        });
    }

    /// Carries out what was thought of a message.
    pub(crate) fn handle_judgment(&mut self, question: &Question, judgment: Judgment, now: Now) {
        let Judgment { deletes, consequence, reasons } = judgment;
        let Question { mid, author, text, .. } = question;
        if deletes {
            self.delete_judged(question, &reasons, now);
        }
        let because = json!({"mid": mid, "reasons": reasons});
        match consequence {
            Consequence::None => {}
            Consequence::Flag => {
                let deed = actor(NAME, now.unix).deed("message.flag", question.place.as_str(), &because);
                self.note("deed", move |store| store.append_deed(&deed));
                let remark = Remark { mid: *mid, rules: reasons, text: Arc::clone(text) };
                self.report_find(NAME, author.clone(), remark, now);
            }
            Consequence::Mute(life) => self.sentence(author, Sanction::Mute, life, because, now),
            Consequence::Restrict(life) => self.sentence(author, Sanction::Restrict, life, because, now),
        }
        self.settle(now);
    }

    fn sentence(&mut self, author: &Author, sanction: Sanction, life: Duration, because: serde_json::Value, now: Now) {
        let imposed = Imposed {
            by: NAME,
            sanction,
            reason: "what you wrote is against the rules here",
            report: None,
            until: Some(now.unix + life),
            because,
        };
        self.impose(&author.party, imposed, now);
    }

    /// Deletes a message as its author would, who is told as well.
    fn delete_judged(&mut self, question: &Question, reasons: &[Arc<str>], now: Now) {
        let Question { mid, author, .. } = question;
        let (mid, seat) = (*mid, author.seat.clone());
        let user = UserId(author.party.user.0.clone());
        let details = json!({"mid": mid, "user": &*user.0, "reasons": reasons});
        let deed = actor(NAME, now.unix).deed("message.delete", seat.place.as_str(), &details);
        let event = deletion_told_outside(&seat.place, mid, &UserId(NAME.into()), now);
        let is_kept = self.keeps_chat(&seat.place);
        let (place, alias) = (seat.place.clone(), seat.alias.clone());
        let work = move |store: &mut dyn Store| {
            let deleted = if is_kept { store.delete_message(&place, mid, &alias)? } else { Deleted::Now };
            if deleted == Deleted::Now {
                store.append_event(&event)?;
                store.append_deed(&deed)?;
            }
            Ok(deleted)
        };
        self.write("deletion", work, move |hub, outcome, now| {
            // What nobody could store is not seen any longer all the same.
            if matches!(outcome, Ok(Deleted::Before | Deleted::Anothers | Deleted::Missing)) {
                return;
            }
            let file = hub.conversation_mut(&seat.place).and_then(|chat| chat.take_file(mid));
            match file {
                Some(file) if !is_kept => hub.abandon_file(file),
                Some(_) | None => hub.release_files(),
            }
            hub.tell_all(&seat, &user, PushKind::ChatDeleted, &json!({"mid": mid}), now);
        });
    }

    /// Who wrote something, as far as it matters later, when they may be gone.
    pub(super) fn author(&self, user: &UserId, seat: &Seat) -> Author {
        let alone = || store::Party { user: store::UserId::from(user), device: None };
        Author { seat: seat.clone(), party: self.party(user).unwrap_or_else(alone), network: self.network_of(user) }
    }
}
