//! Between signaling and the data plane: what the relay is told, and what it tells of a session.
use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::info;
use tracing::warn;

use crate::app::probing;
use crate::auth::nonce::NonceKey;
use crate::auth::nonce::SecurityFeatures;
use crate::auth::secret::Secret;
use crate::auth::turn::Verifier;
use crate::config::ChannelNumbers;
use crate::config::Config;
use crate::config::RelayMode;
use crate::config::Turn;
use crate::relay;
use crate::relay::DropReason;
use crate::relay::Mode;
use crate::relay::PeerPolicy;
use crate::relay::Quotas;
use crate::relay::Usage;
use crate::signal::RelayCommand;
use crate::signal::Relayed;
use crate::signal::SessionId;
use crate::state::State;
use crate::stun::ChannelRange;
use crate::transport::DataPlane;
use crate::transport::RevokeError;

/// Sessions whose relayed traffic is remembered until they end. Credentials minted elsewhere name sessions that never
/// end here, so the oldest are forgotten.
const SESSIONS_REMEMBERED: usize = 65_536;

/// How long usage records gather: to be woken up for each of them would cost a busy shard as much as its allocation did.
const GATHER: Duration = Duration::from_millis(20);

/// The TURN secrets: the first one mints, all verify.
pub(super) fn turn_secrets(config: &Config, state: &State) -> Vec<Secret> {
    if config.turn.secrets.is_empty() { vec![state.turn_secret.clone()] } else { config.turn.secrets.clone() }
}

/// The secret that mints.
pub(super) fn minting_secret(config: &Config, state: &State) -> Secret {
    config.turn.secrets.first().unwrap_or(&state.turn_secret).clone()
}

/// What the relay core is told. `listeners` are the bound TCP addresses, whatever they are for; the data plane adds its UDP
/// ones. `own` are the addresses of this machine.
pub(super) fn relay_config(config: &Config, state: &State, listeners: &[SocketAddr], own: &[IpAddr]) -> relay::Config {
    relay::Config {
        mode: match config.relay.mode {
            RelayMode::Ports => Mode::Ports,
            RelayMode::SinglePort => Mode::SinglePort,
        },
        limits: relay::Limits {
            permissions: config.relay.limits.permissions as usize,
            channels: config.relay.limits.channels as usize,
            peers: config.relay.limits.peers as usize,
            bytes_per_second: config.relay.limits.bytes_per_second,
            packets_per_second: config.relay.limits.packets_per_second,
            total_bytes_per_second: config.relay.limits.total_bytes_per_second,
            max_lifetime: config.relay.limits.max_lifetime,
        },
        strangers: relay::Strangers {
            answers_per_second: config.relay.limits.unauthenticated_answers(),
            failures_per_minute: config.relay.limits.failures_per_minute,
            exempt: config.limits.exempt.clone(),
        },
        channel_range: match config.turn.channel_numbers {
            ChannelNumbers::Rfc8656 => ChannelRange::Rfc8656,
            ChannelNumbers::Rfc5766 => ChannelRange::Rfc5766,
        },
        policy: PeerPolicy {
            allow: config.relay.allowed_peers(),
            deny: config.relay.deny_peers.clone(),
            own_ips: own.to_vec(),
            own_listeners: listeners.to_vec(),
        },
        verifier: Verifier::new(config.turn.realm.as_str(), turn_secrets(config, state), config.turn.users.clone()),
        nonce_key: NonceKey::derive(&state.nonce_secret).with_lifetime(config.turn.nonce_lifetime),
        features: features(&config.turn),
        strict_expiry: config.turn.strict_expiry,
        alternate_server: config.turn.alternate_server,
        is_traced: config.telemetry.is_on(),
        dont_fragment: true,
    }
}

/// What the relay's nonces offer: names by hash only if somebody can be found by it.
fn features(turn: &Turn) -> SecurityFeatures {
    if turn.username_anonymity && !turn.users.is_empty() {
        SecurityFeatures::UsernameAnonymity
    } else {
        SecurityFeatures::PasswordAlgorithms
    }
}

/// How many allocations may exist.
pub(super) fn quotas(config: &Config) -> Quotas {
    let limits = &config.relay.limits;
    Quotas {
        per_user: limits.allocations_per_user as usize,
        per_session: limits.session_allocations() as usize,
        per_address: limits.allocations_per_address as usize,
        total: limits.allocations as usize,
        exempt: config.limits.exempt.clone(),
    }
}

/// Carries out what signaling asks of the relay, and adds up what allocations did, until signaling is gone.
pub(super) async fn bridge(
    plane: DataPlane,
    mut commands: mpsc::Receiver<RelayCommand>,
    mut usage: mpsc::Receiver<Usage>,
) {
    let mut sessions = Sessions::default();
    let mut revoking = FuturesUnordered::new();
    let mut gathered = Instant::now();
    loop {
        let next_record = async {
            tokio::time::sleep_until(gathered).await;
            usage.recv().await
        };
        tokio::select! {
            Some(record) = next_record => {
                sessions.add(&record);
                sessions.add_waiting(&mut usage);
                gathered = Instant::now() + GATHER;
            }
            Some(revoked) = revoking.next() => {
                let Revoked { session, relayed, outcome } = revoked;
                if let Err(error) = outcome {
                    warn!(%session, %error, "a session's credentials may still be good");
                }
                // Every shard has acted, so the records of the session's allocations are waiting by now.
                sessions.add_waiting(&mut usage);
                // Nobody waiting is fine: the hub has its own deadline.
                let _ = relayed.send(sessions.take(session.as_str()));
            }
            command = commands.recv() => match command {
                Some(RelayCommand::Revoke { session, until, relayed }) => {
                    let plane = plane.clone();
                    revoking.push(async move {
                        let outcome = plane.revoke(session.as_str(), until).await;
                        Revoked { session, relayed, outcome }
                    });
                }
                None => return sessions.add_waiting(&mut usage),
            },
        }
    }
}

struct Revoked {
    session: SessionId,
    relayed: oneshot::Sender<Relayed>,
    outcome: Result<(), RevokeError>,
}

/// What was relayed for sessions that have not ended yet.
#[derive(Default)]
struct Sessions {
    relayed_by_session: HashMap<Box<str>, Relayed>,
    oldest_first: VecDeque<Box<str>>,
}

impl Sessions {
    /// Adds what waits at this moment. More may come as fast as it is added, and others want their turn.
    fn add_waiting(&mut self, usage: &mut mpsc::Receiver<Usage>) {
        for _ in 0..usage.len() {
            let Ok(record) = usage.try_recv() else { return };
            self.add(&record);
        }
    }

    fn add(&mut self, usage: &Usage) {
        if usage.session.as_deref() == Some(probing::SESSION) {
            return;
        }
        info!(
            session = usage.session.as_deref().unwrap_or_default(),
            user = format_args!("{:016x}", usage.user_hash),
            transport = usage.transport.label(),
            family = usage.families.label(),
            duration_ms = usage.ended.saturating_since(usage.started).as_millis() as u64,
            packets_to_peers = usage.to_peers.packets,
            bytes_to_peers = usage.to_peers.bytes,
            packets_to_client = usage.to_client.packets,
            bytes_to_client = usage.to_client.bytes,
            packets_handed_out = usage.handed_out.packets,
            bytes_handed_out = usage.handed_out.bytes,
            packets_handed_in = usage.handed_in.packets,
            bytes_handed_in = usage.handed_in.bytes,
            dropped = usage.dropped.iter().map(|count| u64::from(*count)).sum::<u64>(),
            dropped_by_reason = usage.dropped.iter().any(|count| *count > 0).then(|| display(DroppedByReason(usage))),
            reason = usage.end.label(),
            "allocation ended"
        );
        let Some(session) = &usage.session else { return };
        if !self.relayed_by_session.contains_key(session) {
            self.oldest_first.push_back(session.clone());
            if self.oldest_first.len() > SESSIONS_REMEMBERED
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.relayed_by_session.remove(&oldest);
            }
        }
        let relayed = self.relayed_by_session.entry(session.clone()).or_default();
        relayed.allocations += 1;
        relayed.packets_to_peer += usage.to_peers.packets;
        relayed.bytes_to_peer += usage.to_peers.bytes;
        relayed.packets_to_client += usage.to_client.packets;
        relayed.bytes_to_client += usage.to_client.bytes;
        // What one allocation hands out another one takes in: counted once.
        relayed.packets_handed_over += usage.handed_out.packets;
        relayed.bytes_handed_over += usage.handed_out.bytes;
    }

    fn take(&mut self, session: &str) -> Relayed {
        self.oldest_first.retain(|known| &**known != session);
        self.relayed_by_session.remove(session).unwrap_or_default()
    }
}

/// The packets discarded for each reason there was, as a JSON object.
struct DroppedByReason<'a>(&'a Usage);

impl fmt::Display for DroppedByReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = DropReason::ALL.into_iter().map(|reason| (reason, self.0.dropped(reason)));
        for (at, (reason, count)) in counts.filter(|(_, count)| *count > 0).enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            // A label is a plain word.
            write!(f, "{before}\"{}\":{count}", reason.label())?;
        }
        f.write_char('}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::ClientTransport;
    use crate::relay::Families;
    use crate::relay::Traffic;

    use crate::time::UnixMillis;

    fn usage(session: &str) -> Usage {
        let traffic = |packets| Traffic { packets, bytes: 100 * packets };
        Usage {
            session: Some(session.into()),
            user_hash: 1,
            transport: ClientTransport::Udp,
            families: Families::V4,
            started: UnixMillis(1),
            ended: UnixMillis(2),
            to_peers: traffic(1),
            to_client: traffic(2),
            handed_out: traffic(3),
            handed_in: traffic(4),
            dropped: [0; DropReason::ALL.len()],
            end: relay::EndReason::Deleted,
        }
    }

    #[test]
    fn a_session_adds_up_its_allocations_and_is_forgotten_when_told() {
        let mut sessions = Sessions::default();
        sessions.add(&usage("s"));
        sessions.add(&usage("s"));
        sessions.add(&usage("other"));
        let relayed = sessions.take("s");
        assert_eq!((relayed.allocations, relayed.packets_to_peer, relayed.bytes_to_client), (2, 2, 400));
        assert_eq!((relayed.packets_handed_over, relayed.bytes_handed_over), (6, 600));
        assert_eq!(sessions.take("s"), Relayed::default());
    }

    #[test]
    fn dropped_packets_are_told_by_reason_as_a_json_object() {
        let mut usage = usage("s");
        let place = |reason| DropReason::ALL.iter().position(|other| *other == reason).expect("a reason");
        usage.dropped[place(DropReason::NoPermission)] = 3;
        assert_eq!(DroppedByReason(&usage).to_string(), r#"{"no_permission":3}"#);
        usage.dropped[place(DropReason::PeerPort)] = u32::MAX;
        assert_eq!(DroppedByReason(&usage).to_string(), r#"{"no_permission":3,"peer_port":4294967295}"#);
    }

    #[test]
    fn sessions_that_never_end_here_do_not_pile_up() {
        let mut sessions = Sessions::default();
        for index in 0..=SESSIONS_REMEMBERED {
            sessions.add(&usage(&format!("s{index}")));
        }
        assert_eq!(sessions.relayed_by_session.len(), SESSIONS_REMEMBERED);
        assert_eq!(sessions.take("s0"), Relayed::default(), "the oldest is gone");
    }
}
