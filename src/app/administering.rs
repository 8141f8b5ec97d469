//! What stands behind the routes of admins: the data plane, the configuration, what was measured.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::app::series;
use crate::config::Config;
use crate::http::AdminHooks;
use crate::http::Problem;
use crate::http::admin::AllocationQuery;
use crate::http::node_view::AllocationView;
use crate::http::node_view::AllocationsView;
use crate::http::node_view::ConfigView;
use crate::http::node_view::DrainView;
use crate::http::node_view::TrafficView;
use crate::relay;
use crate::relay::AllocationId;
use crate::relay::ShardId;
use crate::relay::Traffic;
use crate::signal::ErrorCode;
use crate::time::Clock;
use crate::time::Now;
use crate::transport::AllocationPlace;
use crate::transport::DataPlane;
use crate::transport::Unanswered;

/// Allocations of a page.
const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 50;
/// Allocations of one session that are told of each shard; a session may hold far fewer.
const OF_SESSION_MAX: usize = 100;

/// How much admins see of the addresses of clients: `http.admins_see_addresses`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Whole,
    /// IPv4 /24 and IPv6 /48: a household or a provider's street, not a device.
    Network,
}

impl Seen {
    pub(super) const fn new(sees_whole: bool) -> Self {
        if sees_whole { Seen::Whole } else { Seen::Network }
    }

    fn told(self, client: SocketAddr) -> String {
        let ip = client.ip().to_canonical();
        let len = if ip.is_ipv4() { 24 } else { 48 };
        match self {
            Seen::Whole => client.to_string(),
            Seen::Network => IpNet::new_assert(ip, len).trunc().to_string(),
        }
    }
}

/// What admins see of the configuration in force.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The whole of it, secrets masked.
    view: ConfigView,
    seen: Seen,
    /// What calls are given when the node drains.
    grace: Duration,
}

impl Shown {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            // Whatever has a TOML form has a JSON form.
            view: ConfigView { config: json!(config), warnings: config.warnings() },
            seen: Seen::new(config.http.admins_see_addresses),
            grace: config.server.shutdown_grace,
        }
    }
}

/// The hooks. `drain` is heard by the operator's task.
pub(super) fn hooks(
    plane: &DataPlane,
    clock: Clock,
    config: watch::Receiver<Shown>,
    series: series::Handle,
    drain: mpsc::Sender<()>,
) -> AdminHooks {
    let (lists, ends) = (plane.clone(), plane.clone());
    let (listed, drained) = (config.clone(), config.clone());
    AdminHooks {
        allocations: Arc::new(move |query| {
            let (plane, seen) = (lists.clone(), listed.borrow().seen);
            Box::pin(async move { list(&plane, query, seen, clock.now()).await })
        }),
        end_allocation: Arc::new(move |name| {
            let plane = ends.clone();
            Box::pin(async move { end(&plane, &name).await })
        }),
        config: Arc::new(move || config.borrow().view.clone()),
        series: Arc::new(move |after| {
            let series = series.clone();
            Box::pin(async move {
                let told = series.after(after).await;
                told.ok_or(Problem::new(ErrorCode::Unavailable, "this node is going away"))
            })
        }),
        drain: Arc::new(move || match drain.try_send(()) {
            Ok(()) => Ok(DrainView { draining: true, grace_ms: drained.borrow().grace.as_millis() as u64 }),
            Err(_) => Err(Problem::new(ErrorCode::Conflict, "this node drains already")),
        }),
    }
}

async fn list(plane: &DataPlane, query: AllocationQuery, seen: Seen, now: Now) -> Result<AllocationsView, Problem> {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::new(ErrorCode::BadRequest, "limit is a number from 1 to 100"));
    }
    let after = query.after.as_deref().map(place).transpose()?;
    let page = match query.session {
        Some(session) => plane.allocations_of(&session, OF_SESSION_MAX).await,
        None => plane.allocations(after.unwrap_or(AllocationPlace::START), limit).await,
    };
    let page = page.map_err(unanswered)?;
    let next = page.next.map(|AllocationPlace { shard, slot }| format!("{}-{slot}", shard.0));
    let allocations = page.found.iter().map(|(shard, one)| view(*shard, one, seen, now)).collect();
    Ok(AllocationsView { allocations, next })
}

async fn end(plane: &DataPlane, name: &str) -> Result<(), Problem> {
    let no_such = || Problem::new(ErrorCode::NotFound, "there is no such live allocation");
    let (shard, id) = allocation(name).ok_or_else(no_such)?;
    if plane.end_allocation(shard, id).await.map_err(unanswered)? { Ok(()) } else { Err(no_such()) }
}

fn unanswered(why: Unanswered) -> Problem {
    Problem::new(ErrorCode::Unavailable, why.to_string())
}

/// Reads where a page ends.
fn place(text: &str) -> Result<AllocationPlace, Problem> {
    let parts = text.split_once('-').and_then(|(shard, slot)| Some((shard.parse().ok()?, slot.parse().ok()?)));
    let (shard, slot) =
        parts.ok_or_else(|| Problem::new(ErrorCode::BadRequest, "after is the next of an earlier page"))?;
    Ok(AllocationPlace { shard: ShardId(shard), slot })
}

/// Reads the name of an allocation.
fn allocation(name: &str) -> Option<(ShardId, AllocationId)> {
    let mut parts = name.splitn(3, '-');
    let shard = ShardId(parts.next()?.parse().ok()?);
    Some((shard, AllocationId::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)))
}

fn view(shard: ShardId, one: &relay::AllocationView, seen: Seen, now: Now) -> AllocationView {
    let id = one.id;
    AllocationView {
        id: format!("{}-{}-{}", shard.0, id.slot(), id.generation()),
        session: one.session.clone(),
        user_hash: format!("{:016x}", one.user_hash),
        transport: one.transport.label(),
        client: seen.told(one.client),
        relayed: one.relayed.clone(),
        started_at: one.started,
        age_ms: now.unix.saturating_since(one.started).as_millis() as u64,
        expires_at: one.expires,
        permissions: one.permissions,
        channels: one.channels,
        to_peers: traffic(one.to_peers),
        to_client: traffic(one.to_client),
        handed_out: traffic(one.handed_out),
        handed_in: traffic(one.handed_in),
        dropped: one.dropped,
    }
}

fn traffic(Traffic { packets, bytes }: Traffic) -> TrafficView {
    TrafficView { packets, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_allocations_and_of_pages_are_read_as_they_were_written() {
        assert_eq!(allocation("1-20-3"), Some((ShardId(1), AllocationId::new(20, 3))));
        for bad in ["", "1", "1-2", "1-2-3-4", "-1-2-3", "a-b-c", "99999-1-1", "1-4294967296-0"] {
            assert_eq!(allocation(bad), None, "{bad}");
            assert!(bad == "1-2" || place(bad).is_err(), "{bad}");
        }
        assert_eq!(place("1-20"), Ok(AllocationPlace { shard: ShardId(1), slot: 20 }));
    }

    #[test]
    fn who_shall_not_see_addresses_sees_networks() {
        let told = |seen: Seen, client: &str| seen.told(client.parse().expect("an address"));
        assert_eq!(told(Seen::Whole, "198.51.100.7:4711"), "198.51.100.7:4711");
        assert_eq!(told(Seen::Network, "198.51.100.7:4711"), "198.51.100.0/24");
        assert_eq!(told(Seen::Network, "[2001:db8:1:2:3::4]:4711"), "2001:db8:1::/48");
        assert_eq!(told(Seen::Network, "[::ffff:198.51.100.7]:4711"), "198.51.100.0/24");
    }

    #[test]
    fn the_configuration_is_shown_without_its_secrets() {
        let mut config = Config::default();
        let secret = crate::auth::secret::Secret::new(*b"never to be seen anywhere, it is secret");
        config.turn.secrets = vec![secret.clone()];
        config.turn.users = [("ann".to_owned(), secret.clone())].into();
        config.auth.jwt_secrets = vec![secret.clone()];
        config.events.webhook_secret = Some(secret);
        let told = serde_json::to_string(&Shown::new(&config).view).expect("JSON");
        assert!(!told.contains("never to be seen"), "{told}");
        assert!(told.contains("\"users\":{\"ann\":\"***\"}"), "{told}");
    }
}
