use std::time::Duration;

use crate::store::Alias;
use crate::store::DataClass;
use crate::store::DeviceId;
use crate::store::Ending;
use crate::store::Meeting;
use crate::store::Participant;
use crate::store::Party;
use crate::store::Progress;
use crate::store::Resumption;
use crate::store::Retention;
use crate::store::Revocation;
use crate::store::Session;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(in crate::store) fn session(id: &str, users: [&str; 2], started: u64) -> Session {
    let participant = |user: &str| Participant {
        party: Party { user: UserId(user.into()), device: Some(DeviceId(format!("device of {user}").into())) },
        alias: Alias(format!("{user}-in-{id}").into()),
    };
    Session {
        id: SessionId(id.into()),
        participants: users.map(participant),
        started: UnixMillis(started),
        limit: Some(Duration::from_secs(300)),
        details: "{\"tags\":[\"music\"]}".into(),
        progress: Progress {
            deadline: Some(UnixMillis(started + 300_000)),
            neg: None,
            credentials_until: UnixMillis(started + 600_000),
        },
    }
}

pub(in crate::store) fn ending(at: u64) -> Ending {
    Ending { at: UnixMillis(at), reason: "ended".into(), summary: "{\"path\":\"direct\"}".into() }
}

fn live(store: &dyn Store) -> Vec<Session> {
    let mut live = Vec::new();
    store.each_live_session(&mut |session| live.push(session.session)).expect("read");
    live
}

fn names(records: &[SessionRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.session.id.0).collect()
}

#[test]
fn a_running_session_is_found_again_as_far_as_it_has_come() {
    for (kind, mut store) in stores(Retention::default()) {
        let mut first = session("s1", ["a", "b"], 1_000);
        let mut second = session("s2", ["c", "d"], 1_000);
        second.limit = None;
        second.progress.deadline = None;
        second.participants[1].party.device = None;
        for session in [&first, &second] {
            store.start_session(session).expect("starts");
        }
        assert_eq!(store.start_session(&first), Err(StoreError::Taken), "{kind}");
        first.progress = Progress { deadline: Some(UnixMillis(7)), neg: Some(-3), credentials_until: UnixMillis(99) };
        store.progress_session(&first.id, &first.progress).expect("runs");
        assert_eq!(live(&*store), [first.clone(), second], "{kind}");
        assert_eq!(store.session(&first.id), Ok(Some(SessionRecord { session: first, ending: None })), "{kind}");
    }
}

#[test]
fn an_ended_session_runs_no_more_and_is_in_the_log_of_both() {
    for (kind, mut store) in stores(Retention::default()) {
        let (first, second) = (session("s1", ["a", "b"], 1_000), session("s2", ["b", "a"], 2_000));
        for session in [&first, &second] {
            store.start_session(session).expect("starts");
        }
        let user = |name: &str| UserId(name.into());
        assert_eq!(store.ended_sessions(&user("a"), None, 9), Ok(Vec::new()), "{kind}");
        store.end_session(&first.id, &ending(5_000)).expect("runs");
        assert_eq!(store.end_session(&first.id, &ending(6_000)), Err(StoreError::Unknown), "{kind}");
        assert_eq!(store.progress_session(&first.id, &first.progress), Err(StoreError::Unknown), "{kind}");
        assert_eq!(live(&*store), std::slice::from_ref(&second), "{kind}");
        store.end_session(&second.id, &ending(6_000)).expect("runs");
        let log = store.ended_sessions(&user("b"), None, 9).expect("read");
        assert_eq!(names(&log), ["s2", "s1"], "{kind}");
        assert_eq!(log[1], SessionRecord { session: first, ending: Some(ending(5_000)) }, "{kind}");
        let page = |started, id: &str, limit| {
            let before = SessionPlace { started: UnixMillis(started), id: SessionId(id.into()) };
            store.ended_sessions(&user("a"), Some(&before), limit).expect("read")
        };
        assert_eq!(names(&page(2_001, "", 1)), ["s2"], "{kind}");
        assert_eq!(names(&page(2_000, "s2", 9)), ["s1"], "{kind}");
        assert_eq!(page(1_000, "s1", 9), [], "{kind}");
        assert_eq!(store.ended_sessions(&user("stranger"), None, 9), Ok(Vec::new()), "{kind}");
    }
}

#[test]
fn sessions_that_began_in_one_moment_are_all_on_some_page() {
    for (kind, mut store) in stores(Retention::default()) {
        for id in ["s1", "s2", "s3"] {
            store.start_session(&session(id, ["a", "b"], 1_000)).expect("starts");
            store.end_session(&SessionId(id.into()), &ending(5_000)).expect("runs");
        }
        for user in ["a", "b"].map(|name| UserId(name.into())) {
            let (mut seen, mut before) = (Vec::new(), None);
            while let Some(record) = store.ended_sessions(&user, before.as_ref(), 1).expect("read").pop() {
                before = Some(SessionPlace { started: record.session.started, id: record.session.id.clone() });
                seen.push(record.session.id.0.to_string());
            }
            assert_eq!(seen, ["s3", "s2", "s1"], "{kind}");
        }
    }
}

#[test]
fn nothing_can_happen_to_a_session_that_is_not_there() {
    for (kind, mut store) in stores(Retention::default()) {
        let unknown = session("s1", ["a", "b"], 1_000);
        assert_eq!(store.progress_session(&unknown.id, &unknown.progress), Err(StoreError::Unknown), "{kind}");
        assert_eq!(store.end_session(&unknown.id, &ending(2_000)), Err(StoreError::Unknown), "{kind}");
        assert_eq!(store.session(&unknown.id), Ok(None), "{kind}");
    }
}

#[test]
fn logs_go_when_their_time_is_over_and_running_sessions_stay() {
    for (kind, mut store) in stores(Retention::default()) {
        let day = 86_400_000;
        for (id, ended) in [("old", Some(1_000)), ("new", Some(1_001)), ("runs", None)] {
            store.start_session(&session(id, ["a", "b"], 500)).expect("starts");
            if let Some(ended) = ended {
                store.end_session(&SessionId(id.into()), &ending(ended)).expect("runs");
            }
        }
        let now = UnixMillis(1_000 + 10 * day);
        assert_eq!(store.sweep(DataClass::Logs, now, 9), Ok(0), "{kind}: the chat goes first");
        assert_eq!(swept(&mut *store, DataClass::SessionChat, now), 2, "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Logs, now), 1, "{kind}");
        assert_eq!(store.session(&SessionId("old".into())), Ok(None), "{kind}");
        assert_eq!(names(&store.ended_sessions(&UserId("a".into()), None, 9).expect("read")), ["new"], "{kind}");
        assert_eq!(live(&*store).len(), 1, "{kind}");
        store.start_session(&session("old", ["a", "b"], 500)).expect("the name is free again");
    }
}

#[test]
fn where_no_logs_are_kept_an_ended_session_is_only_known_for_its_chat() {
    for (kind, mut store) in stores(Retention { logs: Duration::ZERO, ..Retention::default() }) {
        let session = session("s1", ["a", "b"], 1_000);
        store.start_session(&session).expect("starts");
        store.end_session(&session.id, &ending(2_000)).expect("runs");
        assert_eq!(store.ended_sessions(&UserId("a".into()), None, 9), Ok(Vec::new()), "{kind}");
        let record = store.session(&session.id).expect("read").expect("its chat is open");
        assert_eq!(record.ending.map(|ending| ending.summary), Some("".into()), "{kind}");
    }
    let nothing = Retention { logs: Duration::ZERO, session_chat: Duration::ZERO, ..Retention::default() };
    for (kind, mut store) in stores(nothing) {
        let session = session("s1", ["a", "b"], 1_000);
        store.start_session(&session).expect("starts");
        assert_eq!(live(&*store), std::slice::from_ref(&session), "{kind}: it must survive a restart all the same");
        store.end_session(&session.id, &ending(2_000)).expect("runs");
        assert_eq!(store.session(&session.id), Ok(None), "{kind}");
    }
}

#[test]
fn an_ended_session_can_be_summed_up_later_where_logs_are_kept() {
    let summary_after = |store: &mut dyn Store, name: &str| {
        let id = SessionId(name.into());
        store.summarize_session(&id, &"later".into()).expect("stored, or nothing to do");
        store.session(&id).expect("read").and_then(|record| record.ending).map(|ending| ending.summary)
    };
    for (kind, mut store) in stores(Retention::default()) {
        for name in ["ended", "runs"] {
            store.start_session(&session(name, ["a", "b"], 1_000)).expect("starts");
        }
        store.end_session(&SessionId("ended".into()), &ending(2_000)).expect("runs");
        assert_eq!(summary_after(&mut *store, "ended"), Some("later".into()), "{kind}");
        assert_eq!(summary_after(&mut *store, "runs"), None, "{kind}");
        assert_eq!(summary_after(&mut *store, "unknown"), None, "{kind}");
    }
    for (kind, mut store) in stores(Retention { logs: Duration::ZERO, ..Retention::default() }) {
        store.start_session(&session("ended", ["a", "b"], 1_000)).expect("starts");
        store.end_session(&SessionId("ended".into()), &ending(2_000)).expect("runs");
        assert_eq!(summary_after(&mut *store, "ended"), Some("".into()), "{kind}");
    }
}

#[test]
fn a_meeting_is_known_until_its_time_is_over() {
    for (kind, mut store) in stores(Retention { meetings: Duration::from_millis(100), ..Retention::default() }) {
        let meeting =
            |a: &str, b: &str, at| Meeting { users: [a, b].map(|user| UserId(user.into())), at: UnixMillis(at) };
        for meeting in [meeting("a", "b", 10), meeting("a", "c", 20), meeting("b", "a", 30)] {
            store.put_meeting(&meeting).expect("stored");
        }
        let since = |store: &dyn Store, since| {
            let mut found = Vec::new();
            store.each_meeting(UnixMillis(since), &mut |meeting| found.push(meeting)).expect("read");
            found
        };
        assert_eq!(since(&*store, 0), [meeting("a", "c", 20), meeting("a", "b", 30)], "{kind}");
        assert_eq!(since(&*store, 20), [meeting("a", "b", 30)], "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(129)), 1, "{kind}");
        assert_eq!(since(&*store, 0), [meeting("a", "b", 30)], "{kind}");
    }
    for (kind, mut store) in stores(Retention { meetings: Duration::ZERO, ..Retention::default() }) {
        let users = ["a", "b"].map(|user| UserId(user.into()));
        store.put_meeting(&Meeting { users, at: UnixMillis(10) }).expect("nothing to do");
        store.each_meeting(UnixMillis(0), &mut |_| panic!("{kind}: stored")).expect("read");
    }
}

#[test]
fn a_user_has_one_resumption_the_last_one() {
    for (kind, mut store) in stores(Retention::default()) {
        let resumption = |user: &str, byte, expires: Option<u64>| Resumption {
            user: UserId(user.into()),
            token_hash: [byte; 32],
            expires: expires.map(UnixMillis),
            details: format!("details {byte}").into(),
        };
        let all = |store: &dyn Store| {
            let mut all = Vec::new();
            store.each_resumption(&mut |resumption| all.push(resumption)).expect("read");
            all
        };
        let (first, second, other) = (resumption("a", 1, None), resumption("a", 2, Some(50)), resumption("b", 3, None));
        for one in [&first, &second, &other] {
            store.put_resumption(one).expect("stored");
        }
        assert_eq!(all(&*store), [second.clone(), other.clone()], "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(49)), 0, "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(50)), 1, "{kind}");
        assert_eq!(all(&*store), [other], "{kind}: an open socket does not expire");
        store.remove_resumption(&UserId("b".into())).expect("removed");
        store.remove_resumption(&UserId("b".into())).expect("nothing to do");
        assert_eq!(all(&*store), [], "{kind}");
    }
}

#[test]
fn credentials_stay_revoked_until_they_have_expired() {
    for (kind, mut store) in stores(Retention::default()) {
        let revocation = |name: &str, until| Revocation { name: SessionId(name.into()), until: UnixMillis(until) };
        for one in [revocation("a", 50), revocation("b", 60), revocation("a", 55)] {
            store.put_revocation(&one).expect("stored");
        }
        let all = |store: &dyn Store| {
            let mut all = Vec::new();
            store.each_revocation(&mut |revocation| all.push(revocation)).expect("read");
            all
        };
        assert_eq!(all(&*store), [revocation("a", 55), revocation("b", 60)], "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(55)), 1, "{kind}");
        assert_eq!(all(&*store), [revocation("b", 60)], "{kind}");
    }
}
