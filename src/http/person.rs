//! What is kept about whoever asks, over REST.
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::export;
use crate::http::head::Head;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::PersonAsk;
use crate::signal::view::own::ExportShape;
use crate::signal::view::own::PastSessionsView;

/// When somebody may try again who found too many at it.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// That it is really meant.
#[derive(Default, Deserialize, ToSchema)]
struct Confirmation {
    /// Of those who have an account.
    password: Option<String>,
}

pub(super) fn routes(table: Table) -> Table {
    let operation = |method, path, id, summary| Operation::new(method, path, "people", id, summary).by(Who::User);
    table
        .on(
            operation(Method::GET, "/v1/me/export", "exportMe", "All that is kept about oneself, as one document")
                .gives_with_headers::<ExportShape>(
                    StatusCode::OK,
                    "The document, which is written while it is read",
                    json!({"content-disposition": {"schema": {"type": "string"}}}),
                )
                .refuses(ErrorCode::RateLimited, "too many are told what is kept of them"),
            export,
        )
        .on(
            operation(Method::DELETE, "/v1/me", "eraseMe", "Takes everything away that is kept about oneself")
                .about("Who has an account shows its password again.")
                .may_take::<Confirmation>()
                .gives_nothing(StatusCode::NO_CONTENT, "It is gone, every login is over")
                .refuses(ErrorCode::Unauthorized, "the password is wrong")
                .refuses(ErrorCode::Forbidden, "the user, or what is kept of it, is not the server's own")
                .refuses(ErrorCode::Conflict, "it cannot be taken away now")
                .refuses(ErrorCode::RateLimited, "too many wrong passwords"),
            erase,
        )
        .on(
            operation(Method::GET, "/v1/history/sessions", "listSessions", "One's own sessions that are over")
                .asks::<page::Part>()
                .gives::<PastSessionsView>(StatusCode::OK, "A page of them, the newest first"),
            sessions,
        )
}

/// `GET /v1/me/export`: all that is kept about whoever asks, as one JSON document.
pub(crate) async fn export(State(inner): State<Arc<Inner>>, headers: Head) -> Result<Response, Problem> {
    let subject = auth::identity(&inner, &headers).await?.subject;
    let too_many = |_| Problem::rate_limited("too many are told what is kept of them", RETRY_AFTER);
    let place = inner.exports.admit(headers.client.ip).map_err(too_many)?;
    let document = export::document(Arc::clone(&inner.hooks.person), subject, place).await?;
    let mut response = Response::new(Body::from_stream(document));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let save_as = HeaderValue::from_static("attachment; filename=\"duologue-export.json\"");
    headers.insert(header::CONTENT_DISPOSITION, save_as);
    Ok(response)
}

/// `DELETE /v1/me`: takes everything away that is kept about whoever asks. Those who have an account show its password again;
/// others need no body.
pub(crate) async fn erase(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let subject = auth::identity(&inner, &headers).await?.subject;
    let has_body = headers.contains_key(header::CONTENT_TYPE);
    let Confirmation { password } = if has_body { body::read(&headers, body).await? } else { Confirmation::default() };
    if let Some(desk) = &inner.hooks.accounts {
        desk.confirm(headers.client.ip, &subject, password).await?;
    }
    (inner.hooks.erase)(subject.user).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/history/sessions`: one's own sessions that are over, the newest first.
pub(crate) async fn sessions(
    State(inner): State<Arc<Inner>>,
    page: PageQuery,
    headers: Head,
) -> Result<Response, Problem> {
    let identity = auth::identity(&inner, &headers).await?;
    let ask = PersonAsk::Sessions(page::asked(page)?);
    (inner.hooks.person)(identity.subject, ask).await.map(|told| body::reply(&told))
}
