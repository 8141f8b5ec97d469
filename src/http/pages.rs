//! The demo page, the pages of admins and of the reference, and the browser SDK, embedded in the binary.
use std::borrow::Cow;

use axum::body::Body;
use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use hyper::Uri;
use hyper::header;
use hyper::header::HeaderValue;
use rust_embed::EmbeddedFile;
use rust_embed::RustEmbed;

use crate::http::edge::PERMISSIONS_POLICY;
use crate::http::problem::Problem;
use crate::signal::ErrorCode;

/// Pages run only what is ours and talk only to us; a page may open WebSockets elsewhere, for a node behind another
/// name.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; worker-src 'self'; manifest-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Asked for again each time, answered with 304 while nothing changed: file names carry no version.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

#[derive(RustEmbed)]
#[folder = "web/"]
#[allow_missing = true]
struct Web;

#[derive(RustEmbed)]
#[folder = "clients/js/src/"]
struct Sdk;

/// Anything that is no route: `/sdk/*` from the SDK's sources, the rest from the demo page's folder.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let file = match path.strip_prefix("sdk/") {
        Some(path) => Sdk::get(path).map(|file| (path, file)),
        None => {
            let path = match path {
                "" => "index.html",
                "admin" => "admin.html",
                "docs" => "docs.html",
                _ => path,
            };
            Web::get(path).map(|file| (path, file))
        }
    };
    let Some((path, file)) = file else {
        return Problem::new(ErrorCode::NotFound, "there is nothing here").into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, "a page can only be read")
            .with_header(header::ALLOW, HeaderValue::from_static("GET,HEAD"))
            .into_response();
    }
    serve(path, file, &method, &headers)
}

fn serve(path: &str, file: EmbeddedFile, method: &Method, request: &HeaderMap) -> Response {
    let etag = etag(&file);
    let known = request.get_all(header::IF_NONE_MATCH).iter().any(|tags| names(tags.as_bytes(), etag.as_bytes()));
    let len = file.data.len();
    let content_type = content_type(path);
    let mut response = match file.data {
        _ if known => StatusCode::NOT_MODIFIED.into_response(),
        _ if method == Method::HEAD => Response::new(Body::empty()),
        Cow::Borrowed(data) => Response::new(Body::from(Bytes::from_static(data))),
        Cow::Owned(data) => Response::new(Body::from(data)),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    if !known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    if content_type.starts_with("text/html") {
        headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        headers.insert(
            PERMISSIONS_POLICY,
            HeaderValue::from_static("camera=(self), microphone=(self), display-capture=(self)"),
        );
    }
    response
}

/// A strong validator: the first half of the content's SHA-256. RFC 9110 §8.8.3.
fn etag(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{digits}\"")).expect("hexadecimal digits can stand in a header")
}

/// Whether a list of entity tags names `etag`; compared weakly, as RFC 9110 §13.1.2 asks for.
fn names(tags: &[u8], etag: &[u8]) -> bool {
    tags.split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}

/// By the name's ending; what is unknown is only to be downloaded.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(path: &str, method: Method, if_none_match: Option<&str>) -> Response {
        let file = Sdk::get("index.js").expect("the SDK is embedded");
        let mut headers = HeaderMap::new();
        if let Some(tags) = if_none_match {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(tags).expect("a header value"));
        }
        serve(path, file, &method, &headers)
    }

    #[test]
    fn a_page_runs_nothing_inline_and_nobody_frames_it() {
        let page = page_of("index.html", Method::GET, None);
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII");
        for directive in ["script-src 'self'", "frame-ancestors 'none'", "connect-src 'self' ws: wss:"] {
            assert!(policy.split("; ").any(|part| part == directive), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("  "));
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let etag = page_of("a.js", Method::GET, None).headers()[header::ETAG].to_str().expect("ASCII").to_owned();
        for tags in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
            let page = page_of("a.js", Method::GET, Some(&tags));
            assert_eq!(page.status(), StatusCode::NOT_MODIFIED, "{tags}");
            assert_eq!(page.headers()[header::ETAG], etag.as_str());
        }
        assert_eq!(page_of("a.js", Method::GET, Some("\"other\"")).status(), StatusCode::OK);
    }

    #[test]
    fn each_ending_has_its_type_and_the_rest_is_not_shown() {
        assert_eq!(content_type("a/b.min.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("style.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("README"), "application/octet-stream");
    }
}
