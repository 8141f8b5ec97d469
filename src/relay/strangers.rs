//! What the server does for those who have proved nothing: little, and less the more they ask.
use crate::auth::nonce::NonceCheck;
use crate::relay::authenticate::Unproved;
use crate::relay::client::ClientAddr;
use crate::relay::effect::Effect;
use crate::relay::network::Network;
use crate::relay::server::Server;
use crate::stun::AttributeType;
use crate::stun::Message;
use crate::time::Now;

impl Server {
    /// Whether an answer may go to a client that has proved nothing, not even its address.
    pub(super) fn may_answer_stranger(&self, from: &ClientAddr, now: Now) -> bool {
        let rules = &self.config.strangers;
        let ip = from.remote.ip();
        // The handshake of a connection has proved its address.
        from.via.stream().is_some()
            || rules.is_exempt(ip)
            || self.defences.ration.take(ip, rules.answers_per_second, now.mono)
    }

    /// Whether requests from here are not heard. Whoever has an allocation has known a password.
    pub(super) fn is_barred(&self, from: &ClientAddr, now: Now) -> bool {
        self.config.strangers.failures_per_minute != 0
            && self.defences.bars.is_barred(from.remote.ip(), now.mono)
            && self.allocations.live(from, now.mono).is_none()
    }

    /// Counts a wrong password against its source. The nonce shows that the source is no forged one: it was told to this very
    /// address.
    pub(super) fn count_failure(&mut self, unproved: Unproved, message: &Message<'_>, from: &ClientAddr, now: Now) {
        let rules = &self.config.strangers;
        let ip = from.remote.ip();
        if unproved != Unproved::Wrong || rules.failures_per_minute == 0 || rules.is_exempt(ip) {
            return;
        }
        let nonce = message.attribute(AttributeType::NONCE).unwrap_or_default();
        let check = self.config.nonce_key.verify(nonce, from.remote, now.unix.as_secs());
        if check == NonceCheck::Valid
            && self.defences.bars.count_failure(ip, rules.failures_per_minute, now.mono)
            && self.defences.bars.may_report(now.mono)
        {
            self.effects.push_back(Effect::Barred { network: Network::around(ip).net() });
        }
    }
}
