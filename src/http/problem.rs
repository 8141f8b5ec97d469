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
use serde_json::json;

/// The stable string of an error.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Malformed or out of range.
    BadRequest,
    /// No, wrong or expired identity.
    Unauthorized,
    /// Known, but not allowed.
    Forbidden,
    /// Known, but excluded.
    Banned,
    /// No such thing.
    NotFound,
    /// Does not fit the present state.
    Conflict,
    /// Over a size.
    TooLarge,
    /// Over a budget.
    RateLimited,
    /// Not offered now.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::BadRequest => "bad_request",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            Code::Banned => "banned",
            Code::NotFound => "not_found",
            Code::Conflict => "conflict",
            Code::TooLarge => "too_large",
            Code::RateLimited => "rate_limited",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
        }
    }

    /// The HTTP status the code usually goes with (rule 41).
    pub const fn status(self) -> StatusCode {
        match self {
            Code::BadRequest => StatusCode::BAD_REQUEST,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::Forbidden | Code::Banned => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Conflict => StatusCode::CONFLICT,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// One error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    check: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// The code with its usual status, and a sentence for the developer.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self {
            code,
            status: code.status(),
            detail: detail.into(),
            retry_after: None,
            check: None,
            headers: Vec::new(),
        };
        match code {
            // RFC 9110 §11.6.1: a 401 says how to authenticate.
            Code::Unauthorized => problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Code::BadRequest
            | Code::Forbidden
            | Code::Banned
            | Code::NotFound
            | Code::Conflict
            | Code::TooLarge
            | Code::RateLimited
            | Code::Unavailable
            | Code::Internal => problem,
        }
    }

    /// `bad_request` with a status of its own: 405, 408, 415, 426.
    pub fn with_status(status: StatusCode, detail: &'static str) -> Self {
        Self { status, ..Self::new(Code::BadRequest, detail) }
    }

    /// `rate_limited`, and when the same request fits again.
    pub fn rate_limited(detail: &'static str, retry_after: Duration) -> Self {
        Self::new(Code::RateLimited, detail).retry_after(retry_after)
    }

    /// `unavailable`, naming the readiness check that fails.
    pub fn not_ready(check: &'static str) -> Self {
        Self { check: Some(check), ..Self::new(Code::Unavailable, format!("not ready: {check}")) }
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

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "code": self.code.as_str(),
            "detail": self.detail,
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        if let Some(retry_after) = self.retry_after {
            // RFC 9110 §10.2.3 knows whole seconds only; rounded up, so that nobody comes back too early.
            let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000)));
            body["retry_after_ms"] = json!(millis);
        }
        if let Some(check) = self.check {
            body["check"] = json!(check);
        }
        *response.body_mut() = Body::from(body.to_string());
        response
    }
}
