//! What the store keeps of sessions and resume chains in signaling's own words: JSON, read back after a restart. Pure.
//!
//! Members may be added; a member that is there keeps its name and meaning, as an older file may hold it.
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::auth::token::FamilyId;
use crate::auth::token::Identity;
use crate::auth::token::Subject;
use crate::matchmaking::Preferences;
use crate::matchmaking::RawPreferences;
use crate::signal::id::Side;
use crate::signal::session::Session;
use crate::time::UnixMillis;

/// The details of a session beyond what the store has columns for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionDetails {
    pub(crate) tags_common: Vec<Arc<str>>,
    pub(crate) language: Option<Arc<str>>,
    preferences: Vec<RawPreferences>,
}

impl SessionDetails {
    /// Those of a session, as text to be kept.
    pub(crate) fn write(session: &Session) -> Arc<str> {
        let preferences = Side::BOTH.map(|side| RawPreferences::from(&session.participant(side).preferences));
        let details = Self {
            tags_common: session.tags_common.clone(),
            language: session.language.clone(),
            preferences: preferences.into(),
        };
        write(&details)
    }

    /// Reads what was kept; a session goes on without what cannot be read.
    pub(crate) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The preferences of A and B.
    pub(crate) fn preferences(&mut self) -> [Preferences; 2] {
        let mut kept = std::mem::take(&mut self.preferences).into_iter();
        let mut next = || kept.next().and_then(|raw| Preferences::try_from(raw).ok()).unwrap_or_default();
        [next(), next()]
    }
}

/// Who a resume chain belongs to, and until when that is proved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChainDetails {
    subject: Subject,
    expires: UnixMillis,
    family: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<KeptTicket>,
}

/// A ticket that waits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptTicket {
    pub(crate) since: UnixMillis,
    pub(crate) preferences: RawPreferences,
}

impl KeptTicket {
    /// Takes down since when somebody waits for what.
    pub(crate) fn new(since: UnixMillis, preferences: &Preferences) -> Self {
        Self { since, preferences: preferences.into() }
    }
}

impl ChainDetails {
    /// Those of a chain, as text to be kept.
    pub(crate) fn write(
        subject: &Subject,
        expires: UnixMillis,
        family: Option<&FamilyId>,
        ticket: Option<KeptTicket>,
    ) -> Arc<str> {
        let family = family.map(|family| family.name().clone());
        write(&Self { subject: subject.clone(), expires, family, ticket })
    }

    /// Reads what was kept.
    pub(crate) fn read(text: &str) -> Option<(Identity, Option<KeptTicket>)> {
        let Self { subject, expires, family, ticket } = serde_json::from_str(text).ok()?;
        Some((Identity { subject, expires, family: family.map(FamilyId::new) }, ticket))
    }
}

fn write(details: &impl Serialize) -> Arc<str> {
    serde_json::to_string(details).expect("our own details have string keys and no failing parts").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::Role;
    use crate::signal::session::Participant;
    use crate::time::Now;

    fn preferences(tag: &str) -> Preferences {
        Preferences { tags: vec![tag.into()], ..Preferences::default() }
    }

    #[test]
    fn what_two_asked_for_and_have_in_common_is_read_back() {
        let participants =
            ["rust", "tea"].map(|tag| Participant::new(crate::matchmaking::UserId(tag.into()), preferences(tag)));
        let mut session = Session::new(participants, None, Now::default());
        session.tags_common = vec!["x".into()];
        session.language = Some("en".into());
        let mut read = SessionDetails::read(&SessionDetails::write(&session));
        assert_eq!((read.tags_common.clone(), read.language.clone()), (vec!["x".into()], Some("en".into())));
        assert_eq!(read.preferences(), [preferences("rust"), preferences("tea")]);
    }

    #[test]
    fn a_session_goes_on_without_what_cannot_be_read() {
        for text in ["", "{}", r#"{"preferences":7}"#, r#"{"preferences":[{"tags":[""]}],"later":true}"#] {
            let mut read = SessionDetails::read(text);
            assert_eq!(read.preferences(), [Preferences::default(), Preferences::default()], "{text}");
            assert!(read.tags_common.is_empty() && read.language.is_none());
        }
    }

    #[test]
    fn a_chain_knows_whose_it_is_or_is_none() {
        let subject = Subject {
            user: "g_1".into(),
            role: Role::Moderator,
            guest: true,
            device: Some("d".into()),
            age_band: Some("adult".into()),
        };
        let family = FamilyId::new("f".into());
        let kept = KeptTicket::new(UnixMillis(5), &preferences("rust"));
        let text = ChainDetails::write(&subject, UnixMillis(7), Some(&family), Some(kept));
        let without = ChainDetails::write(&subject, UnixMillis(7), Some(&family), None);
        let identity = Identity { subject, expires: UnixMillis(7), family: Some(family) };
        let (read, ticket) = ChainDetails::read(&text).expect("whole");
        assert_eq!(read, identity);
        let ticket = ticket.expect("one waits");
        assert_eq!((ticket.since, Preferences::try_from(ticket.preferences)), (UnixMillis(5), Ok(preferences("rust"))));
        let (read, ticket) = ChainDetails::read(&without).expect("whole");
        assert_eq!(read, identity);
        assert!(ticket.is_none());
        assert!(ChainDetails::read(r#"{"expires":7}"#).is_none());
    }
}
