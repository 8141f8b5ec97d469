//! What each setting of coturn is here. The names are those of its documentation, turnserver(1).
use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::net::SocketAddr;

use toml::Value;
use zeroize::Zeroizing;

use super::peers;
use super::setting::Setting;

/// RFC 8656 §5: nonces are good for at most an hour; below ten seconds nobody gets in.
const NONCE_SECS: std::ops::RangeInclusive<u64> = 10..=3600;
/// The shortest life of an allocation that may be the longest.
const LIFETIME_SECS_MIN: u64 = 600;
/// A rate that our limits take.
const RATE_MAX: u64 = 100_000_000_000;

/// A configuration in the making.
#[derive(Default)]
pub(super) struct Mapping {
    host: String,
    realm: Option<String>,
    listening: Vec<IpAddr>,
    port: Option<u16>,
    tls_port: Option<u16>,
    no_udp: bool,
    no_tcp: bool,
    no_tls: bool,
    cert: Option<String>,
    key: Option<String>,
    relays: Vec<IpAddr>,
    external: BTreeMap<IpAddr, IpAddr>,
    externals: Vec<IpAddr>,
    low: Option<u16>,
    high: Option<u16>,
    /// Keys of relay, turn, log and so on with their values in TOML.
    others: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    allow: Vec<String>,
    deny: Vec<String>,
    /// One secret each.
    pub(super) secrets: Vec<Zeroizing<String>>,
    /// One `name:password` each.
    pub(super) users: Vec<Zeroizing<String>>,
    /// What this server does not do.
    pub(super) missing: Vec<String>,
    /// What is different.
    pub(super) notes: Vec<String>,
}

impl Mapping {
    /// Translates every setting; `domain` is the name of the server, if it is known.
    pub(super) fn of(settings: Vec<Setting<'_>>, domain: Option<&str>) -> Self {
        let mut mapping = Self::default();
        for setting in &settings {
            mapping.add(setting);
        }
        mapping.finish(domain);
        mapping
    }

    fn add(&mut self, setting: &Setting<'_>) {
        let value = setting.value;
        let is_taken = match setting.key {
            "listening-port" => put(&mut self.port, value.parse().ok()),
            "tls-listening-port" => put(&mut self.tls_port, value.parse().ok()),
            "listening-ip" => push(&mut self.listening, value.parse().ok()),
            "relay-ip" => push(&mut self.relays, value.parse().ok()),
            "external-ip" => self.add_external(value),
            "min-port" => put(&mut self.low, value.parse().ok()),
            "max-port" => put(&mut self.high, value.parse().ok()),
            "realm" => put(&mut self.realm, Some(value.to_owned())),
            "cert" => put(&mut self.cert, Some(value.to_owned())),
            "pkey" => put(&mut self.key, Some(value.to_owned())),
            "static-auth-secret" => push(&mut self.secrets, Some(Zeroizing::new(value.to_owned()))),
            "user" => return self.add_user(setting),
            "no-udp" => set(&mut self.no_udp, setting),
            "no-tcp" => set(&mut self.no_tcp, setting),
            "no-tls" => set(&mut self.no_tls, setting),
            "allowed-peer-ip" => extend(&mut self.allow, value),
            "denied-peer-ip" => extend(&mut self.deny, value),
            "allow-loopback-peers" => {
                self.notes
                    .push("allow-loopback-peers: loopback is opened to peers, as it was; better take it out".into());
                self.allow.extend(["127.0.0.0/8".to_owned(), "::1/128".to_owned()]);
                true
            }
            "total-quota" => self.limit("relay.limits", "allocations", value, 1_000_000),
            "user-quota" => self.limit("relay.limits", "allocations_per_user", value, 1_000_000),
            "max-bps" => self.limit("relay.limits", "bytes_per_second", value, RATE_MAX),
            "bps-capacity" => self.limit("relay.limits", "total_bytes_per_second", value, RATE_MAX),
            "relay-threads" => self.limit("relay", "shards", value, 256),
            "max-allocate-lifetime" => self.add_lifetime(value),
            "stale-nonce" => self.add_nonce(value),
            "prometheus" => self.metrics("9641"),
            "prometheus-port" => self.metrics(value),
            "verbose" | "Verbose" => self.other("log", "level", quoted("debug")),
            key => return self.judge(setting, key),
        };
        if !is_taken {
            self.missing.push(format!("line {}: {}: its value has no meaning here", setting.line, setting.key));
        }
    }

    /// What holds anyway, and what does not exist.
    fn judge(&mut self, setting: &Setting<'_>, key: &str) {
        let told = match key {
            // So it is, or the service manager does it.
            "use-auth-secret"
            | "lt-cred-mech"
            | "fingerprint"
            | "no-multicast-peers"
            | "no-loopback-peers"
            | "no-dtls"
            | "no-cli"
            | "no-tlsv1"
            | "no-tlsv1_1"
            | "no-sslv3"
            | "no-sslv2"
            | "no-tcp-relay"
            | "no-rfc5780"
            | "no-stun-backward-compatibility"
            | "response-origin-only-with-rfc5780"
            | "proc-user"
            | "proc-group"
            | "pidfile"
            | "syslog"
            | "no-stdout-log"
            | "new-log-timestamp"
            | "secure-stun"
            | "dh-file"
            | "dh566"
            | "dh1066"
            | "dh2066"
            | "ec-curve-name"
            | "simple-log"
            | "keep-address-family"
            | "server-relay" => return,
            "log-file" | "log-binding" => {
                "the log goes to standard error, which systemd keeps (journalctl -u duologue)"
            }
            "no-auth" => "every allocation needs a credential",
            "userdb" | "psql-userdb" | "mysql-userdb" | "mongo-userdb" | "redis-userdb" | "redis-statsdb" => {
                "there is no database of TURN users: use time-limited credentials, or list static users in turn.users"
            }
            "secret-key-file" | "oauth" => "OAuth credentials (RFC 7635) are not supported",
            "mobility" => "TURN mobility (RFC 8016) is not supported",
            "alternate-server" | "tls-alternate-server" => {
                "clients are sent elsewhere only while a server drains: turn.alternate_server"
            }
            "alt-listening-port" | "alt-tls-listening-port" | "rfc5780" => "NAT discovery (RFC 5780) is not supported",
            "cipher-list" => "TLS 1.2 and 1.3 with the safe ciphers alone, which cannot be chosen",
            "CA-file" => "clients are not asked for certificates",
            "pkey-pwd" => "the private key must not be encrypted; let file rights guard it",
            "no-stun" | "stun-only" => "STUN and TURN are both served",
            "cli-ip" | "cli-port" | "cli-password" | "web-admin" | "web-admin-ip" | "web-admin-port" => {
                "there is no console; numbers are on /metrics"
            }
            "server-name" | "aux-server" | "udp-self-balance" => "it has no meaning here",
            _ => "it is not known here",
        };
        self.missing.push(format!("line {}: {key}: {told}", setting.line));
    }

    fn add_external(&mut self, value: &str) -> bool {
        let (public, local) = match value.split_once('/') {
            Some((public, local)) => (public.parse().ok(), Some(local.parse().ok())),
            None => (value.parse().ok(), None),
        };
        match (public, local) {
            (Some(public), Some(Some(local))) => _ = self.external.insert(local, public),
            (Some(public), None) => self.externals.push(public),
            (None, _) | (Some(_), Some(None)) => return false,
        }
        true
    }

    /// A password may be given as a key that was computed from it, which only MD5 can use.
    fn add_user(&mut self, setting: &Setting<'_>) {
        match setting.value.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() && !password.starts_with("0x") => {
                self.users.push(Zeroizing::new(setting.value.to_owned()));
            }
            Some((name, password)) if password.starts_with("0x") => self.missing.push(format!(
                "line {}: user {name}: the password is given as a key; put the password itself into turn.users",
                setting.line
            )),
            Some(_) | None => self.missing.push(format!("line {}: user: no name:password", setting.line)),
        }
    }

    fn add_lifetime(&mut self, value: &str) -> bool {
        let Ok(secs) = value.parse::<u64>() else { return false };
        if secs < LIFETIME_SECS_MIN {
            self.notes.push(format!("max-allocate-lifetime: {secs} s is below ten minutes, which it is now"));
        }
        self.other("relay.limits", "max_lifetime", quoted(&format!("{}s", secs.max(LIFETIME_SECS_MIN))))
    }

    fn add_nonce(&mut self, value: &str) -> bool {
        // Alone it is ten minutes; 0 is for ever.
        let secs = if value.is_empty() { Ok(600) } else { value.parse::<u64>() };
        let Ok(secs) = secs else { return false };
        let secs = if secs == 0 { *NONCE_SECS.end() } else { secs.clamp(*NONCE_SECS.start(), *NONCE_SECS.end()) };
        self.other("turn", "nonce_lifetime", quoted(&format!("{secs}s")))
    }

    fn metrics(&mut self, port: &str) -> bool {
        let Some(port) = port.parse::<u16>().ok().filter(|port| *port != 0) else { return false };
        self.notes
            .push(format!("prometheus: /metrics is on 127.0.0.1:{port}; its names are others (docs/OPERATIONS.md)"));
        self.other("http", "metrics_listen", format!("[\"127.0.0.1:{port}\"]"))
    }

    /// 0 is no limit there; here a key that is left out has a default, which is said.
    fn limit(&mut self, section: &'static str, key: &'static str, value: &str, most: u64) -> bool {
        let Ok(number) = value.parse::<u64>() else { return false };
        let is_rate = key.ends_with("bytes_per_second");
        if number == 0 && !is_rate {
            self.notes
                .push(format!("{section}.{key}: there was no limit, here it is the default of config/default.toml"));
            return true;
        }
        let number = if is_rate && number != 0 { number.max(1000) } else { number };
        self.other(section, key, number.min(most).to_string())
    }

    fn other(&mut self, section: &'static str, key: &'static str, value: String) -> bool {
        self.others.entry(section).or_default().insert(key, value);
        true
    }

    /// What only all settings together tell.
    fn finish(&mut self, domain: Option<&str>) {
        self.host = domain.or(self.realm.as_deref()).unwrap_or("localhost").to_owned();
        for public in std::mem::take(&mut self.externals) {
            let of_family = |local: &&IpAddr| local.is_ipv4() == public.is_ipv4() && !local.is_unspecified();
            match self.relays.iter().chain(&self.listening).find(of_family) {
                Some(local) if *local != public => _ = self.external.insert(*local, public),
                Some(_) => {}
                None => self.missing.push(format!(
                    "external-ip={public}: the local address is not said; write [relay] external = {{ \"LOCAL\" = \
                     \"{public}\" }}"
                )),
            }
        }
        if let (Some(low), Some(high)) = (self.low.or(Some(49_152)), self.high.or(Some(65_535))) {
            if low < 1024 || low > high {
                self.missing.push(format!("min-port, max-port: {low}-{high} is no range from 1024"));
            } else {
                self.other("relay", "port_range", quoted(&format!("{low}-{high}")));
            }
        }
        if self.secrets.is_empty() && self.users.is_empty() {
            self.notes.push("no secret and no user is taken over: one secret is made at the first start".into());
        }
        self.notes.push(
            "http: pages, WebSockets and the front door for HTTPS and TURN over TLS and TCP are new: [http] of \
             config/default.toml"
                .into(),
        );
    }

    /// The text of the file. The places of secrets and users, and the state directory, are texts of TOML already.
    pub(super) fn to_toml(&self, secrets: Option<String>, users: Option<String>, state_dir: &str) -> String {
        let mut text = format!(
            "# Made by duologue migrate-coturn. Every other key: config/default.toml.\n\n[server]\npublic_host = {}\n\
             state_dir = {state_dir}\n",
            quoted(&self.host)
        );
        let mut sections = self.others.clone();
        let mut put = |section, key, value| _ = sections.entry(section).or_default().insert(key, value);
        self.put_certificate(&mut put);
        let port = self.port.unwrap_or(3478);
        put("turn", "udp_listen", if self.no_udp { list([]) } else { self.listeners(port) });
        put("turn", "tcp_listen", if self.no_tcp { list([]) } else { self.listeners(port) });
        let serves_tls = !self.no_tls && self.cert.is_some() && self.key.is_some();
        put("turn", "tls_listen", if serves_tls { self.listeners(self.tls_port.unwrap_or(5349)) } else { list([]) });
        if let Some(realm) = self.realm.as_ref().filter(|realm| !realm.is_empty()) {
            put("turn", "realm", quoted(realm));
        }
        for (key, place) in [("secrets_file", secrets), ("users_file", users)] {
            if let Some(place) = place {
                put("turn", key, place);
            }
        }
        put("relay", "addresses", list(self.relays.iter().map(ToString::to_string)));
        put("relay", "allow_peers", list(self.allow.iter().cloned()));
        put("relay", "deny_peers", list(self.deny.iter().cloned()));
        if !self.external.is_empty() {
            let pair = |(local, public): (&IpAddr, &IpAddr)| format!("\"{local}\" = \"{public}\"");
            let pairs: Vec<String> = self.external.iter().map(pair).collect();
            put("relay", "external", format!("{{ {} }}", pairs.join(", ")));
        }
        for (section, keys) in &sections {
            text.push_str(&format!("\n[{section}]\n"));
            keys.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
        }
        text
    }

    fn put_certificate(&self, put: &mut impl FnMut(&'static str, &'static str, String)) {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return };
        // A file that is not on this machine would make the whole configuration unsound.
        let is_here = File::open(cert).is_ok() && File::open(key).is_ok();
        let (cert_key, key_key) =
            if is_here { ("cert", "key") } else { ("# not readable here: cert", "# not readable here: key") };
        put("tls", cert_key, quoted(cert));
        put("tls", key_key, quoted(key));
    }

    fn listeners(&self, port: u16) -> String {
        let every = ["0.0.0.0", "::"].map(|ip| ip.parse::<IpAddr>());
        let ips: Vec<IpAddr> =
            if self.listening.is_empty() { every.into_iter().flatten().collect() } else { self.listening.clone() };
        list(ips.into_iter().map(|ip| SocketAddr::new(ip, port).to_string()))
    }
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_some = value.is_some();
    *place = value.or(place.take());
    is_some
}

fn push<T>(list: &mut Vec<T>, value: Option<T>) -> bool {
    let is_some = value.is_some();
    list.extend(value);
    is_some
}

fn set(flag: &mut bool, setting: &Setting<'_>) -> bool {
    *flag = setting.is_on();
    true
}

fn extend(list: &mut Vec<String>, value: &str) -> bool {
    match peers::networks(value) {
        Some(networks) => list.extend(networks.iter().map(ToString::to_string)),
        None => return false,
    }
    true
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    let quoted: Vec<String> = items.into_iter().map(|item| quoted(&item)).collect();
    format!("[{}]", quoted.join(", "))
}
