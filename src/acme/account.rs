//! The account with the authority: made once, found again at each start.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::Account;
use instant_acme::AccountCredentials;
use instant_acme::ExternalAccountKey;
use instant_acme::NewAccount;
use tracing::info;
use zeroize::Zeroizing;

use crate::acme::Settings;
use crate::acme::order::OrderError;
use crate::acme::shelf::Shelf;
use crate::acme::web::Web;

/// Finds the account or makes it.
///
/// # Errors
///
/// The authority refuses or cannot be reached; the file cannot be read or written.
pub(super) async fn open(settings: &Settings, shelf: &Shelf, web: Web) -> Result<Account, OrderError> {
    let builder = Account::builder_with_http(Box::new(web));
    if let Some(kept) = shelf.read_account()? {
        let credentials: AccountCredentials = serde_json::from_slice(&kept).map_err(|error| {
            // It holds the key: serde's messages quote no values of a struct, only names and places.
            OrderError::Account(format!("its file is damaged (line {}); move it away for a new one", error.line()))
        })?;
        return Ok(builder.from_credentials(credentials).await?);
    }
    let external = match &settings.external_account {
        Some((number, key)) => {
            let text = key.expose().trim_ascii();
            let key = URL_SAFE_NO_PAD.decode(text.strip_suffix(b"=").unwrap_or(text)).map(Zeroizing::new);
            let key = key.map_err(|_| OrderError::Account("tls.acme.eab_key is not base64url".to_owned()))?;
            Some(ExternalAccountKey::new(number.clone(), &key))
        }
        None => None,
    };
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&wanted, settings.directory_url.clone(), external.as_ref()).await?;
    let text = serde_json::to_vec(&credentials).map(Zeroizing::new);
    shelf.write_account(&text.map_err(|error| OrderError::Account(error.to_string()))?)?;
    info!("made an account with the authority of certificates");
    Ok(account)
}
