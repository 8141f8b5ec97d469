use std::time::Duration;

use crate::store::DataClass;
use crate::store::Decision;
use crate::store::ReportId;
use crate::store::Retention;
use crate::store::Store;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::Usage;
use crate::store::UserId;
use crate::store::tests::report::report;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::store::tests::upload::upload;
use crate::time::UnixMillis;

fn file(id: &str) -> UploadId {
    UploadId(id.into())
}

fn kept(store: &dyn Store, report: &str) -> Vec<String> {
    let kept = store.kept_files(&ReportId(report.into())).expect("read");
    kept.into_iter().map(|upload| upload.id.0.to_string()).collect()
}

#[test]
fn a_file_that_a_report_keeps_stays_without_its_message_until_no_report_keeps_it() {
    let retention = Retention { reports: Duration::from_millis(100), ..Retention::default() };
    for (kind, mut store) in stores(retention) {
        for id in ["shown", "gone", "free"] {
            store.put_upload(&Upload { state: UploadState::Complete, ..upload(id, "a", 10, 1) }).expect("stored");
        }
        for (id, session) in [("r1", "s1"), ("r2", "s2")] {
            assert_eq!(store.add_report(&report(id, session, "b", 1)), Ok(true), "{kind}");
            for name in ["shown", "gone"] {
                store.keep_file(&ReportId(id.into()), &file(name)).expect("kept");
                store.keep_file(&ReportId(id.into()), &file(name)).expect("kept once");
            }
        }
        store.keep_file(&ReportId("nowhere".into()), &file("free")).expect("nothing to do");
        store.keep_file(&ReportId("r1".into()), &file("nowhere")).expect("nothing to do");
        assert_eq!(kept(&*store, "r1"), ["gone", "shown"], "{kind}");
        assert_eq!(store.kept_in_all(), Ok(Usage { files: 2, bytes: 20 }), "{kind}: each counts once");
        assert_eq!((store.is_kept(&file("gone")), store.is_kept(&file("free"))), (Ok(true), Ok(false)), "{kind}");

        // No message shows any of them.
        assert_eq!(store.orphans(UnixMillis(9), 9).expect("read").len(), 3, "{kind}");
        assert_eq!(store.abandon_upload(&file("gone")), Ok(false), "{kind}: its bytes stay");
        assert_eq!(store.abandon_upload(&file("free")), Ok(true), "{kind}");
        assert_eq!(store.orphans(UnixMillis(9), 9), Ok(vec![file("free"), file("shown")]), "{kind}");
        let state = store.upload(&file("gone")).expect("read").expect("is there").state;
        assert_eq!(state, UploadState::Abandoned, "{kind}: nobody else is given it");
        // What stays for a report is no burden of its owner, but of all.
        let files = |store: &dyn Store, owner: Option<&UserId>| store.uploaded(owner).expect("read").files;
        assert_eq!(files(&*store, Some(&UserId("a".into()))), 2, "{kind}");
        assert_eq!(files(&*store, None), 3, "{kind}");

        let decision = Decision { by: UserId("mo".into()), at: UnixMillis(10), is_accepted: true, action: "{}".into() };
        for id in ["r1", "r2"] {
            assert_eq!(store.decide(&ReportId(id.into()), &decision), Ok(true), "{kind}");
        }
        store.hold(&ReportId("r2".into()), true).expect("is there");
        swept(&mut *store, DataClass::Reports, UnixMillis(200));
        assert_eq!(
            (kept(&*store, "r1").len(), kept(&*store, "r2").len()),
            (0, 2),
            "{kind}: a legal hold keeps files, too"
        );
        assert_eq!(store.abandon_upload(&file("gone")), Ok(false), "{kind}");
        store.hold(&ReportId("r2".into()), false).expect("is there");
        swept(&mut *store, DataClass::Reports, UnixMillis(200));
        assert_eq!(store.kept_in_all(), Ok(Usage::default()), "{kind}");
        assert_eq!(store.orphans(UnixMillis(0), 9), Ok(vec![file("free"), file("gone")]), "{kind}");
        assert_eq!(store.abandon_upload(&file("gone")), Ok(true), "{kind}");
        store.remove_upload(&file("gone")).expect("removed");
    }
}

#[test]
fn a_file_that_is_removed_is_kept_by_nobody() {
    for (kind, mut store) in stores(Retention::default()) {
        store.put_upload(&upload("f", "a", 10, 1)).expect("stored");
        store.add_report(&report("r", "s", "b", 1)).expect("stored");
        store.keep_file(&ReportId("r".into()), &file("f")).expect("kept");
        store.remove_upload(&file("f")).expect("removed");
        assert_eq!((kept(&*store, "r").len(), store.is_kept(&file("f"))), (0, Ok(false)), "{kind}");
        // One of that name that comes later is another.
        store.put_upload(&upload("f", "a", 10, 1)).expect("stored");
        assert_eq!(kept(&*store, "r").len(), 0, "{kind}");
    }
}
