//! What was asked of the server and how it was answered.
use crate::stun::ErrorCode;
use crate::stun::Method;

/// The method of a request, as metrics name it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Binding.
    Binding,
    /// Allocate.
    Allocate,
    /// Refresh.
    Refresh,
    /// CreatePermission.
    CreatePermission,
    /// ChannelBind.
    ChannelBind,
    /// Any method that has no request here.
    Unknown,
}

impl RequestKind {
    /// Every kind, in the order of their counters.
    pub const ALL: [RequestKind; 6] = [
        RequestKind::Binding,
        RequestKind::Allocate,
        RequestKind::Refresh,
        RequestKind::CreatePermission,
        RequestKind::ChannelBind,
        RequestKind::Unknown,
    ];

    /// The kind of a request with this method.
    pub(super) const fn of(method: Method) -> Self {
        match method {
            Method::BINDING => RequestKind::Binding,
            Method::ALLOCATE => RequestKind::Allocate,
            Method::REFRESH => RequestKind::Refresh,
            Method::CREATE_PERMISSION => RequestKind::CreatePermission,
            Method::CHANNEL_BIND => RequestKind::ChannelBind,
            _ => RequestKind::Unknown,
        }
    }

    /// The stable name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            RequestKind::Binding => "binding",
            RequestKind::Allocate => "allocate",
            RequestKind::Refresh => "refresh",
            RequestKind::CreatePermission => "create_permission",
            RequestKind::ChannelBind => "channel_bind",
            RequestKind::Unknown => "unknown",
        }
    }
}

/// How a request was answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestResult {
    /// Done.
    Success,
    /// Done before; the same success was sent again.
    Replayed,
    /// The same request again while its relay socket is being opened; its answer is on the way.
    Pending,
    /// 300.
    TryAlternate,
    /// 400.
    BadRequest,
    /// 401 to a request without credentials: the first step of every client.
    Challenged,
    /// 401 to wrong, expired or revoked credentials.
    Unauthenticated,
    /// 403; normal for the private candidates of browsers.
    Forbidden,
    /// 420.
    UnknownAttribute,
    /// 437.
    AllocationMismatch,
    /// 438.
    StaleNonce,
    /// 440.
    FamilyNotSupported,
    /// 441.
    WrongCredentials,
    /// 442.
    UnsupportedTransport,
    /// 443.
    PeerFamilyMismatch,
    /// 486.
    QuotaReached,
    /// 500.
    ServerError,
    /// 508.
    InsufficientCapacity,
}

impl RequestResult {
    /// Every result, in the order of their counters.
    pub const ALL: [RequestResult; 18] = [
        RequestResult::Success,
        RequestResult::Replayed,
        RequestResult::Pending,
        RequestResult::TryAlternate,
        RequestResult::BadRequest,
        RequestResult::Challenged,
        RequestResult::Unauthenticated,
        RequestResult::Forbidden,
        RequestResult::UnknownAttribute,
        RequestResult::AllocationMismatch,
        RequestResult::StaleNonce,
        RequestResult::FamilyNotSupported,
        RequestResult::WrongCredentials,
        RequestResult::UnsupportedTransport,
        RequestResult::PeerFamilyMismatch,
        RequestResult::QuotaReached,
        RequestResult::ServerError,
        RequestResult::InsufficientCapacity,
    ];

    /// Whether the client got what it asked for.
    pub const fn is_success(self) -> bool {
        matches!(self, RequestResult::Success | RequestResult::Replayed | RequestResult::Pending)
    }

    /// The result of a request that was answered with this code.
    pub(super) const fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::TRY_ALTERNATE => RequestResult::TryAlternate,
            ErrorCode::BAD_REQUEST => RequestResult::BadRequest,
            ErrorCode::UNAUTHENTICATED => RequestResult::Unauthenticated,
            ErrorCode::FORBIDDEN => RequestResult::Forbidden,
            ErrorCode::UNKNOWN_ATTRIBUTE => RequestResult::UnknownAttribute,
            ErrorCode::ALLOCATION_MISMATCH => RequestResult::AllocationMismatch,
            ErrorCode::STALE_NONCE => RequestResult::StaleNonce,
            ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED => RequestResult::FamilyNotSupported,
            ErrorCode::WRONG_CREDENTIALS => RequestResult::WrongCredentials,
            ErrorCode::UNSUPPORTED_TRANSPORT => RequestResult::UnsupportedTransport,
            ErrorCode::PEER_FAMILY_MISMATCH => RequestResult::PeerFamilyMismatch,
            ErrorCode::ALLOCATION_QUOTA_REACHED => RequestResult::QuotaReached,
            ErrorCode::INSUFFICIENT_CAPACITY => RequestResult::InsufficientCapacity,
            _ => RequestResult::ServerError,
        }
    }

    /// The stable name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            RequestResult::Success => "success",
            RequestResult::Replayed => "replayed",
            RequestResult::Pending => "pending",
            RequestResult::TryAlternate => "try_alternate",
            RequestResult::BadRequest => "bad_request",
            RequestResult::Challenged => "challenged",
            RequestResult::Unauthenticated => "unauthenticated",
            RequestResult::Forbidden => "forbidden",
            RequestResult::UnknownAttribute => "unknown_attribute",
            RequestResult::AllocationMismatch => "allocation_mismatch",
            RequestResult::StaleNonce => "stale_nonce",
            RequestResult::FamilyNotSupported => "family_not_supported",
            RequestResult::WrongCredentials => "wrong_credentials",
            RequestResult::UnsupportedTransport => "unsupported_transport",
            RequestResult::PeerFamilyMismatch => "peer_family_mismatch",
            RequestResult::QuotaReached => "quota_reached",
            RequestResult::ServerError => "server_error",
            RequestResult::InsufficientCapacity => "insufficient_capacity",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_in_the_order_of_the_lists() {
        for (at, result) in RequestResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, at);
        }
        for (at, kind) in RequestKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }
}
