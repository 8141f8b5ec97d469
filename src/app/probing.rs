//! What the server tries of its own relay.
use crate::app::addresses::relay_addresses;
use crate::app::doors::Listeners;
use crate::app::doors::Purpose;
use crate::config::Config;
use crate::probe;
use crate::probe::Target;
use crate::probe::Way;

/// The session of the attempts' credentials; what the relay did for it is told to nobody.
pub(super) const SESSION: &str = "own-test";

/// What is tried: datagrams where the relay takes them, else a connection. `None`: nothing can be.
pub(super) fn target(config: &Config, listeners: &Listeners) -> Option<Target> {
    let udp = listeners.udp.first().map(|listener| (Way::Udp, *listener));
    let tcp = [Purpose::TurnTcp, Purpose::Shared].iter().find_map(|purpose| listeners.of(*purpose).next());
    let (way, listener) = udp.or(tcp.map(|listener| (Way::Tcp, listener)))?;
    let relays = relay_addresses(&config.relay.addresses, &config.relay.external);
    let wants_ipv6 = !relays.iter().any(|relay| relay.local.is_ipv4());
    Some(Target { way, server: probe::reachable(listener), tls: None, wants_ipv6 })
}
