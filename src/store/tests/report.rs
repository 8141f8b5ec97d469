use std::time::Duration;

use crate::store::Accuracy;
use crate::store::Case;
use crate::store::Claim;
use crate::store::DataClass;
use crate::store::DecidedPlace;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::DeviceId;
use crate::store::Note;
use crate::store::OpenPlace;
use crate::store::Party;
use crate::store::Rank;
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
        rank: Rank::USUAL,
        at: UnixMillis(at),
    }
}

fn open(report: &Report) -> Case {
    Case { report: report.clone(), decision: None, claim: None, is_held: false }
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
        let open = |limit| store.open_cases(None, limit).expect("read").into_iter().map(|case| case.report);
        assert_eq!(open(2).collect::<Vec<_>>(), [report("3", "t", "b", 4), report("1", "s", "a", 5)], "{kind}");
    }
}

#[test]
fn a_report_is_decided_once() {
    for (kind, mut store) in stores(Retention::default()) {
        let report = report("1", "s", "a", 5);
        store.add_report(&report).expect("stored");
        assert_eq!(store.case(&report.id), Ok(Some(open(&report))), "{kind}");
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
        let decided = Case { decision: Some(decision), ..open(&report) };
        assert_eq!(store.case(&report.id), Ok(Some(decided)), "{kind}");
        assert_eq!(store.case(&ReportId("2".into())), Ok(None), "{kind}");
        assert_eq!(store.open_cases(None, 9), Ok(Vec::new()), "{kind}");
    }
}

fn decision(at: u64, is_accepted: bool) -> Decision {
    Decision { by: UserId("moderator".into()), at: UnixMillis(at), is_accepted, action: "{}".into() }
}

#[test]
fn open_reports_come_by_rank_and_age_and_decided_ones_the_last_first_page_by_page() {
    for (kind, mut store) in stores(Retention::default()) {
        for (id, at, rank) in [("1", 5, 50), ("2", 4, 50), ("3", 9, 10), ("4", 4, 50), ("5", 1, 90)] {
            let one = Report { rank: Rank(rank), ..report(id, id, "a", at) };
            store.add_report(&one).expect("stored");
        }
        let names = |cases: Vec<Case>| cases.iter().map(|case| case.report.id.0.to_string()).collect::<Vec<_>>();
        assert_eq!(names(store.open_cases(None, 3).expect("read")), ["3", "2", "4"], "{kind}");
        let last = OpenPlace { rank: Rank(50), at: UnixMillis(4), id: ReportId("4".into()) };
        assert_eq!(names(store.open_cases(Some(&last), 3).expect("read")), ["1", "5"], "{kind}");
        for (id, at) in [("1", 7), ("2", 8), ("4", 8)] {
            assert_eq!(store.decide(&ReportId(id.into()), &decision(at, true)), Ok(true), "{kind}");
        }
        assert_eq!(names(store.open_cases(None, 9).expect("read")), ["3", "5"], "{kind}");
        assert_eq!(names(store.decided_cases(None, 2).expect("read")), ["4", "2"], "{kind}");
        let last = DecidedPlace { at: UnixMillis(8), id: ReportId("2".into()) };
        assert_eq!(names(store.decided_cases(Some(&last), 2).expect("read")), ["1"], "{kind}");
    }
}

#[test]
fn a_report_is_claimed_until_it_is_decided_and_has_notes() {
    for (kind, mut store) in stores(Retention::default()) {
        let (id, nobody) = (ReportId("1".into()), ReportId("2".into()));
        store.add_report(&report("1", "s", "a", 5)).expect("stored");
        let claim = Claim { by: UserId("m".into()), at: UnixMillis(6) };
        assert_eq!(store.claim(&nobody, Some(&claim)), Ok(false), "{kind}");
        assert_eq!(store.claim(&id, Some(&claim)), Ok(true), "{kind}");
        assert_eq!(store.case(&id).expect("read").expect("is there").claim, Some(claim.clone()), "{kind}");
        assert_eq!(store.claim(&id, None), Ok(true), "{kind}");
        assert_eq!(store.case(&id).expect("read").expect("is there").claim, None, "{kind}");
        let note = |text: &str, at| Note { by: UserId("m".into()), at: UnixMillis(at), text: text.into() };
        for one in [note("first", 9), note("second", 8)] {
            assert_eq!(store.add_note(&id, &one), Ok(true), "{kind}");
            assert_eq!(store.add_note(&nobody, &one), Ok(false), "{kind}");
        }
        assert_eq!(store.notes(&id), Ok(vec![note("first", 9), note("second", 8)]), "{kind}: as they were written");
        assert_eq!(store.notes(&nobody), Ok(Vec::new()), "{kind}");
        store.decide(&id, &decision(10, false)).expect("stored");
        assert_eq!(store.claim(&id, Some(&claim)), Ok(false), "{kind}");
    }
}

#[test]
fn what_is_decided_goes_with_its_time_unless_it_is_held() {
    for (kind, mut store) in stores(Retention { reports: Duration::from_millis(100), ..Retention::default() }) {
        for id in ["1", "2", "3"] {
            store.add_report(&report(id, id, "a", 5)).expect("stored");
        }
        let note = Note { by: UserId("m".into()), at: UnixMillis(6), text: "look".into() };
        for id in ["1", "2"] {
            store.add_note(&ReportId(id.into()), &note).expect("stored");
            store.decide(&ReportId(id.into()), &decision(10, true)).expect("stored");
        }
        assert_eq!(store.hold(&ReportId("2".into()), true), Ok(true), "{kind}");
        assert_eq!(store.hold(&ReportId("4".into()), true), Ok(false), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Reports, UnixMillis(109)), 0, "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Reports, UnixMillis(110)), 1, "{kind}");
        let is_there =
            |store: &dyn crate::store::Store, id: &str| store.case(&ReportId(id.into())).expect("read").is_some();
        assert_eq!(["1", "2", "3"].map(|id| is_there(&*store, id)), [false, true, true], "{kind}");
        assert_eq!(store.notes(&ReportId("1".into())), Ok(Vec::new()), "{kind}");
        assert_eq!(store.notes(&ReportId("2".into())), Ok(vec![note]), "{kind}");
        store.hold(&ReportId("2".into()), false).expect("stored");
        assert_eq!(swept(&mut *store, DataClass::Reports, UnixMillis(110)), 1, "{kind}");
    }
}

#[test]
fn it_is_known_how_often_a_reporter_was_right_and_who_complains_about_a_device() {
    for (kind, mut store) in stores(Retention::default()) {
        let phone = Party { user: UserId("offender".into()), device: Some(DeviceId("phone".into())) };
        // The last one is a program.
        for (id, reporter, at) in [("1", "a", 5), ("2", "a", 6), ("3", "b", 7), ("4", "c", 1), ("5", "filter.x", 8)] {
            let one = Report { reported: phone.clone(), ..report(id, id, reporter, at) };
            store.add_report(&one).expect("stored");
        }
        let other = Party { user: UserId("another guest".into()), ..phone.clone() };
        let by_user = Party { device: None, ..phone.clone() };
        let against = |store: &dyn crate::store::Store, whom: &Party, since, limit| -> Vec<String> {
            let reporters = store.open_against(whom, UnixMillis(since), limit).expect("read");
            reporters.into_iter().map(|reporter| reporter.0.to_string()).collect()
        };
        assert_eq!(against(&*store, &other, 5, 9), ["a", "b"], "{kind}: each reporter counts once");
        assert_eq!(against(&*store, &by_user, 0, 9), ["a", "b", "c"], "{kind}");
        assert_eq!(against(&*store, &by_user, 0, 2), ["a", "b"], "{kind}");
        for (id, is_accepted) in [("1", true), ("2", false), ("4", true)] {
            store.decide(&ReportId(id.into()), &decision(9, is_accepted)).expect("stored");
        }
        assert_eq!(against(&*store, &phone, 0, 9), ["b"], "{kind}");
        let of = |store: &dyn crate::store::Store, user: &str| store.accuracy(&UserId(user.into())).expect("read");
        assert_eq!(of(&*store, "a"), Accuracy { accepted: 1, rejected: 1 }, "{kind}");
        assert_eq!(of(&*store, "b"), Accuracy::default(), "{kind}");
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
