//! Close codes: why the server ends a WebSocket.

/// The code in a close frame of the server. RFC 6455 §7.4; 4000 and above are our own.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: after `bye`, and the answer to a close of the client.
    Normal,
    /// 1002: a breach of RFC 6455.
    Protocol,
    /// 1012: the node drains; reconnect with jitter.
    Drain,
    /// 4400: a frame that is no JSON object of our kind. Terminal.
    BadFrame,
    /// 4401: no valid identity (any more); refresh, then retry.
    Unauthorized,
    /// 4403: known and not wanted. Terminal.
    Forbidden,
    /// 4408: the client does not read what it is sent.
    SlowConsumer,
    /// 4409: a newer socket of the same user took over. Terminal.
    Replaced,
    /// 4413: a message over the size limit. Terminal.
    TooBig,
    /// 4429: too many refusals in a short time.
    RateLimited,
    /// 4440: no `hello` in time.
    HelloTimeout,
}

impl CloseCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [CloseCode; 11] = [
        CloseCode::Normal,
        CloseCode::Protocol,
        CloseCode::Drain,
        CloseCode::BadFrame,
        CloseCode::Unauthorized,
        CloseCode::Forbidden,
        CloseCode::SlowConsumer,
        CloseCode::Replaced,
        CloseCode::TooBig,
        CloseCode::RateLimited,
        CloseCode::HelloTimeout,
    ];

    /// The number on the wire.
    pub const fn as_u16(self) -> u16 {
        match self {
            CloseCode::Normal => 1000,
            CloseCode::Protocol => 1002,
            CloseCode::Drain => 1012,
            CloseCode::BadFrame => 4400,
            CloseCode::Unauthorized => 4401,
            CloseCode::Forbidden => 4403,
            CloseCode::SlowConsumer => 4408,
            CloseCode::Replaced => 4409,
            CloseCode::TooBig => 4413,
            CloseCode::RateLimited => 4429,
            CloseCode::HelloTimeout => 4440,
        }
    }

    /// The number as text, for metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            CloseCode::Normal => "1000",
            CloseCode::Protocol => "1002",
            CloseCode::Drain => "1012",
            CloseCode::BadFrame => "4400",
            CloseCode::Unauthorized => "4401",
            CloseCode::Forbidden => "4403",
            CloseCode::SlowConsumer => "4408",
            CloseCode::Replaced => "4409",
            CloseCode::TooBig => "4413",
            CloseCode::RateLimited => "4429",
            CloseCode::HelloTimeout => "4440",
        }
    }

    /// Whether a client that comes back would be sent away again.
    pub const fn is_terminal(self) -> bool {
        match self {
            CloseCode::BadFrame | CloseCode::Forbidden | CloseCode::Replaced | CloseCode::TooBig => true,
            CloseCode::Normal
            | CloseCode::Protocol
            | CloseCode::Drain
            | CloseCode::Unauthorized
            | CloseCode::SlowConsumer
            | CloseCode::RateLimited
            | CloseCode::HelloTimeout => false,
        }
    }

    /// The reason in the close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "bye",
            CloseCode::Protocol => "breach of RFC 6455",
            CloseCode::Drain => "the node drains",
            CloseCode::BadFrame => "not a JSON object in a text frame",
            CloseCode::Unauthorized => "no valid identity",
            CloseCode::Forbidden => "forbidden",
            CloseCode::SlowConsumer => "the client does not read",
            CloseCode::Replaced => "replaced by a newer socket",
            CloseCode::TooBig => "message too big",
            CloseCode::RateLimited => "too many refused requests",
            CloseCode::HelloTimeout => "no hello in time",
        }
    }
}
