use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Block;
use crate::store::BlockId;
use crate::store::BuriedFamily;
use crate::store::DataClass;
use crate::store::DeviceId;
use crate::store::Family;
use crate::store::Party;
use crate::store::Retention;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::tests::ban;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(super) fn block(id: &str, owner: &str, whom: &str, at: u64) -> Block {
    Block {
        id: BlockId(id.into()),
        owner: Party { user: UserId(owner.into()), device: None },
        whom: Party { user: UserId(whom.into()), device: Some(DeviceId(format!("device of {whom}").into())) },
        at: UnixMillis(at),
    }
}

pub(super) fn family(byte: u8, expires: u64) -> Family {
    Family {
        lookup: [byte; 16],
        id: format!("family {byte}").into(),
        subject: "{\"user\":\"u\"}".into(),
        secret_hash: [byte + 1; 32],
        expires: UnixMillis(expires),
        account: (byte > 1).then_some(byte.into()),
    }
}

fn all<T>(each: impl FnOnce(&mut dyn FnMut(T)) -> Result<(), StoreError>) -> Vec<T> {
    let mut all = Vec::new();
    each(&mut |one| all.push(one)).expect("read");
    all
}

fn ban_names(store: &dyn Store) -> Vec<String> {
    let mut names: Vec<String> =
        all(|visit| store.each_ban(visit)).iter().map(|ban: &Ban| ban.id.0.to_string()).collect();
    names.sort();
    names
}

#[test]
fn rule_39_a_block_stands_until_its_owner_takes_it_back() {
    for (kind, mut store) in stores(Retention::default()) {
        let (first, later, of_another) = (block("1", "a", "b", 5), block("2", "a", "c", 6), block("3", "b", "a", 7));
        for one in [&first, &later, &of_another] {
            assert_eq!(store.add_block(one), Ok(true), "{kind}");
        }
        assert_eq!(store.add_block(&block("4", "a", "b", 9)), Ok(false), "{kind}: it stands already");
        assert_eq!(store.add_block(&block("1", "x", "y", 9)), Err(StoreError::Taken), "{kind}");
        let a = UserId("a".into());
        assert_eq!(store.blocks(&a, 9), Ok(vec![later.clone(), first.clone()]), "{kind}");
        assert_eq!(store.blocks(&a, 1), Ok(vec![later]), "{kind}");
        assert_eq!(store.remove_block(&UserId("b".into()), &first.id), Ok(None), "{kind}: it is another's");
        assert_eq!(store.remove_block(&a, &first.id), Ok(Some(first.clone())), "{kind}");
        assert_eq!(store.remove_block(&a, &first.id), Ok(None), "{kind}");
        assert_eq!(all(|visit| store.each_block(visit)).len(), 2, "{kind}");
        assert_eq!(store.add_block(&block("4", "a", "b", 9)), Ok(true), "{kind}: and again");
    }
}

#[test]
fn a_ban_holds_until_it_is_lifted_or_over() {
    for (kind, mut store) in stores(Retention::default()) {
        let bans = [
            ban("device", Banned::Device(DeviceId("d".into())), Some(UnixMillis(2_000))),
            ban("network", Banned::Network("192.0.2.0/24".into()), Some(UnixMillis(3_000))),
            ban("user", Banned::User(UserId("u".into())), None),
        ];
        for ban in &bans {
            store.put_ban(ban).expect("stored");
        }
        let mut found = all(|visit| store.each_ban(visit));
        found.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(found, bans, "{kind}");
        let longer = Ban { until: Some(UnixMillis(4_000)), ..bans[0].clone() };
        store.put_ban(&longer).expect("stored");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(3_000)), 1, "{kind}");
        assert_eq!(ban_names(&*store), ["device", "user"], "{kind}");
        assert_eq!(store.remove_ban(&BanId("user".into())), Ok(true), "{kind}");
        assert_eq!(store.remove_ban(&BanId("user".into())), Ok(false), "{kind}");
        assert_eq!(ban_names(&*store), ["device"], "{kind}");
    }
}

#[test]
fn a_login_lives_until_it_expires_or_is_revoked() {
    for (kind, mut store) in stores(Retention::default()) {
        for family in [family(1, 100), family(2, 200), family(3, 300)] {
            store.put_family(&family).expect("stored");
        }
        let rotated = Family { secret_hash: [9; 32], ..family(2, 400) };
        store.put_family(&rotated).expect("stored");
        store.remove_family(&[3; 16]).expect("removed");
        store.remove_family(&[3; 16]).expect("nothing to do");
        let mut found = all(|visit| store.each_family(visit));
        found.sort_by_key(|family| family.lookup);
        assert_eq!(found, [family(1, 100), rotated.clone()], "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(399)), 1, "{kind}");
        assert_eq!(all(|visit| store.each_family(visit)), [rotated], "{kind}");
    }
}

#[test]
fn a_dead_login_is_remembered_until_its_access_tokens_have_expired() {
    for (kind, mut store) in stores(Retention::default()) {
        let buried = |id: &str, until| BuriedFamily { id: id.into(), until: UnixMillis(until) };
        for family in [buried("f", 100), buried("g", 100), buried("f", 200)] {
            store.bury_family(&family).expect("stored");
        }
        assert_eq!(all(|visit| store.each_buried_family(visit)).len(), 2, "{kind}");
        assert_eq!(swept(&mut *store, DataClass::Expired, UnixMillis(100)), 1, "{kind}");
        assert_eq!(all(|visit| store.each_buried_family(visit)), [buried("f", 200)], "{kind}");
    }
}
