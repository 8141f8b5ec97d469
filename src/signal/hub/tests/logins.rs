use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::auth::token::FamilyId;
use crate::auth::token::Issued;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::signal::Settings;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::Refusal;
use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Sanction;
use crate::store::Store;
use crate::store::UserId;
use crate::time::UnixMillis;

const MINUTE: Duration = Duration::from_secs(60);

fn subject(user: &str) -> Subject {
    Subject { user: user.into(), role: Role::Moderator, guest: false, device: Some("d".into()), age_band: None }
}

impl Fixture {
    fn log_in(&mut self, user: &str, revision: u64) -> Result<Issued, String> {
        let (answer, answered) = mpsc::channel();
        let ip = "192.0.2.1".parse().expect("an address");
        let done = move |outcome: Result<Issued, Refusal>| answer.send(outcome).expect("the test waits");
        self.hub.handle_login(subject(user), revision, ip, done, self.now);
        self.pump();
        answered.try_recv().expect("an answer").map_err(|refusal| refusal.code.as_str().to_owned())
    }

    fn settle(&mut self, family: &FamilyId, subject: &Subject) -> Result<Issued, String> {
        let (answer, answered) = mpsc::channel();
        let done = move |outcome: Result<Issued, Refusal>| answer.send(outcome).expect("the test waits");
        self.hub.handle_settle(family, subject.clone(), 0, done, self.now);
        self.pump();
        answered.try_recv().expect("an answer").map_err(|refusal| refusal.code.as_str().to_owned())
    }

    fn log_out(&mut self, access_token: &str, everywhere: bool) -> Result<(), String> {
        let (answer, answered) = mpsc::channel();
        let done = move |outcome: Result<(), Refusal>| answer.send(outcome).expect("the test waits");
        self.hub.handle_logout(access_token, everywhere, done, self.now);
        self.pump();
        answered.try_recv().expect("an answer").map_err(|refusal| refusal.code.as_str().to_owned())
    }

    fn alter(&mut self, user: &str, revision: u64) {
        self.hub.handle_altered(&user.into(), revision, self.now);
        self.pump();
    }

    fn verifies(&self, issued: &Issued) -> bool {
        self.hub.handle_verify([192, 0, 2, 1].into(), &issued.access_token, self.now).is_ok()
    }
}

#[test]
fn rule_14_accounts_are_a_feature_where_there_are_any() {
    let mut hub = Fixture::with(Settings { accounts: true, ..settings() });
    let id = hub.connect();
    assert_eq!(hub.take_one(id, "welcome")["data"]["features"], json!(["resume", "rooms", "chat", "accounts"]));
}

#[test]
fn rule_16_whoever_logs_in_is_no_guest_and_has_the_role_of_the_account() {
    let mut hub = Fixture::new();
    let issued = hub.log_in("u_ann", 0).expect("welcome");
    let id = hub.connect();
    let ok = hub.ask(id, "hello", json!({"token": issued.access_token})).expect("is welcome");
    assert_eq!(ok["user"], json!({"id": "u_ann", "role": "moderator", "guest": false}));
    let next = hub.refresh(&issued.refresh_token).expect("is fresh");
    assert_eq!(next.identity.subject, subject("u_ann"));
}

#[test]
fn rule_17_a_logout_ends_its_login_at_once_and_no_other() {
    let mut hub = Fixture::new();
    let [phone, desk] = [(); 2].map(|()| hub.log_in("u_ann", 0).expect("welcome"));
    let id = hub.connect();
    hub.ask(id, "hello", json!({"token": phone.access_token})).expect("is welcome");
    assert_eq!(hub.log_out(&phone.access_token, false), Ok(()));
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    assert!(!hub.verifies(&phone) && hub.verifies(&desk));
    assert!(hub.refresh(&phone.refresh_token).is_err());
    let again = hub.connect();
    assert_eq!(hub.ask(again, "hello", json!({"token": phone.access_token})), Err("unauthorized".into()));
    assert_eq!(hub.close_code(again), Some(CloseCode::Unauthorized));
    assert_eq!(hub.log_out(&phone.access_token, false), Err("unauthorized".into()));
    assert!(hub.refresh(&desk.refresh_token).is_ok());
}

#[test]
fn a_logout_everywhere_ends_every_login_of_that_user_alone() {
    let mut hub = Fixture::new();
    let [phone, desk] = [(); 2].map(|()| hub.log_in("u_ann", 0).expect("welcome"));
    let bob = hub.log_in("u_bob", 0).expect("welcome");
    let id = hub.connect();
    hub.ask(id, "hello", json!({"token": desk.access_token})).expect("is welcome");
    assert_eq!(hub.log_out(&phone.access_token, true), Ok(()));
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    assert!(!hub.verifies(&phone) && !hub.verifies(&desk) && hub.verifies(&bob));
}

#[test]
fn a_lost_user_who_logs_out_by_rest_is_not_waited_for() {
    let mut hub = Fixture::new();
    let issued = hub.log_in("u_ann", 0).expect("welcome");
    let id = hub.connect();
    let ok = hub.ask(id, "hello", json!({"token": issued.access_token})).expect("is welcome");
    hub.keep_token(id, &ok);
    hub.lose(id);
    assert_eq!(hub.log_out(&issued.access_token, false), Ok(()));
    let back = hub.connect();
    let resume = hub.resume_of(id, 0);
    assert_eq!(hub.ask(back, "hello", resume), Err("unauthorized".into()));
}

#[test]
fn a_guest_can_log_out_and_a_foreign_token_has_no_login_here() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    let guest = hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})).expect("is welcome");
    assert_eq!(hub.log_out(guest["access_token"].as_str().expect("a token"), true), Ok(()));
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    let foreign = hub.token("ann", 60);
    assert_eq!(hub.log_out(&foreign, false), Err("forbidden".into()));
    assert_eq!(hub.log_out("nonsense", false), Err("unauthorized".into()));
}

#[test]
fn a_guest_who_registers_goes_on_as_the_same_user_in_whatever_it_is() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let hello = json!({"guest": {"device_id": "d"}});
    let id = hub.connect();
    let guest = hub.ask(id, "hello", hello).expect("is welcome");
    let token = guest["access_token"].as_str().expect("a token");
    let identity = hub.hub.handle_verify([192, 0, 2, 1].into(), token, hub.now).expect("is good");
    let subject = Subject { guest: false, role: Role::Admin, ..identity.subject.clone() };
    let family = identity.family.clone().expect("of a guest");
    let issued = hub.settle(&family, &subject).expect("is alive");
    assert_eq!(issued.identity.subject, subject);
    assert_eq!(hub.close_code(id), None, "it stays");
    hub.ask(id, "auth.refresh", json!({"token": issued.access_token})).expect("the same user");
    let next = hub.refresh(&issued.refresh_token).expect("is the last one");
    assert_eq!(next.identity.subject, subject);
    // The refresh token of the guest is used up.
    assert!(hub.refresh(guest["refresh_token"].as_str().expect("a token")).is_err());
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    assert_eq!(hub.settle(&family, &subject).map(drop), Err("unauthorized".into()));
    // The others notice nothing.
    hub.ask(a, "session.end", json!({"session": session})).expect("goes on");
    assert!(hub.take_kinds(b).contains(&"session.ended".to_owned()));
}

#[test]
fn the_blocks_of_a_guest_who_has_registered_do_not_go_with_its_login() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    let guest = hub.ask(id, "hello", json!({"guest": {"device_id": "d"}})).expect("is welcome");
    hub.ask(id, "block.add", json!({"user": "shop:bob"})).expect("is kept away");
    let token = guest["access_token"].as_str().expect("a token");
    let identity = hub.hub.handle_verify([192, 0, 2, 1].into(), token, hub.now).expect("is good");
    let user = UserId(identity.subject.user.clone());
    let subject = Subject { guest: false, ..identity.subject };
    let issued = hub.settle(&identity.family.expect("of a guest"), &subject).expect("is alive");
    assert_eq!(hub.log_out(&issued.access_token, true), Ok(()));
    assert_eq!(hub.store.blocks(&user, 9).expect("read").len(), 1);
}

#[test]
fn a_logout_is_kept_for_the_process_after_this_one_or_said_not_to_be() {
    let mut hub = Fixture::new();
    let [kept, lost] = [(); 2].map(|()| hub.log_in("u_ann", 0).expect("welcome"));
    assert_eq!(hub.log_out(&kept.access_token, false), Ok(()));
    hub.store_is_full = true;
    assert_eq!(hub.log_out(&lost.access_token, false), Err("unavailable".into()));
    assert!(!hub.verifies(&lost), "it is dead all the same");
    hub.store_is_full = false;
    hub.restart(Duration::from_secs(1));
    assert!(!hub.verifies(&kept));
    assert!(hub.refresh(&kept.refresh_token).is_err());
}

#[test]
fn an_alteration_ends_the_logins_of_before_and_none_of_after() {
    let mut hub = Fixture::new();
    let before = hub.log_in("u_ann", 3).expect("welcome");
    let id = hub.connect();
    hub.ask(id, "hello", json!({"token": before.access_token})).expect("is welcome");
    let after = hub.log_in("u_ann", 4).expect("welcome");
    hub.alter("u_ann", 4);
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    assert!(!hub.verifies(&before) && hub.verifies(&after));
    hub.restart(Duration::from_secs(1));
    hub.alter("u_ann", 4);
    assert!(!hub.verifies(&before) && hub.verifies(&after), "revisions are kept with the logins");
    hub.alter("u_ann", 5);
    assert!(!hub.verifies(&after));
}

#[test]
fn a_login_too_many_ends_the_one_that_was_used_least_lately() {
    let mut hub = Fixture::new();
    let first = hub.log_in("u_ann", 0).expect("welcome");
    hub.advance(Duration::from_secs(1));
    let id = hub.connect();
    hub.ask(id, "hello", json!({"token": first.access_token})).expect("is welcome");
    let others: Vec<Issued> = (0..31).map(|_| hub.log_in("u_ann", 0).expect("welcome")).collect();
    assert!(hub.verifies(&first));
    let last = hub.log_in("u_ann", 0).expect("welcome");
    assert!(!hub.verifies(&first));
    assert_eq!(hub.close_code(id), Some(CloseCode::Unauthorized));
    assert!(others.iter().all(|issued| hub.verifies(issued)) && hub.verifies(&last));
}

#[test]
fn whoever_is_banned_cannot_log_in() {
    let mut store = crate::store::MemoryStore::new(settings().retention);
    let ban = Ban {
        id: BanId("b".into()),
        banned: Banned::User(UserId("u_ann".into())),
        sanction: Sanction::Ban,
        reason: "spam".into(),
        by: UserId("m".into()),
        report: None,
        at: UnixMillis(0),
        until: None,
    };
    crate::store::People::put_ban(&mut store, &ban).expect("stored");
    let mut hub = Fixture::over(settings(), Box::new(store) as Box<dyn Store>);
    hub.restart(MINUTE);
    assert_eq!(hub.log_in("u_ann", 0).map(drop), Err("banned".into()));
    assert!(hub.log_in("u_bob", 0).is_ok());
}
