//! What the engine does inside: lists tickets, takes one step of the work at hand, commits a match.
use std::sync::Arc;

use crate::matchmaking::Match;
use crate::matchmaking::Preferences;
use crate::matchmaking::Ticket;
use crate::matchmaking::engine::Engine;
use crate::matchmaking::engine::JoinError;
use crate::matchmaking::engine::PAUSED_PER_TURN;
use crate::matchmaking::engine::STALE_PER_TURN;
use crate::matchmaking::engine::TURN_PAUSE;
use crate::matchmaking::index::Terms;
use crate::matchmaking::names::Name;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::Posting;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::profile::Profile;
use crate::matchmaking::search::Found;
use crate::matchmaking::search::Kinds;
use crate::matchmaking::search::Searcher;
use crate::matchmaking::ties::Identity;
use crate::matchmaking::ties::PersonKey;
use crate::matchmaking::waiting::Entry;
use crate::matchmaking::waiting::Search;
use crate::matchmaking::waiting::Waiting;
use crate::time::Mono;

impl Engine {
    /// The key of a ticket's user, if neither has a ticket here.
    pub(super) fn free_user(&self, ticket: &Ticket) -> Result<PersonKey, JoinError> {
        let user = self.person_keys.user(&ticket.user);
        if self.slot_by_user.contains_key(&user) || self.slot_by_id.contains_key(&ticket.id) {
            return Err(JoinError::AlreadyQueued);
        }
        Ok(user)
    }

    /// Takes a ticket in and owes it a search.
    pub(super) fn take_in(&mut self, ticket: Ticket, user: PersonKey, now: Mono) -> Result<(), JoinError> {
        self.now = self.now.max(now);
        let Ticket { id, user: user_id, device, age_band, preferences, since } = ticket;
        let pool = self.pools.hold(&preferences.mode, &age_band, preferences.size);
        let Some(entry) = self.pools.get_mut(pool).filter(|_| self.slots.has_room()) else {
            self.pools.release(pool);
            return Err(JoinError::QueueFull);
        };
        entry.waiting += 1;
        let (kind, traits) = entry.hold_kind(&preferences);
        let slot = self.slots.next_slot();
        let tags: Vec<Name> = preferences.tags.iter().map(|text| self.hold_tag(text, slot)).collect();
        let mut hold = |texts: &[Arc<str>]| texts.iter().map(|text| self.names.hold(text)).collect::<Vec<_>>();
        let languages = hold(&preferences.languages);
        let region = hold(preferences.region.as_slice());
        let terms = Terms { pool, tags: &tags, languages: &languages, region: &region };
        self.postings_promised += terms.postings_max();
        let identity = Identity { user, device: device.as_ref().map(|device| self.person_keys.device(device)) };
        let profile = Profile::new(since, identity, kind, terms);
        let waiting = Waiting {
            id,
            user: user_id,
            device,
            traits,
            tag_wait_ms: preferences.tag_wait.map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
            search: Search::Done,
            pool,
            size: preferences.size,
            is_listed: false,
            is_paused: false,
            is_suspended: false,
        };
        let slot = self.slots.insert(waiting, profile);
        self.slot_by_id.insert(id, slot);
        self.slot_by_user.insert(user, slot);
        if let Some(device) = identity.device {
            let place = Place::since(Mono::default(), slot);
            self.tickets_by_device
                .entry(device)
                .and_modify(|tickets| {
                    tickets.insert(place);
                })
                .or_insert(Posting::One(place));
        }
        self.update_level(slot);
        self.search_from_scratch(slot);
        Ok(())
    }

    /// Takes a ticket out of everything.
    pub(super) fn take_out(&mut self, slot: Slot) -> Option<Ticket> {
        self.unlist(slot);
        let waiting = self.slots.remove(slot)?;
        let profile = self.slots.profile(slot)?;
        let terms = profile.terms(waiting.pool);
        self.postings_promised -= terms.postings_max();
        self.slot_by_id.remove(&waiting.id);
        self.slot_by_user.remove(&profile.identity.user);
        if let Some(device) = profile.identity.device
            && let Some(tickets) = self.tickets_by_device.get_mut(&device)
            && tickets.remove(Place::since(Mono::default(), slot))
        {
            self.tickets_by_device.remove(&device);
        }
        let pool = self.pools.get_mut(waiting.pool)?;
        pool.waiting -= u32::from(!waiting.is_suspended);
        pool.release_kind(profile.kind);
        let (mode, age_band, size) = (pool.mode.clone(), pool.age_band.clone(), pool.size);
        self.pools.release(waiting.pool);
        let preferences = Preferences {
            mode,
            size,
            tags: terms.tags.iter().filter_map(|tag| self.tags.text(*tag)).cloned().collect(),
            languages: self.texts(terms.languages),
            region: self.texts(terms.region).pop(),
            attributes: waiting.traits.attributes.clone(),
            want: waiting.traits.want.clone(),
            tag_wait: waiting.tag_wait(),
        };
        terms.tags.iter().for_each(|tag| self.tags.release(*tag, slot));
        terms.languages.iter().chain(terms.region).for_each(|name| self.names.release(*name));
        let Waiting { id, user, device, .. } = waiting;
        Some(Ticket { id, user, device, age_band, preferences, since: profile.since })
    }

    /// Counts a ticket among the holders of a tag. If that makes the tag common, those who wait already are listed under it.
    fn hold_tag(&mut self, text: &Arc<str>, slot: Slot) -> Name {
        let held = self.tags.hold(text, slot);
        for slot in held.promoted {
            let Some(other) = self.slots.get(slot).filter(|other| other.waiting.is_listed) else { continue };
            let (profile, place) = (other.profile, Place::since(other.profile.since, slot));
            let under_it = Terms { tags: std::slice::from_ref(&held.name), ..other.terms() };
            self.index.add(&self.tags, under_it, profile.kind, 0, place);
        }
        held.name
    }

    fn texts(&self, of: &[Name]) -> Vec<Arc<str>> {
        of.iter().filter_map(|name| self.names.text(*name)).cloned().collect()
    }

    /// Raises a ticket to the level of its wait and returns the one it had.
    pub(super) fn update_level(&mut self, slot: Slot) -> Option<u8> {
        let ticket = self.slots.get(slot)?;
        let (before, level) = (ticket.profile.level, ticket.level_at(self.now, &self.settings.levels));
        self.slots.set_level(slot, level);
        Some(before)
    }

    /// Owes a ticket a search through everything.
    pub(super) fn search_from_scratch(&mut self, slot: Slot) {
        let Some(ticket) = self.slots.get_mut(slot) else { return };
        let owed = Search::from_level(0);
        let line = if ticket.size.is_pair() { &mut self.fresh } else { &mut self.fresh_groups };
        // A search from the first place on stands in line already.
        if !ticket.is_suspended && std::mem::replace(&mut ticket.search, owed) != owed {
            line.push_back(slot);
        }
    }

    /// Does one step of each kind of work at hand, so that none of them waits for the others.
    pub(super) fn step(&mut self) -> Option<Match> {
        if let Some((a, b)) = self.recent.poll_expired(self.now)
            && let (Some(&slot), true) = (self.slot_by_user.get(&a), self.slot_by_user.contains_key(&b))
        {
            self.search_from_scratch(slot);
        }
        self.step_fresh().or_else(|| self.step_widening()).or_else(|| self.step_paused())
    }

    fn step_fresh(&mut self) -> Option<Match> {
        let slot = self.fresh.pop_front()?;
        self.search(slot)
    }

    fn step_widening(&mut self) -> Option<Match> {
        let due = self.widenings.first().copied().filter(|place| place.moment() <= self.now)?;
        self.widenings.remove(&due);
        let slot = due.slot();
        let news = self.update_level(slot)? + 1;
        let ticket = self.slots.get_mut(slot)?;
        if !ticket.size.is_pair() {
            // Whoever was seen before may complete a group with those who come into reach.
            self.list(slot, news);
            self.search_from_scratch(slot);
            return None;
        }
        let from_level = match ticket.search {
            Search::Done => news,
            Search::Owed { from_level, .. } => from_level.min(news),
        };
        ticket.search = Search::from_level(from_level);
        self.list(slot, news);
        self.search(slot)
    }

    fn step_paused(&mut self) -> Option<Match> {
        if self.paused.is_empty() || self.next_turn > self.now {
            return None;
        }
        self.next_turn = self.now + TURN_PAUSE;
        let mut left = PAUSED_PER_TURN;
        for _ in 0..STALE_PER_TURN {
            let slot = self.paused.pop_front()?;
            let Some(ticket) = self.slots.get_mut(slot) else { continue };
            if !std::mem::replace(&mut ticket.is_paused, false) || ticket.search == Search::Done {
                continue;
            }
            left -= 1;
            if !ticket.size.is_pair() {
                self.fresh_groups.push_back(slot);
            }
            let found = self.search(slot);
            if found.is_some() || left == 0 {
                return found;
            }
        }
        None
    }

    /// Goes on with the search for a pair that a ticket owes.
    fn search(&mut self, slot: Slot) -> Option<Match> {
        let ticket = self.slots.get(slot)?;
        let Search::Owed { from_level, next } = ticket.waiting.search else { return None };
        if !ticket.waiting.size.is_pair() {
            return None;
        }
        let searcher = Searcher {
            index: &self.index,
            tags: &self.tags,
            slots: &self.slots,
            pools: &self.pools,
            blocks: &self.blocks,
            recent: &self.recent,
            ticket,
            now: self.now,
        };
        let (mut found, mut looked_at) = searcher.run(Kinds::All, from_level, next, self.effort);
        if matches!(found, Found::Paused(_)) && next == Place::FIRST {
            // A crowd that suits nobody must not stand between two who suit each other.
            let (beyond, more) = searcher.run(Kinds::Numbered, from_level, next, self.effort);
            looked_at += more;
            if matches!(beyond, Found::Partner(_)) {
                found = beyond;
            }
        }
        self.looked_at += looked_at as u64;
        let search = match found {
            Found::Partner(partner) => return self.commit(slot, partner),
            Found::Nobody => Search::Done,
            Found::Paused(next) => Search::Owed { from_level, next },
        };
        let ticket = self.slots.get_mut(slot)?;
        ticket.search = search;
        if search != Search::Done && !std::mem::replace(&mut ticket.is_paused, true) {
            self.paused.push_back(slot);
        }
        if !std::mem::replace(&mut ticket.is_listed, true) {
            self.list(slot, 0);
        }
        None
    }

    /// Takes two tickets out together.
    fn commit(&mut self, one: Slot, other: Slot) -> Option<Match> {
        let age = |slot: Slot| self.slots.get(slot).map(|ticket| (ticket.profile.since, ticket.waiting.id));
        let (a, b) = if age(one)? <= age(other)? { (one, other) } else { (other, one) };
        let (older, younger) = (self.slots.get(a)?, self.slots.get(b)?);
        let (tags, language) = common(older.terms(), younger.terms());
        let tags_common = tags.iter().filter_map(|tag| self.tags.text(*tag)).cloned().collect();
        let language = language.and_then(|name| self.names.text(name)).cloned();
        self.note_wait(a);
        self.note_wait(b);
        Some(Match { a: self.take_out(a)?, b: self.take_out(b)?, tags_common, language })
    }

    pub(super) fn note_wait(&mut self, slot: Slot) {
        let Some(ticket) = self.slots.get(slot) else { return };
        let Some(pool) = self.pools.get_mut(ticket.waiting.pool) else { return };
        let waited = self.now.saturating_since(ticket.profile.since);
        for level in 0..=ticket.profile.level {
            let wait = ticket.wait_of(level, &self.settings.levels).unwrap_or_default();
            pool.wait_times.note(level, waited.saturating_sub(wait));
        }
    }

    /// Lists a ticket under its keys of `from_level` up to its level and plans the next widening.
    pub(super) fn list(&mut self, slot: Slot, from_level: u8) {
        let Some(ticket) = self.slots.get(slot) else { return };
        let (profile, place) = (ticket.profile, Place::since(ticket.profile.since, slot));
        (from_level..=profile.level)
            .for_each(|level| self.index.add(&self.tags, ticket.terms(), profile.kind, level, place));
        self.widenings.extend(self.widening(ticket, slot));
    }

    /// Takes a ticket off all postings and plans.
    pub(super) fn unlist(&mut self, slot: Slot) {
        let Some(ticket) = self.slots.get(slot).filter(|ticket| ticket.waiting.is_listed) else { return };
        let (profile, place) = (ticket.profile, Place::since(ticket.profile.since, slot));
        (0..=profile.level).for_each(|level| self.index.remove(&self.tags, ticket.terms(), profile.kind, level, place));
        if let Some(widening) = self.widening(ticket, slot) {
            self.widenings.remove(&widening);
        }
        if let Some(ticket) = self.slots.get_mut(slot) {
            ticket.is_listed = false;
        }
    }

    fn widening(&self, ticket: Entry<'_>, slot: Slot) -> Option<Place> {
        let wait = ticket.wait_of(ticket.profile.level + 1, &self.settings.levels)?;
        Some(Place::due(ticket.profile.since + wait, slot))
    }
}

/// The tags of `a` that `b` names too, and the language the two have.
fn common(a: Terms<'_>, b: Terms<'_>) -> (Vec<Name>, Option<Name>) {
    let tags = a.tags.iter().copied().filter(|tag| b.tags.contains(tag)).collect();
    let language = match (a.languages, b.languages) {
        ([], any) | (any, []) => any.first(),
        (ours, theirs) => ours.iter().find(|name| theirs.contains(name)),
    };
    (tags, language.copied())
}
