//! Whom a user keeps away, over REST. Rule 39.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use serde_json::Value;

use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::moderation::Named;
use crate::http::moderation::name;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::BlockAsk;
use crate::signal::BlockFields;
use crate::signal::BlockTarget;
use crate::signal::ErrorCode;
use crate::signal::view::BlocksView;

pub(super) fn routes(table: Table) -> Table {
    let operation = |method, path, id, summary| Operation::new(method, path, "people", id, summary).by(Who::User);
    table
        .on(
            operation(Method::GET, "/v1/blocks", "listBlocks", "Whom one keeps away")
                .asks::<page::Part>()
                .gives::<BlocksView>(StatusCode::OK, "The blocks, the newest first; who they are about is not told"),
            list,
        )
        .on(
            operation(Method::POST, "/v1/blocks", "addBlock", "Keeps somebody away for good")
                .about("A live session with them ends; nobody is told why.")
                .takes::<BlockFields>()
                .gives_nothing(StatusCode::NO_CONTENT, "They are kept away")
                .refuses(ErrorCode::NotInSession, "the session is not one's own, or unknown")
                .refuses(ErrorCode::NotFound, "nobody of that name is in the room, or there is no such room")
                .refuses(ErrorCode::Conflict, "one keeps away as many as one can")
                .refuses(ErrorCode::RateLimited, "too many blocks"),
            add,
        )
        .on(
            operation(Method::DELETE, "/v1/blocks/{id}", "removeBlock", "Takes a block back")
                .gives_nothing(StatusCode::NO_CONTENT, "It is taken back")
                .refuses(ErrorCode::NotFound, "there is no such block")
                .refuses(ErrorCode::RateLimited, "too many blocks"),
            remove,
        )
}

/// `GET /v1/blocks`: the ids of the blocks, the newest first.
pub(crate) async fn list(State(inner): State<Arc<Inner>>, page: PageQuery, headers: Head) -> Result<Response, Problem> {
    ask(&inner, &headers, BlockAsk::List(page::asked(page)?)).await.map(|blocks| body::reply(&blocks))
}

/// `POST /v1/blocks`: keeps a user, or the other side of a session, away for good.
pub(crate) async fn add(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let request: Value = body::read(&headers, body).await?;
    let target = BlockTarget::parse(&request.to_string())?;
    ask(&inner, &headers, BlockAsk::Add(target)).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /v1/blocks/{id}`: takes a block back.
pub(crate) async fn remove(State(inner): State<Arc<Inner>>, id: Named, headers: Head) -> Result<Response, Problem> {
    let id = name(id)?;
    ask(&inner, &headers, BlockAsk::Remove(id)).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

async fn ask(inner: &Inner, headers: &Head, ask: BlockAsk) -> Result<Value, Problem> {
    let identity = auth::identity(inner, headers).await?;
    (inner.hooks.blocks)(identity.subject, ask).await
}
