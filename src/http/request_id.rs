//! The id every response carries. Rule 42.
use hyper::HeaderMap;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use uuid::Uuid;

/// The header, of requests and responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken over from a client, in bytes.
const LEN_MAX: usize = 64;

/// The client's own id if it is harmless in logs, else a new one.
pub(crate) fn of(headers: &HeaderMap) -> HeaderValue {
    headers.get(X_REQUEST_ID).filter(|id| is_harmless(id.as_bytes())).cloned().unwrap_or_else(fresh)
}

fn is_harmless(id: &[u8]) -> bool {
    (1..=LEN_MAX).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn fresh() -> HeaderValue {
    HeaderValue::from_str(&Uuid::now_v7().simple().to_string()).expect("hexadecimal digits can stand in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_header(id: &str) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_str(id).expect("a header value"));
        of(&headers)
    }

    #[test]
    fn a_harmless_id_is_kept() {
        for id in ["a", "Trace-1.2_3", &"x".repeat(64)] {
            assert_eq!(of_header(id), id);
        }
    }

    #[test]
    fn any_other_is_replaced() {
        for id in ["", "a b", "a\"b", "ü", &"x".repeat(65)] {
            assert_ne!(of_header(id), id);
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
