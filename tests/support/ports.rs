//! Port numbers for who cannot take just any: listeners that come back at the same place, foreign servers that want a
//! number, clients that use one number on several transports.

use std::net::TcpListener;
use std::net::UdpSocket;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;

/// Below what Linux gives to sockets by itself (`net.ipv4.ip_local_port_range`): no connection of another test takes one
/// while it is not held.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free for UDP and TCP on both families' loopback, and that this process gives to nobody else.
pub fn fixed() -> u16 {
    // Two processes at once begin at different places.
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT");
        let is_free = |ip: &str| TcpListener::bind((ip, port)).is_ok() && UdpSocket::bind((ip, port)).is_ok();
        if is_free("127.0.0.1") && is_free("::1") {
            return port;
        }
    }
    panic!("no port of {FIRST} to {} is free", FIRST + COUNT - 1);
}
