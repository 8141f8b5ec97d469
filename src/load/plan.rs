//! What is to be done: the arguments, checked.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::secret::Secret;
use crate::measure::Trust;
use crate::measure::is_near;

/// The longest run.
const DURATION_MAX: Duration = Duration::from_secs(30 * 60);

/// The most clients: what the ports of a few loopback addresses, and the files of two processes, can hold.
const CONNECTIONS_MAX: usize = 200_000;

/// The most clients that connect, or the most pairs that look for each other, at once.
const WINDOW_MAX: usize = 4096;

/// Bytes of a relayed message: well below the 64 KiB of a frame.
const SIZE_MAX: usize = 48_000;

/// The fastest open loop, in connects, messages or matches per second.
const RATE_MAX: f64 = 1_000_000.0;

/// Which load.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Clients that connect, say hello and stay.
    Connect {
        /// How many are under way at once, where there is no rate.
        window: usize,
    },
    /// Messages between the two of each pair.
    Relay {
        /// Bytes of a message, at least.
        size: usize,
        /// Clients beside the pairs that send as much as they can.
        flooders: usize,
    },
    /// Clients some of whom lose their connection and come back.
    Resume {
        /// How many.
        killed: usize,
        /// How many are under way at once, where there is no rate.
        window: usize,
    },
    /// Pairs one of whom reads nothing.
    Stall {
        /// Bytes of a message.
        size: usize,
    },
    /// Pairs that look for each other.
    Matching {
        /// How many look at once, where there is no rate.
        window: usize,
    },
}

/// How clients prove who they are.
#[derive(Clone)]
pub(crate) enum Login {
    /// With tokens minted with one of the server's `auth.jwt_secrets`.
    Minted(Secret),
    /// As guests.
    Guest,
}

/// A load.
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) server: SocketAddr,
    /// How the server is believed; `None`: without TLS.
    pub(crate) tls: Option<Trust>,
    /// The page that clients say they come from.
    pub(crate) origin: Option<String>,
    pub(crate) login: Login,
    /// Clients; where there are pairs, both of each.
    pub(crate) connections: usize,
    /// Connects, messages or matches per second, of all clients together; for [`Kind::Stall`] of each. `None`: the next when
    /// one is done.
    pub(crate) rate: Option<f64>,
    /// How long is measured.
    pub(crate) duration: Duration,
    /// How long the load runs before.
    pub(crate) warm_up: Duration,
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
    #[error("--connections: pairs need an even number")]
    Odd,
    #[error("--duration and --warm-up: at most 30m together")]
    Long,
    #[error("--rate: write a number above 0, at most 1000000 per second")]
    Rate,
}

impl Plan {
    /// Checks what a load tool must not be talked into.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let ip = self.server.ip().to_canonical();
        if !self.is_owned && !is_near(ip) {
            return Err(PlanError::Foreign(ip));
        }
        let in_range = |field, value: usize, least, most| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(PlanError::Range { field, least, most }),
        };
        in_range("--connections", self.connections, 1, CONNECTIONS_MAX)?;
        let is_paired = match self.kind {
            Kind::Connect { window } => {
                in_range("--window", window, 1, WINDOW_MAX)?;
                false
            }
            Kind::Resume { killed, window } => {
                in_range("--kill", killed, 1, self.connections)?;
                in_range("--window", window, 1, WINDOW_MAX)?;
                false
            }
            Kind::Matching { window } => {
                in_range("--window", window, 1, WINDOW_MAX)?;
                true
            }
            Kind::Relay { size, flooders } => {
                in_range("--size", size, 0, SIZE_MAX)?;
                in_range("--flooders", flooders, 0, 1000)?;
                true
            }
            Kind::Stall { size } => {
                in_range("--size", size, 1, SIZE_MAX)?;
                true
            }
        };
        if is_paired && !self.connections.is_multiple_of(2) {
            return Err(PlanError::Odd);
        }
        if self.duration.saturating_add(self.warm_up) > DURATION_MAX {
            return Err(PlanError::Long);
        }
        match self.rate {
            Some(rate) if !(rate > 0.0 && rate <= RATE_MAX) => Err(PlanError::Rate),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(server: &str) -> Plan {
        Plan {
            kind: Kind::Relay { size: 0, flooders: 0 },
            server: server.parse().expect("an address"),
            tls: None,
            origin: None,
            login: Login::Guest,
            connections: 100,
            rate: Some(1000.0),
            duration: Duration::from_secs(5),
            warm_up: Duration::from_secs(1),
            server_pid: None,
            cpu: None,
            is_owned: false,
        }
    }

    #[test]
    fn only_near_servers_are_loaded_unless_they_are_said_to_be_ones_own() {
        for near in ["127.0.0.1:8080", "10.1.2.3:1", "[::1]:1"] {
            assert_eq!(plan(near).check(), Ok(()), "{near}");
        }
        for far in ["8.8.8.8:80", "[2001:db8::1]:443"] {
            assert!(matches!(plan(far).check(), Err(PlanError::Foreign(_))), "{far}");
            assert_eq!(Plan { is_owned: true, ..plan(far) }.check(), Ok(()), "{far}");
        }
    }

    #[test]
    fn a_load_is_bounded() {
        let near = || plan("127.0.0.1:8080");
        let kind = |kind| Plan { kind, ..near() };
        for (plan, refused) in [
            (Plan { connections: 0, ..near() }, "--connections: write 1 to 200000"),
            (Plan { connections: 99, ..near() }, "--connections: pairs need an even number"),
            (kind(Kind::Connect { window: 0 }), "--window: write 1 to 4096"),
            (kind(Kind::Matching { window: 5000 }), "--window: write 1 to 4096"),
            (kind(Kind::Relay { size: 48_001, flooders: 0 }), "--size: write 0 to 48000"),
            (kind(Kind::Relay { size: 0, flooders: 1001 }), "--flooders: write 0 to 1000"),
            (kind(Kind::Resume { killed: 101, window: 1 }), "--kill: write 1 to 100"),
            (kind(Kind::Stall { size: 0 }), "--size: write 1 to 48000"),
            (Plan { duration: DURATION_MAX, ..near() }, "--duration and --warm-up: at most 30m together"),
            (Plan { rate: Some(0.0), ..near() }, "--rate: write a number above 0, at most 1000000 per second"),
            (Plan { rate: Some(f64::NAN), ..near() }, "--rate: write a number above 0, at most 1000000 per second"),
        ] {
            assert_eq!(plan.check().map_err(|error| error.to_string()), Err(refused.to_owned()));
        }
        assert_eq!(Plan { connections: 99, ..kind(Kind::Connect { window: 64 }) }.check(), Ok(()));
    }
}
