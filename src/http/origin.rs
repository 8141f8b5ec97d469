//! Whose pages may talk to us. Rule 3.
use std::collections::HashSet;
use std::net::IpAddr;

use hyper::header::HeaderValue;

/// The origins a WebSocket or a cross-origin request may come from. RFC 6454.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    serialized: HashSet<Box<[u8]>>,
}

impl Origins {
    /// The configured origins, each as browsers send it (no port if it is the scheme's own, no path).
    ///
    /// `null` is never an origin: any sandboxed page of anybody has it.
    pub fn new<'a>(allowed: impl IntoIterator<Item = &'a str>) -> Self {
        let mut origins = Self::default();
        allowed.into_iter().filter(|origin| *origin != "null").for_each(|origin| origins.add(origin.to_owned()));
        origins
    }

    /// Adds the server's own: `public_host` with each bound port, and with it every way to say "this machine" when
    /// `public_host` is local.
    #[must_use]
    pub fn with_own(mut self, public_host: &str, http_ports: &[u16], https_ports: &[u16]) -> Self {
        let mut hosts = vec![url_host(public_host)];
        if is_local(public_host) {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        for host in hosts {
            for (scheme, own_port, ports) in [("http", 80, http_ports), ("https", 443, https_ports)] {
                for port in ports {
                    let port = if *port == own_port { String::new() } else { format!(":{port}") };
                    self.add(format!("{scheme}://{host}{port}"));
                }
            }
        }
        self
    }

    /// Whether a page of this origin may talk to us: scheme, host and port must be equal, byte for byte.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        self.serialized.contains(origin.as_bytes())
    }

    fn add(&mut self, origin: String) {
        self.serialized.insert(origin.into_bytes().into());
    }
}

/// A host as it stands in a URL: IPv6 in brackets, names in lower case.
pub(crate) fn url_host(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

fn is_local(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &Origins, origin: &str) -> bool {
        origins.allow(&HeaderValue::from_str(origin).expect("a header value"))
    }

    #[test]
    fn a_local_host_has_all_its_names_on_each_port_and_scheme() {
        let origins = Origins::default().with_own("localhost", &[8080], &[8443]);
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert!(allows(&origins, &format!("http://{host}:8080")));
            assert!(allows(&origins, &format!("https://{host}:8443")));
            assert!(!allows(&origins, &format!("https://{host}:8080")));
            assert!(!allows(&origins, &format!("http://{host}:8443")));
            assert!(!allows(&origins, &format!("http://{host}")));
        }
    }

    #[test]
    fn a_public_host_is_not_local_and_drops_the_port_of_its_scheme() {
        let origins = Origins::default().with_own("Call.example", &[80], &[443, 8443]);
        for origin in ["http://call.example", "https://call.example", "https://call.example:8443"] {
            assert!(allows(&origins, origin), "{origin}");
        }
        for origin in ["http://localhost", "https://call.example:443", "https://www.call.example"] {
            assert!(!allows(&origins, origin), "{origin}");
        }
    }

    #[test]
    fn an_address_can_be_the_public_host() {
        let origins = Origins::default().with_own("2001:db8::7", &[], &[8443]);
        assert!(allows(&origins, "https://[2001:db8::7]:8443"));
    }

    #[test]
    fn configured_origins_are_compared_exactly() {
        let origins = Origins::new(["https://app.example", "null"]);
        assert!(allows(&origins, "https://app.example"));
        for origin in [
            "null",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example/",
            "https://app.example.evil.example",
            "https://APP.example",
            "",
        ] {
            assert!(!allows(&origins, origin), "{origin}");
        }
    }
}
