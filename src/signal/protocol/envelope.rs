//! The envelope `{type, id, data}` of what clients send (rules 6, 7).
use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::Request;

/// Nesting of JSON, the outermost object counted as one (rule 6).
pub(crate) const DEPTH_MAX: usize = 16;
/// The greatest integer that every JSON implementation keeps exact.
const ID_MAX: u64 = (1 << 53) - 1;

/// A frame that is no JSON object of acceptable depth: close 4400.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadFrame;

/// Where the reply goes (rule 7).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// To the request of that id.
    Id(u64),
    /// A reply without `re`: to a `hello` without id, and to an id that cannot be repeated.
    Unnamed,
    /// No reply is wanted.
    Nobody,
}

impl ReplyTo {
    /// What the reply repeats as `re`, if one is wanted and if anything.
    pub(crate) fn re(self) -> Option<Option<u64>> {
        match self {
            ReplyTo::Id(re) => Some(Some(re)),
            ReplyTo::Unnamed => Some(None),
            ReplyTo::Nobody => None,
        }
    }
}

/// One message of a client.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) reply_to: ReplyTo,
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Debug)]
pub(crate) enum Body {
    /// `type`, `id` or `data` are unusable (rule 6).
    Malformed(Refusal),
    /// A `hello`; the only thing allowed at first (rule 9).
    Hello(Result<Box<super::Hello>, Refusal>),
    /// Anything else. Its refusal counts only after `hello`.
    Request(Result<Request, Refusal>),
}

impl Body {
    /// The message type, of those that there are.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Body::Hello(_) => "hello",
            Body::Request(Ok(request)) => request.kind(),
            Body::Malformed(_) | Body::Request(Err(_)) => "malformed",
        }
    }
}

impl Incoming {
    /// Reads one text frame.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] ends the connection.
    pub(crate) fn parse(text: &str) -> Result<Self, BadFrame> {
        let Envelope { kind, has_bad_id, reply_to, data } = Envelope::parse(text)?;
        let body = if has_bad_id {
            Body::Malformed(Refusal::bad_request("id must be an integer from 0 to 2^53-1"))
        } else if !data.starts_with('{') {
            Body::Malformed(Refusal::bad_request("data must be an object"))
        } else {
            match kind.as_deref() {
                None => Body::Malformed(Refusal::bad_request("type must be a string")),
                Some("hello") => Body::Hello(super::Hello::parse(data).map(Box::new)),
                Some(kind) => Body::Request(Request::parse(kind, data)),
            }
        };
        Ok(Self { reply_to, body })
    }

    /// Reads of a text frame only where the reply goes: for one that is refused whatever it asks for.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] ends the connection.
    pub(crate) fn parse_reply_to(text: &str) -> Result<ReplyTo, BadFrame> {
        Envelope::parse(text).map(|envelope| envelope.reply_to)
    }
}

/// A message whose data nobody has looked into.
struct Envelope<'a> {
    kind: Option<String>,
    has_bad_id: bool,
    reply_to: ReplyTo,
    data: &'a str,
}

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Result<Self, BadFrame> {
        if depth_of(text) > DEPTH_MAX {
            return Err(BadFrame);
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| BadFrame)?;
        let kind = fields.kind.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let is_hello = kind.as_deref() == Some("hello");
        let id = fields.id.map(|raw| raw.get().parse::<u64>().ok().filter(|id| *id <= ID_MAX));
        let reply_to = match id {
            Some(Some(id)) => ReplyTo::Id(id),
            Some(None) => ReplyTo::Unnamed,
            None if is_hello => ReplyTo::Unnamed,
            None => ReplyTo::Nobody,
        };
        Ok(Self { kind, has_bad_id: id == Some(None), reply_to, data: fields.data.map_or("{}", RawValue::get) })
    }
}

/// The deepest nesting of brackets outside of strings. Whether they match is for the parser to say.
fn depth_of(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The members of the envelope, not yet looked into; of a repeated member the last one counts.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
}

enum Member {
    Kind,
    Id,
    Data,
    Other,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(member) = map.next_key()? {
                    match member {
                        Member::Kind => fields.kind = Some(map.next_value()?),
                        Member::Id => fields.id = Some(map.next_value()?),
                        Member::Data => fields.data = Some(map.next_value()?),
                        Member::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;

        impl Visitor<'_> for MemberVisitor {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Member, E> {
                Ok(match name {
                    "type" => Member::Kind,
                    "id" => Member::Id,
                    "data" => Member::Data,
                    _ => Member::Other,
                })
            }
        }

        deserializer.deserialize_identifier(MemberVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signal::protocol::ErrorCode;

    fn parse(text: &str) -> Incoming {
        Incoming::parse(text).expect("an object")
    }

    fn refusal(text: &str) -> (ReplyTo, ErrorCode) {
        let incoming = parse(text);
        let refusal = match incoming.body {
            Body::Malformed(refusal) | Body::Hello(Err(refusal)) | Body::Request(Err(refusal)) => refusal,
            other => panic!("{text} is accepted: {other:?}"),
        };
        (incoming.reply_to, refusal.code)
    }

    #[test]
    fn rule_6_what_is_no_json_object_ends_the_connection() {
        for text in ["", "nonsense", "[]", "7", "\"x\"", "null", "{", "{} {}", "{\"type\":}", "{'type':1}"] {
            assert_eq!(Incoming::parse(text).err(), Some(BadFrame), "{text}");
        }
    }

    #[test]
    fn rule_6_depth_16_is_accepted_and_17_is_not() {
        let nested = |depth: usize| {
            let open = "[".repeat(depth - 2);
            let close = "]".repeat(depth - 2);
            format!(r#"{{"type":"bye","data":{{"x":{open}{close}}}}}"#)
        };
        assert!(Incoming::parse(&nested(16)).is_ok());
        assert_eq!(Incoming::parse(&nested(17)).err(), Some(BadFrame));
        let brackets_in_a_string = format!(r#"{{"type":"bye","data":{{"x":"\"{}"}}}}"#, "[".repeat(50));
        assert!(Incoming::parse(&brackets_in_a_string).is_ok());
    }

    #[test]
    fn rule_6_unusable_members_are_refused_and_the_socket_stays() {
        for (text, reply_to) in [
            (r#"{"id":1}"#, ReplyTo::Id(1)),
            (r#"{"id":1,"type":5}"#, ReplyTo::Id(1)),
            (r#"{"type":null,"id":2}"#, ReplyTo::Id(2)),
            (r#"{"type":"bye","id":-1}"#, ReplyTo::Unnamed),
            (r#"{"type":"bye","id":1.5}"#, ReplyTo::Unnamed),
            (r#"{"type":"bye","id":"1"}"#, ReplyTo::Unnamed),
            (r#"{"type":"bye","id":null}"#, ReplyTo::Unnamed),
            (r#"{"type":"bye","id":9007199254740992}"#, ReplyTo::Unnamed),
            (r#"{"type":"bye","id":3,"data":[]}"#, ReplyTo::Id(3)),
            (r#"{"type":"bye","id":3,"data":null}"#, ReplyTo::Id(3)),
            (r#"{"data":5}"#, ReplyTo::Nobody),
        ] {
            assert_eq!(refusal(text), (reply_to, ErrorCode::BadRequest), "{text}");
        }
    }

    #[test]
    fn rule_6_missing_data_is_an_empty_object_and_the_greatest_id_is_accepted() {
        let incoming = parse(r#"{"id":9007199254740991,"type":"bye"}"#);
        assert_eq!(incoming.reply_to, ReplyTo::Id(9_007_199_254_740_991));
        assert!(matches!(incoming.body, Body::Request(Ok(Request::Bye))));
    }

    #[test]
    fn rule_7_hello_without_id_is_answered_and_others_are_not() {
        assert_eq!(parse(r#"{"type":"hello"}"#).reply_to, ReplyTo::Unnamed);
        assert_eq!(parse(r#"{"type":"queue.leave"}"#).reply_to, ReplyTo::Nobody);
    }

    #[test]
    fn unknown_members_are_ignored_and_unknown_types_are_not() {
        assert!(matches!(parse(r#"{"x":[1e999],"type":"bye","y":{}}"#).body, Body::Request(Ok(Request::Bye))));
        assert_eq!(refusal(r#"{"type":"room.paint","id":4}"#), (ReplyTo::Id(4), ErrorCode::UnknownType));
    }

    const KINDS: [&str; 20] = [
        "hello",
        "auth.refresh",
        "bye",
        "ack",
        "queue.join",
        "queue.leave",
        "session.next",
        "session.end",
        "session.extend",
        "rtc.description",
        "rtc.candidates",
        "rtc.state",
        "rtc.quality",
        "media.state",
        "ice.refresh",
        "chat.send",
        "chat.typing",
        "chat.react",
        "room.join",
        "room.leave",
    ];

    const MEMBERS: [&str; 15] = [
        "session",
        "room",
        "to",
        "ticket",
        "neg",
        "kind",
        "sdp",
        "candidates",
        "cid",
        "text",
        "token",
        "guest",
        "tags",
        "want",
        "score",
    ];

    /// A JSON value, mostly of a wrong shape.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "\\PC{0,12}".prop_map(Into::into),
            Just("offer".into()),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map(prop::sample::select(&MEMBERS[..]), inner, 0..4)
                    .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_data_of_any_type_is_accepted_or_refused(
            kind in prop::sample::select(&KINDS[..]),
            data in prop::collection::hash_map(prop::sample::select(&MEMBERS[..]), value(), 0..6),
        ) {
            let text = serde_json::json!({"type": kind, "id": 1, "data": data}).to_string();
            prop_assert_eq!(Incoming::parse_reply_to(&text), Ok(ReplyTo::Id(1)));
            let incoming = Incoming::parse(&text);
            prop_assert_eq!(incoming.map(|incoming| incoming.reply_to), Ok(ReplyTo::Id(1)));
        }

        #[test]
        fn any_text_is_an_object_or_a_bad_frame(text in "[\\[\\]{}\",:a-e0-9 \\\\]{0,60}") {
            let is_object = matches!(serde_json::from_str(&text), Ok(serde_json::Value::Object(_)));
            prop_assert_eq!(Incoming::parse(&text).is_ok(), is_object);
            prop_assert_eq!(Incoming::parse_reply_to(&text), Incoming::parse(&text).map(|incoming| incoming.reply_to));
        }
    }
}
