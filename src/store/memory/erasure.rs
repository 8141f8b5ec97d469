use std::collections::BTreeMap;

use crate::store::Alias;
use crate::store::Block;
use crate::store::Case;
use crate::store::Chat;
use crate::store::Erased;
use crate::store::Inherited;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::MemoryStore;
use crate::store::Persons;
use crate::store::Place;
use crate::store::RoomId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Who is to be forgotten, and the greatest revision of an account that was.
#[derive(Clone, Debug, Default)]
pub(super) struct Erasures {
    begun_by_user: BTreeMap<UserId, UnixMillis>,
    pub(super) greatest_revision: u64,
}

impl MemoryStore {
    /// Where a user has been, with what it was called there.
    fn names_of(&self, user: &UserId) -> Vec<(Place, Alias)> {
        let sessions = self.sessions.ended_of(user, None).flat_map(|record| {
            let own = record.session.participants.iter().filter(|participant| participant.party.user == *user);
            own.map(|own| (Place::Session(record.session.id.clone()), own.alias.clone())).collect::<Vec<_>>()
        });
        let rooms = self.rooms.memberships(user).chain(self.rooms.left_by(user));
        sessions.chain(rooms.map(|(room, alias)| (Place::Room(room), alias))).collect()
    }

    /// Gives what a user owns to somebody else and ends its memberships.
    fn bequeath(&mut self, user: &UserId) -> Vec<Inherited> {
        let mut inherited = Vec::new();
        let joined: Vec<RoomId> = self.rooms.memberships(user).map(|(room, _)| room).collect();
        for room in joined {
            let Some(owner) = self.rooms.take_member(&room, user) else { continue };
            if owner.role == MemberRole::Owner {
                let heir = self.rooms.heir(&room).map(|heir| Member { role: MemberRole::Owner, ..heir });
                match &heir {
                    Some(heir) => self.rooms.replace_member(&room, heir),
                    None => drop(self.close_room(&room)),
                }
                inherited.push(Inherited { room, heir });
            }
        }
        self.rooms.forget_left(user);
        inherited
    }
}

impl Persons for MemoryStore {
    fn past_sessions(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.sessions.ended_of(user, before).take(limit).cloned().collect())
    }

    fn rooms_left(&self, user: &UserId, limit: usize) -> Result<Vec<(RoomId, Alias)>, StoreError> {
        let mut left: Vec<(RoomId, Alias)> = self.rooms.left_by(user).collect();
        left.sort_by(|(_, a), (_, b)| a.cmp(b));
        left.truncate(limit);
        Ok(left)
    }

    fn uploads_of(&self, owner: &UserId, after: Option<&UploadId>, limit: usize) -> Result<Vec<Upload>, StoreError> {
        Ok(self.uploads.owned_by(owner, after).take(limit).cloned().collect())
    }

    fn cases_by(&self, reporter: &UserId, limit: usize) -> Result<Vec<Case>, StoreError> {
        Ok(self.desk.newest(|case| case.report.reporter == *reporter, limit))
    }

    fn cases_about(&self, reported: &UserId, limit: usize) -> Result<Vec<Case>, StoreError> {
        Ok(self.desk.newest(|case| case.report.reported.user == *reported, limit))
    }

    fn begin_erasure(&mut self, user: &UserId, at: UnixMillis) -> Result<bool, StoreError> {
        if let Some(account) = self.accounts.remove(user) {
            let greatest = &mut self.erasures.greatest_revision;
            *greatest = account.revision.max(*greatest);
        }
        let begun = &mut self.erasures.begun_by_user;
        let is_new = !begun.contains_key(user);
        begun.entry(user.clone()).or_insert(at);
        Ok(is_new)
    }

    fn erasures(&self, limit: usize) -> Result<Vec<UserId>, StoreError> {
        Ok(self.erasures.begun_by_user.keys().take(limit).cloned().collect())
    }

    fn erase(&mut self, user: &UserId, rows: usize) -> Result<Erased, StoreError> {
        let names = self.names_of(user);
        let mut left = rows;
        for (place, alias) in &names {
            for mid in self.conversations.said_by(place, alias, left) {
                self.delete_message(place, mid, alias)?;
                left -= 1;
            }
        }
        for (place, alias) in &names {
            left -= self.conversations.take_back_reactions(place, alias, left);
        }
        if left == 0 {
            return Ok(Erased::default());
        }
        for (place, alias) in &names {
            self.conversations.forget_receipt(place, alias);
        }
        self.uploads.abandon_owned(user);
        let blocks: Vec<Block> = self.persons.take_blocks(user);
        let rooms = self.bequeath(user);
        self.sessions.resumption_by_user.remove(user);
        self.erasures.begun_by_user.remove(user);
        Ok(Erased { is_done: true, blocks, rooms })
    }
}
