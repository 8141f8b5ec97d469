//! Who a client is, over REST. Rule 16.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::extract::State;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::header;
use serde::Deserialize;
use serde::Serialize;

use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::auth::token::Subject;
use crate::http::body;
use crate::http::client_address::Client;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;

/// Bytes of a refresh token; ours are far shorter.
const REFRESH_TOKEN_MAX: usize = 1024;

#[derive(Deserialize)]
pub(crate) struct GuestRequest {
    #[serde(alias = "deviceId")]
    device_id: String,
    /// For the service that judges guests.
    #[serde(default)]
    proof: String,
    /// What the work was done for, and what was found; where guests have to work.
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    number: String,
}

#[derive(Serialize)]
struct ChallengeReply<'a> {
    challenge: &'a str,
    bits: u8,
    algorithm: &'static str,
    /// Unix milliseconds.
    expires_at: u64,
}

#[derive(Deserialize)]
pub(crate) struct RefreshRequest {
    #[serde(alias = "refreshToken")]
    refresh_token: String,
}

#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
    role: &'static str,
    guest: bool,
}

impl<'a> From<&'a Subject> for User<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self { id: &subject.user, role: subject.role.as_str(), guest: subject.guest }
    }
}

#[derive(Serialize)]
struct TokenReply<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    token_type: &'static str,
    /// Seconds. RFC 6749 §5.1.
    expires_in: u64,
    user: User<'a>,
}

#[derive(Serialize)]
struct VerifyReply<'a> {
    valid: bool,
    user: User<'a>,
    /// Unix milliseconds.
    expires_at: u64,
}

/// `POST /v1/auth/guest`: a new user.
pub(crate) async fn guest(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    headers: Head,
    body: Body,
) -> Result<Response, Problem> {
    let request: GuestRequest = body::read(&headers, body).await?;
    if let Some(work) = &inner.hooks.guest_work {
        (work.admit)(client.ip, &request.challenge, &request.number)?;
    }
    if let Some(check) = &inner.hooks.guest_check {
        (check)(client.ip, request.device_id.clone(), request.proof).await?;
    }
    (inner.hooks.guest)(client.ip, request.device_id).await.map(|issued| tokens(&issued))
}

/// `GET /v1/auth/challenge`: work for a guest, where it has to do some.
pub(crate) async fn challenge(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
) -> Result<Response, Problem> {
    let none = || Problem::new(ErrorCode::NotFound, "guests need not work here");
    let work = inner.hooks.guest_work.as_ref().ok_or_else(none)?;
    let task = (work.task)(client.ip);
    Ok(body::reply(&ChallengeReply {
        challenge: &task.challenge,
        bits: task.bits,
        algorithm: "sha-256",
        expires_at: task.expires.0,
    }))
}

/// `POST /v1/auth/refresh`: a new pair of tokens.
pub(crate) async fn refresh(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let request: RefreshRequest = body::read(&headers, body).await?;
    if request.refresh_token.len() > REFRESH_TOKEN_MAX {
        return Err(Problem::new(ErrorCode::Unauthorized, "the refresh token is not valid"));
    }
    (inner.hooks.refresh)(request.refresh_token).await.map(|issued| tokens(&issued))
}

/// `GET /v1/auth/verify`: whether the access token is good.
pub(crate) async fn verify(State(inner): State<Arc<Inner>>, headers: Head) -> Result<Response, Problem> {
    let identity = identity(&inner, &headers).await?;
    let user = User::from(&identity.subject);
    Ok(body::reply(&VerifyReply { valid: true, user, expires_at: identity.expires.0 }))
}

/// `GET /v1/auth/me`: whose access token it is.
pub(crate) async fn me(State(inner): State<Arc<Inner>>, headers: Head) -> Result<Response, Problem> {
    let identity = identity(&inner, &headers).await?;
    Ok(body::reply(&User::from(&identity.subject)))
}

/// The token of an `Authorization: Bearer` header. RFC 6750 §2.1.
///
/// # Errors
///
/// `unauthorized` for any other scheme, several headers, or a token that is not printable.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let malformed =
        || Problem::new(ErrorCode::Unauthorized, "send one Authorization header: Bearer and an access token");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed());
    }
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(malformed());
    }
    Ok(Some(token.to_owned()))
}

/// Whoever sends the request.
///
/// # Errors
///
/// `unauthorized` without a good access token.
pub(crate) async fn identity(inner: &Inner, headers: &Head) -> Result<Identity, Problem> {
    (inner.hooks.verify)(headers.client.ip, needed_bearer(headers)?).await
}

/// The token of a request that needs one.
///
/// # Errors
///
/// `unauthorized` as [`bearer`], and without any.
pub(crate) fn needed_bearer(headers: &HeaderMap) -> Result<String, Problem> {
    bearer(headers)?.ok_or_else(|| Problem::new(ErrorCode::Unauthorized, "an access token is needed"))
}

/// Fresh tokens, as they are told.
pub(crate) fn tokens(issued: &Issued) -> Response {
    body::reply(&TokenReply {
        access_token: &issued.access_token,
        refresh_token: &issued.refresh_token,
        token_type: "Bearer",
        expires_in: issued.expires_in.as_secs(),
        user: User::from(&issued.identity.subject),
    })
}
