//! Accounts over REST: registering, logging in and out. Rules 16 and 17.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::auth;
use crate::http::auth::TokenReply;
use crate::http::body;
use crate::http::client_address::Client;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::identity::Desk;
use crate::identity::Form;
use crate::signal::ErrorCode;

/// A name and what proves it.
#[derive(Deserialize, ToSchema)]
struct AccountRequest {
    /// Letters, digits and a few marks; case does not matter.
    username: String,
    password: String,
    /// The device, for limits and bans; `deviceId` is understood too.
    #[serde(default, alias = "deviceId")]
    #[schema(min_length = 1, max_length = 128, pattern = "^[ -~]+$")]
    device_id: Option<String>,
}

impl From<AccountRequest> for Form {
    fn from(request: AccountRequest) -> Self {
        let AccountRequest { username, password, device_id } = request;
        Self { username, password, device_id }
    }
}

/// The present password, and the next.
#[derive(Deserialize, ToSchema)]
struct PasswordRequest {
    password: String,
    /// `newPassword` is understood too.
    #[serde(alias = "newPassword")]
    new_password: String,
}

/// Which logins end.
#[derive(Default, Deserialize, ToSchema)]
struct LogoutRequest {
    /// Every login of the user, not only that of the token.
    #[serde(default)]
    all: bool,
}

const TAG: &str = "identity";
const ABSENT: &str = "there are no accounts here";

pub(super) fn routes(table: Table) -> Table {
    let post = |path, id, summary| Operation::new(Method::POST, path, TAG, id, summary);
    table
        .on(
            post("/v1/auth/register", "register", "A new account and its first tokens")
                .about("A guest who brings its access token keeps its id.")
                .by(Who::Maybe)
                .takes::<AccountRequest>()
                .gives::<TokenReply>(StatusCode::CREATED, "The account is made")
                .refuses(ErrorCode::Conflict, "the name is taken, or one is registered already")
                .refuses(ErrorCode::Forbidden, "the operator makes accounts, or has rules against such a name")
                .refuses(ErrorCode::NotFound, ABSENT),
            register,
        )
        .on(
            post("/v1/auth/login", "logIn", "Tokens of an account")
                .takes::<AccountRequest>()
                .gives::<TokenReply>(StatusCode::OK, "The name and the password are right")
                .refuses(ErrorCode::Unauthorized, "the name or the password is wrong")
                .refuses(ErrorCode::Forbidden, "the account is disabled")
                .refuses(ErrorCode::Banned, "the user, the device or the network is banned")
                .refuses(ErrorCode::RateLimited, "too many wrong passwords")
                .refuses(ErrorCode::Unavailable, "too many passwords are being worked on, or accounts cannot be read")
                .refuses(ErrorCode::NotFound, ABSENT),
            log_in,
        )
        .on(
            post(
                "/v1/auth/password",
                "changePassword",
                "Another password, and the tokens of the one login that is left",
            )
            .by(Who::User)
            .takes::<PasswordRequest>()
            .gives::<TokenReply>(StatusCode::OK, "The password is changed, every other login is over")
            .refuses(ErrorCode::Unauthorized, "the present password is wrong")
            .refuses(ErrorCode::Forbidden, "guests have no password")
            .refuses(ErrorCode::NotFound, ABSENT),
            change_password,
        )
        .on(
            post("/v1/auth/logout", "logOut", "Ends the login of the access token, or every login of its user")
                .by(Who::User)
                .may_take::<LogoutRequest>()
                .gives_nothing(StatusCode::NO_CONTENT, "It is over, live sockets too"),
            log_out,
        )
}

/// `POST /v1/auth/register`: a new account and its first tokens. A guest's access token may come along.
pub(crate) async fn register(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let desk = desk(&inner)?;
    let who = match auth::bearer(&headers)? {
        Some(token) => Some((inner.hooks.verify)(client.ip, token).await?),
        None => None,
    };
    let request: AccountRequest = body::read(&headers, body).await?;
    let issued = desk.register(client.ip, request.into(), who).await?;
    let mut response = auth::tokens(&issued);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `POST /v1/auth/login`: tokens of an account.
pub(crate) async fn log_in(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let desk = desk(&inner)?;
    let request: AccountRequest = body::read(&headers, body).await?;
    Ok(auth::tokens(&desk.log_in(client.ip, request.into()).await?))
}

/// `POST /v1/auth/password`: another password, and the tokens of the one login that is left.
pub(crate) async fn change_password(
    State(inner): State<Arc<Inner>>,
    headers: Head,
    body: Body,
) -> Result<Response, Problem> {
    let desk = desk(&inner)?;
    let identity = auth::identity(&inner, &headers).await?;
    let PasswordRequest { password, new_password } = body::read(&headers, body).await?;
    Ok(auth::tokens(&desk.change_password(headers.client.ip, &identity.subject, password, new_password).await?))
}

/// `POST /v1/auth/logout`: ends the login of the access token, or with `all` every login of its user. The body may be missing.
pub(crate) async fn log_out(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let token = auth::needed_bearer(&headers)?;
    let has_body = headers.contains_key(header::CONTENT_TYPE);
    let LogoutRequest { all } = if has_body { body::read(&headers, body).await? } else { LogoutRequest::default() };
    (inner.hooks.logout)(token, all).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The desk of accounts.
///
/// # Errors
///
/// `not_found` where there are none.
pub(super) fn desk(inner: &Inner) -> Result<&Desk, Problem> {
    inner.hooks.accounts.as_ref().ok_or(Problem::new(ErrorCode::NotFound, ABSENT))
}
