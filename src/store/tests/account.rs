use crate::store::Account;
use crate::store::AccountRole;
use crate::store::Alteration;
use crate::store::Retention;
use crate::store::StoreError;
use crate::store::UserId;
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
fn an_account_does_not_print_its_password() {
    let printed = format!("{:?} {:?}", account("u1", "ann"), Alteration::Password("$argon2id$".into()));
    assert!(!printed.contains("argon2id"), "{printed}");
}
