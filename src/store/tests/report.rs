use std::time::Duration;

use crate::store::Case;
use crate::store::DataClass;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::Party;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Retention;
use crate::store::SessionId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::tests::session::ending;
use crate::store::tests::session::session;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(super) fn report(id: &str, session: &str, reporter: &str, at: u64) -> Report {
    Report {
        id: ReportId(id.into()),
        session: SessionId(session.into()),
        reporter: UserId(reporter.into()),
        reported: Party { user: UserId("offender".into()), device: None },
        reason: "spam".into(),
        comment: "again and again".into(),
        evidence: "[{\"text\":\"buy\"}]".into(),
        at: UnixMillis(at),
    }
}

pub(super) fn deed(action: &str, at: u64) -> Deed {
    Deed {
        at: UnixMillis(at),
        by: UserId("moderator".into()),
        action: action.into(),
        subject: "offender".into(),
        details: "{}".into(),
    }
}

#[test]
fn rule_39_a_session_is_reported_once_by_each_side() {
    for (kind, mut store) in stores(Retention::default()) {
        assert_eq!(store.add_report(&report("1", "s", "a", 5)), Ok(true), "{kind}");
        assert_eq!(store.add_report(&report("2", "s", "a", 6)), Ok(false), "{kind}");
        assert_eq!(store.add_report(&report("2", "s", "b", 6)), Ok(true), "{kind}");
        assert_eq!(store.add_report(&report("2", "t", "b", 6)), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.add_report(&report("3", "t", "b", 4)), Ok(true), "{kind}");
        let open = |limit| store.open_cases(limit).expect("read").into_iter().map(|case| case.report);
        assert_eq!(open(2).collect::<Vec<_>>(), [report("3", "t", "b", 4), report("1", "s", "a", 5)], "{kind}");
    }
}

#[test]
fn a_report_is_decided_once() {
    for (kind, mut store) in stores(Retention::default()) {
        let report = report("1", "s", "a", 5);
        store.add_report(&report).expect("stored");
        assert_eq!(store.case(&report.id), Ok(Some(Case { report: report.clone(), decision: None })), "{kind}");
        let decision = Decision {
            by: UserId("moderator".into()),
            at: UnixMillis(9),
            is_accepted: true,
            action: "{\"ban\":\"1d\"}".into(),
        };
        assert_eq!(store.decide(&report.id, &decision), Ok(true), "{kind}");
        let other = Decision { is_accepted: false, ..decision.clone() };
        assert_eq!(store.decide(&report.id, &other), Ok(false), "{kind}");
        assert_eq!(store.decide(&ReportId("2".into()), &other), Ok(false), "{kind}");
        let decided = Case { report: report.clone(), decision: Some(decision) };
        assert_eq!(store.case(&report.id), Ok(Some(decided)), "{kind}");
        assert_eq!(store.case(&ReportId("2".into())), Ok(None), "{kind}");
        assert_eq!(store.open_cases(9), Ok(Vec::new()), "{kind}");
    }
}

#[test]
fn a_report_outlives_its_session() {
    for (kind, mut store) in stores(Retention::default()) {
        store.start_session(&session("s", ["a", "offender"], 0)).expect("starts");
        store.add_report(&report("1", "s", "a", 5)).expect("stored");
        store.end_session(&SessionId("s".into()), &ending(10)).expect("runs");
        for class in DataClass::ALL {
            swept(&mut *store, class, UnixMillis(u64::MAX));
        }
        assert_eq!(store.session(&SessionId("s".into())), Ok(None), "{kind}");
        let case = store.case(&ReportId("1".into())).expect("read").expect("is there");
        assert_eq!(case.report.evidence, report("1", "s", "a", 5).evidence, "{kind}");
    }
}

#[test]
fn the_audit_is_read_from_its_end_and_numbers_are_never_given_twice() {
    for (kind, mut store) in stores(Retention { audit: Duration::from_millis(10), ..Retention::default() }) {
        for number in 1..=3 {
            store.append_deed(&deed("ban", number)).expect("stored");
        }
        let page = store.deeds(None, 2).expect("read");
        assert_eq!(page, [(DeedNumber(3), deed("ban", 3)), (DeedNumber(2), deed("ban", 2))], "{kind}");
        assert_eq!(store.deeds(Some(DeedNumber(2)), 9), Ok(vec![(DeedNumber(1), deed("ban", 1))]), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Audit, UnixMillis(13)), 3, "{kind}");
        store.append_deed(&deed("lift", 20)).expect("stored");
        assert_eq!(store.deeds(None, 9), Ok(vec![(DeedNumber(4), deed("lift", 20))]), "{kind}");
    }
    for (kind, mut store) in stores(Retention { audit: Duration::ZERO, ..Retention::default() }) {
        store.append_deed(&deed("ban", 1)).expect("nothing to do");
        assert_eq!(store.deeds(None, 9), Ok(Vec::new()), "{kind}");
    }
}
