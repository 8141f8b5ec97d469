//! The first-bytes decision: TLS, STUN/TURN or HTTP. No socket, no clock.
//!
//! ```text
//! byte 0   00..3F  STUN message (top bits 00, RFC 8489 §5); bytes 4..8 must be the cookie
//!          16      TLS handshake record (RFC 8446 §5.1), before the STUN rule where TLS may begin
//!          40..4F  ChannelData (RFC 8656 §12), unless the bytes spell an HTTP method
//!          41..5A  HTTP method (RFC 9110 §9) or the HTTP/2 preface (RFC 9113 §3.4)
//! ```

/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// The first byte of a TLS handshake record. RFC 8446 §5.1.
pub const TLS_HANDSHAKE: u8 = 0x16;

/// What an HTTP connection can begin with: a method and its space, or the whole HTTP/2 preface.
const HTTP_STARTS: [&[u8]; 11] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"QUERY ",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// What may begin here.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// A TLS handshake.
    pub tls: bool,
    /// STUN messages and ChannelData.
    pub turn: bool,
    /// HTTP/1.1 or HTTP/2.
    pub http: bool,
}

/// What the bytes so far say.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too few bytes to tell.
    More,
    /// A TLS handshake.
    Tls,
    /// STUN or ChannelData.
    Turn,
    /// HTTP.
    Http,
    /// Nothing that may begin here, whatever follows.
    Garbage,
}

/// Judges the first bytes of a connection; of at most 24 bytes the verdict is never [`Verdict::More`].
///
/// `GET ` is also the header of a ChannelData message on channel 0x4745. A connection that has no allocation yet
/// has no channel either, so the method wins: even where HTTP may not begin, as there it is a misled browser.
pub fn judge(bytes: &[u8], allowed: Allowed) -> Verdict {
    let Some(&first) = bytes.first() else { return Verdict::More };
    if allowed.tls && first == TLS_HANDSHAKE {
        return Verdict::Tls;
    }
    if allowed.http || allowed.turn {
        if HTTP_STARTS.iter().any(|start| bytes.starts_with(start)) {
            return if allowed.http { Verdict::Http } else { Verdict::Garbage };
        }
        if HTTP_STARTS.iter().any(|start| start.starts_with(bytes)) {
            return Verdict::More;
        }
    }
    if allowed.turn {
        if (0x40..=0x4F).contains(&first) {
            return Verdict::Turn;
        }
        let cookie = bytes.get(4..bytes.len().min(8)).unwrap_or_default();
        if first < 0x40 && MAGIC_COOKIE.starts_with(cookie) {
            return if cookie.len() == MAGIC_COOKIE.len() { Verdict::Turn } else { Verdict::More };
        }
    }
    Verdict::Garbage
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Allowed = Allowed { tls: true, turn: true, http: true };
    const BINDING: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    /// The verdicts on each longer prefix.
    fn byte_by_byte(bytes: &[u8], allowed: Allowed) -> Vec<Verdict> {
        (0..=bytes.len()).map(|len| judge(&bytes[..len], allowed)).collect()
    }

    /// The length of the first prefix that is not undecided, and its verdict.
    fn decided(bytes: &[u8], allowed: Allowed) -> Option<(usize, Verdict)> {
        byte_by_byte(bytes, allowed).into_iter().enumerate().find(|(_, verdict)| *verdict != Verdict::More)
    }

    #[test]
    fn stun_is_known_by_its_cookie_and_not_before() {
        assert_eq!(decided(&BINDING, ALL), Some((8, Verdict::Turn)));
    }

    #[test]
    fn a_wrong_cookie_is_garbage_at_its_first_wrong_byte() {
        let mut bytes = BINDING;
        bytes[5] = 0x13;
        assert_eq!(decided(&bytes, ALL), Some((6, Verdict::Garbage)));
    }

    #[test]
    fn channel_data_is_known_by_its_first_byte_unless_it_may_spell_a_method() {
        for first in 0x40..=0x4F_u8 {
            let verdict = if b"CDGHO".contains(&first) { Verdict::More } else { Verdict::Turn };
            assert_eq!(judge(&[first], ALL), verdict);
            assert_eq!(judge(&[first, 0x01], ALL), Verdict::Turn);
        }
        assert_eq!(judge(&[0x52], ALL), Verdict::Garbage);
    }

    #[test]
    fn a_method_where_only_turn_may_begin_is_garbage() {
        let turn_only = Allowed { tls: false, turn: true, http: false };
        assert_eq!(decided(b"GET / HTTP/1.1", turn_only), Some((4, Verdict::Garbage)));
    }

    #[test]
    fn every_method_is_known_by_its_space() {
        for method in ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"] {
            let line = format!("{method} / HTTP/1.1\r\n");
            assert_eq!(decided(line.as_bytes(), ALL), Some((method.len() + 1, Verdict::Http)), "{method}");
        }
    }

    #[test]
    fn the_http2_preface_must_be_whole() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(decided(preface, ALL), Some((24, Verdict::Http)));
        assert_eq!(judge(b"PRI * HTTP/1.0", ALL), Verdict::Garbage);
    }

    #[test]
    fn lower_case_and_unknown_methods_are_garbage() {
        assert_eq!(judge(b"get ", ALL), Verdict::Garbage);
        assert_eq!(judge(b"SSTP", ALL), Verdict::Garbage);
    }

    #[test]
    fn tls_is_known_by_one_byte_and_only_where_it_may_begin() {
        assert_eq!(judge(&[0x16], ALL), Verdict::Tls);
        let inside = Allowed { tls: false, ..ALL };
        assert_eq!(decided(&[0x16, 3, 1, 2, 0, 1], inside), Some((5, Verdict::Garbage)));
    }

    #[test]
    fn what_may_not_begin_is_garbage() {
        let http_only = Allowed { tls: false, turn: false, http: true };
        let tls_only = Allowed { tls: true, turn: false, http: false };
        assert_eq!(judge(&BINDING, http_only), Verdict::Garbage);
        assert_eq!(judge(b"GET / HTTP/1.1\r\n", tls_only), Verdict::Garbage);
    }

    proptest::proptest! {
        #[test]
        fn a_verdict_never_changes_with_later_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let verdicts = byte_by_byte(&bytes, ALL);
            let settled: Vec<_> = verdicts.iter().skip_while(|verdict| **verdict == Verdict::More).collect();
            proptest::prop_assert!(settled.windows(2).all(|pair| pair[0] == pair[1]));
            proptest::prop_assert!(bytes.len() < 24 || !settled.is_empty());
        }
    }
}
