use std::time::Duration;

use crate::store::Appeal;
use crate::store::AppealId;
use crate::store::AppealPlace;
use crate::store::BanId;
use crate::store::DataClass;
use crate::store::Retention;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::Verdict;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(super) fn appeal(id: &str, user: &str, decision: &str, at: u64) -> Appeal {
    Appeal {
        id: AppealId(id.into()),
        user: UserId(user.into()),
        decision: decision.into(),
        bans: vec![BanId("b1".into()), BanId("b\"2".into())],
        text: "it was not me".into(),
        at: UnixMillis(at),
        verdict: None,
    }
}

fn verdict(at: u64) -> Verdict {
    Verdict { by: UserId("mo".into()), at: UnixMillis(at), is_lifted: true, note: "sorry".into() }
}

#[test]
fn somebody_appeals_once_per_decision_and_is_judged_once() {
    for (kind, mut store) in stores(Retention { reports: Duration::from_millis(10), ..Retention::default() }) {
        let (first, second) = (appeal("z", "ann", "r1", 5), appeal("a", "bob", "r1", 5));
        assert_eq!(store.add_appeal(&first), Ok(true), "{kind}");
        assert_eq!(store.add_appeal(&appeal("y", "ann", "r1", 6)), Ok(false), "{kind}");
        assert_eq!(store.add_appeal(&appeal("z", "ann", "r2", 6)), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.add_appeal(&second), Ok(true), "{kind}");
        let place = |one: &Appeal| AppealPlace { at: one.at, id: one.id.clone() };
        assert_eq!(store.open_appeals(None, 9), Ok(vec![second.clone(), first.clone()]), "{kind}");
        assert_eq!(store.open_appeals(Some(&place(&second)), 9), Ok(vec![first.clone()]), "{kind}");
        assert_eq!(store.judge_appeal(&first.id, &verdict(8)), Ok(true), "{kind}");
        assert_eq!(store.judge_appeal(&first.id, &verdict(9)), Ok(false), "{kind}");
        assert_eq!(store.judge_appeal(&AppealId("x".into()), &verdict(9)), Ok(false), "{kind}");
        let judged = Appeal { verdict: Some(verdict(8)), ..first.clone() };
        assert_eq!(store.appeal(&first.id), Ok(Some(judged.clone())), "{kind}");
        assert_eq!(store.appeals_of(&first.user, 9), Ok(vec![judged]), "{kind}");
        assert_eq!(store.open_appeals(None, 9), Ok(vec![second.clone()]), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Reports, UnixMillis(17)), 0, "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Reports, UnixMillis(18)), 1, "{kind}");
        assert_eq!((store.appeal(&first.id), store.appeal(&second.id)), (Ok(None), Ok(Some(second))), "{kind}");
    }
}
