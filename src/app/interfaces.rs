//! Tells when the addresses of this machine may have changed. rtnetlink(7).
use std::io;
use std::os::unix::net;
use std::time::Duration;

use rustix::net::AddressFamily;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use rustix::net::netlink::SocketAddrNetlink;
use tokio::net::UnixDatagram;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tracing::warn;

/// RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of `linux/rtnetlink.h`.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;

/// How often to look without being told: a sandbox may forbid the kernel's news.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Waits for changes.
pub(super) struct Interfaces {
    news: Option<UnixDatagram>,
    looks: Interval,
}

impl Interfaces {
    /// Begins to watch. Must run inside the tokio runtime.
    pub(super) fn watch() -> Self {
        let news = subscribe()
            .inspect_err(|error| warn!(%error, "no news of addresses from the kernel, looking every ten seconds"));
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { news: news.ok(), looks }
    }

    /// Waits until addresses may have changed.
    pub(super) async fn changed(&mut self) {
        match &self.news {
            Some(news) => tokio::select! {
                () = heard(news) => {}
                _ = self.looks.tick() => {}
            },
            None => _ = self.looks.tick().await,
        }
    }
}

/// Subscribes to the kernel's news.
fn subscribe() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // The protocol is NETLINK_ROUTE, which is 0.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, ADDRESS_GROUPS))?;
    // tokio has no type for this family, and needs none: it waits for the descriptor and receives from it.
    UnixDatagram::from_std(net::UnixDatagram::from(socket))
}

/// Waits for a message of the kernel. What it says does not matter: all addresses are listed anew.
async fn heard(news: &UnixDatagram) {
    // An error says that too much came to keep it all, which is news as well.
    if news.readable().await.is_ok() {
        let mut message = [0; 4096];
        while news.try_recv(&mut message).is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_news_it_looks_every_ten_seconds() {
        let mut interfaces = Interfaces { news: None, ..Interfaces::watch() };
        interfaces.changed().await;
        let begun = tokio::time::Instant::now();
        interfaces.changed().await;
        assert_eq!(begun.elapsed(), LOOK_INTERVAL);
    }

    #[tokio::test]
    async fn the_kernel_lets_everybody_subscribe() {
        assert!(Interfaces::watch().news.is_some());
    }
}
