//! A client's WebSocket bytes: read the same way however they are cut, and as a second reader of RFC 6455 reads them.
use duologue::signal::End;
use duologue::signal::Envelope;
use duologue::signal::Said;
use duologue::signal::Transcript;
use serde_json::Value;

use crate::choices::Choices;

/// Nesting of a message (rule 6 of the protocol).
const DEPTH_MAX: usize = 16;
/// The greatest id of a message (rule 7).
const ID_MAX: u64 = (1 << 53) - 1;
/// Below, at and above the lengths where the header grows.
const LIMITS: [usize; 6] = [0, 1, 125, 126, 4096, 65536];

/// Reads the bytes behind the first two, which choose the limit, the cut, and whether they are frames or make some.
pub(crate) fn check(input: &[u8]) -> Transcript {
    let mut choices = Choices::of(input);
    let (limit, piece) = (choices.one_of(&LIMITS), choices.byte());
    let stream = if piece & 1 == 0 { choices.rest().to_vec() } else { framed(&mut choices) };
    let whole = Transcript::of(std::iter::once(&stream[..]), limit);
    assert_eq!(whole, Transcript::of(stream.chunks(usize::from(piece % 31) + 1), limit));
    let (said, end) = Second { rest: &stream, limit, message: None }.read();
    assert_eq!(whole.end, end, "{:?}", whole.said);
    assert_eq!(whole.said.len(), said.len());
    for (one, other) in whole.said.iter().zip(&said) {
        match (one, other) {
            (Said::Message { text, envelope }, Said::Message { text: other, .. }) => {
                assert!(text == other && text.len() <= limit);
                opened(text, *envelope);
            }
            (one, other) => assert_eq!(one, other),
        }
    }
    whole
}

/// The envelope against a general reader of JSON.
fn opened(text: &str, envelope: Option<Envelope>) {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        // What is not looked into may hold numbers and escapes that a value cannot.
        assert!(envelope.is_none() || text.trim_start().starts_with('{'));
        return;
    };
    let is_message = value.is_object() && depth(&value) <= DEPTH_MAX;
    assert_eq!(envelope.is_some(), is_message, "{text}");
    let Some(envelope) = envelope else { return };
    let is_hello = value["type"] == "hello";
    let id = value.get("id").map(|id| id.as_u64().filter(|id| *id <= ID_MAX));
    match id {
        // "-0" is a number, and no id.
        Some(Some(0)) => assert!(envelope.reply_to.is_some()),
        Some(id) => assert_eq!(envelope.reply_to, Some(id), "{text}"),
        None => assert_eq!(envelope.reply_to, is_hello.then_some(None), "{text}"),
    }
    assert!(!envelope.is_hello || is_hello);
    let is_sound = value["type"].is_string() && value.get("data").is_none_or(Value::is_object);
    assert!(is_sound || envelope.refusal.is_some(), "{text}");
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Frames of chosen kinds with the bytes of the input as payload.
fn framed(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !choices.is_empty() {
        let first = choices.one_of(&[0x81, 0x81, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88, 0x82, 0xC1, 0x83]);
        let mask = choices.byte();
        let payload = choices.some();
        stream.push(first);
        stream.push(0x80 | u8::try_from(payload.len()).expect("63 at most"));
        stream.extend_from_slice(&[mask; 4]);
        stream.extend(payload.iter().map(|byte| byte ^ mask));
    }
    stream
}

/// A second reader, which knows nothing of the first: RFC 6455 §5 and the limits of the protocol.
struct Second<'a> {
    rest: &'a [u8],
    limit: usize,
    message: Option<Vec<u8>>,
}

impl Second<'_> {
    fn read(mut self) -> (Vec<Said>, End) {
        let mut said = Vec::new();
        loop {
            match self.frame() {
                Ok(Some(one)) => said.push(one),
                Ok(None) => return (said, End::Lost),
                Err(end) => return (said, end),
            }
        }
    }

    fn frame(&mut self) -> Result<Option<Said>, End> {
        let [first, second, rest @ ..] = self.rest else { return Ok(None) };
        let (is_final, opcode) = (first & 0x80 != 0, first & 0x0F);
        let extra = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((extra, rest)) = rest.split_at_checked(extra) else { return Ok(None) };
        let len = match extra.len() {
            0 => u64::from(second & 0x7F),
            _ => extra.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
        };
        let is_masked = second & 0x80 != 0;
        let Some((mask, rest)) = rest.split_at_checked(if is_masked { 4 } else { 0 }) else { return Ok(None) };
        let is_longest_needed = match extra.len() {
            0 => true,
            2 => len > 125,
            _ => len > 65535,
        };
        let is_control = opcode & 8 != 0;
        let is_breach = first & 0x70 != 0
            || !is_masked
            || !is_longest_needed
            || !matches!(opcode, 0..=2 | 8..=10)
            || (is_control && (!is_final || len > 125))
            || (opcode == 0 && self.message.is_none())
            || (matches!(opcode, 1 | 2) && self.message.is_some());
        if is_breach {
            return Err(End::Breach);
        }
        if opcode == 2 {
            return Err(End::NotText);
        }
        let so_far = self.message.as_ref().map_or(0, Vec::len);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if !is_control && len > self.limit.saturating_sub(so_far) {
            return Err(End::TooBig);
        }
        let Some((payload, rest)) = rest.split_at_checked(len) else { return Ok(None) };
        self.rest = rest;
        let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match opcode {
            8 => Err(closed(&payload)),
            9 => Ok(Some(Said::Ping(payload))),
            10 => Ok(Some(Said::Pong)),
            _ => {
                let mut message = self.message.take().unwrap_or_default();
                message.extend_from_slice(&payload);
                if !is_final {
                    self.message = Some(message);
                    return Ok(Some(Said::Fragment));
                }
                let text = String::from_utf8(message).map_err(|_| End::NotText)?;
                Ok(Some(Said::Message { text, envelope: None }))
            }
        }
    }
}

/// RFC 6455 §5.5.1, §7.4.
fn closed(payload: &[u8]) -> End {
    match payload {
        [] => End::Close(None),
        [_] => End::Breach,
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let is_reserved =
                code < 1000 || (1004..1007).contains(&code) || (1015..3000).contains(&code) || code > 4999;
            if is_reserved || std::str::from_utf8(reason).is_err() { End::Breach } else { End::Close(Some(code)) }
        }
    }
}
