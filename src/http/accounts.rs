//! Accounts over REST: registering, logging in and out. Rules 16 and 17.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header;
use serde::Deserialize;

use crate::http::auth;
use crate::http::body;
use crate::http::client_address::Client;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::identity::Desk;
use crate::identity::Form;
use crate::signal::ErrorCode;

#[derive(Deserialize)]
struct AccountRequest {
    username: String,
    password: String,
    #[serde(default, alias = "deviceId")]
    device_id: Option<String>,
}

impl From<AccountRequest> for Form {
    fn from(request: AccountRequest) -> Self {
        let AccountRequest { username, password, device_id } = request;
        Self { username, password, device_id }
    }
}

#[derive(Deserialize)]
struct PasswordRequest {
    password: String,
    #[serde(alias = "newPassword")]
    new_password: String,
}

#[derive(Default, Deserialize)]
struct LogoutRequest {
    #[serde(default)]
    all: bool,
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

fn desk(inner: &Inner) -> Result<&Desk, Problem> {
    inner.hooks.accounts.as_ref().ok_or(Problem::new(ErrorCode::NotFound, "there are no accounts here"))
}
