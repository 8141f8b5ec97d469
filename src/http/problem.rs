//! Errors as `application/problem+json`. RFC 9457; the codes and their statuses are rule 41.
use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::token::RefreshError;
use crate::signal::ErrorCode;
use crate::signal::Refusal;
use crate::signal::Stopped;
use crate::signal::words;

/// One error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: &'static str,
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    check: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// The code with its usual status, and a sentence for the developer.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self {
            code: code.as_str(),
            status: status(code),
            detail: detail.into(),
            retry_after: None,
            check: None,
            headers: Vec::new(),
        };
        if problem.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 says how to authenticate.
            return problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        problem
    }

    /// `internal`: our fault.
    pub fn internal(detail: &'static str) -> Self {
        Self {
            code: "internal",
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new(ErrorCode::Unavailable, detail)
        }
    }

    /// `bad_request` with a status of its own: 405, 408, 415, 426.
    pub fn with_status(status: StatusCode, detail: &'static str) -> Self {
        Self { status, ..Self::new(ErrorCode::BadRequest, detail) }
    }

    /// `rate_limited`, and when the same request fits again.
    pub fn rate_limited(detail: &'static str, retry_after: Duration) -> Self {
        Self::new(ErrorCode::RateLimited, detail).retry_after(retry_after)
    }

    /// `unavailable`, naming the readiness check that fails.
    pub fn not_ready(check: &'static str) -> Self {
        Self { check: Some(check), ..Self::new(ErrorCode::Unavailable, format!("not ready: {check}")) }
    }

    /// Says when the same request may succeed.
    pub fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Adds a response header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A problem on the wire. RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Always `about:blank`: the code says more.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The words of the status.
    title: &'a str,
    /// The status again.
    status: u16,
    /// What programs go by.
    #[schema(schema_with = codes)]
    code: &'a str,
    /// A sentence for the developer; programs must not depend on it.
    detail: &'a str,
    /// When the same request may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
    /// The readiness check that fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    check: Option<&'a str>,
}

fn codes() -> Object {
    words(ErrorCode::ALL.map(ErrorCode::as_str).into_iter().chain(["internal"]))
}

/// Rule 41.
pub(crate) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest | ErrorCode::UnknownType => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::Banned => StatusCode::FORBIDDEN,
        ErrorCode::NotFound | ErrorCode::NotInSession => StatusCode::NOT_FOUND,
        ErrorCode::Conflict | ErrorCode::AlreadyQueued => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::PeerUnreachable | ErrorCode::QueueFull | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self { retry_after: refusal.retry_after, ..Self::new(refusal.code, refusal.message) }
    }
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::new(ErrorCode::Unavailable, "this node is going away")
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        Self::new(ErrorCode::Unauthorized, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // RFC 9110 §10.2.3 knows whole seconds only; rounded up, so that nobody comes back too early.
        let retry_after_ms = self.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            retry_after_ms,
            check: self.check,
        };
        // Texts and numbers make an object.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        if let Some(millis) = retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000)));
        }
        response
    }
}
