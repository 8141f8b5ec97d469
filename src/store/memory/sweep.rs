use std::collections::BTreeMap;

use crate::store::DataClass;
use crate::store::MemoryStore;
use crate::store::Place;
use crate::store::Retention;
use crate::store::StoreError;
use crate::store::Upkeep;
use crate::store::retention::horizon;
use crate::time::UnixMillis;

impl Upkeep for MemoryStore {
    fn sweep(&mut self, class: DataClass, now: UnixMillis, rows: usize) -> Result<usize, StoreError> {
        Ok(match class {
            DataClass::SessionChat => self.sweep_session_chat(horizon(now, self.retention.session_chat), rows),
            DataClass::RoomChat => self.sweep_rooms(now, rows),
            DataClass::Logs => self.sweep_logs(horizon(now, self.retention.logs), rows),
            DataClass::Audit => self.desk.forget_deeds(horizon(now, self.retention.audit), rows),
            DataClass::Reports => {
                let horizon = horizon(now, self.retention.reports);
                let forgotten = self.desk.forget_decided(horizon, rows);
                forgotten.iter().for_each(|report| self.kept_files.forget_report(report));
                let swept = forgotten.len();
                swept + self.appeals.forget_judged(horizon, rows - swept)
            }
            DataClass::Events => self.events.forget(horizon(now, self.retention.events), rows),
            DataClass::Expired => self.sweep_expired(now, rows),
        })
    }

    fn keep_for(&mut self, retention: Retention) {
        self.retention = retention;
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl MemoryStore {
    fn sweep_session_chat(&mut self, horizon: UnixMillis, rows: usize) -> usize {
        let mut swept = 0;
        for id in self.sessions.ended_by(horizon, false, rows) {
            let place = Place::Session(id.clone());
            while swept < rows && self.conversations.take_message(&place, |_| true) {
                swept += 1;
            }
            if swept == rows {
                break;
            }
            self.conversations.forget_receipts(&place);
            self.sessions.chat_is_swept(&id);
            swept += 1;
        }
        swept
    }

    fn sweep_rooms(&mut self, now: UnixMillis, rows: usize) -> usize {
        let unused = self.rooms.unused_since(horizon(now, self.retention.unused_rooms), rows);
        for id in &unused {
            self.close_room(id);
        }
        unused.len() + self.sweep_room_chat(horizon(now, self.retention.room_chat), rows - unused.len())
    }

    fn sweep_room_chat(&mut self, horizon: UnixMillis, rows: usize) -> usize {
        // No message of theirs is younger.
        let mut swept = self.rooms.forget_left_by(horizon, rows);
        let rooms: Vec<(Place, bool)> = self.conversations.rooms().map(|(place, gone)| (place.clone(), gone)).collect();
        for (place, is_gone) in rooms {
            while swept < rows && self.conversations.take_message(&place, |at| is_gone || at <= horizon) {
                swept += 1;
            }
            if is_gone && swept < rows {
                self.conversations.remove(&place);
                swept += 1;
            }
        }
        swept
    }

    fn sweep_logs(&mut self, horizon: UnixMillis, rows: usize) -> usize {
        let old = self.sessions.ended_by(horizon, true, rows);
        for id in &old {
            self.sessions.remove(id);
            self.conversations.remove(&Place::Session(id.clone()));
        }
        old.len()
    }

    fn sweep_expired(&mut self, now: UnixMillis, rows: usize) -> usize {
        let mut swept = self.sessions.forget_meetings(horizon(now, self.retention.meetings), rows);
        let is_over = |until: Option<UnixMillis>| until.is_some_and(|until| until <= now);
        let resumptions = &mut self.sessions.resumption_by_user;
        swept += remove_some(resumptions, rows - swept, |resumption| is_over(resumption.expires));
        swept += remove_some(&mut self.sessions.revoked_until, rows - swept, |until| *until <= now);
        let persons = &mut self.persons;
        swept += remove_some(&mut persons.family_by_lookup, rows - swept, |family| family.expires <= now);
        swept += remove_some(&mut persons.buried_until, rows - swept, |until| *until <= now);
        swept + remove_some(&mut persons.ban_by_id, rows - swept, |ban| is_over(ban.until))
    }
}

/// Takes away at most `limit` entries whose time is over, and returns how many.
fn remove_some<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, limit: usize, is_over: impl Fn(&V) -> bool) -> usize {
    let over: Vec<K> = map.iter().filter(|(_, value)| is_over(value)).take(limit).map(|(key, _)| key.clone()).collect();
    for key in &over {
        map.remove(key);
    }
    over.len()
}
