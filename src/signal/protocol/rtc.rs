//! `rtc.*`, `media.state`, `ice.refresh`: what the peers negotiate, relayed without a look inside (rules 27-29).
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Number;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;

/// Bytes of a session description (rule 27).
pub(crate) const SDP_BYTES_MAX: usize = 48 * 1024;
/// Candidates in one message (rule 27).
pub(crate) const CANDIDATES_MAX: usize = 64;
/// Bytes of one candidate as JSON (rule 27).
pub(crate) const CANDIDATE_BYTES_MAX: usize = 1024;
/// Bytes of an ICE username fragment. RFC 8839 §5.4.
const UFRAG_BYTES_MAX: usize = 256;
const STATE_BYTES_MAX: usize = 32;
const FAIL_REASON_CHARS_MAX: usize = 200;

/// Something for the peer: where, and the members that are passed on.
#[derive(Debug)]
pub(crate) struct ToPeer<T> {
    pub(crate) target: Target,
    pub(crate) body: T,
}

impl<T> ToPeer<T> {
    pub(super) fn parse(data: &str, body: T) -> Result<Self, Refusal> {
        Ok(Self { target: Target::parse(data)?, body })
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DescriptionKind {
    Offer,
    Answer,
    Rollback,
}

/// `rtc.description`
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DescriptionPassedOn)]
pub(crate) struct Description {
    /// The alias of the receiver; optional in a session (rule 27).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) to: Option<String>,
    pub(crate) neg: i64,
    pub(crate) kind: DescriptionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    sdp: Option<Box<RawValue>>,
}

/// A step of the negotiation.
#[derive(Deserialize, ToSchema)]
#[schema(as = Description)]
pub(crate) struct DescriptionFields<'a> {
    /// The alias of the receiver; needed in a room.
    to: Option<String>,
    /// Which negotiation it belongs to; passed on, never judged.
    neg: i64,
    kind: DescriptionKind,
    /// Of an offer and an answer; at most 48 KiB.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    sdp: Option<&'a RawValue>,
}

impl Description {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let DescriptionFields { to, neg, kind, sdp } = fields(data)?;
        match (kind, sdp) {
            (DescriptionKind::Offer | DescriptionKind::Answer, Some(sdp)) => check_sdp(sdp)?,
            (DescriptionKind::Rollback, None) => {}
            (DescriptionKind::Offer | DescriptionKind::Answer, None) => {
                return Err(Refusal::bad_request("an offer or answer needs sdp"));
            }
            (DescriptionKind::Rollback, Some(_)) => return Err(Refusal::bad_request("a rollback has no sdp")),
        }
        Ok(Self { to, neg, kind, sdp: sdp.map(ToOwned::to_owned) })
    }
}

fn check_sdp(sdp: &RawValue) -> Result<(), Refusal> {
    let json = sdp.get();
    if !json.starts_with('"') {
        return Err(Refusal::bad_request("sdp must be a string"));
    }
    // Escapes only shrink: what fits with them and the quotes needs no decoding. Half a surrogate pair, which no
    // receiver could decode, needs a `\u`.
    if json.len() - 2 <= SDP_BYTES_MAX && !json.contains("\\u") {
        return Ok(());
    }
    let sdp: String = fields(json)?;
    if sdp.len() > SDP_BYTES_MAX { Err(Refusal::too_large("sdp has at most 48 KiB")) } else { Ok(()) }
}

/// `rtc.candidates`
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CandidatesPassedOn)]
pub(crate) struct Candidates {
    /// The alias of the receiver; optional in a session (rule 27).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) to: Option<String>,
    pub(crate) neg: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ufrag: Option<String>,
    #[schema(value_type = Vec<CandidateShape>, max_items = 64)]
    candidates: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    end: Option<bool>,
}

/// Ways to reach one.
#[derive(Deserialize, ToSchema)]
#[schema(as = Candidates)]
pub(crate) struct CandidatesFields<'a> {
    /// The alias of the receiver; needed in a room.
    to: Option<String>,
    /// Which negotiation they belong to; passed on, never judged.
    neg: i64,
    #[schema(max_length = 256)]
    ufrag: Option<String>,
    #[serde(borrow)]
    #[schema(value_type = Vec<CandidateShape>, max_items = 64)]
    candidates: &'a RawValue,
    /// Whether there are no more.
    end: Option<bool>,
}

/// An RTCIceCandidateInit, at most 1 KiB as JSON; passed on as it is.
#[derive(ToSchema)]
#[schema(as = Candidate, rename_all = "camelCase")]
#[allow(dead_code, reason = "nobody looks inside")]
struct CandidateShape {
    candidate: Option<String>,
    sdp_mid: Option<String>,
    #[schema(rename = "sdpMLineIndex")]
    sdp_m_line_index: Option<u16>,
    username_fragment: Option<String>,
}

impl Candidates {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let CandidatesFields { to, neg, ufrag, candidates, end } = fields(data)?;
        if ufrag.as_ref().is_some_and(|ufrag| ufrag.len() > UFRAG_BYTES_MAX) {
            return Err(Refusal::too_large("ufrag has at most 256 bytes"));
        }
        let each: Vec<&RawValue> = fields(candidates.get())?;
        if each.len() > CANDIDATES_MAX {
            return Err(Refusal::bad_request("at most 64 candidates in one message"));
        }
        if each.iter().any(|candidate| !candidate.get().starts_with('{')) {
            return Err(Refusal::bad_request("a candidate is an object"));
        }
        if each.iter().any(|candidate| candidate.get().len() > CANDIDATE_BYTES_MAX) {
            return Err(Refusal::too_large("a candidate has at most 1 KiB"));
        }
        // It is passed on as it is, so what a strict parser refuses would end at the peer.
        if each.iter().any(|candidate| serde_json::from_str::<Value>(candidate.get()).is_err()) {
            return Err(Refusal::bad_request("a candidate is not well formed"));
        }
        Ok(Self { to, neg, ufrag, candidates: candidates.to_owned(), end })
    }
}

/// How media flows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Path {
    Direct,
    Relay,
}

impl Path {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Path::Direct => "direct",
            Path::Relay => "relay",
        }
    }
}

/// How a client reaches the relay.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RelayProtocol {
    Udp,
    Tcp,
    Tls,
}

/// How a call stands for one side.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = CallProgress)]
pub(crate) struct PeerState {
    /// As `RTCPeerConnection.connectionState` calls it.
    #[schema(min_length = 1, max_length = 32, pattern = "^[a-z-]+$")]
    pub(crate) state: String,
    /// Unknown until connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<Path>,
    /// Of a relayed path, where the own side is the one that uses the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) relay_protocol: Option<RelayProtocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) setup_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    fail_reason: Option<String>,
}

impl PeerState {
    pub(in crate::signal) fn parse(data: &str) -> Result<Self, Refusal> {
        let state: Self = fields(data)?;
        let is_word = state.state.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if state.state.is_empty() || state.state.len() > STATE_BYTES_MAX || !is_word {
            return Err(Refusal::bad_request("state is a connectionState"));
        }
        let reason = state.fail_reason.as_deref().unwrap_or_default();
        at_most_chars(reason, FAIL_REASON_CHARS_MAX, "fail_reason has at most 200 characters")?;
        Ok(state)
    }
}

/// How good a call is for one side; what the client does not know is missing or null.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = CallQuality)]
pub(crate) struct Quality {
    #[schema(value_type = f64, minimum = 0, maximum = 100)]
    score: Number,
    #[schema(value_type = Option<f64>, minimum = 0)]
    rtt_ms: Option<Number>,
    /// The share of packets that were lost.
    #[schema(value_type = Option<f64>, minimum = 0)]
    loss: Option<Number>,
    #[schema(value_type = Option<f64>, minimum = 0)]
    jitter_ms: Option<Number>,
    /// Bits in a second.
    #[schema(value_type = Option<f64>, minimum = 0)]
    bitrate: Option<Number>,
}

impl Quality {
    pub(crate) fn score(&self) -> f64 {
        self.score.as_f64().unwrap_or_default()
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let secs = self.rtt_ms.as_ref()?.as_f64()? / 1000.0;
        Duration::try_from_secs_f64(secs).ok()
    }

    /// The share of packets that were lost; beyond all of them it means nothing.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.loss.as_ref()?.as_f64().filter(|loss| *loss <= 1.0)
    }

    pub(in crate::signal) fn parse(data: &str) -> Result<Self, Refusal> {
        let quality: Self = fields(data)?;
        if !quality.score.as_f64().is_some_and(|score| (0.0..=100.0).contains(&score)) {
            return Err(Refusal::bad_request("score is a number from 0 to 100"));
        }
        let others = [&quality.rtt_ms, &quality.loss, &quality.jitter_ms, &quality.bitrate];
        if others.into_iter().flatten().any(|number| number.as_f64().is_none_or(|number| number < 0.0)) {
            return Err(Refusal::bad_request("a measurement is not negative"));
        }
        Ok(quality)
    }
}

/// Which media somebody sends.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub(crate) struct Media {
    audio: bool,
    video: bool,
    #[serde(default)]
    screen: bool,
}

impl Media {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        fields(data)
    }
}

/// `ice.refresh`: what the new credentials are for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IceRefresh {
    /// The session that is live, if any.
    Whatever,
    Session(String),
    Room {
        room: String,
        /// For what one has with this peer only.
        to: Option<String>,
    },
}

/// What credentials are wanted for: a session, a room, or what is live.
#[derive(Deserialize, ToSchema)]
#[schema(as = IceRefresh)]
pub(crate) struct IceRefreshFields {
    session: Option<String>,
    room: Option<String>,
    /// In a room: for what one has with that one only.
    to: Option<String>,
}

impl IceRefresh {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let IceRefreshFields { session, room, to } = fields(data)?;
        match (session, room) {
            (None, None) => Ok(Self::Whatever),
            (Some(session), None) => Ok(Self::Session(session)),
            (None, Some(room)) => Ok(Self::Room { room, to }),
            (Some(_), Some(_)) => Err(Refusal::bad_request("give session or room, not both")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::signal::protocol::ErrorCode;

    fn description(data: &Value) -> Result<Description, ErrorCode> {
        Description::parse(&data.to_string()).map_err(|refusal| refusal.code)
    }

    fn candidates(list: &Value) -> Result<Candidates, ErrorCode> {
        let data = json!({"session": "s", "neg": 1, "candidates": list});
        Candidates::parse(&data.to_string()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn rule_27_sdp_has_48_kib_of_decoded_bytes() {
        let offer = |sdp: String| description(&json!({"neg": 1, "kind": "offer", "sdp": sdp})).map(|_| ());
        assert_eq!(offer("v".repeat(SDP_BYTES_MAX)), Ok(()));
        assert_eq!(offer("v".repeat(SDP_BYTES_MAX + 1)), Err(ErrorCode::TooLarge));
        assert_eq!(offer("\n".repeat(SDP_BYTES_MAX)), Ok(()));
        assert_eq!(offer("\n".repeat(SDP_BYTES_MAX + 1)), Err(ErrorCode::TooLarge));
    }

    #[test]
    fn rule_27_sdp_is_absent_for_a_rollback_and_present_otherwise() {
        assert!(description(&json!({"neg": -1, "kind": "rollback"})).is_ok());
        assert!(description(&json!({"neg": 1, "kind": "rollback", "sdp": null})).is_ok());
        for bad in [
            json!({"neg": 1, "kind": "rollback", "sdp": "v=0"}),
            json!({"neg": 1, "kind": "answer"}),
            json!({"neg": 1, "kind": "pranswer", "sdp": "v=0"}),
            json!({"neg": 1, "kind": "offer", "sdp": {}}),
            json!({"neg": 1.5, "kind": "offer", "sdp": "v=0"}),
            json!({"kind": "offer", "sdp": "v=0"}),
        ] {
            assert_eq!(description(&bad).err(), Some(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn rule_27_nothing_inside_sdp_and_candidates_is_touched() {
        let data = r#"{"session":"s","neg":3,"kind":"offer","sdp":"v=0\r\n\u00e9\/","evil":1}"#;
        let description = Description::parse(data).expect("is valid");
        let passed_on = serde_json::to_string(&description).expect("serializes");
        assert_eq!(passed_on, r#"{"neg":3,"kind":"offer","sdp":"v=0\r\n\u00e9\/"}"#);
        let data = r#"{"neg":3,"candidates":[ {"candidate":"x", "unknown" : 1.0e0} ],"end":true,"ufrag":"u"}"#;
        let candidates = Candidates::parse(data).expect("is valid");
        let passed_on = serde_json::to_string(&candidates).expect("serializes");
        assert_eq!(
            passed_on,
            r#"{"neg":3,"ufrag":"u","candidates":[ {"candidate":"x", "unknown" : 1.0e0} ],"end":true}"#
        );
    }

    #[test]
    fn rule_27_at_most_64_candidates_of_1_kib() {
        let candidate = |bytes: usize| json!({"c": "x".repeat(bytes - r#"{"c":""}"#.len())});
        assert!(candidates(&json!(vec![candidate(CANDIDATE_BYTES_MAX); 2])).is_ok());
        assert_eq!(candidates(&json!([candidate(CANDIDATE_BYTES_MAX + 1)])).err(), Some(ErrorCode::TooLarge));
        assert!(candidates(&json!(vec![json!({}); 64])).is_ok());
        assert_eq!(candidates(&json!(vec![json!({}); 65])).err(), Some(ErrorCode::BadRequest));
        for bad in [json!({}), json!("x"), json!([null]), json!(["candidate:1"])] {
            assert_eq!(candidates(&bad).err(), Some(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn what_a_strict_parser_refuses_does_not_reach_the_peer() {
        for sdp in [r"\ud800", r"v=0 \udc00\ud800"] {
            let data = format!(r#"{{"neg":1,"kind":"offer","sdp":"{sdp}"}}"#);
            assert_eq!(Description::parse(&data).map_err(|refusal| refusal.code).err(), Some(ErrorCode::BadRequest));
        }
        assert!(Description::parse(r#"{"neg":1,"kind":"offer","sdp":"\ud83e\udd80"}"#).is_ok());
        for candidate in [r#"{"candidate":"\ud800"}"#, r#"{"\udfff":1}"#, r#"{"sdpMLineIndex":1e999}"#] {
            let data = format!(r#"{{"neg":1,"candidates":[{{}},{candidate}]}}"#);
            assert_eq!(Candidates::parse(&data).map_err(|refusal| refusal.code).err(), Some(ErrorCode::BadRequest));
        }
    }

    #[test]
    fn quality_and_state_are_within_their_ranges() {
        assert!(Quality::parse(r#"{"score":100,"rtt_ms":31.5,"loss":0,"jitter_ms":2,"bitrate":1200000}"#).is_ok());
        assert!(Quality::parse(r#"{"score":0,"rtt_ms":null}"#).is_ok());
        for bad in [r#"{"score":101}"#, r#"{"score":-1}"#, r#"{"score":"5"}"#, r#"{"score":5,"loss":-0.1}"#, "{}"] {
            assert!(Quality::parse(bad).is_err(), "{bad}");
        }
        assert!(PeerState::parse(r#"{"state":"connected","path":"relay","setup_ms":812}"#).is_ok());
        assert!(PeerState::parse(r#"{"state":"checking","path":null}"#).is_ok());
        for bad in [r#"{"state":""}"#, r#"{"state":"Böse"}"#, r#"{"state":"x","path":"tunnel"}"#, "{}"] {
            assert!(PeerState::parse(bad).is_err(), "{bad}");
        }
    }
}
