//! The table of routes.
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::delete;
use axum::routing::get;
use axum::routing::patch;
use axum::routing::post;
use axum::routing::put;
use hyper::StatusCode;

use crate::http::accounts;
use crate::http::admin;
use crate::http::appeals;
use crate::http::auth;
use crate::http::blocks;
use crate::http::edge::edge;
use crate::http::events;
use crate::http::files;
use crate::http::health;
use crate::http::idempotency::idempotency;
use crate::http::moderation;
use crate::http::pages;
use crate::http::person;
use crate::http::problem::Problem;
use crate::http::public;
use crate::http::reports;
use crate::http::rooms;
use crate::http::server::Inner;
use crate::http::upgrade;

/// Builds the router; the aliases without `/v1` are rule 18.
pub(crate) fn routes(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/ws", get(upgrade::ws))
        .route("/health", get(health::alive))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/.well-known/acme-challenge/{token}", get(health::acme_challenge))
        .route("/v1/auth/guest", post(auth::guest))
        .route("/auth/token", post(auth::guest))
        .route("/v1/auth/challenge", get(auth::challenge))
        .route("/v1/auth/register", post(accounts::register))
        .route("/v1/auth/login", post(accounts::log_in))
        .route("/v1/auth/logout", post(accounts::log_out))
        .route("/v1/auth/password", post(accounts::change_password))
        .route("/v1/auth/refresh", post(auth::refresh))
        .route("/auth/refresh", post(auth::refresh))
        .route("/v1/auth/verify", get(auth::verify))
        .route("/auth/verify", get(auth::verify))
        .route("/v1/auth/me", get(auth::me))
        .route("/v1/turn/credentials", get(public::turn_credentials).post(public::turn_credentials))
        .route("/turn/credentials", get(public::turn_credentials).post(public::turn_credentials))
        .route("/v1/stats", get(public::stats))
        .route("/stats", get(public::stats))
        .route("/v1/rooms", get(rooms::list).post(rooms::create))
        .route("/v1/rooms/{id}", get(rooms::show).delete(rooms::remove))
        .route("/v1/rooms/{id}/members", get(rooms::members))
        .route("/v1/rooms/{id}/members/{peer}", patch(rooms::appoint).delete(rooms::dismiss))
        .route("/v1/rooms/{id}/messages", get(rooms::messages))
        .route("/v1/rooms/{id}/invites", post(rooms::invite))
        .route("/v1/blocks", get(blocks::list).post(blocks::add))
        .route("/v1/blocks/{id}", delete(blocks::remove))
        .route("/v1/reports", get(moderation::reports).post(reports::submit))
        .route("/reports", get(moderation::reports).post(reports::submit))
        .route("/v1/reports/{id}", get(moderation::report))
        .route("/v1/reports/{id}/claim", post(moderation::claim).delete(moderation::release))
        .route("/v1/reports/{id}/notes", post(moderation::note))
        .route("/v1/reports/{id}/hold", put(moderation::hold).delete(moderation::unhold))
        .route("/v1/reports/{id}/decision", post(moderation::decide))
        .route("/reports/moderate", post(moderation::moderate))
        .route("/v1/bans", get(moderation::bans).post(moderation::ban))
        .route("/v1/bans/{id}", delete(moderation::lift))
        .route("/v1/admin/audit", get(moderation::audit))
        .route("/v1/admin/sessions", get(admin::sessions))
        .route("/v1/admin/sessions/{id}/end", post(admin::end_session))
        .route("/v1/admin/rooms", get(admin::rooms))
        .route("/v1/admin/rooms/{id}/clear", post(admin::clear_room))
        .route("/v1/admin/queue", get(admin::queue))
        .route("/v1/admin/allocations", get(admin::allocations))
        .route("/v1/admin/allocations/{id}/end", post(admin::end_allocation))
        .route("/v1/admin/users", get(admin::users))
        .route("/v1/admin/users/{id}", patch(admin::alter_user))
        .route("/v1/admin/config", get(admin::config))
        .route("/v1/admin/series", get(admin::series))
        .route("/v1/admin/drain", post(admin::drain))
        .route("/v1/me", delete(person::erase))
        .route("/v1/me/export", get(person::export))
        .route("/v1/history/sessions", get(person::sessions))
        .route("/v1/appeals", get(appeals::own).post(appeals::submit))
        .route("/v1/appeals/open", get(appeals::open))
        .route("/v1/appeals/{id}/decision", post(appeals::decide))
        .route("/v1/events", get(events::stream))
        .route("/v1/uploads", post(files::ask))
        .route("/v1/uploads/{id}", put(files::put))
        .route("/v1/files/{id}", get(files::get))
        .fallback(pages::page)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&inner), idempotency))
        .layer(middleware::from_fn_with_state(Arc::clone(&inner), edge))
        .with_state(inner)
}

async fn wrong_method() -> Response {
    Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, "this address knows other methods").into_response()
}
