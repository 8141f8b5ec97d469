use std::time::Duration;

use uuid::Uuid;

use crate::store::DataClass;
use crate::store::Event;
use crate::store::EventNumber;
use crate::store::Retention;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(super) fn event(subject: &str, at: u64) -> Event {
    Event {
        id: Uuid::from_u128(u128::from(at)),
        kind: "session.started".into(),
        subject: subject.into(),
        at: UnixMillis(at),
        data: "{\"users\":[\"a\",\"b\"]}".into(),
        cause: at.is_multiple_of(2).then(|| "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
    }
}

#[test]
fn events_are_read_in_their_order_and_numbers_are_never_given_twice() {
    for (kind, mut store) in stores(Retention { events: Duration::from_millis(10), ..Retention::default() }) {
        assert_eq!(store.last_event(), Ok(EventNumber(0)), "{kind}");
        for at in [5, 3, 9] {
            store.append_event(&event("s", at)).expect("stored");
        }
        let first = store.events(EventNumber(0), 2).expect("read");
        assert_eq!(first, [(EventNumber(1), event("s", 5)), (EventNumber(2), event("s", 3))], "{kind}");
        assert_eq!(store.events(EventNumber(2), 2), Ok(vec![(EventNumber(3), event("s", 9))]), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Events, UnixMillis(15)), 2, "{kind}");
        assert_eq!(store.events(EventNumber(0), 9), Ok(vec![(EventNumber(3), event("s", 9))]), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Events, UnixMillis(99)), 1, "{kind}");
        assert_eq!(store.last_event(), Ok(EventNumber(3)), "{kind}");
        store.append_event(&event("s", 20)).expect("stored");
        assert_eq!(store.events(EventNumber(0), 9), Ok(vec![(EventNumber(4), event("s", 20))]), "{kind}");
    }
    for (kind, mut store) in stores(Retention { events: Duration::ZERO, ..Retention::default() }) {
        store.append_event(&event("s", 1)).expect("nothing to do");
        assert_eq!(
            (store.events(EventNumber(0), 9), store.last_event()),
            (Ok(Vec::new()), Ok(EventNumber(0))),
            "{kind}"
        );
    }
}

#[test]
fn each_sink_is_told_at_its_own_pace() {
    for (kind, mut store) in stores(Retention::default()) {
        assert_eq!(store.told("webhook"), Ok(None), "{kind}");
        store.put_told("webhook", EventNumber(7)).expect("stored");
        store.put_told("file", EventNumber(0)).expect("stored");
        store.put_told("webhook", EventNumber(9)).expect("stored");
        let told = ["webhook", "file", "other"].map(|sink| store.told(sink));
        assert_eq!(told, [Ok(Some(EventNumber(9))), Ok(Some(EventNumber(0))), Ok(None)], "{kind}");
    }
}

#[test]
fn another_retention_holds_for_what_is_kept_and_for_what_comes() {
    let keeps = |events: Duration| Retention { events, ..Retention::default() };
    for (kind, mut store) in stores(keeps(Duration::from_millis(1000))) {
        store.append_event(&event("s", 5)).expect("stored");
        assert_eq!(swept(&mut *store, DataClass::Events, UnixMillis(20)), 0, "{kind}");
        store.keep_for(keeps(Duration::from_millis(10)));
        assert_eq!(swept(&mut *store, DataClass::Events, UnixMillis(20)), 1, "{kind}");
        store.keep_for(keeps(Duration::ZERO));
        store.append_event(&event("s", 21)).expect("not an error");
        assert_eq!(store.events(EventNumber(0), 9), Ok(Vec::new()), "{kind}");
        store.keep_for(keeps(Duration::from_millis(10)));
        store.append_event(&event("s", 22)).expect("stored");
        assert_eq!(store.events(EventNumber(0), 9).expect("read").len(), 1, "{kind}");
    }
}
