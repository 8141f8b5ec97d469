//! Binding: which address the server sees. RFC 8489 §3, RFC 8656 needs nothing more.
use crate::relay::client::ClientAddr;
use crate::relay::reply::Echo;
use crate::relay::request_result::RequestKind;
use crate::relay::request_result::RequestResult;
use crate::relay::server::Server;
use crate::relay::verdict::FromClient;
use crate::stun::AttributeType;
use crate::stun::Message;

/// Required attributes a Binding may carry. CHANGE-REQUEST and the like are not among them: nobody is made to answer
/// from or to another address. Credentials are ignored, whatever they are worth.
const KNOWN: [AttributeType; 5] = [
    AttributeType::USERNAME,
    AttributeType::USERHASH,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::PASSWORD_ALGORITHM,
];

impl Server {
    /// Answers with the client's address and nothing else, so that the answer is hardly longer than the request.
    pub(super) fn on_binding(&mut self, message: &Message<'_>, from: &ClientAddr, reply: &mut [u8]) -> FromClient {
        let echo = Echo::of(message);
        if message.unknown_required(&KNOWN).next().is_some() {
            let written = echo.unknown(reply, message, &KNOWN, None);
            return self.reply(RequestKind::Binding, RequestResult::UnknownAttribute, written);
        }
        let mut writer = echo.success(reply);
        writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, from.remote);
        let written = echo.finish(writer, None);
        self.reply(RequestKind::Binding, RequestResult::Success, written)
    }
}
