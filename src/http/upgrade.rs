//! `/ws`: from an HTTP request to a WebSocket. RFC 6455 §4.2 and rules 2 to 5.
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Extension;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::admission::Full;
use crate::admission::Permit;
use crate::http::auth;
use crate::http::client_address::Client;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::Peer;

/// The one subprotocol spoken.
const SUBPROTOCOL: &str = "duologue.v1";

/// How long the connection may take to become a WebSocket once 101 is on its way.
const SWITCH: Duration = Duration::from_secs(10);

/// When a client without a place should come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Query parameters that would put a token into logs and histories. Rule 4.
const TOKEN_PARAMETERS: [&str; 3] = ["token", "access_token", "jwt"];

pub(super) fn routes(table: Table) -> Table {
    table.on(
        Operation::new(Method::GET, "/ws", "calls", "openSocket", "A WebSocket of `duologue.v1`")
            .about(
                "Pages must be of an allowed origin, anything else needs an access token here. A query parameter that \
                names a token is refused.",
            )
            .by(Who::Maybe)
            .gives_content(StatusCode::SWITCHING_PROTOCOLS, "The messages follow", &[], json!({}))
            .refuses(ErrorCode::BadRequest, "no subprotocol `duologue.v1` is offered, or a token stands in the URL")
            .refuses(ErrorCode::Forbidden, "the origin is not allowed")
            .refuses_with(StatusCode::UPGRADE_REQUIRED, ErrorCode::BadRequest, "this is no WebSocket handshake")
            .refuses(ErrorCode::RateLimited, "too many sockets from this address")
            .refuses(ErrorCode::Unavailable, "the node is full or goes away"),
        ws,
    )
}

/// `GET /ws`.
pub(crate) async fn ws(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    mut request: Request<Body>,
) -> Result<Response, Problem> {
    if inner.is_draining() {
        return Err(Problem::new(ErrorCode::Unavailable, "this node is going away").retry_after(RETRY_AFTER));
    }
    let switch = request.extensions_mut().remove::<OnUpgrade>();
    let (switch, key) = asked_to_switch(request.headers(), switch)?;
    no_token_in_query(request.uri().query().unwrap_or_default())?;
    let bearer = auth::bearer(request.headers())?;
    known_origin(&inner, request.headers(), bearer.is_some())?;
    if let Some(token) = &bearer {
        (inner.hooks.verify)(client.ip, token.clone()).await?;
    }
    if !offers(request.headers(), header::SEC_WEBSOCKET_PROTOCOL, |protocol| protocol == SUBPROTOCOL) {
        return Err(Problem::new(ErrorCode::BadRequest, "offer the subprotocol duologue.v1"));
    }
    let permit = inner.sockets.admit(client.ip).map_err(no_place)?;
    let peer = Peer { ip: client.ip, bearer };
    inner.spawn_socket(serve(Arc::clone(&inner), switch, peer, permit));
    Ok(switching(&key))
}

/// Everything between 101 and the end of the socket.
async fn serve(inner: Arc<Inner>, switch: OnUpgrade, peer: Peer, permit: Permit) {
    // An error means that the client has left before the switch.
    let Ok(Ok(upgraded)) = timeout(SWITCH, switch).await else { return };
    (inner.hooks.socket)(TokioIo::new(upgraded), peer).await;
    drop(permit);
}

/// The switch and the client's key, if the request is a WebSocket handshake. RFC 6455 §4.2.1.
fn asked_to_switch(headers: &HeaderMap, switch: Option<OnUpgrade>) -> Result<(OnUpgrade, HeaderValue), Problem> {
    let needed = |detail| {
        Problem::with_status(StatusCode::UPGRADE_REQUIRED, detail)
            .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
            .with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    };
    let wants_websocket = offers(headers, header::UPGRADE, |protocol| protocol.eq_ignore_ascii_case("websocket"))
        && offers(headers, header::CONNECTION, |option| option.eq_ignore_ascii_case("upgrade"));
    let Some(switch) = switch.filter(|_| wants_websocket) else {
        return Err(needed("this is a WebSocket address"));
    };
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(needed("WebSocket version 13 is spoken"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_websocket_key(key.as_bytes()));
    let key = key.ok_or_else(|| Problem::new(ErrorCode::BadRequest, "Sec-WebSocket-Key: 16 bytes as base64"))?;
    Ok((switch, key.clone()))
}

fn is_websocket_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// Whether one element of a comma-separated header is wanted; RFC 9110 §5.6.1.
fn offers(headers: &HeaderMap, name: HeaderName, wanted: impl Fn(&str) -> bool) -> bool {
    let lines = headers.get_all(name);
    lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|element| wanted(element.trim()))
}

fn no_token_in_query(query: &str) -> Result<(), Problem> {
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    if names.any(|name| TOKEN_PARAMETERS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))) {
        return Err(Problem::new(ErrorCode::BadRequest, "no token in the URL: send it in hello or as Authorization"));
    }
    Ok(())
}

/// A page must come from an allowed origin; what is no page must bring an identity. Rule 3.
fn known_origin(inner: &Inner, headers: &HeaderMap, has_bearer: bool) -> Result<(), Problem> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let allowed = match (origins.next(), origins.next()) {
        (Some(origin), None) => inner.rules().origins.allow(origin),
        (Some(_), Some(_)) => false,
        (None, _) => has_bearer,
    };
    if allowed { Ok(()) } else { Err(Problem::new(ErrorCode::Forbidden, "this origin is not allowed")) }
}

fn no_place(full: Full) -> Problem {
    match full {
        Full::Address => Problem::rate_limited("too many sockets from this address", RETRY_AFTER),
        Full::Total => Problem::new(ErrorCode::Unavailable, "this node is full").retry_after(RETRY_AFTER),
    }
}

/// RFC 6455 §4.2.2.
fn switching(key: &HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 can stand in a header");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    response
}
