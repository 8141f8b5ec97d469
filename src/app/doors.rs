//! The TCP listeners: which door stands at which address, and what is printed of it.
use std::io;
use std::io::Write;
use std::net::SocketAddr;

use crate::config::Config;
use crate::ice::TurnListeners;
use crate::listener::Bind;
use crate::listener::Door;

/// What a bound TCP address is for. The order of [`binds`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Http,
    Metrics,
    Shared,
    TurnTcp,
    TurnTls,
}

impl Purpose {
    const fn door(self) -> Door {
        match self {
            Purpose::Http | Purpose::Metrics => Door::Http,
            Purpose::Shared => Door::Shared,
            Purpose::TurnTcp => Door::TurnTcp,
            Purpose::TurnTls => Door::TurnTls,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Purpose::Http => "http",
            Purpose::Metrics => "metrics",
            Purpose::Shared => "shared",
            Purpose::TurnTcp => "turn-tcp",
            Purpose::TurnTls => "turn-tls",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Purpose::Http => "HTTP, WebSocket",
            Purpose::Metrics => "metrics",
            Purpose::Shared => "HTTPS, WSS, TURN over TLS, STUN and TURN over TCP",
            Purpose::TurnTcp => "STUN and TURN over TCP",
            Purpose::TurnTls => "STUN and TURN over TLS",
        }
    }
}

/// Every TCP address to listen on.
pub(super) fn binds(config: &Config) -> Vec<(Purpose, Bind)> {
    let lists = [
        (Purpose::Http, &config.http.listen),
        (Purpose::Metrics, &config.http.metrics_listen),
        (Purpose::Shared, &config.http.tls_listen),
        (Purpose::TurnTcp, &config.turn.tcp_listen),
        (Purpose::TurnTls, &config.turn.tls_listen),
    ];
    let bind = |purpose: Purpose, address| (purpose, Bind { door: purpose.door(), address });
    lists.into_iter().flat_map(|(purpose, list)| list.iter().map(move |address| bind(purpose, *address))).collect()
}

/// What is really bound.
#[derive(Clone, Debug)]
pub(super) struct Listeners {
    pub(super) tcp: Vec<(Purpose, SocketAddr)>,
    pub(super) udp: Vec<SocketAddr>,
}

impl Listeners {
    pub(super) fn of(&self, purpose: Purpose) -> impl Iterator<Item = SocketAddr> + '_ {
        self.tcp.iter().filter(move |(is, _)| *is == purpose).map(|(_, address)| *address)
    }

    pub(super) fn ports(&self, purpose: Purpose) -> Vec<u16> {
        self.of(purpose).map(|address| address.port()).collect()
    }

    /// What clients are given as ICE servers: one URL per listener really bound. Rule 25.
    pub(super) fn turn(&self) -> TurnListeners {
        TurnListeners {
            udp: self.udp.clone(),
            tcp: self.of(Purpose::TurnTcp).collect(),
            tls: self.of(Purpose::TurnTls).chain(self.of(Purpose::Shared)).collect(),
        }
    }

    /// The URL of the demo page.
    pub(super) fn url(&self, host: &str) -> String {
        let plain = self.of(Purpose::Http).next().map(|address| ("http", 80, address.port()));
        let secure = self.of(Purpose::Shared).next().map(|address| ("https", 443, address.port()));
        // Only this machine may use the plain one: elsewhere a page without TLS gets no camera.
        let is_local = self.of(Purpose::Http).next().is_some_and(|address| address.ip().is_loopback());
        let (first, second) = if is_local && host == "localhost" { (plain, secure) } else { (secure, plain) };
        match first.or(second) {
            Some((scheme, own_port, port)) if port == own_port => format!("{scheme}://{host}/"),
            Some((scheme, _, port)) => format!("{scheme}://{host}:{port}/"),
            None => "http: no listener is configured".to_owned(),
        }
    }

    /// Prints the URL, then one line per listener, then `ready`. Outside tools read these lines.
    pub(super) fn print(&self, host: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.url(host))?;
        for (purpose, address) in &self.tcp {
            writeln!(out, "{:<9} {:<21} {}", purpose.name(), address, purpose.says())?;
        }
        for address in &self.udp {
            writeln!(out, "{:<9} {:<21} STUN and TURN over UDP", "turn-udp", address)?;
        }
        writeln!(out, "ready")?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(http: &str, shared: &str) -> Listeners {
        let parse = |text: &str| text.parse().expect("an address");
        Listeners { tcp: vec![(Purpose::Http, parse(http)), (Purpose::Shared, parse(shared))], udp: Vec::new() }
    }

    #[test]
    fn the_url_is_the_one_whose_page_may_use_a_camera() {
        let local = listeners("127.0.0.1:8080", "0.0.0.0:8443");
        assert_eq!(local.url("localhost"), "http://localhost:8080/");
        assert_eq!(local.url("chat.example"), "https://chat.example:8443/");
        assert_eq!(listeners("127.0.0.1:80", "0.0.0.0:443").url("chat.example"), "https://chat.example/");
    }

    #[test]
    fn every_configured_address_has_its_door() {
        let doors: Vec<Door> = binds(&Config::default()).into_iter().map(|(_, bind)| bind.door).collect();
        assert_eq!(doors, [Door::Http, Door::Shared, Door::TurnTcp, Door::TurnTcp, Door::TurnTls, Door::TurnTls]);
    }
}
