use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use crate::store::Chat;
use crate::store::Ending;
use crate::store::LiveSession;
use crate::store::Meeting;
use crate::store::MemoryStore;
use crate::store::Place;
use crate::store::Progress;
use crate::store::Resumption;
use crate::store::Revocation;
use crate::store::Session;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::Sessions;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Sessions in the order they began.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionBook {
    last_number: u64,
    stored_by_number: BTreeMap<u64, StoredSession>,
    number_by_id: HashMap<SessionId, u64>,
    by_user: BTreeSet<(UserId, UnixMillis, u64)>,
    meeting_by_users: BTreeMap<[UserId; 2], UnixMillis>,
    pub(super) resumption_by_user: BTreeMap<UserId, Resumption>,
    pub(super) revoked_until: BTreeMap<SessionId, UnixMillis>,
}

#[derive(Clone, Debug)]
struct StoredSession {
    record: SessionRecord,
    /// What was written in it has been swept away, or is about to be stored no more.
    is_chat_swept: bool,
}

impl SessionBook {
    fn get(&self, id: &SessionId) -> Option<&StoredSession> {
        self.stored_by_number.get(self.number_by_id.get(id)?)
    }

    fn live_mut(&mut self, id: &SessionId) -> Option<&mut StoredSession> {
        let stored = self.stored_by_number.get_mut(self.number_by_id.get(id)?);
        stored.filter(|stored| stored.record.ending.is_none())
    }

    /// The sessions of a user that are over, behind `before`, the newest first.
    pub(super) fn ended_of<'a>(
        &'a self,
        user: &UserId,
        before: Option<&SessionPlace>,
    ) -> impl Iterator<Item = &'a SessionRecord> + use<'a> {
        let (started, number) = before.map_or((UnixMillis(u64::MAX), u64::MAX), |before| {
            // One that is gone was the first of its moment.
            (before.started, self.number_by_id.get(&before.id).copied().unwrap_or(0))
        });
        let bounds = (user.clone(), UnixMillis(0), 0)..(user.clone(), started, number);
        let records = self.by_user.range(bounds).rev().filter_map(|(_, _, number)| self.stored_by_number.get(number));
        records.map(|stored| &stored.record).filter(|record| record.ending.is_some())
    }

    /// Takes a session away.
    pub(super) fn remove(&mut self, id: &SessionId) {
        let Some(number) = self.number_by_id.remove(id) else { return };
        let Some(stored) = self.stored_by_number.remove(&number) else { return };
        let Session { participants, started, .. } = stored.record.session;
        for participant in participants {
            self.by_user.remove(&(participant.party.user, started, number));
        }
    }

    /// Ended sessions that ended no later than `horizon`, by whether their chat was swept.
    pub(super) fn ended_by(&self, horizon: UnixMillis, is_chat_swept: bool, limit: usize) -> Vec<SessionId> {
        let is_old = |stored: &&StoredSession| stored.record.ending.as_ref().is_some_and(|ending| ending.at <= horizon);
        let old = self.stored_by_number.values().filter(|stored| stored.is_chat_swept == is_chat_swept).filter(is_old);
        old.take(limit).map(|stored| stored.record.session.id.clone()).collect()
    }

    /// Notes that the chat of a session was swept.
    pub(super) fn chat_is_swept(&mut self, id: &SessionId) {
        if let Some(stored) = self.number_by_id.get(id).and_then(|number| self.stored_by_number.get_mut(number)) {
            stored.is_chat_swept = true;
        }
    }

    /// Takes away at most `limit` meetings that were no later than `horizon`.
    pub(super) fn forget_meetings(&mut self, horizon: UnixMillis, limit: usize) -> usize {
        let old: Vec<_> = self.meeting_by_users.iter().filter(|(_, at)| **at <= horizon).take(limit).collect();
        let old: Vec<_> = old.into_iter().map(|(users, _)| users.clone()).collect();
        for users in &old {
            self.meeting_by_users.remove(users);
        }
        old.len()
    }
}

impl Sessions for MemoryStore {
    fn start_session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.conversations.open(Place::Session(session.id.clone()))?;
        let book = &mut self.sessions;
        book.last_number += 1;
        let number = book.last_number;
        for participant in &session.participants {
            book.by_user.insert((participant.party.user.clone(), session.started, number));
        }
        book.number_by_id.insert(session.id.clone(), number);
        let record = SessionRecord { session: session.clone(), ending: None };
        book.stored_by_number.insert(number, StoredSession { record, is_chat_swept: false });
        Ok(())
    }

    fn progress_session(&mut self, id: &SessionId, progress: &Progress) -> Result<(), StoreError> {
        let stored = self.sessions.live_mut(id).ok_or(StoreError::Unknown)?;
        stored.record.session.progress = *progress;
        Ok(())
    }

    fn end_session(&mut self, id: &SessionId, ending: &Ending) -> Result<(), StoreError> {
        let (keeps_logs, place) = (!self.retention.logs.is_zero(), Place::Session(id.clone()));
        let stored = self.sessions.live_mut(id).ok_or(StoreError::Unknown)?;
        if keeps_logs {
            stored.record.ending = Some(ending.clone());
        } else if self.retention.keeps_chat(&place) {
            stored.record.ending = Some(Ending { summary: "".into(), ..ending.clone() });
        } else {
            self.sessions.remove(id);
            self.conversations.remove(&place);
        }
        Ok(())
    }

    fn summarize_session(&mut self, id: &SessionId, summary: &Arc<str>) -> Result<(), StoreError> {
        let keeps_logs = !self.retention.logs.is_zero();
        let stored =
            self.sessions.number_by_id.get(id).and_then(|number| self.sessions.stored_by_number.get_mut(number));
        let ending = stored.and_then(|stored| stored.record.ending.as_mut()).filter(|_| keeps_logs);
        if let Some(ending) = ending {
            ending.summary = Arc::clone(summary);
        }
        Ok(())
    }

    fn each_live_session(&self, visit: &mut dyn FnMut(LiveSession)) -> Result<(), StoreError> {
        for stored in self.sessions.stored_by_number.values() {
            if stored.record.ending.is_none() {
                let session = stored.record.session.clone();
                let last_mid = self.last_message(&Place::Session(session.id.clone()))?;
                visit(LiveSession { session, last_mid });
            }
        }
        Ok(())
    }

    fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.sessions.get(id).map(|stored| stored.record.clone()))
    }

    fn ended_sessions(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        if self.retention.logs.is_zero() {
            return Ok(Vec::new());
        }
        Ok(self.sessions.ended_of(user, before).take(limit).cloned().collect())
    }

    fn put_meeting(&mut self, meeting: &Meeting) -> Result<(), StoreError> {
        if self.retention.meetings.is_zero() {
            return Ok(());
        }
        let mut users = meeting.users.clone();
        users.sort();
        self.sessions.meeting_by_users.insert(users, meeting.at);
        Ok(())
    }

    fn each_meeting(&self, since: UnixMillis, visit: &mut dyn FnMut(Meeting)) -> Result<(), StoreError> {
        let meetings = self.sessions.meeting_by_users.iter().filter(|(_, at)| **at > since);
        let mut meetings: Vec<_> = meetings.map(|(users, at)| Meeting { users: users.clone(), at: *at }).collect();
        meetings.sort_by_key(|meeting| meeting.at);
        meetings.into_iter().for_each(visit);
        Ok(())
    }

    fn put_revocation(&mut self, revocation: &Revocation) -> Result<(), StoreError> {
        self.sessions.revoked_until.insert(revocation.name.clone(), revocation.until);
        Ok(())
    }

    fn each_revocation(&self, visit: &mut dyn FnMut(Revocation)) -> Result<(), StoreError> {
        let revoked = self.sessions.revoked_until.iter();
        revoked.map(|(name, until)| Revocation { name: name.clone(), until: *until }).for_each(visit);
        Ok(())
    }

    fn put_resumption(&mut self, resumption: &Resumption) -> Result<(), StoreError> {
        self.sessions.resumption_by_user.insert(resumption.user.clone(), resumption.clone());
        Ok(())
    }

    fn remove_resumption(&mut self, user: &UserId) -> Result<(), StoreError> {
        self.sessions.resumption_by_user.remove(user);
        Ok(())
    }

    fn each_resumption(&self, visit: &mut dyn FnMut(Resumption)) -> Result<(), StoreError> {
        self.sessions.resumption_by_user.values().cloned().for_each(visit);
        Ok(())
    }
}
