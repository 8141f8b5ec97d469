//! Secrets in what the program prints: there, but not readable.
use std::collections::BTreeMap;

use serde::Serializer;

use crate::auth::secret::Secret;

/// Stands where a secret would.
pub(super) const MASK: &str = "***";

/// An empty text stands for no secret.
pub(super) fn one<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if secret.is_some() { MASK } else { "" })
}

pub(super) fn list<S: Serializer>(secrets: &[Secret], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(secrets.iter().map(|_| MASK))
}

pub(super) fn map<S: Serializer>(secret_by_name: &BTreeMap<String, Secret>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(secret_by_name.keys().map(|name| (name, MASK)))
}
