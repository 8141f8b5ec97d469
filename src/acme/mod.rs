//! Certificates by ACME: ordered from an authority, renewed in time, and put into force without a restart. RFC 8555.
//!
//! One task owns it all ([`Keeper`]). What is in force stays so until something better is on the disk; every order is noted
//! there before it is made, so that not even a server that restarts in a circle asks too often.
mod account;
mod answers;
mod budget;
mod keeper;
mod order;
mod schedule;
mod shelf;
mod web;

pub use answers::Answers;
pub use keeper::Keeper;
pub use keeper::KeeperError;
pub use keeper::Stats;
pub use order::Challenge;
pub use shelf::Shelf;
pub use shelf::ShelfError;

use std::path::PathBuf;

use crate::auth::secret::Secret;

/// Whom to ask, for what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names and addresses of the certificate; at least one.
    pub domains: Vec<String>,
    /// `mailto:` URLs.
    pub contact: Vec<String>,
    /// The authority's directory.
    pub directory_url: String,
    /// How names are proven to be ours.
    pub challenge: Challenge,
    /// The PEM file of who signs the authority's own HTTPS; `None`: as the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The kind of certificate; `None`: the authority's default.
    pub profile: Option<String>,
    /// Number and key (base64url) of an account with the authority outside of ACME.
    pub external_account: Option<(String, Secret)>,
}
