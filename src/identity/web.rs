//! How others are asked over the web.
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

/// Asks at that address alone: `https`, or `http` of this machine, as the configuration has checked.
///
/// # Errors
///
/// The machine has no certificates to judge others by.
pub(super) fn client(url: &str, patience: Duration) -> reqwest::Result<Client> {
    // Who answers is who the operator has named, nobody that it names in turn.
    let builder = Client::builder().redirect(Policy::none()).timeout(patience).user_agent("duologue");
    if url.starts_with("https:") {
        builder.https_only(true).build()
    } else {
        // This machine is reached without a proxy.
        builder.no_proxy().build()
    }
}
