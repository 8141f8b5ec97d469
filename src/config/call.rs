//! `[session]` and `[matchmaking]`: who talks to whom, and for how long.
use std::time::Duration;

use serde::Serialize;

use super::duration;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

/// `[session]`: the matched pair's call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// When a session ends by itself; `None` (written `"0s"`): never.
    #[serde(serialize_with = "duration::serialize_optional")]
    pub limit: Option<Duration>,
    /// How long a lost WebSocket may take to come back.
    #[serde(serialize_with = "duration::serialize")]
    pub resume_window: Duration,
    /// Which ICE candidates browsers may use.
    pub ice_policy: IcePolicy,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            limit: Some(Duration::from_secs(300)),
            resume_window: Duration::from_secs(30),
            ice_policy: IcePolicy::All,
        }
    }
}

impl Session {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let limit: Duration = section.checked("limit", default.limit.unwrap_or_default(), |limit| {
            if !limit.is_zero() && *limit < Duration::from_secs(1) {
                let what = format!("{} is too short for a call", duration::format(*limit));
                return Err(Complaint::new(what, "write at least \"1s\", or \"0s\" for no limit"));
            }
            Ok(())
        });
        let read = Self {
            limit: Some(limit).filter(|limit| !limit.is_zero()),
            resume_window: section
                .checked("resume_window", default.resume_window, |window| at_most(*window, Duration::from_secs(600))),
            ice_policy: section.value("ice_policy", default.ice_policy),
        };
        section.finish();
        read
    }
}

/// Which ICE candidates browsers may use (`iceTransportPolicy`).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IcePolicy {
    /// Direct ones too.
    All,
    /// Relayed ones only: neither side learns the other's address.
    Relay,
}

impl FromText for IcePolicy {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "all" => Ok(Self::All),
            "relay" => Ok(Self::Relay),
            _ => Err(Complaint::new(format!("{text:?} is no ICE policy"), "write \"all\" or \"relay\"")),
        }
    }
}

/// `[matchmaking]`: the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matchmaking {
    /// Tickets that may wait at once.
    pub capacity: usize,
    /// After which wait tags, regions, languages and recent partners stop mattering.
    #[serde(serialize_with = "duration::serialize_list")]
    pub levels: [Duration; 4],
    /// How long two people who met are kept apart.
    #[serde(serialize_with = "duration::serialize")]
    pub recent_partner_pause: Duration,
}

impl Default for Matchmaking {
    fn default() -> Self {
        Self {
            capacity: 200_000,
            levels: [10, 20, 40, 60].map(Duration::from_secs),
            recent_partner_pause: Duration::from_secs(3600),
        }
    }
}

impl Matchmaking {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            capacity: section.number("capacity", default.capacity, 2, 10_000_000),
            levels: section.checked("levels", default.levels, |levels| check_levels(levels)),
            recent_partner_pause: section.checked("recent_partner_pause", default.recent_partner_pause, |pause| {
                at_most(*pause, Duration::from_secs(30 * 86_400))
            }),
        };
        section.finish();
        read
    }
}

fn check_levels(levels: &[Duration]) -> Result<(), Complaint> {
    let falling = levels.windows(2).find(|pair| pair[0] > pair[1]);
    let Some(pair) = falling else {
        return Ok(());
    };
    let what = format!("{} comes after {}", duration::format(pair[1]), duration::format(pair[0]));
    let mut sorted = levels.to_vec();
    sorted.sort_unstable();
    let sorted: Vec<String> = sorted.into_iter().map(|level| format!("\"{}\"", duration::format(level))).collect();
    Err(Complaint::new(what, format!("write the waits in ascending order: [{}]", sorted.join(", "))))
}

fn at_most(duration: Duration, limit: Duration) -> Result<(), Complaint> {
    if duration > limit {
        let what = format!("{} is too long", duration::format(duration));
        return Err(Complaint::new(what, format!("write at most \"{}\"", duration::format(limit))));
    }
    Ok(())
}
