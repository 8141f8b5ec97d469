//! Requests to services that the operator names: who is asked, and what went wrong.
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

/// Makes a client that stays where the operator sends it: what it says, and what lets it in, follows no redirect.
///
/// # Errors
///
/// There is no TLS on this machine, or no certificate to judge others by.
pub fn client(patience: Duration, connect_patience: Duration) -> Result<Client, String> {
    let builder = Client::builder()
        .redirect(Policy::none())
        .timeout(patience)
        .connect_timeout(connect_patience)
        .user_agent(concat!("duologue/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(explained)
}

/// An error with what is behind it: "error sending request" alone helps nobody. The address, which may hold a secret, is left out.
pub fn explained(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        // Writing to a text cannot fail.
        let _ = write!(text, ": {cause}");
        behind = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_is_told_with_its_cause_and_without_the_address() {
        let patience = Duration::from_secs(20);
        let client = client(patience, patience).expect("a client");
        // Nobody listens at port 1.
        let told = explained(client.get("http://127.0.0.1:1/secret").send().await.expect_err("refused"));
        assert!(told.contains("refused") && !told.contains("secret"), "{told}");
    }
}
