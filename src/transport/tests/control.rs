//! What the control plane does to the data plane.
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use super::client::Received;
use super::plane::Plane;
use super::plane::config;
use super::plane::peer;
use super::plane::settings;
use crate::relay::EndReason;
use crate::relay::PeerPolicy;
use crate::relay::Quotas;
use crate::relay::ShardId;
use crate::stun::ErrorCode;
use crate::time::Clock;
use crate::transport::IoEvent;
use crate::transport::RevokeError;
use crate::transport::plane::Watch;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn revoke(plane: &Plane, session: &str) -> Result<(), RevokeError> {
    let until = Clock::start().now().unix + Duration::from_secs(3600);
    // The control plane awaits it on any of its threads.
    let revoked: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(plane.handle.revoke(session, until));
    runtime().block_on(revoked)
}

#[test]
fn revoking_a_session_frees_it_on_every_shard_and_refuses_its_credentials() {
    let mut plane = Plane::start(settings());
    let mut clients = [plane.udp_client_on(0, "ended"), plane.udp_client_on(1, "ended"), plane.tcp_client("ended")];
    let relayed = clients.each_mut().map(|client| client.allocate());
    let mut other = plane.udp_client_on(0, "lives");
    other.allocate();

    assert_eq!(revoke(&plane, "ended"), Ok(()));
    // The records are there before the call returns, and the ports are free.
    for _ in 0..3 {
        let usage = plane.usage.try_recv().expect("a usage record");
        assert_eq!((usage.session.as_deref(), usage.end), (Some("ended"), EndReason::Revoked));
    }
    for address in relayed {
        std::net::UdpSocket::bind(address).expect("the relayed port is free");
    }

    let [first, second, tcp] = &mut clients;
    for client in [first, second] {
        assert!(client.allocate_with(|_| {}).is_err());
    }
    tcp.wait_for_close();
    assert!(plane.udp_client("ended").allocate_with(|_| {}).is_err());
    // Others are not touched.
    other.deallocate();
    plane.udp_client("lives").allocate();
}

#[test]
fn a_revocation_takes_less_than_100_ms() {
    let plane = Plane::start(settings());
    let times = (0..5).map(|session| {
        let session = format!("session-{session}");
        let mut clients = [plane.udp_client_on(0, &session), plane.udp_client_on(1, &session)];
        for client in &mut clients {
            client.allocate();
        }
        let asked = Instant::now();
        assert_eq!(revoke(&plane, &session), Ok(()));
        asked.elapsed()
    });
    // A machine that is busy with other tests may steal time from some, not from all.
    let best = times.min().expect("five times");
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn a_session_without_allocations_may_be_revoked() {
    let plane = Plane::start(settings());
    assert_eq!(revoke(&plane, "unknown"), Ok(()));
    assert!(plane.udp_client("unknown").allocate_with(|_| {}).is_err());
}

#[test]
fn draining_refuses_new_allocations_and_serves_the_old_ones() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client_on(0, "session");
    let relayed = client.allocate();
    assert!(plane.handle.drain());
    // Commands are taken in order, so a revocation that is done tells that draining has begun.
    assert_eq!(revoke(&plane, "nobody"), Ok(()));
    assert!(plane.udp_client_on(0, "session").allocate_with(|_| {}).is_err());
    assert!(plane.udp_client_on(1, "session").allocate_with(|_| {}).is_err());
    let peer = peer(relayed.ip());
    client.bind_channel(0x4000, peer.local_addr().expect("an address"));
    peer.send_to(b"still", relayed).expect("sending");
    assert_eq!(client.receive(), Received::Channel(0x4000, b"still".to_vec()));
}

#[test]
fn a_new_configuration_is_in_force_on_every_shard() {
    let plane = Plane::start(settings());
    let mut clients = [plane.udp_client_on(0, "session"), plane.udp_client_on(1, "session")];
    let peer = peer([127, 0, 0, 1].into());
    let peer_address = peer.local_addr().expect("an address");
    for client in &mut clients {
        client.allocate();
        client.bind_channel(0x4000, peer_address);
    }
    let config = crate::relay::Config { policy: PeerPolicy::default(), ..config() };
    assert!(plane.handle.reconfigure(config, Quotas { per_user: 2, ..Quotas::default() }));
    assert_eq!(revoke(&plane, "nobody"), Ok(()));
    for client in &mut clients {
        assert_eq!(client.try_bind_channel(0x4000, peer_address), Err(ErrorCode::FORBIDDEN));
    }
    let refused = plane.udp_client("session").allocate_with(|_| {});
    assert_eq!(refused, Err(ErrorCode::ALLOCATION_QUOTA_REACHED));
}

#[test]
fn a_quota_counts_what_all_shards_hold_and_forgets_what_was_given_back() {
    let quotas = Quotas { per_user: 1, ..Quotas::default() };
    let plane = Plane::start(crate::transport::Settings { quotas, ..settings() });
    let (mut first, mut second) = (plane.udp_client_on(0, "session"), plane.udp_client_on(1, "session"));
    first.allocate();
    assert_eq!(second.allocate_with(|_| {}), Err(ErrorCode::ALLOCATION_QUOTA_REACHED));
    first.deallocate();
    second.allocate();
}

#[test]
fn usage_records_that_nobody_takes_are_lost_and_counted() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let room = plane.usage.max_capacity();
    for _ in 0..room {
        client.allocate();
        client.deallocate();
    }
    assert_eq!(plane.count(IoEvent::UsageLost), 0);
    client.allocate();
    client.deallocate();
    assert_eq!(plane.count(IoEvent::UsageLost), 1);
}

#[test]
fn a_clients_peer_may_not_be_a_listener_whose_port_the_kernel_chose() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    client.allocate();
    assert_eq!(client.try_bind_channel(0x4000, plane.udp_address()), Err(ErrorCode::FORBIDDEN));
}

#[test]
fn stopping_ends_every_thread_and_frees_every_port() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let listener = plane.udp_address();
    assert!(plane.handle.is_running());
    plane.handle.stop();
    assert!(!plane.handle.is_running());
    for address in [relayed, listener] {
        std::net::UdpSocket::bind(address).expect("the port is free");
    }
    assert_eq!(revoke(&plane, "session"), Err(RevokeError::Gone));
}

#[test]
fn a_shard_that_panics_is_seen_to_be_dead() {
    let is_running = Arc::new(AtomicBool::new(true));
    let watch =
        Watch { shard: ShardId(0), is_running: Arc::clone(&is_running), is_stopping: Arc::new(AtomicBool::new(false)) };
    let died = std::thread::spawn(move || {
        let _watch = watch;
        panic!("a test of what happens then");
    });
    assert!(died.join().is_err());
    assert!(!is_running.load(Ordering::Acquire));
}
