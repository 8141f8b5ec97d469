//! Appeals over REST: those of people who are kept out, and what moderators make of them.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::extract::State;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::token::AppealPass;
use crate::http::accounts;
use crate::http::auth;
use crate::http::body;
use crate::http::client_address::Client;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::moderation::Named;
use crate::http::moderation::ask;
use crate::http::moderation::name;
use crate::http::moderation::staff;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::identity::Form;
use crate::signal::AppealAsk;
use crate::signal::AppealFields;
use crate::signal::AppealSubmit;
use crate::signal::ErrorCode;
use crate::signal::ModerationAsk;
use crate::signal::PageAsk;
use crate::signal::VerdictFields;
use crate::signal::VerdictRequest;
use crate::signal::view::appeal::AppealView;
use crate::signal::view::appeal::AppealsView;
use crate::signal::view::appeal::OwnAppealsView;

/// Who has lost its tokens and wants to appeal: `username` and `password`, or `device_id` alone.
#[derive(Deserialize, ToSchema)]
struct PassRequest {
    /// Of an account; with its `password`.
    username: Option<String>,
    password: Option<String>,
    /// The device. Without an account it is what one is known by; `deviceId` is understood too.
    #[serde(alias = "deviceId")]
    #[schema(min_length = 1, max_length = 128, pattern = "^[ -~]+$")]
    device_id: Option<String>,
}

/// Good for `/v1/appeals` alone.
#[derive(Serialize, ToSchema)]
#[schema(as = AppealPass)]
struct PassReply<'a> {
    appeal_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

pub(super) fn routes(table: Table) -> Table {
    let operation = |method, path, id, summary| Operation::new(method, path, "moderation", id, summary);
    table
        .on(
            Operation::new(Method::POST, "/v1/auth/appeal", "identity", "takeAppealPass", "A token to appeal with")
                .about(
                    "For those who are banned and have no token left. It is good for `/v1/appeals` alone, and given whether \
                     there is anything to appeal against or not.",
                )
                .takes::<PassRequest>()
                .gives::<PassReply>(StatusCode::OK, "The token")
                .refuses(ErrorCode::Unauthorized, "the name or the password is wrong")
                .refuses(ErrorCode::Forbidden, "the account is disabled")
                .refuses(ErrorCode::RateLimited, "too many wrong passwords")
                .refuses(ErrorCode::NotFound, "there are no accounts here")
                .refuses(ErrorCode::Unavailable, "the node stops, or accounts cannot be read now"),
            pass,
        )
        .on(
            operation(Method::GET, "/v1/appeals", "listAppeals", "What is in force against oneself, and one's appeals")
                .about("Also for those who are banned.")
                .by(Who::User)
                .even_if_banned()
                .gives::<OwnAppealsView>(StatusCode::OK, "All of them"),
            own,
        )
        .on(
            operation(
                Method::POST,
                "/v1/appeals",
                "submitAppeal",
                "Asks for a second look at a ban or lesser sanction",
            )
            .about("Also for those who are banned.")
            .by(Who::User)
            .even_if_banned()
            .takes::<AppealFields>()
            .gives::<AppealView>(StatusCode::CREATED, "The appeal")
            .refuses(ErrorCode::NotFound, "nothing of that name is in force against one")
            .refuses(ErrorCode::Conflict, "one has appealed against that before"),
            submit,
        )
        .on(
            operation(
                Method::GET,
                "/v1/appeals/open",
                "listOpenAppeals",
                "Appeals without a verdict, the oldest first",
            )
            .by(Who::Staff)
            .asks::<page::Part>()
            .gives::<AppealsView>(StatusCode::OK, "A page of them"),
            open,
        )
        .on(
            operation(Method::POST, "/v1/appeals/{id}/decision", "decideAppeal", "What becomes of an appeal")
                .by(Who::Staff)
                .takes::<VerdictFields>()
                .gives::<AppealView>(StatusCode::OK, "The appeal")
                .refuses(ErrorCode::NotFound, "there is no such appeal")
                .refuses(ErrorCode::Forbidden, "another moderator decides on that")
                .refuses(ErrorCode::Conflict, "the appeal is decided"),
            decide,
        )
}

/// `POST /v1/auth/appeal`: a token to appeal with, for those who have no other.
pub(crate) async fn pass(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let pass = match body::read(&headers, body).await? {
        PassRequest { username: Some(username), password: Some(password), device_id } => {
            let desk = accounts::desk(&inner)?;
            desk.appeal(client.ip, Form { username, password, device_id }).await?
        }
        PassRequest { username: None, password: None, device_id: Some(device) } => {
            (inner.hooks.device_pass)(device).await?
        }
        _ => {
            return Err(Problem::new(ErrorCode::BadRequest, "give username and password, or device_id alone"));
        }
    };
    let AppealPass { token, expires_in } = &pass;
    Ok(body::reply(&PassReply { appeal_token: token, token_type: "Bearer", expires_in: expires_in.as_secs() }))
}

/// `GET /v1/appeals`: what is in force against oneself, and one's appeals. Also for those who are banned.
pub(crate) async fn own(State(inner): State<Arc<Inner>>, headers: Head) -> Result<Response, Problem> {
    let token = auth::needed_bearer(&headers)?;
    let told = (inner.hooks.appeals)(headers.client.ip, token, AppealAsk::Own).await?;
    Ok(body::reply(&told))
}

/// `POST /v1/appeals`: asks for a second look. Also for those who are banned.
pub(crate) async fn submit(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let token = auth::needed_bearer(&headers)?;
    let request: Value = body::read(&headers, body).await?;
    let submit = AppealSubmit::parse(&request.to_string())?;
    let told = (inner.hooks.appeals)(headers.client.ip, token, AppealAsk::Submit(submit)).await?;
    let mut response = body::reply(&told);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `GET /v1/appeals/open`: those without a verdict, the oldest first; for moderators.
pub(crate) async fn open(State(inner): State<Arc<Inner>>, page: PageQuery, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let PageAsk { after, limit } = page::asked(page)?;
    ask(&inner, by, ModerationAsk::Appeals { after, limit }).await
}

/// `POST /v1/appeals/{id}/decision`: lifts what was appealed against, or keeps it; for moderators.
pub(crate) async fn decide(
    State(inner): State<Arc<Inner>>,
    id: Named,
    headers: Head,
    body: Body,
) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let appeal = name(id)?;
    let request: Value = body::read(&headers, body).await?;
    let verdict = VerdictRequest::parse(&request.to_string())?;
    ask(&inner, by, ModerationAsk::JudgeAppeal { appeal, verdict }).await
}
