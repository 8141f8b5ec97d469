//! What is to be done: the arguments, checked.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::secret::Secret;
use crate::auth::turn::Minter;
use crate::bench::pace::Pace;
use crate::bench::stamp::STAMP_LEN;
use crate::measure::Trust;
use crate::measure::is_near;

/// The longest run.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(30 * 60);

/// The longest payload: a datagram over IPv4, less the head of a Send indication.
const SIZE_MAX: usize = 65_507 - 48;

/// The most clients.
const ALLOCATIONS_MAX: usize = 60_000;

/// Clients that share a user name: the default of `relay.limits.allocations_per_user` is 32.
const ALLOCATIONS_PER_USER: usize = 8;

/// How long minted credentials are valid, in seconds.
const CREDENTIAL_LIFE: u64 = 24 * 3600;

/// Which load.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Between clients and a peer outside of the server.
    Relay(Direction),
    /// Between two clients, each the other's peer.
    Pair,
    /// Binding requests.
    Binding,
    /// Allocations made and given back; by new clients, or by ones that come from the same address again.
    Allocate { is_reused: bool },
    /// Allocations that are made and kept.
    Hold,
}

/// Which way data goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From clients to the peer.
    ToPeer,
    /// From the peer to clients.
    ToClient,
    /// As much in either direction.
    Both,
}

/// How clients reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls(Trust),
}

/// How clients prove who they are.
#[derive(Clone)]
pub(crate) enum Login {
    /// With credentials minted with the server's secret, for this many users.
    Minted { secret: Secret, users: Option<usize> },
    /// As one static user.
    User { name: String, password: String },
    /// Not at all: for servers that do not ask.
    Nobody,
}

/// A load.
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) server: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) login: Login,
    /// Clients, each with one allocation.
    pub(crate) allocations: usize,
    /// Data travels in indications, not on channels.
    pub(crate) indications: bool,
    /// Bytes of a payload.
    pub(crate) size: usize,
    /// Packets of one flow that are sent back to back.
    pub(crate) burst: usize,
    pub(crate) pace: Pace,
    /// How long is measured.
    pub(crate) duration: Duration,
    /// How long the load runs before.
    pub(crate) warm_up: Duration,
    /// A burst is given to the kernel as one datagram to be cut.
    pub(crate) segmentation: bool,
    /// The server's process, if it is on this machine.
    pub(crate) server_pid: Option<u32>,
    /// The core to stay on.
    pub(crate) cpu: Option<usize>,
    /// Targets beyond this machine and private networks are meant.
    pub(crate) is_owned: bool,
}

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("{0} is neither this machine nor in a private network: say --i-own-this-server if it is yours")]
    Foreign(IpAddr),
    #[error("{field}: write {least} to {most}")]
    Range { field: &'static str, least: usize, most: usize },
    #[error("--allocations: pairs need an even number")]
    Odd,
    #[error("--duration: at most 30m")]
    Long,
    #[error("--rate: write a positive number of packets per second")]
    Rate,
}

impl Plan {
    /// Checks what a load tool must not be talked into.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let ip = self.server.ip().to_canonical();
        if !self.is_owned && !is_near(ip) {
            return Err(PlanError::Foreign(ip));
        }
        for (field, value, least, most) in [
            ("--allocations", self.allocations, 1, ALLOCATIONS_MAX),
            ("--size", self.size, STAMP_LEN, SIZE_MAX),
            ("--burst", self.burst, 1, 1024),
        ] {
            if !(least..=most).contains(&value) {
                return Err(PlanError::Range { field, least, most });
            }
        }
        if self.kind == Kind::Pair && !self.allocations.is_multiple_of(2) {
            return Err(PlanError::Odd);
        }
        if self.duration > DURATION_MAX {
            return Err(PlanError::Long);
        }
        match self.pace {
            Pace::Fixed(rate) if !(rate.is_finite() && rate > 0.0) => Err(PlanError::Rate),
            Pace::Fixed(_) | Pace::Max => Ok(()),
        }
    }

    /// Returns name and password of each user; clients take them in turn.
    pub(crate) fn users(&self, unix_secs: u64) -> Vec<Arc<(String, String)>> {
        match &self.login {
            Login::Minted { secret, users } => {
                let minter = Minter::new(secret.clone());
                let users = users.unwrap_or(self.allocations.div_ceil(ALLOCATIONS_PER_USER)).max(1);
                let mint = |user| {
                    let credential = minter.mint(&format!("bench{user}"), unix_secs + CREDENTIAL_LIFE);
                    Arc::new((credential.username, credential.password))
                };
                (0..users).map(mint).collect()
            }
            Login::User { name, password } => vec![Arc::new((name.clone(), password.clone()))],
            Login::Nobody => vec![Arc::default()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(server: &str) -> Plan {
        Plan {
            kind: Kind::Pair,
            server: server.parse().expect("an address"),
            transport: Transport::Udp,
            login: Login::Minted { secret: Secret::new(*b"north"), users: None },
            allocations: 100,
            indications: false,
            size: 160,
            burst: 1,
            pace: Pace::Max,
            duration: Duration::from_secs(5),
            warm_up: Duration::from_secs(1),
            segmentation: true,
            server_pid: None,
            cpu: None,
            is_owned: false,
        }
    }

    #[test]
    fn only_near_servers_are_loaded_unless_they_are_said_to_be_ones_own() {
        for near in
            ["127.0.0.1:3478", "127.9.9.9:1", "10.1.2.3:1", "172.31.0.1:1", "192.168.0.1:1", "[::1]:1", "[fd00::1]:1"]
        {
            assert_eq!(plan(near).check(), Ok(()), "{near}");
        }
        for far in ["8.8.8.8:3478", "172.32.0.1:1", "[2001:db8::1]:3478", "[::ffff:8.8.8.8]:1", "0.0.0.0:1"] {
            assert!(matches!(plan(far).check(), Err(PlanError::Foreign(_))), "{far}");
            assert_eq!(Plan { is_owned: true, ..plan(far) }.check(), Ok(()), "{far}");
        }
    }

    #[test]
    fn a_load_is_bounded() {
        let near = || plan("127.0.0.1:3478");
        for (plan, refused) in [
            (Plan { allocations: 0, ..near() }, "--allocations: write 1 to 60000"),
            (Plan { allocations: 60_002, ..near() }, "--allocations: write 1 to 60000"),
            (Plan { allocations: 99, ..near() }, "--allocations: pairs need an even number"),
            (Plan { size: 19, ..near() }, "--size: write 20 to 65459"),
            (Plan { burst: 1025, ..near() }, "--burst: write 1 to 1024"),
            (Plan { duration: DURATION_MAX + Duration::from_secs(1), ..near() }, "--duration: at most 30m"),
            (Plan { pace: Pace::Fixed(0.0), ..near() }, "--rate: write a positive number of packets per second"),
        ] {
            assert_eq!(plan.check().map_err(|error| error.to_string()), Err(refused.to_owned()));
        }
    }

    #[test]
    fn eight_clients_share_a_user() {
        let users = plan("127.0.0.1:1").users(1000);
        assert_eq!(users.len(), 13);
        assert_eq!(users[12].0, "87400:bench12");
    }
}
