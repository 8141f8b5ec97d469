//! Everything that can be read out of a store, to compare two of them.
use std::fmt::Debug;

use crate::store::EventNumber;
use crate::store::Place;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::Window;
use crate::time::UnixMillis;

/// All that a store tells of these places and users.
pub(super) fn dump(store: &dyn Store, places: &[Place], users: &[UserId]) -> Vec<String> {
    let mut lines = Vec::new();
    each(&mut lines, |visit| store.each_live_session(visit));
    each(&mut lines, |visit| store.each_resumption(visit));
    each(&mut lines, |visit| store.each_revocation(visit));
    each(&mut lines, |visit| store.each_block(visit));
    each(&mut lines, |visit| store.each_ban(visit));
    each(&mut lines, |visit| store.each_family(visit));
    each(&mut lines, |visit| store.each_buried_family(visit));
    lines.push(format!("{:?} {:?}", store.accounts("", 100), store.accounts_altered(0, 100)));
    each(&mut lines, |visit| store.each_meeting(UnixMillis(0), visit));
    for place in places {
        let window = Window { limit: 1_000, ..Window::default() };
        lines.push(format!("{place:?} {:?} {:?}", store.history(place, window), store.receipts(place)));
        lines.push(match place {
            Place::Session(id) => format!("{:?}", store.session(id)),
            Place::Room(id) => format!("{:?} {:?}", store.room(id), store.members(id, 100)),
        });
    }
    for user in users {
        lines.push(format!("{:?} {:?}", store.ended_sessions(user, None, 100), store.rooms_of(user, 100)));
        lines.push(format!("{:?} {:?}", store.blocks(user, 100), store.uploaded(Some(user))));
        lines.push(format!("{:?} {:?}", store.past_sessions(user, None, 100), store.rooms_left(user, 100)));
        lines.push(format!("{:?} {:?}", store.cases_by(user, 100), store.cases_about(user, 100)));
        lines.push(format!("{:?} {:?}", store.uploads_of(user, None, 100), store.erasures(100)));
    }
    lines.push(format!("{:?} {:?}", store.orphans(UnixMillis(u64::MAX), 100), store.uploaded(None)));
    lines.push(format!("{:?} {:?}", store.open_cases(None, 100), store.deeds(None, 100)));
    lines.push(format!("{:?} {:?}", store.decided_cases(None, 100), store.kept_in_all()));
    for case in store.open_cases(None, 100).expect("read") {
        lines.push(format!("{:?} {:?}", store.notes(&case.report.id), store.accuracy(&case.report.reporter)));
        lines.push(format!("{:?}", store.kept_files(&case.report.id)));
    }
    for user in users {
        lines.push(format!("{:?} {:?}", store.appeals_of(user, 100), store.open_appeals(None, 100)));
    }
    let events = store.events(EventNumber::default(), 1_000);
    lines.push(format!("{events:?} {:?} {:?}", store.last_event(), store.told("sink")));
    lines
}

/// Shown in no order that a store promises.
fn each<T: Debug>(lines: &mut Vec<String>, each: impl FnOnce(&mut dyn FnMut(T)) -> Result<(), StoreError>) {
    let mut shown = Vec::new();
    each(&mut |one: T| shown.push(format!("{one:?}"))).expect("read");
    shown.sort();
    lines.append(&mut shown);
}
