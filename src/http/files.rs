//! Files of chat messages: asked for with a token, put and got by signed addresses, which are no tokens.
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::response::IntoResponse;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use hyper::Uri;
use hyper::header;
use hyper::header::HeaderValue;
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::file_link::FileSignature;
use crate::files;
use crate::files::Given;
use crate::files::PutError;
use crate::files::RangeError;
use crate::files::Wish;
use crate::http::auth;
use crate::http::body;
use crate::http::client_address::Client;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::hooks::FileHooks;
use crate::http::moderation::Named;
use crate::http::moderation::name as path_name;
use crate::http::moderation::staff;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::ModerationAsk;
use crate::signal::words;
use crate::store::MessageKind;
use crate::store::Upload;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Should a browser show it after all, nothing in it runs, and it belongs to no site.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

/// Bytes of a refused file that are read and thrown away, and for how long, so that the client sees the answer before
/// it sees the connection end.
const DRAINED_MAX: usize = 1_048_576;
const DRAINED_FOR: Duration = Duration::from_secs(5);

/// When somebody from whose address too many files arrive may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A file to be sent to a `session` or to a `room`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UploadRequest {
    /// A live session of one's own.
    session: Option<String>,
    /// A room where one is.
    room: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = WishShape)]
    wish: Wish,
}

/// The file.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the shape of files::Wish")]
struct WishShape {
    #[schema(schema_with = kinds)]
    kind: String,
    /// Its name for people.
    #[schema(min_length = 1)]
    name: String,
    /// Bytes.
    #[schema(minimum = 1)]
    size: u64,
    /// A media type; what the bytes are is found out when they come.
    #[schema(rename = "type")]
    mime: Option<String>,
}

fn kinds() -> Object {
    words([MessageKind::Voice, MessageKind::Image, MessageKind::File].map(MessageKind::as_str))
}

/// Where to put a file.
#[derive(Serialize, ToSchema)]
#[schema(as = Upload)]
struct UploadReply<'a> {
    /// For `chat.send`.
    upload: &'a str,
    /// Where to put it; signed.
    url: &'a str,
    /// Until when all of it must have come.
    expires_at: UnixMillis,
    /// Bytes that a file of this kind may have.
    max_bytes: u64,
}

/// A file that has come.
#[derive(Serialize, ToSchema)]
#[schema(as = Uploaded)]
struct ArrivedReply<'a> {
    upload: &'a str,
    /// Bytes.
    size: u64,
    /// What the bytes are.
    #[serde(rename = "type")]
    mime: &'a str,
}

#[derive(Deserialize, IntoParams)]
#[allow(dead_code, reason = "they are looked for in the query as text")]
struct Signed {
    /// As in the address that was given.
    #[param(maximum = 9007199254740991u64)]
    expires: u64,
    /// As in the address that was given.
    signature: String,
}

pub(super) fn routes(table: Table) -> Table {
    let operation = |method, path, id, summary| {
        Operation::new(method, path, "files", id, summary)
            .refuses(ErrorCode::Unavailable, "there are no files here, or they cannot be read or stored now")
    };
    let signed = |method, path, id, summary| {
        operation(method, path, id, summary)
            .about("The address is signed, as it was given by `/v1/uploads` or with a message; it needs no token.")
            .asks::<Signed>()
            .refuses(ErrorCode::Forbidden, "the signature is missing, wrong or expired")
            .refuses(ErrorCode::NotFound, "there is no such file, or it is gone")
    };
    let text = json!({"schema": {"type": "string"}});
    let of_file = json!({"etag": text, "accept-ranges": text, "content-disposition": text});
    let mut of_part = of_file.clone();
    of_part["content-range"] = text.clone();
    let kept = json!({"content-disposition": text});
    table
        .on(
            operation(Method::GET, "/v1/reports/{id}/files/{file}", "getReportFile", "A file that a report keeps")
                .about("It stays when its message is deleted or its time is over. That it was looked at goes into the audit.")
                .by(Who::Staff)
                .gives_content(StatusCode::OK, "All of it, to be saved", &["*/*"], kept)
                .refuses(ErrorCode::NotFound, "there is no such report, or it keeps no such file"),
            evidence,
        )
        .on(
            operation(Method::POST, "/v1/uploads", "askUpload", "An address to put a file at")
                .by(Who::User)
                .takes::<UploadRequest>()
                .gives::<UploadReply>(StatusCode::CREATED, "The address")
                .refuses(ErrorCode::NotInSession, "one is in no session or room of that id")
                .refuses(
                    ErrorCode::Forbidden,
                    "one may write to nobody for now, or the operator has rules against such a name",
                )
                .refuses(ErrorCode::Conflict, "one has as many files, or as many bytes of them, as one can")
                .refuses(ErrorCode::RateLimited, "too many files"),
            ask,
        )
        .on(
            signed(Method::PUT, "/v1/uploads/{id}", "putUpload", "The bytes of a file")
                .takes_bytes()
                .gives::<ArrivedReply>(StatusCode::OK, "The file has come")
                .refuses(ErrorCode::BadRequest, "the bytes are not as many or not of the kind that was promised")
                .refuses(ErrorCode::Conflict, "the file has come already, or comes now")
                .refuses(ErrorCode::TooLarge, "there are more bytes than were promised")
                .refuses_with(StatusCode::REQUEST_TIMEOUT, ErrorCode::BadRequest, "the file took too long"),
            put,
        )
        .on(
            signed(Method::GET, "/v1/files/{id}", "getFile", "A file, or a part of it")
                .reads_header("range", "A part of it. RFC 9110 §14.2", json!({"type": "string"}))
                .reads_header("if-none-match", "The file is known", json!({"type": "string"}))
                .reads_header("if-range", "A part only of the file that is known", json!({"type": "string"}))
                .gives_content(StatusCode::OK, "All of it", &["*/*"], of_file.clone())
                .gives_content(StatusCode::PARTIAL_CONTENT, "The part", &["*/*"], of_part)
                .gives_content(StatusCode::NOT_MODIFIED, "The file is known", &[], json!({"etag": text}))
                .refuses_with(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BadRequest, "it has no such part"),
            get,
        )
}

/// `POST /v1/uploads`: asks for an address to put a file at.
pub(crate) async fn ask(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let identity = auth::identity(&inner, &headers).await?;
    let FileHooks { desk, place } = hooks(&inner)?;
    let UploadRequest { session, room, wish } = body::read(&headers, body).await?;
    let user = identity.subject.user;
    let place = (place)(Arc::clone(&user), session, room, wish.name().to_owned()).await?;
    let admitted = desk.admit(UserId(user), place, wish).await?;
    let mut response = body::reply(&UploadReply {
        upload: &admitted.upload.0,
        url: &admitted.url,
        expires_at: admitted.expires,
        max_bytes: admitted.max_bytes,
    });
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `PUT /v1/uploads/{id}`: the bytes of a file.
pub(crate) async fn put(
    State(inner): State<Arc<Inner>>,
    Extension(client): Extension<Client>,
    id: Named,
    uri: Uri,
    headers: Head,
    body: Body,
) -> Result<Response, Problem> {
    let desk = &hooks(&inner)?.desk;
    let id = path_name(id)?;
    let too_many = |_| Problem::rate_limited("too many files arrive from this address", RETRY_AFTER);
    let _place = inner.arrivals.admit(client.ip).map_err(too_many)?;
    let mut stream = body.into_data_stream();
    let signature = signature(&uri)?;
    let outcome = desk.receive(&id, &signature, content_length(&headers), &mut stream).await;
    match outcome {
        Ok(arrived) => {
            Ok(body::reply(&ArrivedReply { upload: &arrived.upload.0, size: arrived.size, mime: &arrived.mime }))
        }
        Err(error) => {
            drain(Body::from_stream(stream)).await;
            Err(match error {
                PutError::Refused(refusal) => refusal.into(),
                PutError::TooSlow => Problem::with_status(StatusCode::REQUEST_TIMEOUT, "the file took too long"),
            })
        }
    }
}

/// `GET /v1/reports/{id}/files/{file}`: a file that a report keeps; for moderators. It is only to be saved: whatever it holds must
/// not run in their browser as ours.
pub(crate) async fn evidence(
    State(inner): State<Arc<Inner>>,
    path: Result<Path<(String, String)>, PathRejection>,
    method: Method,
    headers: Head,
) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let desk = &hooks(&inner)?.desk;
    let Path((report, file)) = path.map_err(|_| Problem::new(ErrorCode::BadRequest, "the path is not UTF-8"))?;
    // That it is looked at is in the audit before it is given.
    (inner.hooks.moderation)(by, ModerationAsk::ReportFile { report, file: file.clone() }).await?;
    let upload = desk.kept(&file).await?;
    let len = upload.bytes;
    let given = desk.give(upload, 0..len).await?;
    let etag = etag(&given.upload);
    let saved = Given { upload: Upload { kind: MessageKind::File, ..given.upload }, ..given };
    let mut response = response(saved, false, &method, etag, UnixMillis(0));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::ETAG);
    headers.remove(header::ACCEPT_RANGES);
    Ok(response)
}

/// `GET /v1/files/{id}`: a file, or a part of it.
pub(crate) async fn get(
    State(inner): State<Arc<Inner>>,
    id: Named,
    method: Method,
    uri: Uri,
    headers: Head,
) -> Result<Response, Problem> {
    let desk = &hooks(&inner)?.desk;
    let id = path_name(id)?;
    let signature = signature(&uri)?;
    let upload = desk.find(&id, &signature).await?;
    let etag = etag(&upload);
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| names(tags, &etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let len = upload.bytes;
    // RFC 9110 §13.1.5: a part of another file than the one that was begun is of no use.
    let is_same = headers.get(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let wanted = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).filter(|_| is_same);
    let part = match wanted.map(|range| files::requested(range, len)).transpose() {
        Ok(part) => part.flatten(),
        Err(RangeError) => {
            let all = HeaderValue::try_from(format!("bytes */{len}"));
            let problem = Problem::with_status(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such part");
            return Err(all.into_iter().fold(problem, |problem, all| problem.with_header(header::CONTENT_RANGE, all)));
        }
    };
    let given = desk.give(upload, part.clone().unwrap_or(0..len)).await?;
    Ok(response(given, part.is_some(), &method, etag, signature.expires))
}

fn response(given: Given, is_part: bool, method: &Method, etag: HeaderValue, expires: UnixMillis) -> Response {
    let Given { upload, part, bytes, now } = given;
    let mut response =
        if method == Method::HEAD { Response::new(Body::empty()) } else { Response::new(Body::from_stream(bytes)) };
    let headers = response.headers_mut();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, upload.mime.to_string());
    set(header::CONTENT_LENGTH, (part.end - part.start).to_string());
    set(header::CONTENT_DISPOSITION, disposition(&upload));
    let left = expires.saturating_since(now).as_secs();
    set(header::CACHE_CONTROL, format!("private, max-age={left}, immutable"));
    if is_part {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{}", part.start, part.end.saturating_sub(1), upload.bytes));
    }
    headers.insert(header::ETAG, etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    if is_part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn hooks(inner: &Inner) -> Result<&FileHooks, Problem> {
    let none = || Problem::new(ErrorCode::Unavailable, "this server takes no files");
    inner.hooks.files.as_ref().ok_or_else(none)
}

/// What an address shows beside the id; its order is free.
fn signature(uri: &Uri) -> Result<FileSignature, Problem> {
    let pairs = || uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let value = |wanted: &str| pairs().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let expires = value("expires").and_then(|text| text.parse().ok()).map(UnixMillis);
    match (expires, value("signature")) {
        (Some(expires), Some(text)) => Ok(FileSignature { expires, text: text.to_owned() }),
        _ => Err(Problem::new(ErrorCode::Forbidden, "the address of a file is signed; take it as it was given")),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn drain(mut body: Body) {
    let read = async {
        let mut len = 0;
        while let Some(Ok(frame)) = body.frame().await {
            len += frame.data_ref().map_or(0, |data| data.len());
            if len > DRAINED_MAX {
                break;
            }
        }
    };
    // Whoever goes on sending does not read the answer.
    let _ = timeout(DRAINED_FOR, read).await;
}

/// A strong validator: what a file holds never changes. RFC 9110 §8.8.3.
fn etag(upload: &Upload) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", upload.id.0)).expect("hexadecimal digits can stand in a header")
}

fn names(tags: &HeaderValue, etag: &HeaderValue) -> bool {
    let mut tags = tags.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// Pictures and sound are shown where they stand, anything else is only saved. RFC 6266; names by RFC 8187 §3.2.
fn disposition(upload: &Upload) -> String {
    let way = match upload.kind {
        MessageKind::Image | MessageKind::Voice => "inline",
        MessageKind::File | MessageKind::Text => "attachment",
    };
    let mut value = format!("{way}; filename*=UTF-8''");
    for byte in upload.name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            value.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
    value
}
