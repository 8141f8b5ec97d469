//! A session: two people, their deadline, and what they have agreed on. Pure.
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::matchmaking::Preferences;
use crate::matchmaking::UserId;
use crate::signal::alarm::Alarm;
use crate::signal::call_report::CallReport;
use crate::signal::conversation::Conversation;
use crate::signal::id::Alias;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::keepsake::SessionDetails;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Quality;
use crate::signal::protocol::Refusal;
use crate::store;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// What is left at each warning (rule 32).
const WARNINGS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(10)];
/// Qualities pass at most once per this (rule 29).
const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

/// Why a session ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// Its time was up.
    Limit,
    /// One side ended it.
    Ended,
    /// One side went on to the next partner.
    Skipped,
    /// One side's socket was lost.
    Lost,
    /// A moderator ended it.
    Moderation,
    /// The node stops.
    Drain,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [EndReason; 6] = [
        EndReason::Limit,
        EndReason::Ended,
        EndReason::Skipped,
        EndReason::Lost,
        EndReason::Moderation,
        EndReason::Drain,
    ];

    /// The word on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::Limit => "limit",
            EndReason::Ended => "ended",
            EndReason::Skipped => "skipped",
            EndReason::Lost => "lost",
            EndReason::Moderation => "moderation",
            EndReason::Drain => "drain",
        }
    }
}

/// A live session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) started: Now,
    /// When it ends by itself.
    pub(crate) deadline: Option<Now>,
    pub(crate) tags_common: Vec<Arc<str>>,
    pub(crate) language: Option<Arc<str>>,
    /// The last `neg` seen, for `sync` (rule 28).
    pub(crate) neg: Option<i64>,
    pub(crate) chat: Conversation,
    /// Until when any credential of this session is good.
    pub(crate) credentials_until: UnixMillis,
    /// For the warnings and the deadline.
    pub(crate) alarm: Alarm,
    /// What the store was told last; nothing yet while the session begins.
    pub(crate) recorded: Option<store::Progress>,
    /// For what the store is told later.
    pub(crate) record_alarm: Alarm,
    /// How long it had gone on when this process began.
    before: Duration,
    limit: Option<Duration>,
    last_warning: Option<Duration>,
    participants: [Participant; 2],
}

/// What a deadline demands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// To tell both that so much is left.
    Warning(Duration),
    End,
}

/// One of the two.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) user: UserId,
    pub(crate) alias: Alias,
    /// Kept for `session.next`.
    pub(crate) preferences: Preferences,
    pub(crate) report: CallReport,
    pub(crate) renew_ice_at: Mono,
    pub(crate) ice_alarm: Alarm,
    pub(crate) quality: QualityGate,
    asks_to_extend: bool,
}

/// What came of asking for more time (rule 30).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// The first to ask: the other is told.
    Asked,
    /// Asked before; nobody is told again.
    AskedBefore,
    /// Both want it: the deadline has moved.
    Agreed,
}

impl Participant {
    pub(crate) fn new(user: UserId, preferences: Preferences) -> Self {
        Self {
            user,
            alias: Alias::random(),
            preferences,
            report: CallReport::default(),
            renew_ice_at: Mono::default(),
            ice_alarm: Alarm::default(),
            quality: QualityGate::default(),
            asks_to_extend: false,
        }
    }
}

impl Session {
    pub(crate) fn new(participants: [Participant; 2], limit: Option<Duration>, now: Now) -> Self {
        Self {
            id: SessionId::random(),
            started: now,
            deadline: limit.map(|limit| now.plus(limit)),
            tags_common: Vec::new(),
            language: None,
            neg: None,
            chat: Conversation::default(),
            credentials_until: now.unix,
            alarm: Alarm::default(),
            recorded: None,
            record_alarm: Alarm::default(),
            before: Duration::ZERO,
            limit,
            last_warning: None,
            participants,
        }
    }

    /// Goes on with one of a process before; what is due at its deadline comes at once if that is past.
    pub(crate) fn restored(live: store::LiveSession, now: Now) -> Self {
        let store::LiveSession { session: stored, last_mid } = live;
        let store::Session { id, participants, started, limit, details, progress } = stored;
        let mut details = SessionDetails::read(&details);
        let [a, b] = participants;
        let [of_a, of_b] = details.preferences();
        let participants = [(a, of_a), (b, of_b)].map(|(participant, preferences)| Participant {
            alias: participant.alias,
            // Who comes back is given new credentials if it is time.
            renew_ice_at: now.mono + progress.credentials_until.saturating_since(now.unix) * 7 / 10,
            ..Participant::new(UserId(participant.party.user.0), preferences)
        });
        let at = |unix: UnixMillis| Now { mono: now.mono + unix.saturating_since(now.unix), unix };
        let mut session = Self {
            id,
            started: Now { mono: now.mono, unix: started },
            deadline: progress.deadline.map(at),
            tags_common: details.tags_common,
            language: details.language,
            neg: progress.neg,
            chat: Conversation::restored(last_mid),
            credentials_until: progress.credentials_until,
            recorded: Some(progress),
            before: now.unix.saturating_since(started),
            ..Self::new(participants, limit, now)
        };
        // A warning of the time when nobody was here is late now.
        if session.left(now).is_some_and(|left| !left.is_zero()) {
            session.take_due(now);
        }
        session
    }

    /// How far it has come, for the store.
    pub(crate) fn progress(&self) -> store::Progress {
        store::Progress {
            deadline: self.deadline.map(|deadline| deadline.unix),
            neg: self.neg,
            credentials_until: self.credentials_until,
        }
    }

    /// How long it has gone on; never beyond its deadline, though nobody may have been here to end it then.
    pub(crate) fn duration(&self, now: Now) -> Duration {
        let duration = self.before + now.mono.saturating_since(self.started.mono);
        self.deadline.map_or(duration, |deadline| duration.min(deadline.unix.saturating_since(self.started.unix)))
    }

    pub(crate) fn participant(&self, side: Side) -> &Participant {
        let [a, b] = &self.participants;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    pub(crate) fn participant_mut(&mut self, side: Side) -> &mut Participant {
        let [a, b] = &mut self.participants;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// What is left; `None` without a limit.
    pub(crate) fn left(&self, now: Now) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.mono.saturating_since(now.mono))
    }

    /// The id that credentials of one side carry (rule 25).
    pub(crate) fn credential_id(&self, side: Side) -> String {
        format!("{}.{}", self.id, side.letter())
    }

    /// Checks the receiver that `from` names: only the other side's alias will do (rule 27).
    ///
    /// # Errors
    ///
    /// `not_found`
    pub(crate) fn check_receiver(&self, from: Side, to: Option<&str>) -> Result<(), Refusal> {
        match to {
            Some(to) if to != self.participant(from.other()).alias.as_str() => {
                Err(Refusal::new(ErrorCode::NotFound, "nobody of that id in this session"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What the deadline demands now, once each (rule 32).
    pub(crate) fn take_due(&mut self, now: Now) -> Option<Due> {
        let left = self.left(now)?;
        if left.is_zero() {
            return Some(Due::End);
        }
        let warning = self.warnings_ahead().into_iter().rfind(|warning| *warning >= left)?;
        self.last_warning = Some(warning);
        Some(Due::Warning(warning))
    }

    /// When [`Session::take_due`] has something next.
    pub(crate) fn next_due(&self) -> Option<Mono> {
        let deadline = self.deadline?;
        let remaining = self.warnings_ahead().first().copied().unwrap_or_default();
        // A deadline is never nearer to the clock's zero than a warning to it, as a limit is above every warning.
        let due = deadline.mono.since_start().saturating_sub(remaining);
        Some(Mono::from_start(due))
    }

    /// The warnings not yet given, the earlier ones first; only those below the limit.
    fn warnings_ahead(&self) -> Vec<Duration> {
        let limit = self.limit.unwrap_or_default();
        let ahead = |warning: &Duration| *warning < limit && self.last_warning.is_none_or(|last| *warning < last);
        WARNINGS.into_iter().filter(ahead).collect()
    }

    /// `from` asks for more time; when both have, the deadline moves by one limit (rule 30).
    ///
    /// # Errors
    ///
    /// `conflict` if there is no limit.
    pub(crate) fn extend(&mut self, from: Side) -> Result<Extension, Refusal> {
        let (Some(limit), Some(deadline)) = (self.limit, self.deadline) else {
            return Err(Refusal::new(ErrorCode::Conflict, "this session has no limit"));
        };
        let asked_before = std::mem::replace(&mut self.participant_mut(from).asks_to_extend, true);
        if !self.participant(from.other()).asks_to_extend {
            return Ok(if asked_before { Extension::AskedBefore } else { Extension::Asked });
        }
        for side in Side::BOTH {
            self.participant_mut(side).asks_to_extend = false;
        }
        self.deadline = Some(deadline.plus(limit));
        self.last_warning = None;
        Ok(Extension::Agreed)
    }
}

/// Lets one quality pass per interval and keeps the latest of the others (rule 29).
#[derive(Debug, Default)]
pub(crate) struct QualityGate {
    open_at: Mono,
    held: Option<Quality>,
}

/// What becomes of a reported quality.
#[derive(Debug)]
pub(crate) enum Gate {
    /// It goes to the peer now.
    Pass(Quality),
    /// It waits; [`QualityGate::release`] is due at that moment.
    HeldUntil(Mono),
    /// It took the place of one that waits already.
    Replaced,
}

impl QualityGate {
    pub(crate) fn admit(&mut self, quality: Quality, now: Mono) -> Gate {
        if now >= self.open_at {
            self.open_at = now + QUALITY_INTERVAL;
            return Gate::Pass(quality);
        }
        match self.held.replace(quality) {
            None => Gate::HeldUntil(self.open_at),
            Some(_) => Gate::Replaced,
        }
    }

    /// Takes what waits, if anything.
    pub(crate) fn release(&mut self, now: Mono) -> Option<Quality> {
        let quality = self.held.take()?;
        self.open_at = now + QUALITY_INTERVAL;
        Some(quality)
    }
}

#[cfg(test)]
mod tests;
