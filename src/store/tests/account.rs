use crate::store::Account;
use crate::store::AccountRole;
use crate::store::Alias;
use crate::store::Alteration;
use crate::store::Block;
use crate::store::BlockId;
use crate::store::DeviceId;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Party;
use crate::store::Retention;
use crate::store::RoomId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::tests::room::room;
use crate::store::tests::stores;
use crate::time::UnixMillis;

pub(super) fn account(user: &str, name: &str) -> Account {
    Account {
        id: UserId(user.into()),
        name: name.into(),
        display_name: name.to_uppercase().into(),
        password: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into(),
        role: AccountRole::User,
        is_disabled: false,
        created: UnixMillis(7),
        revision: 0,
    }
}

#[test]
fn an_account_is_found_by_its_user_and_by_its_name() {
    for (kind, mut store) in stores(Retention::default()) {
        let ann = account("u1", "ann");
        assert_eq!(store.add_account(&ann), Ok(()), "{kind}");
        assert_eq!(store.account(&ann.id), Ok(Some(ann.clone())), "{kind}");
        assert_eq!(store.account_by_name("ann"), Ok(Some(ann)), "{kind}");
        assert_eq!(store.account_by_name("ANN"), Ok(None), "{kind}: names are folded before");
        assert_eq!(store.account(&UserId("u2".into())), Ok(None), "{kind}");
    }
}

#[test]
fn a_name_and_an_id_are_of_one_account() {
    for (kind, mut store) in stores(Retention::default()) {
        let ann = account("u1", "ann");
        store.add_account(&ann).expect("stored");
        assert_eq!(store.add_account(&account("u2", "ann")), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.add_account(&account("u1", "bob")), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.accounts("", 9), Ok(vec![ann]), "{kind}");
    }
}

#[test]
fn each_alteration_has_a_revision_of_its_own_that_is_the_greatest() {
    for (kind, mut store) in stores(Retention::default()) {
        let (ann, bob) = (account("u1", "ann"), account("u2", "bob"));
        store.add_account(&ann).expect("stored");
        store.add_account(&bob).expect("stored");
        assert_eq!(store.accounts_altered(0, 9), Ok(Vec::new()), "{kind}");
        let admin = Account { role: AccountRole::Admin, revision: 1, ..ann.clone() };
        assert_eq!(store.alter_account(&ann.id, &Alteration::Role(AccountRole::Admin)), Ok(admin.clone()), "{kind}");
        let disabled = Account { is_disabled: true, revision: 2, ..bob.clone() };
        assert_eq!(store.alter_account(&bob.id, &Alteration::Disabled(true)), Ok(disabled.clone()), "{kind}");
        assert_eq!(store.accounts_altered(0, 9), Ok(vec![admin.clone(), disabled.clone()]), "{kind}");
        assert_eq!(store.accounts_altered(0, 1), Ok(vec![admin.clone()]), "{kind}");
        let changed = Account { password: "another".into(), revision: 3, ..admin };
        assert_eq!(
            store.alter_account(&ann.id, &Alteration::Password("another".into())),
            Ok(changed.clone()),
            "{kind}"
        );
        assert_eq!(store.accounts_altered(1, 9), Ok(vec![disabled, changed.clone()]), "{kind}");
        assert_eq!(store.account(&ann.id), Ok(Some(changed)), "{kind}");
        let enabled = Account { revision: 4, ..bob };
        assert_eq!(store.alter_account(&enabled.id, &Alteration::Disabled(false)), Ok(enabled.clone()), "{kind}");
        let nobody = UserId("u3".into());
        assert_eq!(store.alter_account(&nobody, &Alteration::Disabled(true)), Err(StoreError::Unknown), "{kind}");
    }
}

#[test]
fn accounts_are_listed_page_by_page_in_the_order_of_their_names() {
    for (kind, mut store) in stores(Retention::default()) {
        for (user, name) in [("u1", "cem"), ("u2", "ann"), ("u3", "bob")] {
            store.add_account(&account(user, name)).expect("stored");
        }
        let names = |after: &str| {
            let page = store.accounts(after, 2).expect("read");
            page.iter().map(|account| account.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            (names(""), names("bob"), names("cem")),
            (vec!["ann".into(), "bob".into()], vec!["cem".into()], vec![]),
            "{kind}"
        );
    }
}

#[test]
fn what_a_guest_had_is_the_accounts_that_it_becomes() {
    for (kind, mut store) in stores(Retention::default()) {
        let device = Some(DeviceId("d".into()));
        let party = |user: &str| Party { user: UserId(user.into()), device: device.clone() };
        let member = |user: &str| Member {
            user: UserId(user.into()),
            device: device.clone(),
            alias: Alias(format!("alias of {user}").into()),
            role: MemberRole::Member,
            joined: UnixMillis(1),
        };
        store.create_room(&room("r", 0), &member("g_1")).expect("made");
        store.put_member(&RoomId("r".into()), &member("g_2")).expect("stored");
        for (id, owner, whom) in [("1", "g_1", "g_2"), ("2", "g_2", "g_1")] {
            let block = Block { id: BlockId(id.into()), owner: party(owner), whom: party(whom), at: UnixMillis(1) };
            store.add_block(&block).expect("stored");
        }
        store.add_account(&account("g_1", "ann")).expect("stored");
        let device_in_room = |user: &str| {
            let found = store.member(&RoomId("r".into()), &UserId(user.into())).expect("read");
            found.expect("a member").device
        };
        assert_eq!((device_in_room("g_1"), device_in_room("g_2")), (None, device.clone()), "{kind}");
        let block_of = |user: &str| store.blocks(&UserId(user.into()), 9).expect("read").remove(0);
        assert_eq!((block_of("g_1").owner.device, block_of("g_2").owner.device), (None, device.clone()), "{kind}");
        assert_eq!(block_of("g_2").whom.device, device, "{kind}: others keep the device away all the same");
    }
}

#[test]
fn an_account_does_not_print_its_password() {
    let printed = format!("{:?} {:?}", account("u1", "ann"), Alteration::Password("$argon2id$".into()));
    assert!(!printed.contains("argon2id"), "{printed}");
}
