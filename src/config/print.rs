//! The configuration in force, written the way it is read.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Serializer;

use super::Config;

impl Config {
    /// The configuration in force as TOML, with every key, secrets masked.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every key is a string and every value has a TOML form")
    }

    /// The dotted keys whose values are not those of `other`, for the log of a reload.
    pub fn changed_keys(&self, other: &Config) -> Vec<String> {
        let (ours, theirs) = (self.values_by_key(), other.values_by_key());
        let mut changed: BTreeSet<&str> = BTreeSet::new();
        for key in ours.keys().chain(theirs.keys()) {
            if ours.get(key) != theirs.get(key) {
                changed.insert(key);
            }
        }
        // Masked, all secrets look the same.
        let secrets = [
            ("turn.secrets", self.turn.secrets == other.turn.secrets),
            ("turn.users", self.turn.users == other.turn.users),
            ("auth.jwt_secrets", self.auth.jwt_secrets == other.auth.jwt_secrets),
            ("auth.guest_check_secret", self.auth.guest_check_secret == other.auth.guest_check_secret),
            ("tls.acme.eab_key", self.tls.acme.eab_key == other.tls.acme.eab_key),
            ("events.webhook_secret", self.events.webhook_secret == other.events.webhook_secret),
            ("events.redis_url", self.events.redis_url == other.events.redis_url),
            ("telemetry.otlp_headers", self.telemetry.otlp_headers == other.telemetry.otlp_headers),
            ("moderation.classifier_secret", self.moderation.classifier_secret == other.moderation.classifier_secret),
            ("files.s3.access_key_id", self.files.s3.access_key_id == other.files.s3.access_key_id),
            ("files.s3.secret_access_key", self.files.s3.secret_access_key == other.files.s3.secret_access_key),
        ];
        changed.extend(secrets.iter().filter(|(_, same)| !same).map(|(key, _)| *key));
        changed.into_iter().map(str::to_owned).collect()
    }

    /// Every dotted key.
    pub fn keys(&self) -> Vec<String> {
        self.values_by_key().into_keys().collect()
    }

    /// Every dotted key with its printed value; the maps that operators name the keys of are one value.
    pub(super) fn values_by_key(&self) -> BTreeMap<String, toml::Value> {
        let mut values = BTreeMap::new();
        let whole = toml::Value::try_from(self).expect("every value has a TOML form");
        flatten("", whole, &mut values);
        values
    }
}

const MAPS: [&str; 2] = ["turn.users", "relay.external"];

pub(super) fn flatten(path: &str, value: toml::Value, into: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) if !MAPS.contains(&path) => {
            for (key, value) in table {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(&path, value, into);
            }
        }
        leaf => {
            into.insert(path.to_owned(), leaf);
        }
    }
}

/// An address, or an empty text for none.
pub(super) fn or_empty<S: Serializer>(address: &Option<SocketAddr>, to: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => to.collect_str(address),
        None => to.serialize_str(""),
    }
}
