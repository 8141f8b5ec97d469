//! What moderators ask for: decisions about reports, bans, notes (rule 40).
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;
use crate::signal::protocol::words;
use crate::signal::protocol::words_or_null;
use crate::store::Banned;
use crate::store::DeviceId;
use crate::store::Sanction;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Characters of a note, and of the reason of a ban.
const NOTE_CHARS_MAX: usize = 2000;
const REASON_CHARS_MAX: usize = 200;
/// Bytes of the name of a user or device.
const NAME_BYTES_MAX: usize = 257;
/// What one customer of an IPv6 network gets.
const IPV6_WINDOW: u8 = 64;
/// Wider networks hold whole countries.
const IPV4_PREFIX_MIN: u8 = 8;
const IPV6_PREFIX_MIN: u8 = 24;
/// The greatest moment that every JSON implementation keeps exact.
const UNTIL_MAX: u64 = (1 << 53) - 1;

/// What is sanctioned of somebody who was reported.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The user, and of a guest also the device.
    Person,
    User,
    Device,
    /// The address window.
    Network,
}

impl Aim {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Aim::Person => "person",
            Aim::User => "user",
            Aim::Device => "device",
            Aim::Network => "network",
        }
    }
}

/// What a moderator makes of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRequest {
    pub(crate) is_accepted: bool,
    /// What follows; only if it is accepted.
    pub(crate) sanction: Option<Sanction>,
    pub(crate) aim: Aim,
    /// `None`: for good.
    pub(crate) until: Option<UnixMillis>,
}

/// What a moderator makes of a report. `target` and `until` belong to an `action`, which belongs to `accept`.
#[derive(Deserialize, ToSchema)]
#[schema(as = Decision)]
pub(crate) struct DecisionFields {
    /// Whether the report is right.
    #[schema(schema_with = verdicts)]
    decision: String,
    /// What follows.
    #[schema(schema_with = sanctions)]
    action: Option<String>,
    /// Against what: the user, and of a guest also the device, unless said.
    #[schema(schema_with = targets)]
    target: Option<String>,
    /// Until when, in Unix milliseconds; for good unless said. A warning has none.
    #[schema(maximum = 9007199254740991u64)]
    until: Option<u64>,
}

fn verdicts() -> Object {
    words(["accept", "reject"])
}

fn sanctions() -> Object {
    words_or_null(Sanction::ALL.map(Sanction::as_str))
}

fn targets() -> Object {
    words_or_null([Aim::User, Aim::Device, Aim::Network].map(Aim::as_str))
}

impl DecisionRequest {
    /// Reads the body of a decision.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let DecisionFields { decision, action, target, until } = fields(data)?;
        let is_accepted = match decision.as_str() {
            "accept" => true,
            "reject" => false,
            _ => return Err(Refusal::bad_request("decision is accept or reject")),
        };
        let sanction = action.map(|action| sanction(&action)).transpose()?;
        if sanction.is_none() && (target.is_some() || until.is_some()) {
            return Err(Refusal::bad_request("target and until belong to an action"));
        }
        if !is_accepted && sanction.is_some() {
            return Err(Refusal::bad_request("nothing follows from a report that is rejected"));
        }
        if sanction == Some(Sanction::Warn) && until.is_some() {
            return Err(Refusal::bad_request("a warning has no until"));
        }
        let aim = match target.as_deref() {
            None => Aim::Person,
            Some("user") => Aim::User,
            Some("device") => Aim::Device,
            Some("network") => Aim::Network,
            Some(_) => return Err(Refusal::bad_request("target is user, device or network")),
        };
        Ok(Self { is_accepted, sanction, aim, until: until.map(moment).transpose()? })
    }
}

/// A ban that is asked for without a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRequest {
    pub(crate) banned: Banned,
    pub(crate) sanction: Sanction,
    pub(crate) reason: Arc<str>,
    /// `None`: for good.
    pub(crate) until: Option<UnixMillis>,
}

/// A ban: one of `user`, `device`, `network`.
#[derive(Deserialize, ToSchema)]
#[schema(as = BanRequest)]
pub(crate) struct BanFields {
    /// A user by its id.
    #[schema(min_length = 1, max_length = 257)]
    user: Option<String>,
    /// A device by its id.
    #[schema(min_length = 1, max_length = 257)]
    device: Option<String>,
    /// An address or a prefix, no wider than /8, of IPv6 /24.
    network: Option<String>,
    /// Which sanction; `ban` unless said.
    #[schema(schema_with = sanctions)]
    action: Option<String>,
    /// Why.
    #[schema(max_length = 200)]
    reason: Option<String>,
    /// Until when, in Unix milliseconds; for good unless said.
    #[schema(maximum = 9007199254740991u64)]
    until: Option<u64>,
}

impl BanRequest {
    /// Reads the body of a ban.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let BanFields { user, device, network, action, reason, until } = fields(data)?;
        let banned = match (user, device, network) {
            (Some(user), None, None) => Banned::User(UserId(checked_name(user)?)),
            (None, Some(device), None) => Banned::Device(DeviceId(checked_name(device)?)),
            (None, None, Some(network)) => Banned::Network(checked_network(&network)?.to_string().into()),
            _ => return Err(Refusal::bad_request("give one of user, device, network")),
        };
        let reason = reason.unwrap_or_default();
        at_most_chars(&reason, REASON_CHARS_MAX, "reason has at most 200 characters")?;
        Ok(Self {
            banned,
            sanction: action.map_or(Ok(Sanction::Ban), |action| sanction(&action))?,
            reason: reason.into(),
            until: until.map(moment).transpose()?,
        })
    }
}

/// What a moderator writes about a report.
///
/// # Errors
///
/// `bad_request`, `too_large`
pub(crate) fn checked_note(text: &str) -> Result<Arc<str>, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::bad_request("an empty note is none"));
    }
    at_most_chars(text, NOTE_CHARS_MAX, "a note has at most 2000 characters")?;
    Ok(text.into())
}

/// What stands for one customer: an IPv4 address, or the /64 of an IPv6 address.
pub(crate) fn window_of(ip: IpAddr) -> IpNet {
    let ip = ip.to_canonical();
    match ip {
        IpAddr::V4(_) => IpNet::from(ip),
        IpAddr::V6(_) => IpNet::new(ip, IPV6_WINDOW).map_or(IpNet::from(ip), |window| window.trunc()),
    }
}

/// A network, or the window of a single address.
fn checked_network(text: &str) -> Result<IpNet, Refusal> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(window_of(ip));
    }
    let network: IpNet = text.parse().map_err(|_| Refusal::bad_request("network is an address or a prefix"))?;
    let least = match network {
        IpNet::V4(_) => IPV4_PREFIX_MIN,
        IpNet::V6(_) => IPV6_PREFIX_MIN,
    };
    if network.prefix_len() < least {
        return Err(Refusal::bad_request("a network is no wider than /8, of IPv6 /24"));
    }
    Ok(network.trunc())
}

fn checked_name(name: String) -> Result<Arc<str>, Refusal> {
    if name.is_empty() {
        return Err(Refusal::bad_request("an empty id is none"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::too_large("an id has at most 257 bytes"));
    }
    Ok(name.into())
}

fn sanction(word: &str) -> Result<Sanction, Refusal> {
    let known = Sanction::ALL.into_iter().find(|known| known.as_str() == word);
    known.ok_or(Refusal::bad_request("action is warn, mute, restrict or ban"))
}

fn moment(millis: u64) -> Result<UnixMillis, Refusal> {
    if millis > UNTIL_MAX {
        return Err(Refusal::bad_request("until is a time in Unix milliseconds"));
    }
    Ok(UnixMillis(millis))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::signal::protocol::ErrorCode;

    fn decision(data: &Value) -> Result<DecisionRequest, ErrorCode> {
        DecisionRequest::parse(&data.to_string()).map_err(|refusal| refusal.code)
    }

    fn ban(data: &Value) -> Result<BanRequest, ErrorCode> {
        BanRequest::parse(&data.to_string()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn rule_40_a_decision_accepts_with_what_follows_or_rejects() {
        let accepted = decision(&json!({"decision": "accept", "action": "mute", "target": "device", "until": 7}));
        let expected = DecisionRequest {
            is_accepted: true,
            sanction: Some(Sanction::Mute),
            aim: Aim::Device,
            until: Some(UnixMillis(7)),
        };
        assert_eq!(accepted, Ok(expected));
        assert_eq!(decision(&json!({"decision": "reject"})).map(|one| one.is_accepted), Ok(false));
        assert_eq!(decision(&json!({"decision": "accept"})).map(|one| one.sanction), Ok(None));
        for bad in [
            json!({}),
            json!({"decision": "maybe"}),
            json!({"decision": "reject", "action": "ban"}),
            json!({"decision": "accept", "action": "flog"}),
            json!({"decision": "accept", "until": 7}),
            json!({"decision": "accept", "action": "warn", "until": 7}),
            json!({"decision": "accept", "action": "ban", "target": "town"}),
            json!({"decision": "accept", "action": "ban", "until": -1}),
            json!({"decision": "accept", "action": "ban", "until": 1_u64 << 53}),
        ] {
            assert_eq!(decision(&bad), Err(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn a_ban_is_of_a_user_a_device_or_a_network_of_some_narrowness() {
        let network = |text: &str| {
            ban(&json!({"network": text})).map(|ban| match ban.banned {
                Banned::Network(network) => network.to_string(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(network("192.0.2.7"), Ok("192.0.2.7/32".into()));
        assert_eq!(network("::ffff:192.0.2.7"), Ok("192.0.2.7/32".into()));
        assert_eq!(network("2001:db8::7"), Ok("2001:db8::/64".into()));
        assert_eq!(network("2001:db8::7/128"), Ok("2001:db8::7/128".into()));
        assert_eq!(network("10.9.8.7/8"), Ok("10.0.0.0/8".into()));
        for bad in ["0.0.0.0/0", "10.0.0.0/7", "::/0", "2001::/16", "example.org", "10.0.0.0/33", ""] {
            assert_eq!(network(bad), Err(ErrorCode::BadRequest), "{bad}");
        }
        let full = ban(&json!({"user": "shop:bob", "action": "restrict", "reason": "rude", "until": 9}));
        let expected = BanRequest {
            banned: Banned::User(UserId("shop:bob".into())),
            sanction: Sanction::Restrict,
            reason: "rude".into(),
            until: Some(UnixMillis(9)),
        };
        assert_eq!(full, Ok(expected));
        for bad in [json!({}), json!({"user": "a", "device": "b"}), json!({"user": ""}), json!({"device": 7})] {
            assert_eq!(ban(&bad), Err(ErrorCode::BadRequest), "{bad}");
        }
        assert_eq!(ban(&json!({"user": "u".repeat(258)})), Err(ErrorCode::TooLarge));
        assert_eq!(ban(&json!({"user": "u", "reason": "é".repeat(201)})), Err(ErrorCode::TooLarge));
    }

    #[test]
    fn a_note_has_some_text_and_not_too_much() {
        let code = |text: &str| checked_note(text).map_err(|refusal| refusal.code);
        assert_eq!(code("  look again "), Ok("look again".into()));
        assert_eq!(code(" "), Err(ErrorCode::BadRequest));
        assert_eq!(code(&"x".repeat(2001)), Err(ErrorCode::TooLarge));
    }
}
