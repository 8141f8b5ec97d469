//! Who is kept out, or from something: checked at every hello and every resume (rule 34), at every request over REST and
//! wherever something is taken away.
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use ipnet::IpNet;

use crate::auth::token::Subject;
use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Sanction;
use crate::time::UnixMillis;

/// The end of a ban for good.
const NEVER: UnixMillis = UnixMillis(u64::MAX);
/// Those whose time is over are forgotten when there are more than this, or twice as many as are in force.
const PRUNE_ABOVE: usize = 1024;

/// The bans in force, by what they hold against.
#[derive(Debug, Default)]
pub(super) struct Bans {
    ban_by_id: HashMap<BanId, Ban>,
    /// The oldest first.
    by_age: BTreeSet<(UnixMillis, BanId)>,
    ids_by_user: HashMap<Arc<str>, Vec<BanId>>,
    ids_by_device: HashMap<Arc<str>, Vec<BanId>>,
    ids_by_network: Vec<(IpNet, BanId)>,
    prune_above: usize,
}

/// Somebody, as far as is known.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Who<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) device: Option<&'a str>,
    /// `None` too for those whom bans of networks do not concern.
    pub(super) ip: Option<IpAddr>,
}

impl<'a> Who<'a> {
    /// Whoever comes from that address. Bans of networks are no concern of people with rights: they would lock
    /// themselves out.
    pub(super) fn of(subject: &'a Subject, ip: Option<IpAddr>) -> Self {
        let ip = ip.filter(|_| !subject.role.is_staff());
        Self { user: Some(&subject.user), device: subject.device.as_deref(), ip }
    }
}

impl Bans {
    /// Adds a ban, in place of one of its name. Of several against the same the longest counts.
    pub(super) fn add(&mut self, ban: Ban, now: UnixMillis) {
        self.remove(&ban.id);
        if self.ban_by_id.len() >= self.prune_above.max(PRUNE_ABOVE) {
            self.prune(now);
        }
        let id = ban.id.clone();
        match &ban.banned {
            Banned::User(user) => self.ids_by_user.entry(user.0.clone()).or_default().push(id.clone()),
            Banned::Device(device) => self.ids_by_device.entry(device.0.clone()).or_default().push(id.clone()),
            Banned::Network(text) => match network(text) {
                Some(network) => self.ids_by_network.push((network, id.clone())),
                None => tracing::warn!(ban = %id.0, "a ban names no network and holds against nobody"),
            },
        }
        self.by_age.insert((ban.at, id.clone()));
        self.ban_by_id.insert(id, ban);
    }

    /// Takes a ban out.
    pub(super) fn remove(&mut self, id: &BanId) -> Option<Ban> {
        let ban = self.ban_by_id.remove(id)?;
        self.by_age.remove(&(ban.at, ban.id.clone()));
        match &ban.banned {
            Banned::User(user) => forget(&mut self.ids_by_user, &user.0, id),
            Banned::Device(device) => forget(&mut self.ids_by_device, &device.0, id),
            Banned::Network(_) => self.ids_by_network.retain(|(_, other)| other != id),
        }
        Some(ban)
    }

    pub(super) fn get(&self, id: &BanId) -> Option<&Ban> {
        self.ban_by_id.get(id)
    }

    pub(super) fn len(&self) -> usize {
        self.ban_by_id.len()
    }

    /// Networks that are banned, whether their time is over or not.
    pub(super) fn networks(&self) -> usize {
        self.ids_by_network.len()
    }

    /// Those in force that are older than one, or all, the newest first.
    pub(super) fn older_than<'a>(
        &'a self,
        one: Option<&Ban>,
        now: UnixMillis,
    ) -> impl Iterator<Item = &'a Ban> + use<'a> {
        let end = one.map_or(Bound::Unbounded, |one| Bound::Excluded((one.at, one.id.clone())));
        let older = self.by_age.range((Bound::Unbounded, end)).rev();
        older.filter_map(move |(_, id)| self.ban_by_id.get(id)).filter(move |ban| is_in_force(ban, now))
    }

    /// Those in force against somebody.
    pub(super) fn against<'a>(&'a self, who: Who<'_>, now: UnixMillis) -> impl Iterator<Item = &'a Ban> + use<'a> {
        let ids = |name: Option<&str>, map: &'a HashMap<Arc<str>, Vec<BanId>>| name.and_then(|name| map.get(name));
        let ip = who.ip.map(|ip| ip.to_canonical());
        let by_name =
            ids(who.user, &self.ids_by_user).into_iter().chain(ids(who.device, &self.ids_by_device)).flatten();
        let by_network =
            self.ids_by_network.iter().filter(move |(network, _)| ip.is_some_and(|ip| network.contains(&ip)));
        let ids = by_name.chain(by_network.map(|(_, id)| id));
        ids.filter_map(move |id| self.ban_by_id.get(id)).filter(move |ban| is_in_force(ban, now))
    }

    fn prune(&mut self, now: UnixMillis) {
        let over = self.ban_by_id.values().filter(|ban| !is_in_force(ban, now));
        let over: Vec<BanId> = over.map(|ban| ban.id.clone()).collect();
        for id in over {
            self.remove(&id);
        }
        self.prune_above = 2 * self.ban_by_id.len();
    }
}

/// Until when a ban counts.
fn end(ban: &Ban) -> UnixMillis {
    ban.until.unwrap_or(NEVER)
}

fn is_in_force(ban: &Ban, now: UnixMillis) -> bool {
    end(ban) > now
}

fn forget(map: &mut HashMap<Arc<str>, Vec<BanId>>, name: &Arc<str>, id: &BanId) {
    if let Some(ids) = map.get_mut(name) {
        ids.retain(|other| other != id);
        if ids.is_empty() {
            map.remove(name);
        }
    }
}

/// A network or a single address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl Hub {
    /// Checks that somebody may come in from that address.
    ///
    /// # Errors
    ///
    /// `banned`
    pub(super) fn check_subject(&self, subject: &Subject, ip: IpAddr, now: UnixMillis) -> Result<(), Refusal> {
        self.check_not_banned(Who::of(subject, Some(ip)), now)
    }

    /// The same of whatever is known yet.
    ///
    /// # Errors
    ///
    /// `banned`
    pub(super) fn check_not_banned(&self, who: Who<'_>, now: UnixMillis) -> Result<(), Refusal> {
        if self.bans.against(who, now).any(|ban| ban.sanction == Sanction::Ban) {
            return Err(Refusal::new(ErrorCode::Banned, "you are banned from here"));
        }
        Ok(())
    }

    /// Checks that a user may write to others.
    ///
    /// # Errors
    ///
    /// `forbidden`
    pub(super) fn check_not_muted(&self, user: &UserId, now: UnixMillis) -> Result<(), Refusal> {
        self.check_not_under(Sanction::Mute, user, "a moderator lets you write to nobody for now", now)
    }

    /// Checks that a user may be matched.
    ///
    /// # Errors
    ///
    /// `forbidden`
    pub(super) fn check_not_restricted(&self, user: &UserId, now: UnixMillis) -> Result<(), Refusal> {
        self.check_not_under(Sanction::Restrict, user, "a moderator lets you meet nobody for now", now)
    }

    fn check_not_under(
        &self,
        sanction: Sanction,
        user: &UserId,
        refused: &'static str,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        if self.bans.len() > 0 && self.bans.against(self.who(user), now).any(|ban| ban.sanction == sanction) {
            return Err(Refusal::new(ErrorCode::Forbidden, refused));
        }
        Ok(())
    }

    /// A user as bans see it: by its name alone if it is away.
    pub(super) fn who<'a>(&'a self, user: &'a UserId) -> Who<'a> {
        let presence = self.user_by_id.get(user).map(|user| &user.presence);
        let connection = presence.and_then(|presence| presence.connection());
        let ip = connection.and_then(|id| self.connection_by_id.get(&id)).map(|connection| connection.peer.ip);
        match presence.and_then(|presence| presence.chain()) {
            Some(chain) => Who { user: Some(&user.0), ..Who::of(&chain.subject, ip) },
            None => Who { user: Some(&user.0), ..Who::default() },
        }
    }
}
