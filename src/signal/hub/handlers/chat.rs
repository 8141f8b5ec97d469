//! `chat.send`, `chat.typing`, `chat.react`.
use serde::Serialize;
use serde_json::json;

use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::protocol::ChatSend;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::React;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ToPeer;
use crate::signal::protocol::Typing;
use crate::signal::session::Named;
use crate::signal::session::SentMessage;
use crate::time::Now;

#[derive(Serialize)]
struct ChatMessage<'a> {
    #[serde(flatten)]
    sent: SentMessage,
    #[serde(flatten)]
    message: &'a ChatSend,
}

impl Hub {
    pub(super) fn on_chat_send(
        &mut self,
        asking: &Asking,
        message: &ToPeer<ChatSend>,
        now: Now,
    ) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        // A repeated one is answered from memory, whether the other side is there or not.
        if !self.session_mut(&id)?.has_named(side, message.body.cid, now) {
            self.check_reachable(&id, side, &message.body)?;
        }
        let Some(session) = self.session_by_id.get_mut(&id) else { return Err(Refusal::not_in_session()) };
        let named = session.name_message(side, message.body.cid, &mut self.message_ids, now)?;
        let (Named::New(sent) | Named::Repeated(sent)) = named;
        self.ok(asking.connection, asking.reply_to, &sent);
        if matches!(named, Named::New(_)) {
            self.stats.chat_messages_total.add_one();
            let data = ChatMessage { sent, message: &message.body };
            self.pass_on(&id, side, PushKind::ChatMessage, &data, now);
        }
        Ok(())
    }

    pub(super) fn on_typing(&mut self, asking: &Asking, message: &ToPeer<Typing>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        self.ok(asking.connection, asking.reply_to, &json!({}));
        self.pass_on(&id, side, PushKind::ChatTyping, &message.body, now);
        Ok(())
    }

    pub(super) fn on_react(&mut self, asking: &Asking, message: &ToPeer<React>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        self.check_reachable(&id, side, &message.body)?;
        self.ok(asking.connection, asking.reply_to, &json!({}));
        self.pass_on(&id, side, PushKind::ChatReaction, &message.body, now);
        Ok(())
    }
}
