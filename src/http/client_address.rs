//! Who the client is when proxies stand between.
use std::net::IpAddr;
use std::net::SocketAddr;

use hyper::HeaderMap;
use ipnet::IpNet;

use crate::admission::lies_in;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client behind a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; IPv4-mapped IPv6 is told as IPv4.
    pub ip: IpAddr,
    /// Whether a trusted proxy has passed the request on.
    pub forwarded: bool,
}

/// Finds the client: the right-most address of `X-Forwarded-For` that is no trusted proxy.
///
/// Each proxy appends who it heard, so what stands left of an untrusted address is that client's own claim. A header
/// from somebody who is no trusted proxy means nothing, and neither does what is left of an entry nobody can read.
pub fn client(remote: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let mut client = Client { ip: remote.ip().to_canonical(), forwarded: false };
    let entries = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(',').map(str::trim));
    for entry in entries {
        if !lies_in(client.ip, trusted) {
            break;
        }
        client.forwarded = true;
        let Some(ip) = address(entry) else { break };
        client.ip = ip.to_canonical();
    }
    client
}

/// An address, with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    if let Ok(ip) = entry.trim_matches(['[', ']']).parse() {
        return Some(ip);
    }
    entry.parse::<SocketAddr>().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn found(remote: &str, lines: &[&str]) -> (String, bool) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).expect("a header value"));
        }
        let client = client(remote.parse().expect("an address"), &headers, &trusted);
        (client.ip.to_string(), client.forwarded)
    }

    #[test]
    fn a_stranger_cannot_say_who_it_is() {
        assert_eq!(found("192.0.2.1:5", &["198.51.100.9"]), ("192.0.2.1".into(), false));
    }

    #[test]
    fn the_right_most_untrusted_address_is_the_client() {
        let lines = ["203.0.113.66, 198.51.100.9, 10.0.0.2"];
        assert_eq!(found("10.0.0.1:5", &lines), ("198.51.100.9".into(), true));
        assert_eq!(found("10.0.0.1:5", &["203.0.113.66", "198.51.100.9,10.0.0.2"]), ("198.51.100.9".into(), true));
    }

    #[test]
    fn a_trusted_proxy_without_the_header_is_itself_the_client() {
        assert_eq!(found("10.0.0.1:5", &[]), ("10.0.0.1".into(), false));
    }

    #[test]
    fn only_proxies_leave_the_outermost() {
        assert_eq!(found("10.0.0.1:5", &["10.0.0.3, 10.0.0.2"]), ("10.0.0.3".into(), true));
    }

    #[test]
    fn an_unreadable_entry_ends_the_search_at_the_proxy_before_it() {
        assert_eq!(found("10.0.0.1:5", &["198.51.100.9, unknown, 10.0.0.2"]), ("10.0.0.2".into(), true));
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        assert_eq!(found("[::ffff:10.0.0.1]:5", &["198.51.100.9:4711"]), ("198.51.100.9".into(), true));
        assert_eq!(found("[fd00::1]:5", &["[2001:db8::9]:4711"]), ("2001:db8::9".into(), true));
        assert_eq!(found("[fd00::1]:5", &["2001:db8::9"]), ("2001:db8::9".into(), true));
    }
}
