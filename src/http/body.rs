//! JSON in and out.
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::http::problem::Problem;
use crate::signal::ErrorCode;

/// Bytes of a JSON body. Rule 42.
pub(crate) const BODY_MAX: usize = 65_536;

/// Bytes of a body that is too large which are read and thrown away, so that the client sees the answer before it
/// sees the connection end.
const DRAINED_MAX: usize = 1_048_576;

/// How long a body may take to arrive.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(10);

/// Reads a request's JSON body.
///
/// # Errors
///
/// 415 if it is not declared as JSON, 413 over [`BODY_MAX`], 408 after [`ARRIVAL`], 400 if it is not what is expected.
pub(crate) async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let bytes = collect_in_time(body).await?;
    // The error tells places and expectations, no content.
    serde_json::from_slice(&bytes).map_err(|error| Problem::new(ErrorCode::BadRequest, format!("body: {error}")))
}

/// A 200 with a JSON body that nobody may keep.
pub(crate) fn reply(body: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(body) else {
        return Problem::internal("the answer could not be written").into_response();
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Reads a body to its end.
///
/// # Errors
///
/// 413 over [`BODY_MAX`], 408 after [`ARRIVAL`], 400 if it breaks off.
pub(crate) async fn collect_in_time(body: Body) -> Result<Vec<u8>, Problem> {
    let late = |_| Problem::with_status(StatusCode::REQUEST_TIMEOUT, "the body took too long");
    timeout(ARRIVAL, collect(body)).await.map_err(late)?
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn collect(mut body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut len = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(ErrorCode::BadRequest, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        len = len.saturating_add(data.len());
        if len <= BODY_MAX {
            bytes.extend_from_slice(&data);
        } else if len > DRAINED_MAX {
            break;
        }
    }
    if len > BODY_MAX {
        return Err(Problem::new(ErrorCode::TooLarge, "a JSON body has at most 65,536 bytes"));
    }
    Ok(bytes)
}
