//! `[telemetry]`: who is told of spans.
use ipnet::IpNet;
use serde::Serialize;

use crate::auth::secret::Secret;

use super::mask;
use super::problem::Complaint;
use super::read::Section;

/// Of so many traces one may be kept at least.
const ONE_IN_MAX: u32 = 1_000_000;

/// `[telemetry]`: spans for a collector of OpenTelemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Telemetry {
    /// Where spans are posted; empty: nowhere, and none are made.
    pub otlp_url: String,
    /// Lines `name: value` of each request to it.
    #[serde(serialize_with = "mask::list")]
    pub otlp_headers: Vec<Secret>,
    /// Of so many traces one is kept.
    pub sample_one_in: u32,
    /// Whose `traceparent` is believed.
    pub parents_from: Vec<IpNet>,
}

impl Default for Telemetry {
    fn default() -> Self {
        let this_machine = ["127.0.0.0/8", "::1/128"];
        Self {
            otlp_url: String::new(),
            otlp_headers: Vec::new(),
            sample_one_in: 1,
            parents_from: this_machine.iter().filter_map(|network| network.parse().ok()).collect(),
        }
    }
}

impl Telemetry {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            otlp_url: section.checked("otlp_url", String::new(), |url| check_url(url)),
            otlp_headers: section.secrets("otlp_headers"),
            sample_one_in: section.number("sample_one_in", default.sample_one_in, 1, ONE_IN_MAX),
            parents_from: section.value("parents_from", default.parents_from),
        };
        if read.headers().count() < read.otlp_headers.len() {
            let fix = "write name: value, for example \"authorization: Bearer ...\"";
            section.refuse("otlp_headers", Complaint::new("a line is no header of HTTP", fix));
        }
        section.finish();
        read
    }

    /// Whether spans are made at all.
    pub fn is_on(&self) -> bool {
        !self.otlp_url.is_empty()
    }

    /// Names and values of the headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.otlp_headers.iter().filter_map(|line| {
            let (name, value) = std::str::from_utf8(line.expose()).ok()?.split_once(':')?;
            let (name, value) = (name.trim(), value.trim());
            (is_name(name) && is_value(value)).then_some((name, value))
        })
    }
}

/// RFC 9110 §5.6.2.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn check_url(url: &str) -> Result<(), Complaint> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_sound =
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '#', '@']));
    if url.is_empty() || is_sound {
        return Ok(());
    }
    let fix = "write scheme, host and path, for example \"http://127.0.0.1:4318/v1/traces\"; what lets you in goes to otlp_headers";
    Err(Complaint::new("this is no URL that spans can be posted to", fix))
}
