//! Messages of `duologue.v1` as a client writes and reads them.
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

/// What stands before a moment in a candidate; the server passes candidates on as they are (rule 27).
const STAMP: &str = "stamp ";

/// A message of the server, its data not yet looked into.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    /// The request that it answers.
    pub(super) re: Option<u64>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads a message of the server; `None` if it is none.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// A member of the data, if it is a text.
    pub(super) fn text(&self, member: &str) -> Option<String> {
        let data: Value = serde_json::from_str(self.data?.get()).ok()?;
        Some(data.get(member)?.as_str()?.to_owned())
    }

    /// Whether a member of the data is true.
    pub(super) fn flag(&self, member: &str) -> bool {
        let data: Option<Value> = self.data.and_then(|data| serde_json::from_str(data.get()).ok());
        data.is_some_and(|data| data.get(member) == Some(&Value::Bool(true)))
    }

    /// The moment in a candidate.
    pub(super) fn stamp(&self) -> Option<u64> {
        let (_, rest) = self.data?.get().split_once(STAMP)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).and_then(|end| rest.get(..end))?;
        digits.parse().ok()
    }
}

/// Says nothing but that the client is there, and is not answered.
pub(super) const SIGN_OF_LIFE: &str = r#"{"type":"ack","data":{"seq":0}}"#;

/// Who a client says it is.
pub(super) fn hello(identity: &Value) -> String {
    let mut data = json!({"client": {"name": "duologue load", "version": env!("CARGO_PKG_VERSION")}});
    if let (Some(data), Some(identity)) = (data.as_object_mut(), identity.as_object()) {
        data.extend(identity.clone());
    }
    json!({"type": "hello", "id": 0, "data": data}).to_string()
}

/// Looks for whoever looks for the same tag, however long that takes: a `want` is never relaxed.
pub(super) fn queue_join(id: u64, tag: &str) -> String {
    let same = json!({"load": tag});
    let data = json!({"tags": [tag], "attrs": same, "want": same, "media": {"audio": true, "video": true}});
    json!({"type": "queue.join", "id": id, "data": data}).to_string()
}

pub(super) fn session_end(id: u64, session: &str) -> String {
    json!({"type": "session.end", "id": id, "data": {"session": session}}).to_string()
}

/// One candidate as browsers send them, with a moment in it, and filled up to `size` bytes where it is shorter.
pub(super) fn candidates(id: u64, session: &str, stamp: u64, size: usize) -> String {
    let mut text = format!(
        r#"{{"type":"rtc.candidates","id":{id},"data":{{"session":"{session}","neg":1,"ufrag":"k3Vb","candidates":[{{"candidate":"candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.5 rport 46154 generation 0 ufrag k3Vb network-cost 999 {STAMP}{stamp} "#
    );
    const END: &str = r#"","sdpMid":"0","sdpMLineIndex":0}]}}"#;
    let missing = size.saturating_sub(text.len() + END.len());
    text.extend(std::iter::repeat_n('x', missing));
    text.push_str(END);
    text
}

/// An offer with this many bytes of description, as long as all calls of a real one or longer.
pub(super) fn offer(id: u64, session: &str, bytes: usize) -> String {
    let sdp = "x".repeat(bytes);
    json!({"type": "rtc.description", "id": id, "data": {"session": session, "neg": 1, "kind": "offer", "sdp": sdp}})
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_out_of_what_was_passed_on() {
        let sent = candidates(7, "s", 123_456_789, 0);
        let message = Message::parse(&sent).expect("a message");
        assert_eq!((message.kind, message.stamp()), ("rtc.candidates", Some(123_456_789)));
        assert_eq!(message.text("session").as_deref(), Some("s"));
        assert_eq!(Message::parse(r#"{"type":"ok","re":5,"data":{}}"#).expect("a message").stamp(), None);
    }

    #[test]
    fn candidates_are_filled_up_to_a_size() {
        assert_eq!(candidates(7, "s", 1, 900).len(), 900);
        assert!((250..350).contains(&candidates(7, "s", 1, 0).len()));
        assert!(serde_json::from_str::<Value>(&candidates(7, "s", 1, 900)).is_ok());
    }

    #[test]
    fn hello_says_who_it_is() {
        let text = hello(&json!({"token": "t"}));
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["data"]["token"], "t");
        assert_eq!(value["data"]["client"]["name"], "duologue load");
    }
}
