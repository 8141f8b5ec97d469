//! Who a client is, over REST. Rule 16.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::extract::State;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::http::body;
use crate::http::client_address::Client;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::words;
use crate::time::UnixMillis;

/// Bytes of a refresh token; ours are far shorter.
const REFRESH_TOKEN_MAX: usize = 1024;

/// Who wants to come in as a guest.
#[derive(Deserialize, ToSchema)]
pub(crate) struct GuestRequest {
    /// The device, for limits and bans; `deviceId` is understood too.
    #[serde(alias = "deviceId")]
    #[schema(min_length = 1, max_length = 128, pattern = "^[ -~]+$")]
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

/// Work for a guest.
#[derive(Serialize, ToSchema)]
#[schema(as = Challenge)]
struct ChallengeReply<'a> {
    challenge: &'a str,
    bits: u8,
    algorithm: &'static str,
    expires_at: UnixMillis,
}

/// What is traded for new tokens.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RefreshRequest {
    /// Good for one trade; `refreshToken` is understood too.
    #[serde(alias = "refreshToken")]
    refresh_token: String,
}

/// A user.
#[derive(Serialize, ToSchema)]
struct User<'a> {
    id: &'a str,
    #[schema(schema_with = roles)]
    role: &'static str,
    /// Whether it has no account.
    guest: bool,
}

impl<'a> From<&'a Subject> for User<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self { id: &subject.user, role: subject.role.as_str(), guest: subject.guest }
    }
}

fn roles() -> Object {
    words(Role::ALL.map(Role::as_str))
}

/// Fresh tokens. RFC 6749 §5.1.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokenReply<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    user: User<'a>,
}

/// A good access token.
#[derive(Serialize, ToSchema)]
#[schema(as = Verified)]
struct VerifyReply<'a> {
    /// Always true: a bad token is refused.
    valid: bool,
    user: User<'a>,
    expires_at: UnixMillis,
}

const TAG: &str = "identity";

pub(super) fn routes(table: Table) -> Table {
    table
        .on(
            Operation::new(
                Method::GET,
                "/v1/auth/challenge",
                TAG,
                "showChallenge",
                "Work for a guest before it comes in",
            )
            .gives::<ChallengeReply>(StatusCode::OK, "The work")
            .refuses(ErrorCode::NotFound, "guests need not work here"),
            challenge,
        )
        .on(
            Operation::new(Method::POST, "/v1/auth/guest", TAG, "makeGuest", "A new guest and its tokens")
                .also_at(&["/auth/token"])
                .takes::<GuestRequest>()
                .gives::<TokenReply>(StatusCode::OK, "The guest is made")
                .refuses(ErrorCode::Forbidden, "guests are not let in, or not without a better proof")
                .refuses(ErrorCode::Banned, "the device or the network is banned")
                .refuses(ErrorCode::Unavailable, "the node stops, or whoever judges guests does not answer"),
            guest,
        )
        .on(
            Operation::new(Method::POST, "/v1/auth/refresh", TAG, "refreshTokens", "A new pair of tokens")
                .about("A refresh token is good for one trade; traded twice, it ends the login it is of.")
                .also_at(&["/auth/refresh"])
                .takes::<RefreshRequest>()
                .gives::<TokenReply>(StatusCode::OK, "The old refresh token is void")
                .refuses(ErrorCode::Unauthorized, "the refresh token is wrong, used, or its login is over")
                .refuses(ErrorCode::Banned, "its user is banned")
                .refuses(ErrorCode::Unavailable, "the node stops"),
            refresh,
        )
        .on(
            Operation::new(Method::GET, "/v1/auth/verify", TAG, "verifyToken", "Whether the access token is good")
                .also_at(&["/auth/verify"])
                .by(Who::User)
                .gives::<VerifyReply>(StatusCode::OK, "It is"),
            verify,
        )
        .on(
            Operation::new(Method::GET, "/v1/auth/me", TAG, "showMe", "Whose access token it is")
                .by(Who::User)
                .gives::<User>(StatusCode::OK, "The user"),
            me,
        )
}

/// `POST /v1/auth/guest`: a new user.
pub(crate) async fn guest(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    headers: Head,
    body: Body,
) -> Result<Response, Problem> {
    let request: GuestRequest = body::read(&headers, body).await?;
    let guests = inner.guests();
    if let Some(work) = &guests.work {
        (work.admit)(client.ip, &request.challenge, &request.number)?;
    }
    if let Some(check) = &guests.check {
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
    let guests = inner.guests();
    let work = guests.work.as_ref().ok_or_else(none)?;
    let task = (work.task)(client.ip);
    Ok(body::reply(&ChallengeReply {
        challenge: &task.challenge,
        bits: task.bits,
        algorithm: "sha-256",
        expires_at: task.expires,
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
    Ok(body::reply(&VerifyReply { valid: true, user, expires_at: identity.expires }))
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
