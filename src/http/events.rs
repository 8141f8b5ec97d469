//! `GET /v1/events`: what happens, as it happens, for those who run the server. Server-sent events, WHATWG HTML §9.2.
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::sse;
use axum::response::sse::KeepAlive;
use axum::response::sse::Sse;
use futures_util::stream;
use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use hyper::Uri;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use tokio::time::sleep;
use utoipa::IntoParams;

use crate::admission::Permit;
use crate::auth::token::Role;
use crate::events::Told;
use crate::http::auth;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::store::Event;
use crate::store::EventNumber;

/// Between two looks for events while there are none.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Events that are read at once.
const BATCH_MAX: usize = 100;
/// How long after the end of its token, or of its holder's rights, a stream may go on.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// So often a line is sent that means nothing, so that neither side takes the other for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When somebody may try again who found too many readers.
const RETRY_AFTER: Duration = Duration::from_secs(5);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Some proxies keep what they pass on until there is more of it, unless told not to.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Deserialize, IntoParams)]
#[allow(dead_code, reason = "it is looked for in the query as text")]
struct Place {
    /// Go on behind the event of that number.
    #[param(nullable = false, format = "uint64")]
    after: Option<u64>,
}

pub(super) fn routes(table: Table) -> Table {
    table.on(
        Operation::new(Method::GET, "/v1/events", "operation", "readEvents", "What happens, as it happens")
            .about(
                "Server-sent events without an end: `id` is the number of the event, `event` its type, `data` a JSON \
                object. It ends with the access token, and when the node stops.",
            )
            .by(Who::Admin)
            .asks::<Place>()
            .reads_header(
                "last-event-id",
                "Go on behind the event of that number",
                json!({"type": "integer", "format": "uint64", "minimum": 0}),
            )
            .gives_content(StatusCode::OK, "The events", &["text/event-stream"], json!({}))
            .refuses(ErrorCode::RateLimited, "too many read along"),
        stream,
    )
}

/// One who reads along.
struct Reader {
    inner: Arc<Inner>,
    ip: IpAddr,
    token: String,
    checked: Instant,
    after: EventNumber,
    read: VecDeque<(EventNumber, Event)>,
    _place: Permit,
}

/// Goes on behind the event that `Last-Event-ID` or `?after=` names, else with what happens from now on. It ends with the
/// access token, and when the server drains.
pub(crate) async fn stream(State(inner): State<Arc<Inner>>, uri: Uri, head: Head) -> Result<Response, Problem> {
    let missing = || Problem::new(ErrorCode::Unauthorized, "an access token is needed");
    let token = auth::bearer(&head)?.ok_or_else(missing)?;
    let ip = head.client.ip;
    check(&inner, ip, &token).await?;
    let too_many = |_| Problem::rate_limited("too many streams of events are open", RETRY_AFTER);
    let place = inner.readers.admit(ip).map_err(too_many)?;
    let last = inner.hooks.events.last().await;
    let last = last.map_err(|_| Problem::new(ErrorCode::Unavailable, "the events cannot be read"))?;
    // A number beyond the last is of another database: waiting for it would be waiting for nothing.
    let after = named(&uri, &head)?.map_or(last, |after| after.min(last));
    let reader = Reader { inner, ip, token, checked: Instant::now(), after, read: VecDeque::new(), _place: place };
    let mut response =
        Sse::new(stream::unfold(reader, next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// Waits for the next event; `None` ends the stream.
async fn next(mut reader: Reader) -> Option<(Result<sse::Event, Infallible>, Reader)> {
    loop {
        if reader.inner.is_draining() {
            return None;
        }
        if reader.checked.elapsed() >= CHECK_INTERVAL {
            check(&reader.inner, reader.ip, &reader.token).await.ok()?;
            reader.checked = Instant::now();
        }
        if let Some((number, event)) = reader.read.pop_front() {
            reader.after = number;
            let line = Told::new(&event).to_line();
            let told = sse::Event::default().id(number.0.to_string()).event(&*event.kind).data(line);
            return Some((Ok(told), reader));
        }
        reader.read = reader.inner.hooks.events.after(reader.after, BATCH_MAX).await.ok()?.into();
        if reader.read.is_empty() {
            sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Checks that the holder of a token may read along.
async fn check(inner: &Inner, ip: IpAddr, token: &str) -> Result<(), Problem> {
    let identity = (inner.hooks.verify)(ip, token.to_owned()).await?;
    if identity.subject.role == Role::Admin {
        Ok(())
    } else {
        Err(Problem::new(ErrorCode::Forbidden, "events are for admins"))
    }
}

/// The event behind which to go on.
fn named(uri: &Uri, headers: &HeaderMap) -> Result<Option<EventNumber>, Problem> {
    let in_header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    let pairs = uri.query().unwrap_or_default().split('&');
    let in_query = pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == "after");
    let Some(text) = in_header.or(in_query.map(|(_, value)| value)) else { return Ok(None) };
    let number = text.parse().map_err(|_| Problem::new(ErrorCode::BadRequest, "an event is named by its number"))?;
    Ok(Some(EventNumber(number)))
}
