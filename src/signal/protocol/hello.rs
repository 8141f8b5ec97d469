//! `hello`: who the client is (rules 1, 9).
use std::fmt;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;

/// Characters of a device id, which are ASCII (rule 1).
const DEVICE_ID_MAX: usize = 128;
const CLIENT_CHARS_MAX: usize = 64;
const FEATURES_MAX: usize = 32;
/// The greatest integer that every JSON implementation keeps exact.
const SEQ_MAX: u64 = (1 << 53) - 1;

/// The first message of a client.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) credentials: Credentials,
    /// Name and version of the client software.
    pub(crate) client: Client,
}

/// A token of a client. It does not print itself.
#[derive(PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct ClientToken(pub(crate) String);

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientToken(..)")
    }
}

/// How the client says who it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Not at all: enough if the upgrade had an Authorization header (rule 4).
    Omitted,
    /// With an access token.
    Token(ClientToken),
    /// As a new guest on this device.
    Guest(String),
    /// As the owner of an earlier connection.
    Resume(Resume),
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Client {
    #[serde(default)]
    #[schema(max_length = 64)]
    pub(crate) name: String,
    #[serde(default)]
    #[schema(max_length = 64)]
    pub(crate) version: String,
}

/// Who one is: exactly one of `token`, `guest` and `resume`, or none where the upgrade had an Authorization header.
#[derive(Deserialize, ToSchema)]
#[schema(as = Hello)]
pub(crate) struct HelloFields {
    /// An access token.
    #[schema(value_type = Option<String>)]
    token: Option<ClientToken>,
    /// A new guest.
    guest: Option<Guest>,
    /// An earlier connection to go on with.
    resume: Option<Resume>,
    /// The client software.
    #[serde(default)]
    client: Option<Client>,
    /// What the client can; nothing here depends on it.
    #[serde(default)]
    #[schema(max_items = 32)]
    features: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
struct Guest {
    /// The device, for limits and bans.
    #[schema(min_length = 1, max_length = 128, pattern = "^[ -~]+$")]
    device_id: String,
}

/// A connection to go on with (rule 34).
#[derive(Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) struct Resume {
    /// The `resume_token` of the last `hello`.
    #[schema(value_type = String, min_length = 1)]
    pub(crate) token: ClientToken,
    /// The last sequenced push that the client has; 0: none.
    #[schema(maximum = 9007199254740991u64)]
    pub(crate) last_seq: u64,
}

impl Hello {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let fields: HelloFields = fields(data)?;
        let client = fields.client.unwrap_or_default();
        at_most_chars(&client.name, CLIENT_CHARS_MAX, "client.name has at most 64 characters")?;
        at_most_chars(&client.version, CLIENT_CHARS_MAX, "client.version has at most 64 characters")?;
        if fields.features.len() > FEATURES_MAX {
            return Err(Refusal::bad_request("features has at most 32 entries"));
        }
        let credentials = match (fields.token, fields.guest, fields.resume) {
            (None, None, None) => Credentials::Omitted,
            (Some(token), None, None) => Credentials::Token(token),
            (None, Some(guest), None) => Credentials::Guest(checked_device_id(guest.device_id)?),
            (None, None, Some(resume)) if !resume.token.0.is_empty() && resume.last_seq <= SEQ_MAX => {
                Credentials::Resume(resume)
            }
            (None, None, Some(_)) => return Err(Refusal::bad_request("not a resume token and seq")),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                return Err(Refusal::bad_request("only one of token, guest, resume"));
            }
        };
        Ok(Self { credentials, client })
    }
}

/// Checks a device id: 1 to 128 printable ASCII characters (rule 1).
pub(crate) fn checked_device_id(device_id: String) -> Result<String, Refusal> {
    if device_id.len() > DEVICE_ID_MAX {
        return Err(Refusal::too_large("device_id has at most 128 characters"));
    }
    let is_printable = device_id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if device_id.is_empty() || !is_printable {
        return Err(Refusal::bad_request("device_id is made of printable ASCII characters"));
    }
    Ok(device_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::protocol::ErrorCode;

    fn credentials(data: &str) -> Result<Credentials, ErrorCode> {
        Hello::parse(data).map(|hello| hello.credentials).map_err(|refusal| refusal.code)
    }

    #[test]
    fn rule_9_only_one_of_token_guest_and_resume() {
        assert_eq!(credentials(r#"{"token":"t"}"#), Ok(Credentials::Token(ClientToken("t".into()))));
        assert_eq!(credentials(r#"{"guest":{"device_id":"d"}}"#), Ok(Credentials::Guest("d".into())));
        let resume = Resume { token: ClientToken("r".into()), last_seq: 7 };
        assert_eq!(credentials(r#"{"resume":{"token":"r","last_seq":7}}"#), Ok(Credentials::Resume(resume)));
        assert_eq!(credentials("{}"), Ok(Credentials::Omitted));
        for several in [
            r#"{"token":"t","guest":{"device_id":"d"}}"#,
            r#"{"token":"t","resume":{"token":"r","last_seq":0}}"#,
            r#"{"guest":{"device_id":"d"},"resume":{"token":"r","last_seq":0}}"#,
            r#"{"token":5}"#,
            r#"{"guest":{}}"#,
            r#"{"resume":{"token":"r"}}"#,
            r#"{"resume":{"token":"","last_seq":0}}"#,
            r#"{"resume":{"token":"r","last_seq":-1}}"#,
            r#"{"resume":{"token":"r","last_seq":9007199254740992}}"#,
        ] {
            assert_eq!(credentials(several), Err(ErrorCode::BadRequest), "{several}");
        }
    }

    #[test]
    fn rule_1_a_device_id_is_1_to_128_printable_ascii() {
        let guest = |id: &str| credentials(&serde_json::json!({"guest": {"device_id": id}}).to_string());
        assert!(guest(&"~".repeat(128)).is_ok());
        assert_eq!(guest(&"~".repeat(129)), Err(ErrorCode::TooLarge));
        for bad in ["", "é", "a\nb", "\u{7f}"] {
            assert_eq!(guest(bad), Err(ErrorCode::BadRequest), "{bad:?}");
        }
    }

    #[test]
    fn a_token_does_not_print_itself() {
        for hello in [r#"{"token":"hunter2"}"#, r#"{"resume":{"token":"hunter2","last_seq":0}}"#] {
            let hello = Hello::parse(hello).expect("is valid");
            assert!(!format!("{hello:?}").contains("hunter2"));
        }
    }

    #[test]
    fn client_and_features_may_be_missing_but_not_wrong() {
        assert!(credentials(r#"{"token":"t","client":{"name":"sdk"},"features":["x"]}"#).is_ok());
        assert_eq!(credentials(r#"{"token":"t","client":7}"#), Err(ErrorCode::BadRequest));
        assert_eq!(credentials(r#"{"token":"t","features":{}}"#), Err(ErrorCode::BadRequest));
    }
}
