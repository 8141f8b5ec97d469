//! What moderators see and do: the queue, decisions that act on those who are here, bans, the audit.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::signal::EndReason;
use crate::signal::ModerationAsk;
use crate::signal::hub::bans::Who;
use crate::signal::id::ConnectionId;
use crate::signal::protocol::BanRequest;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::DecisionRequest;
use crate::signal::protocol::Refusal;
use crate::signal::settings::Automatic;
use crate::signal::settings::Limits;
use crate::signal::settings::Settings;
use crate::store::Banned;

const SECOND: Duration = Duration::from_secs(1);
const CID: &str = "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11";

fn staff(user: &str, role: Role) -> Subject {
    Subject { user: user.into(), role, guest: false, device: None, age_band: None }
}

fn asked(hub: &mut Fixture, by: &Subject, ask: ModerationAsk) -> Result<Value, Refusal> {
    let (answer, answered) = std::sync::mpsc::channel();
    let answer = Box::new(move |outcome| answer.send(outcome).expect("the test waits"));
    hub.hub.handle_moderation(by, ask, answer, hub.now);
    hub.pump();
    answered.try_recv().expect("an answer")
}

/// What the moderator Mo is told, or the code of the refusal.
fn mo(hub: &mut Fixture, ask: ModerationAsk) -> Result<Value, String> {
    asked(hub, &staff("shop:mo", Role::Moderator), ask).map_err(|refusal| refusal.code.as_str().into())
}

fn admin(hub: &mut Fixture, ask: ModerationAsk) -> Result<Value, String> {
    asked(hub, &staff("shop:ada", Role::Admin), ask).map_err(|refusal| refusal.code.as_str().into())
}

fn decision(report: &str, data: Value) -> ModerationAsk {
    let decision = DecisionRequest::parse(&data.to_string()).expect("well-formed");
    ModerationAsk::Decide { report: report.into(), decision }
}

fn ban(data: Value) -> ModerationAsk {
    ModerationAsk::Ban(BanRequest::parse(&data.to_string()).expect("well-formed"))
}

fn all() -> ModerationAsk {
    ModerationAsk::Reports { state: None, after: None, limit: None }
}

fn names(page: &Value) -> Vec<&str> {
    page["reports"].as_array().expect("a list").iter().map(|one| one["report"].as_str().expect("a name")).collect()
}

/// Reports the other side of a call, which goes on.
fn report(hub: &mut Fixture, who: ConnectionId, session: &str, reason: &str) -> String {
    let data = json!({"session": session, "reason": reason, "block": false});
    hub.ask(who, "report.submit", data).expect("is taken")["report"].as_str().expect("a name").to_owned()
}

/// Ann and Bob in a call, and Ann's report about Bob.
fn reported() -> (Fixture, ConnectionId, ConnectionId, String, String) {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let report = report(&mut hub, ann, &session, "harassment");
    (hub, ann, bob, session, report)
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().expect("a type")).collect()
}

#[test]
fn who_has_no_role_is_refused_and_only_admins_read_the_audit_and_end_a_hold() {
    let (mut hub, .., report) = reported();
    let user = staff("shop:eve", Role::User);
    let audit = || ModerationAsk::Audit { before: None, limit: None };
    let hold = |is_held| ModerationAsk::Hold { report: report.clone(), is_held };
    for ask in [
        all(),
        ModerationAsk::Report { report: report.clone() },
        ModerationAsk::Claim { report: report.clone() },
        ModerationAsk::Release { report: report.clone() },
        ModerationAsk::Note { report: report.clone(), text: "x".into() },
        hold(true),
        hold(false),
        decision(&report, json!({"decision": "reject"})),
        ModerationAsk::Bans { after: None, limit: None },
        ban(json!({"user": "shop:bob"})),
        ModerationAsk::Lift { ban: "b".into() },
        audit(),
    ] {
        let refused = asked(&mut hub, &user, ask.clone()).expect_err("has no right");
        assert_eq!(refused.code.as_str(), "forbidden", "{ask:?}");
    }
    assert_eq!(mo(&mut hub, audit()), Err("forbidden".into()));
    assert!(mo(&mut hub, hold(true)).is_ok());
    assert_eq!(mo(&mut hub, hold(false)), Err("forbidden".into()));
    assert_eq!(admin(&mut hub, hold(false)).expect("may")["held"], false);
    assert!(admin(&mut hub, audit()).is_ok());
}

#[test]
fn the_queue_shows_open_reports_first_by_urgency_and_is_read_page_by_page() {
    let (mut hub, ann, bob, session, first) = reported();
    let second = report(&mut hub, bob, &session, "minor");
    hub.ask(ann, "session.end", json!({"session": session})).expect("ends");
    let (cat, dan) = (hub.user("cat"), hub.user("dan"));
    let (.., session, _) = hub.pair_up(cat, dan);
    hub.advance(SECOND);
    let third = report(&mut hub, cat, &session, "spam");
    let page = mo(&mut hub, all()).expect("may");
    assert_eq!(names(&page), [&second, &first, &third], "what cannot wait, then by age");
    assert_eq!(page["next"], json!(null));
    assert!(page["reports"][0].get("evidence").is_none());
    mo(&mut hub, decision(&first, json!({"decision": "reject"}))).expect("may");
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = mo(&mut hub, ModerationAsk::Reports { state: None, after, limit: Some(1) }).expect("may");
        seen.extend(names(&page).into_iter().map(str::to_owned));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [second.clone(), third.clone(), first.clone()], "decided ones come last");
    for (state, expected) in [("open", vec![&second, &third]), ("decided", vec![&first])] {
        let ask = ModerationAsk::Reports { state: Some(state.into()), after: None, limit: None };
        assert_eq!(names(&mo(&mut hub, ask).expect("may")), expected, "{state}");
    }
    for bad in [
        ModerationAsk::Reports { state: Some("old".into()), after: None, limit: None },
        ModerationAsk::Reports { state: None, after: Some("x".into()), limit: None },
        ModerationAsk::Reports { state: None, after: None, limit: Some(0) },
        ModerationAsk::Reports { state: None, after: None, limit: Some(101) },
    ] {
        assert_eq!(mo(&mut hub, bad), Err("bad_request".into()));
    }
}

#[test]
fn the_reports_of_those_who_were_right_come_first() {
    let mut hub = Fixture::with(Settings {
        limits: Limits { reports_per_minute: 100, queue_joins_per_minute: 100, ..Limits::default() },
        ..settings()
    });
    let (ann, bob, cat) = (hub.user("ann"), hub.user("bob"), hub.user("cat"));
    let complain = |hub: &mut Fixture, by: ConnectionId, about: ConnectionId| {
        let (.., session, _) = hub.pair_up(by, about);
        let name = report(hub, by, &session, "spam");
        hub.ask(by, "session.end", json!({"session": session})).expect("ends");
        hub.take(by);
        hub.take(about);
        hub.advance(3600 * SECOND / 2);
        name
    };
    // People meet again after an hour, or when both have waited long enough; here each has a partner of its own.
    let (of_ann, of_cat) = (complain(&mut hub, ann, bob), complain(&mut hub, cat, ann));
    mo(&mut hub, decision(&of_ann, json!({"decision": "reject"}))).expect("may");
    mo(&mut hub, decision(&of_cat, json!({"decision": "accept"}))).expect("may");
    let (dan, eve) = (hub.user("dan"), hub.user("eve"));
    let (ann, cat) = (hub.user("ann"), hub.user("cat"));
    let (wolf, right) = (complain(&mut hub, ann, dan), complain(&mut hub, cat, eve));
    assert_eq!(names(&mo(&mut hub, all()).expect("may"))[..2], [&right, &wolf], "though it is younger");
}

#[test]
fn a_report_is_shown_with_its_evidence_and_notes_and_whoever_looks_is_noted() {
    let (mut hub, _, _, session, report) = reported();
    let note = mo(&mut hub, ModerationAsk::Note { report: report.clone(), text: " look again ".into() }).expect("may");
    assert_eq!((&note["by"], &note["text"]), (&json!("shop:mo"), &json!("look again")));
    let shown = mo(&mut hub, ModerationAsk::Report { report: report.clone() }).expect("may");
    assert_eq!((&shown["reporter"], &shown["reported"]), (&json!("shop:ann"), &json!("shop:bob")));
    assert_eq!(shown["evidence"]["session"]["id"], json!(session));
    assert_eq!(shown["notes"][0]["text"], "look again");
    assert_eq!(mo(&mut hub, ModerationAsk::Report { report: "none".into() }), Err("not_found".into()));
    let audit = admin(&mut hub, ModerationAsk::Audit { before: None, limit: None }).expect("may");
    let deeds = audit["deeds"].as_array().expect("a list");
    let told: Vec<_> = deeds.iter().map(|deed| (deed["action"].as_str().expect("a word"), &deed["by"])).collect();
    assert_eq!(told, [("report.view", &json!("shop:mo")), ("report.note", &json!("shop:mo"))]);
    assert!(deeds.iter().all(|deed| deed["subject"] == json!(report)));
    let older = ModerationAsk::Audit { before: deeds[0]["number"].as_u64(), limit: Some(1) };
    assert_eq!(admin(&mut hub, older).expect("may")["deeds"][0]["action"], "report.note");
}

#[test]
fn a_report_that_one_moderator_works_on_is_no_others_but_an_admins() {
    let (mut hub, .., report) = reported();
    let claim = || ModerationAsk::Claim { report: report.clone() };
    let kim = staff("shop:kim", Role::Moderator);
    assert_eq!(mo(&mut hub, claim()).expect("may")["claim"]["by"], "shop:mo");
    assert!(mo(&mut hub, claim()).is_ok(), "once more changes nothing");
    for ask in
        [claim(), decision(&report, json!({"decision": "reject"})), ModerationAsk::Release { report: report.clone() }]
    {
        assert_eq!(asked(&mut hub, &kim, ask).expect_err("is another's").code.as_str(), "conflict");
    }
    assert_eq!(mo(&mut hub, ModerationAsk::Release { report: report.clone() }).expect("may")["claim"], json!(null));
    assert!(asked(&mut hub, &kim, claim()).is_ok());
    assert!(admin(&mut hub, decision(&report, json!({"decision": "reject"}))).is_ok());
    assert_eq!(asked(&mut hub, &kim, claim()).expect_err("is decided").code.as_str(), "conflict");
    let ann = staff("shop:ann", Role::Moderator);
    let refused = asked(&mut hub, &ann, claim()).expect_err("is her own");
    assert_eq!(refused.code.as_str(), "forbidden", "nobody judges their own case");
}

#[test]
fn a_ban_tells_ends_the_call_as_moderation_and_closes_with_4403_and_keeps_out() {
    let (mut hub, ann, bob, session, report) = reported();
    let until = hub.now.unix + 60 * SECOND;
    let told = mo(&mut hub, decision(&report, json!({"decision": "accept", "action": "ban", "until": until})));
    let decided = told.expect("may");
    assert_eq!((&decided["state"], &decided["decision"]["action"]), (&json!("decided"), &json!("ban")));
    assert_eq!(decided["decision"]["bans"].as_array().map(Vec::len), Some(1));
    let frames = hub.take(bob);
    assert_eq!(kinds(&frames), ["moderation.notice", "session.ended"]);
    assert_eq!(frames[0]["data"], json!({"action": "ban", "reason": "harassment", "until": until}));
    assert!(frames[0]["seq"].is_u64(), "rule 12");
    assert_eq!(frames[1]["data"]["reason"], "moderation");
    assert_eq!(hub.close_code(bob), Some(CloseCode::Forbidden));
    assert_eq!(hub.take_one(ann, "session.ended")["data"]["reason"], "moderation");
    let ended = hub.ended.last().expect("the relay lets go of it");
    assert_eq!((ended.session.as_str(), ended.reason), (session.as_str(), EndReason::Moderation));
    assert!(hub.revoked.iter().any(|pass| pass.name.as_str().starts_with("user-")), "what ice.refresh gave");
    // Rule 34: a fresh hello, the resume token that the ban has voided, and REST.
    let resume = hub.resume_of(bob, 0);
    let token = hub.token("bob", 3600);
    for hello in [json!({"token": token}), resume] {
        let id = hub.connect();
        assert_eq!(hub.ask(id, "hello", hello), Err("banned".into()));
        assert_eq!(hub.close_code(id), Some(CloseCode::Forbidden));
    }
    let ip = [192, 0, 2, 1].into();
    let refused = hub.hub.handle_verify(ip, &token, hub.now).expect_err("is banned");
    assert_eq!(refused.code.as_str(), "banned");
    assert_eq!(mo(&mut hub, decision(&report, json!({"decision": "reject"}))), Err("conflict".into()));
    hub.restart(SECOND);
    let id = hub.connect();
    assert_eq!(hub.ask(id, "hello", json!({"token": token})), Err("banned".into()), "after a restart too");
    hub.advance(60 * SECOND);
    let id = hub.connect();
    assert!(hub.ask(id, "hello", json!({"token": token})).is_ok(), "it is over");
}

#[test]
fn a_ban_of_a_guest_holds_against_its_device_unless_the_moderator_says_otherwise() {
    for (target, expected) in [(None, Some("banned")), (Some("device"), Some("banned")), (Some("user"), None)] {
        let mut hub = Fixture::new();
        let (a, b, session, _) = hub.pair();
        let report = report(&mut hub, a, &session, "nudity");
        let mut data = json!({"decision": "accept", "action": "ban"});
        if let Some(target) = target {
            data["target"] = json!(target);
        }
        mo(&mut hub, decision(&report, data)).expect("may");
        assert_eq!(hub.close_code(b), Some(CloseCode::Forbidden), "{target:?}");
        let id = hub.connect();
        let hello = hub.ask(id, "hello", json!({"guest": {"device_id": format!("device-{}", b.0)}}));
        assert_eq!(hello.err().as_deref(), expected, "{target:?}");
    }
}

#[test]
fn a_ban_of_an_address_window_keeps_everybody_there_out_but_moderators() {
    let (mut hub, ann, bob, _, report) = reported();
    let ask = decision(&report, json!({"decision": "accept", "action": "ban", "target": "network"}));
    mo(&mut hub, ask).expect("may");
    for side in [ann, bob] {
        assert_eq!(hub.close_code(side), Some(CloseCode::Forbidden), "both come from there");
    }
    let hello = json!({"guest": {"device_id": "tablet"}});
    let (id, elsewhere) = (hub.connect(), hub.connect_as("192.0.2.2", None));
    assert_eq!(hub.ask(id, "hello", hello.clone()), Err("banned".into()));
    assert!(hub.ask(elsewhere, "hello", hello).is_ok());
    let token = hub.token("cat", 60);
    let verify = |hub: &Fixture, last: u8| hub.hub.handle_verify([192, 0, 2, last].into(), &token, hub.now).is_ok();
    assert_eq!([1, 2].map(|last| verify(&hub, last)), [false, true], "REST is closed, too");
    let moderator = staff("shop:mo", Role::Moderator);
    let who = Who::of(&moderator, Some([192, 0, 2, 1].into()));
    assert_eq!(who.ip, None);
}

#[test]
fn a_window_of_ipv6_is_a_64() {
    let mut hub = Fixture::new();
    let guest = |hub: &mut Fixture, ip: &str| {
        let id = hub.connect_as(ip, None);
        hub.ask(id, "hello", json!({"guest": {"device_id": ip}})).map(|_| id)
    };
    let inside = guest(&mut hub, "2001:db8::5").expect("is welcome");
    let told = mo(&mut hub, ban(json!({"network": "2001:db8::7", "reason": "spam"}))).expect("may");
    assert_eq!(told["network"], "2001:db8::/64");
    assert_eq!(hub.close_code(inside), Some(CloseCode::Forbidden));
    assert_eq!(guest(&mut hub, "2001:db8::ffff").map(|_| ()), Err("banned".into()));
    assert!(guest(&mut hub, "2001:db8:0:1::1").is_ok());
}

#[test]
fn who_is_muted_reads_and_cannot_write() {
    let (mut hub, ann, bob, session, report) = reported();
    mo(&mut hub, decision(&report, json!({"decision": "accept", "action": "mute"}))).expect("may");
    assert_eq!(hub.take_one(bob, "moderation.notice")["data"], json!({"action": "mute", "reason": "harassment"}));
    let message = json!({"session": session, "cid": CID, "kind": "text", "text": "hi"});
    assert_eq!(hub.ask(bob, "chat.send", message.clone()), Err("forbidden".into()));
    assert_eq!(hub.ask(bob, "chat.react", json!({"session": session, "emoji": "x"})), Err("forbidden".into()));
    assert!(hub.ask(ann, "chat.send", message).is_ok());
    assert_eq!(hub.take_kinds(bob), ["chat.message"], "the call goes on");
    // Whoever comes anew is told what is in force.
    let bob = hub.user_who_reads("bob");
    assert_eq!(hub.take_one(bob, "moderation.notice")["data"]["action"], "mute");
}

#[test]
fn who_is_restricted_is_taken_out_of_the_queue_and_not_matched() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    hub.ask(bob, "queue.join", json!({"tags": ["music"]})).expect("waits");
    hub.take(bob);
    let told = mo(&mut hub, ban(json!({"user": "shop:bob", "action": "restrict", "reason": "rude"}))).expect("may");
    assert_eq!(hub.take_kinds(bob), ["moderation.notice"]);
    assert_eq!(hub.close_code(bob), None);
    hub.ask(ann, "queue.join", json!({"tags": ["music"]})).expect("waits");
    hub.advance(120 * SECOND);
    assert!(!hub.take_kinds(ann).contains(&"match.found".to_owned()));
    assert_eq!(hub.ask(bob, "queue.join", json!({})), Err("forbidden".into()));
    assert!(mo(&mut hub, ModerationAsk::Lift { ban: told["id"].as_str().expect("a name").into() }).is_ok());
    hub.ask(bob, "queue.join", json!({"tags": ["music"]})).expect("may again");
    hub.take_one(bob, "match.found");
}

#[test]
fn a_restriction_answers_a_request_that_the_engine_has_not_answered_yet() {
    let mut hub = Fixture::new();
    let bob = hub.user("bob");
    hub.engine_sleeps = true;
    let join = hub.request(bob, "queue.join", json!({}));
    let leave = hub.request(bob, "queue.leave", json!({}));
    mo(&mut hub, ban(json!({"user": "shop:bob", "action": "restrict"}))).expect("may");
    hub.engine_sleeps = false;
    hub.pump();
    let frames = hub.take(bob);
    assert_eq!(kinds(&frames), ["moderation.notice", "error", "ok"], "{frames:?}");
    assert_eq!((&frames[1]["re"], &frames[1]["error"]["code"]), (&json!(join), &json!("forbidden")));
    assert_eq!((&frames[2]["re"], &frames[2]["data"]["left"]), (&json!(leave), &json!(false)));
}

#[test]
fn a_warning_is_told_once_also_to_who_was_away() {
    let (mut hub, _, bob, _, report) = reported();
    mo(&mut hub, decision(&report, json!({"decision": "accept", "action": "warn"}))).expect("may");
    assert_eq!(hub.take_one(bob, "moderation.notice")["data"], json!({"action": "warn", "reason": "harassment"}));
    assert_eq!(hub.close_code(bob), None);
    let bans = || ModerationAsk::Bans { after: None, limit: None };
    assert_eq!(mo(&mut hub, bans()).expect("may")["bans"], json!([]));
    mo(&mut hub, ban(json!({"user": "shop:cat", "action": "warn", "reason": "be kind"}))).expect("may");
    hub.restart(SECOND);
    let cat = hub.user_who_reads("cat");
    assert_eq!(hub.take_one(cat, "moderation.notice")["data"]["reason"], "be kind");
    let cat = hub.user_who_reads("cat");
    assert!(!hub.take_kinds(cat).contains(&"moderation.notice".to_owned()), "once");
    let mut stored = 0;
    hub.store.each_ban(&mut |_| stored += 1).expect("read");
    assert_eq!(stored, 0);
}

#[test]
fn a_decision_that_cannot_be_carried_out_changes_nothing() {
    let (mut hub, _, bob, _, report) = reported();
    let past = hub.now.unix;
    for (data, code) in [
        (json!({"decision": "accept", "action": "ban", "until": past}), "bad_request"),
        (json!({"decision": "accept", "action": "ban", "target": "device"}), "conflict"),
    ] {
        assert_eq!(mo(&mut hub, decision(&report, data.clone())), Err(code.into()), "{data}");
    }
    assert_eq!(mo(&mut hub, decision("none", json!({"decision": "reject"}))), Err("not_found".into()));
    hub.store_is_full = true;
    let ask = decision(&report, json!({"decision": "accept", "action": "ban"}));
    assert_eq!(mo(&mut hub, ask), Err("unavailable".into()));
    assert_eq!(hub.close_code(bob), None);
    hub.store_is_full = false;
    assert_eq!(mo(&mut hub, all()).expect("may")["reports"][0]["state"], "open");
}

#[test]
fn bans_are_listed_the_newest_first_and_lifted() {
    let mut hub = Fixture::new();
    for (number, banned) in
        [json!({"user": "shop:bob"}), json!({"device": "tablet"}), json!({"network": "198.51.100.0/24"})]
            .into_iter()
            .enumerate()
    {
        hub.advance(SECOND);
        let told = mo(&mut hub, ban(banned)).expect("may");
        assert_eq!((&told["action"], &told["by"], &told["until"]), (&json!("ban"), &json!("shop:mo"), &json!(null)));
        assert!(told["id"].is_string(), "{number}");
    }
    let page = |hub: &mut Fixture, after: Option<String>| mo(hub, ModerationAsk::Bans { after, limit: Some(2) });
    let first = page(&mut hub, None).expect("may");
    assert_eq!(
        (&first["bans"][0]["network"], &first["bans"][1]["device"]),
        (&json!("198.51.100.0/24"), &json!("tablet"))
    );
    let next = first["next"].as_str().map(str::to_owned);
    let second = page(&mut hub, next.clone()).expect("may");
    assert_eq!((&second["bans"][0]["user"], &second["next"]), (&json!("shop:bob"), &json!(null)));
    let id = second["bans"][0]["id"].as_str().expect("a name").to_owned();
    assert!(mo(&mut hub, ModerationAsk::Lift { ban: id.clone() }).is_ok());
    assert_eq!(mo(&mut hub, ModerationAsk::Lift { ban: id.clone() }), Err("not_found".into()));
    hub.user("bob");
    assert_eq!(page(&mut hub, Some(id)), Err("not_found".into()));
    let mut left = Vec::new();
    hub.store.each_ban(&mut |ban| left.push(ban.banned)).expect("read");
    assert!(left.len() == 2 && left.iter().all(|banned| !matches!(banned, Banned::User(_))));
    let audit = admin(&mut hub, ModerationAsk::Audit { before: None, limit: None }).expect("may");
    let deeds = audit["deeds"].as_array().expect("a list");
    let actions: Vec<_> = deeds.iter().map(|deed| deed["action"].as_str().expect("a word")).collect();
    assert_eq!(actions, ["ban.lift", "ban.add", "ban.add", "ban.add"]);
    assert_eq!(deeds[0]["details"]["user"], "shop:bob");
}

#[test]
fn nobody_bans_themselves_and_no_moderator_an_admin_and_a_full_disk_keeps_nobody_in() {
    let mut hub = Fixture::new();
    let bob = hub.user("bob");
    assert_eq!(mo(&mut hub, ban(json!({"user": "shop:mo"}))), Err("bad_request".into()));
    assert_eq!(mo(&mut hub, ban(json!({"user": "shop:bob", "until": 5}))), Err("bad_request".into()));
    let ada = hub.staff_member("ada", "admin");
    assert_eq!(mo(&mut hub, ban(json!({"user": "shop:ada"}))), Err("forbidden".into()));
    assert_eq!(hub.close_code(ada), None);
    hub.store_is_full = true;
    assert_eq!(mo(&mut hub, ban(json!({"user": "shop:bob"}))), Err("unavailable".into()));
    assert_eq!(hub.close_code(bob), Some(CloseCode::Forbidden), "until a restart");
}

#[test]
fn several_complaints_take_a_device_out_of_matching_until_enough_are_decided_on() {
    let automatic = Automatic { reports: 2, window: 3600 * SECOND };
    let mut hub = Fixture::with(Settings { automatic, ..settings() });
    let guest = |hub: &mut Fixture| {
        let id = hub.connect();
        hub.hello(id, json!({"guest": {"device_id": "tablet"}}));
        hub.take(id);
        id
    };
    let complain = |hub: &mut Fixture, name: &str, about: ConnectionId| {
        let by = hub.user(name);
        let (.., session, _) = hub.pair_up(by, about);
        let report = report(hub, by, &session, "spam");
        hub.ask(by, "session.end", json!({"session": session})).expect("ends");
        report
    };
    let first = guest(&mut hub);
    let of_ann = complain(&mut hub, "ann", first);
    assert!(!hub.take_kinds(first).contains(&"moderation.notice".to_owned()), "one is not several");
    // Another guest on the same device.
    let second = guest(&mut hub);
    let of_bob = complain(&mut hub, "bob", second);
    for side in [first, second] {
        assert_eq!(hub.take_one(side, "moderation.notice")["data"]["action"], "restrict");
        assert_eq!(hub.ask(side, "queue.join", json!({})), Err("forbidden".into()));
    }
    let bans = mo(&mut hub, ModerationAsk::Bans { after: None, limit: None }).expect("may");
    assert_eq!((&bans["bans"][0]["device"], &bans["bans"][0]["by"]), (&json!("tablet"), &json!("automatic")));
    mo(&mut hub, decision(&of_ann, json!({"decision": "reject"}))).expect("may");
    assert!(hub.ask(second, "queue.join", json!({})).is_ok(), "one is left, which is not several");
    mo(&mut hub, decision(&of_bob, json!({"decision": "reject"}))).expect("may");
    let audit = admin(&mut hub, ModerationAsk::Audit { before: None, limit: None }).expect("may");
    let deeds = audit["deeds"].as_array().expect("a list").iter();
    let automatic: Vec<_> = deeds.filter(|deed| deed["by"] == "automatic").map(|deed| deed["action"].clone()).collect();
    assert_eq!(automatic, ["ban.lift", "ban.add"]);
}

#[test]
fn the_complaints_of_those_who_were_wrong_take_fewer_people_out_of_matching() {
    let automatic = Automatic { reports: 2, window: 3600 * SECOND };
    let mut hub = Fixture::with(Settings { automatic, ..settings() });
    let complain = |hub: &mut Fixture, name: &str, about: ConnectionId| {
        let by = hub.user(name);
        let (.., session, _) = hub.pair_up(by, about);
        let report = report(hub, by, &session, "spam");
        hub.ask(by, "session.end", json!({"session": session})).expect("ends");
        report
    };
    let is_restricted =
        |hub: &mut Fixture, who: ConnectionId| hub.take_kinds(who).contains(&"moderation.notice".to_owned());
    let innocent = hub.user("innocent");
    let wrong = complain(&mut hub, "ann", innocent);
    mo(&mut hub, decision(&wrong, json!({"decision": "reject"}))).expect("may");
    let bob = hub.user("bob");
    complain(&mut hub, "ann", bob);
    complain(&mut hub, "cat", bob);
    assert!(!is_restricted(&mut hub, bob), "a half and a whole one are not two");
    complain(&mut hub, "dan", bob);
    assert!(is_restricted(&mut hub, bob));
    let audit = admin(&mut hub, ModerationAsk::Audit { before: None, limit: None }).expect("may");
    let details = &audit["deeds"][0]["details"];
    assert_eq!((&details["by"], &details["because"]), (&json!("automatic"), &json!({"complaints_percent": 250})));
}

#[test]
fn a_refreshed_token_of_a_banned_device_closes_the_socket() {
    let mut hub = Fixture::new();
    let bob = hub.user("bob");
    mo(&mut hub, ban(json!({"device": "tablet"}))).expect("may");
    let token = hub.token_of(json!({"sub": "bob", "device": "tablet"}));
    assert_eq!(hub.ask(bob, "auth.refresh", json!({"token": token})), Err("banned".into()));
    assert_eq!(hub.close_code(bob), Some(CloseCode::Forbidden));
}

#[test]
fn a_call_that_a_ban_should_have_ended_does_not_survive_a_restart() {
    let (mut hub, ann, _, _, report) = reported();
    hub.store_sleeps = true;
    let (answer, _answered) = std::sync::mpsc::channel();
    let answer = Box::new(move |outcome| drop(answer.send(outcome)));
    let ask = decision(&report, json!({"decision": "accept", "action": "ban"}));
    hub.hub.handle_moderation(&staff("shop:mo", Role::Moderator), ask, answer, hub.now);
    hub.pump();
    // The ban is stored, what follows from it is not.
    hub.work_in_store(hub.errands());
    hub.store_sleeps = false;
    hub.restart(SECOND);
    assert_eq!(hub.ended.iter().map(|ended| ended.reason).collect::<Vec<_>>(), [EndReason::Moderation]);
    let ann = hub.resume(ann, 1);
    assert_eq!(hub.take_one(ann, "sync")["data"]["sessions"], json!([]));
}
