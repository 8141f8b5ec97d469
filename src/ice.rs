//! The TURN URLs that browsers are given. RFC 7065.
use std::net::SocketAddr;

/// Where TURN clients are listened for, by transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnListeners {
    /// UDP.
    pub udp: Vec<SocketAddr>,
    /// Plain TCP.
    pub tcp: Vec<SocketAddr>,
    /// TLS, the shared front door included.
    pub tls: Vec<SocketAddr>,
}

impl TurnListeners {
    /// One URL per port and transport, UDP first: what browsers try at once, in the order of its worth.
    ///
    /// `host` is a name or an address, an IPv6 address in brackets.
    pub fn urls(&self, host: &str) -> Vec<String> {
        let mut urls = Vec::new();
        for (scheme, transport, listeners) in
            [("turn", "udp", &self.udp), ("turn", "tcp", &self.tcp), ("turns", "tcp", &self.tls)]
        {
            for listener in listeners {
                let url = format!("{scheme}:{host}:{}?transport={transport}", listener.port());
                // Both families of one port are one URL: the name is resolved to each.
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
        urls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_and_transport_is_one_url() {
        let both = |port| vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0u16; 8], port))];
        let listeners = TurnListeners { udp: both(3478), tcp: both(3478), tls: [both(5349), both(8443)].concat() };
        assert_eq!(
            listeners.urls("[2001:db8::7]"),
            [
                "turn:[2001:db8::7]:3478?transport=udp",
                "turn:[2001:db8::7]:3478?transport=tcp",
                "turns:[2001:db8::7]:5349?transport=tcp",
                "turns:[2001:db8::7]:8443?transport=tcp",
            ]
        );
    }
}
