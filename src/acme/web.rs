//! How the authority is talked to: over HTTPS, each exchange within a limit of time and length.
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderMap;
use instant_acme::BodyWrapper;
use instant_acme::BytesResponse;
use instant_acme::Error;
use instant_acme::HttpClient;
use reqwest::Certificate;
use reqwest::Client;
use reqwest::redirect::Policy;

/// For one exchange, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: chains of certificates are some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// When an authority that had enough of us wants to be asked again.
#[derive(Clone, Debug, Default)]
pub(super) struct Embargo(Arc<AtomicU64>);

impl Embargo {
    /// How long from now on, if it said so since this was asked the last time.
    pub(super) fn take(&self, now: SystemTime) -> Option<Duration> {
        let until = self.0.swap(0, Ordering::Relaxed);
        (until > 0).then(|| (UNIX_EPOCH + Duration::from_secs(until)).duration_since(now).unwrap_or_default())
    }

    fn note(&self, headers: &HeaderMap, now: SystemTime) {
        if let Some(until) = retry_after(headers, now).and_then(|until| until.duration_since(UNIX_EPOCH).ok()) {
            self.0.fetch_max(until.as_secs() + 1, Ordering::Relaxed);
        }
    }
}

/// RFC 9110 §10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<SystemTime> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => now.checked_add(Duration::from_secs(seconds.into())),
        Err(_) => httpdate::parse_http_date(text).ok(),
    }
}

/// The connection to one authority.
#[derive(Clone, Debug)]
pub(super) struct Web {
    client: Client,
    embargo: Embargo,
}

impl Web {
    /// # Errors
    ///
    /// `ca_file` holds no certificate, or the system trusts nobody.
    pub(super) fn new(ca_file: Option<&Path>, embargo: Embargo) -> Result<Self, String> {
        let mut builder = Client::builder()
            .https_only(true)
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("duologue/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|error| format!("{}: {error}", path.display()))?;
            builder = builder.tls_certs_only(roots);
        }
        Ok(Self { client: builder.build().map_err(|error| error.to_string())?, embargo })
    }
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let web = self.clone();
        Box::pin(async move { web.exchange(request).await.map_err(|error| Error::Other(error.into())) })
    }
}

impl Web {
    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, String> {
        let (parts, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        let sent = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send();
        let mut answer = sent.await.map_err(|error| whole(&error))?;
        if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            self.embargo.note(answer.headers(), SystemTime::now());
        }
        let mut response = Response::new(());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| whole(&error))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("an answer is longer than {ANSWER_BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(BytesResponse { parts: response.into_parts().0, body: Box::new(Bytes::from(bytes)) })
    }
}

/// The error with all its causes: the first says no more than that there was one.
fn whole(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        told = format!("{told}: {next}");
        cause = next.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(text: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(text));
        headers
    }

    #[test]
    fn an_embargo_is_told_once_and_the_longest_counts() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let embargo = Embargo::default();
        assert_eq!(embargo.take(now), None);
        embargo.note(&headers("120"), now);
        embargo.note(&headers("60"), now);
        assert_eq!(embargo.take(now), Some(Duration::from_secs(121)));
        assert_eq!(embargo.take(now), None);
        embargo.note(&headers("Mon, 12 Jan 1970 13:47:40 GMT"), now);
        assert_eq!(embargo.take(now), Some(Duration::from_secs(61)));
        for nonsense in ["", "soon", "-5", "1e9"] {
            embargo.note(&headers(nonsense), now);
            assert_eq!(embargo.take(now), None, "{nonsense:?}");
        }
    }
}
