//! Who is kept out: checked at every hello and every resume (rule 34).
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::auth::token::Subject;
use crate::signal::hub::Hub;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::store::Ban;
use crate::store::Banned;
use crate::time::UnixMillis;

/// The end of a ban for good.
const NEVER: UnixMillis = UnixMillis(u64::MAX);

/// The bans in force, by what they hold against.
#[derive(Debug, Default)]
pub(super) struct Bans {
    until_by_user: HashMap<Arc<str>, UnixMillis>,
    until_by_device: HashMap<Arc<str>, UnixMillis>,
    until_by_network: Vec<(IpNet, UnixMillis)>,
}

impl Bans {
    /// Adds a ban; of several against the same the longest counts.
    pub(super) fn add(&mut self, ban: Ban) {
        let until = ban.until.unwrap_or(NEVER);
        let longest = |known: &mut UnixMillis| *known = until.max(*known);
        match ban.banned {
            Banned::User(user) => longest(self.until_by_user.entry(user.0).or_insert(until)),
            Banned::Device(device) => longest(self.until_by_device.entry(device.0).or_insert(until)),
            Banned::Network(text) => match network(&text) {
                Some(network) => self.until_by_network.push((network, until)),
                None => tracing::warn!(ban = %ban.id.0, "a ban names no network and holds against nobody"),
            },
        }
    }

    fn holds_against(&self, user: Option<&str>, device: Option<&str>, ip: Option<IpAddr>, now: UnixMillis) -> bool {
        let until_by_name = [(user, &self.until_by_user), (device, &self.until_by_device)];
        let by_name = until_by_name.into_iter().filter_map(|(name, bans)| bans.get(name?));
        let is_within = |network: &IpNet| ip.is_some_and(|ip| network.contains(&ip));
        let by_network = self.until_by_network.iter().filter(|(network, _)| is_within(network));
        by_name.chain(by_network.map(|(_, until)| until)).any(|until| *until > now)
    }
}

/// A network or a single address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl Hub {
    /// Checks that somebody may come in from that address.
    ///
    /// # Errors
    ///
    /// `banned`
    pub(super) fn check_subject(&self, subject: &Subject, ip: IpAddr, now: UnixMillis) -> Result<(), Refusal> {
        self.check_not_banned(Some(&subject.user), subject.device.as_deref(), Some(ip), now)
    }

    /// The same of whatever is known yet.
    ///
    /// # Errors
    ///
    /// `banned`
    pub(super) fn check_not_banned(
        &self,
        user: Option<&str>,
        device: Option<&str>,
        ip: Option<IpAddr>,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        if self.bans.holds_against(user, device, ip, now) {
            return Err(Refusal::new(ErrorCode::Banned, "you are banned from here"));
        }
        Ok(())
    }
}
