//! `Idempotency-Key`: a POST that is repeated with its key has one effect and one answer. IETF draft
//! httpapi-idempotency-key-header.
//!
//! Whoever lost the connection does not know whether a request was carried out; so it is, once it has arrived, even if nobody
//! waits for the answer any more.
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::http::answers::Answer;
use crate::http::answers::Asked;
use crate::http::answers::Place;
use crate::http::answers::Question;
use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Bytes of a key, with the quotes around it.
const KEY_MAX: usize = 255;
/// When somebody may ask again whose request is worked on.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Wraps all routes. Tokens and credentials are never given twice: their routes take no keys.
pub(crate) async fn idempotency(State(inner): State<Arc<Inner>>, request: Request<Body>, next: Next) -> Response {
    if request.method() != Method::POST
        || !request.headers().contains_key(IDEMPOTENCY_KEY)
        || gives_secrets(request.uri().path())
    {
        return next.run(request).await;
    }
    answer(inner, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whether a route gives what nobody may be given twice.
pub(crate) fn gives_secrets(path: &str) -> bool {
    ["/v1/auth/", "/auth/", "/v1/turn/", "/turn/"].iter().any(|prefix| path.starts_with(prefix))
}

async fn answer(inner: Arc<Inner>, request: Request<Body>, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let head = Head::from_request_parts(&mut parts, &()).await?;
    let key = key_of(&head)?;
    let user = auth::identity(&inner, &head).await?.subject.user;
    let body = body::collect_in_time(body).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let question = Question::new(&user, &key, parts.method.as_str(), path, &body);
    let place = match inner.answers.ask(question, Instant::now()) {
        Asked::New(place) => place,
        Asked::Before(answer) => return Ok(again(answer)),
        Asked::Working => {
            let problem = Problem::new(ErrorCode::Conflict, "a request with this Idempotency-Key is worked on");
            return Err(problem.retry_after(RETRY_AFTER));
        }
        Asked::Another => {
            let detail = "this Idempotency-Key was used for another request";
            return Err(Problem::with_status(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        Asked::Full => return Err(Problem::rate_limited("too many requests with keys are worked on", RETRY_AFTER)),
    };
    let request = Request::from_parts(parts, Body::from(body));
    let (told, answered) = oneshot::channel();
    inner.spawn_request(async move {
        // Whoever asked may have gone.
        let _ = told.send(carry_out(place, next.run(request).await).await);
    });
    answered.await.map_err(|_| Problem::new(ErrorCode::Unavailable, "the node stops"))
}

/// Reads an answer to its end and keeps it, if it is one for good.
async fn carry_out(place: Place, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return Problem::internal("the answer could not be read").into_response();
    };
    let body = body.to_bytes();
    if is_for_good(parts.status) {
        place.keep(Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() });
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether the same request would have the same fate later. What failed for want of time, budget, rights or our own fault may
/// be tried again.
fn is_for_good(status: StatusCode) -> bool {
    let passes =
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !passes.contains(&status)
}

fn again(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The key, with or without the quotes of a structured field. RFC 9651 §3.3.3.
///
/// # Errors
///
/// `bad_request` for several, an empty one, one that is too long or has other characters in it.
fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let malformed = || {
        Problem::new(
            ErrorCode::BadRequest,
            "Idempotency-Key is one text of printable ASCII characters without spaces and quotes, 255 at most",
        )
    };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(malformed()) };
    let text = value.to_str().map_err(|_| malformed())?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if value.len() <= KEY_MAX && !text.is_empty() && is_plain { Ok(text.to_owned()) } else { Err(malformed()) }
}
