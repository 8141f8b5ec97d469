//! An evening: two hundred people meet, write, report, are banned and appeal, and the server is killed ten times at random
//! moments. In the end the events and the audit tell the story that people were told, with nothing lost and nothing doubled.
mod support;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use duologue::store;
use duologue::store::Deed;
use duologue::store::Event;
use duologue::store::EventNumber;
use duologue::store::Retention;
use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http::Reply;
use support::http::request;
use support::ws::matched_pair_of_users;
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

/// Names the seed of an evening that is to be repeated.
const SEED: &str = "DUOLOGUE_EVENING_SEED";
const ROUNDS: usize = 10;
const PAIRS_PER_ROUND: usize = 10;
/// Those who were in a call when the server was killed are waited for; then it ends.
const PATIENCE: Duration = Duration::from_secs(90);
const EVENTS_MAX: usize = 100_000;
/// Between two looks at how far an evening has come.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// What people were told is done.
#[derive(Default)]
struct Told {
    answers: usize,
    mids_by_session: BTreeMap<String, Vec<String>>,
    reports: BTreeSet<String>,
    /// Reports by which somebody was banned.
    decisions: BTreeSet<String>,
    appeals: BTreeSet<String>,
    /// Whether an appeal was heard, with the access token of who made it.
    verdicts: BTreeMap<String, (bool, String)>,
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn ask(http: SocketAddr, line: &str, token: &str, body: &Value) -> Reply {
    let bearer = format!("authorization: Bearer {token}");
    request(http, line, &[&bearer, "content-type: application/json"], body.to_string().as_bytes())
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Two people's part of the evening, as far as it comes.
async fn pair(http: SocketAddr, tag: String, mut dice: Dice, told: Arc<Mutex<Told>>) {
    let note = |change: &dyn Fn(&mut Told)| {
        let mut told = told.lock().expect("lock");
        told.answers += 1;
        change(&mut told);
    };
    let ((mut a, _, found), (mut b, b_user, _)) = matched_pair_of_users(http, &tag).await;
    let session = text(&found["session"]);
    for number in 0..=dice.below(6) {
        let message = json!({"session": session, "cid": Uuid::now_v7().to_string(), "kind": "text", "text": "hello"});
        let writer = if number % 2 == 0 { &mut a } else { &mut b };
        let mid = text(&writer.ask("chat.send", message).await["mid"]);
        note(&|told| told.mids_by_session.entry(session.clone()).or_default().push(mid.clone()));
    }
    if dice.below(3) == 0 {
        a.ask("session.end", json!({"session": session})).await;
        return note(&|_| {});
    }
    let complaint = json!({"session": session, "reason": "spam", "block": false});
    let report = text(&a.ask("report.submit", complaint).await["report"]);
    note(&|told| _ = told.reports.insert(report.clone()));
    if dice.below(4) == 0 {
        return;
    }
    let moderator = backend::token("mo", "moderator");
    let decision = json!({"decision": "accept", "action": "ban"});
    let decided = ask(http, &format!("POST /v1/reports/{report}/decision"), &moderator, &decision);
    assert_eq!(decided.status, 200, "{decided:?}");
    note(&|told| _ = told.decisions.insert(report.clone()));
    assert_eq!(b.closed().await, 4403);
    let banned = text(&b_user["access_token"]);
    let sanctions = ask(http, "GET /v1/appeals", &banned, &json!({})).json();
    let plea = json!({"ban": sanctions["sanctions"][0]["ban"], "text": "I was only joking"});
    let appeal = ask(http, "POST /v1/appeals", &banned, &plea);
    assert_eq!(appeal.status, 201, "{appeal:?}");
    let appeal = text(&appeal.json()["appeal"]);
    note(&|told| _ = told.appeals.insert(appeal.clone()));
    let is_lifted = dice.below(2) == 0;
    let verdict = json!({"decision": if is_lifted { "lift" } else { "keep" }});
    let judged = ask(http, &format!("POST /v1/appeals/{appeal}/decision"), &moderator, &verdict);
    assert_eq!(judged.status, 200, "{judged:?}");
    note(&|told| drop(told.verdicts.insert(appeal.clone(), (is_lifted, banned.clone()))));
}

/// All events and deeds, the oldest first.
fn kept(server: &Server) -> (Vec<Event>, Vec<Deed>) {
    let path = server.state.path().join("duologue.db");
    let store = store::open_beside(&path, Retention::default()).expect("whole");
    let events = store.events(EventNumber(0), EVENTS_MAX).expect("read");
    let mut deeds = store.deeds(None, EVENTS_MAX).expect("read");
    deeds.reverse();
    (events.into_iter().map(|(_, event)| event).collect(), deeds.into_iter().map(|(_, deed)| deed).collect())
}

fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data).expect("JSON")
}

/// What `field` of the events of a kind says; each is there once.
fn named(events: &[Event], kind: &str, field: &str) -> BTreeSet<String> {
    let all: Vec<String> =
        events.iter().filter(|event| &*event.kind == kind).map(|one| text(&data(one)[field])).collect();
    let names: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(names.len(), all.len(), "{kind}: none is told twice");
    names
}

fn subjects(deeds: &[Deed], action: &str) -> BTreeSet<String> {
    let all: Vec<String> =
        deeds.iter().filter(|deed| &*deed.action == action).map(|deed| deed.subject.to_string()).collect();
    let names: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(names.len(), all.len(), "{action}: none is done twice");
    names
}

fn check_sessions(events: &[Event], told: &Told) {
    let mut of_session: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind.starts_with("session.") || &*event.kind == "chat.message") {
        of_session.entry(&event.subject).or_default().push(event);
    }
    for (session, mids) in &told.mids_by_session {
        let story = &of_session[session.as_str()];
        let kinds: Vec<&str> = story.iter().map(|event| &*event.kind).collect();
        let (first, last) = (kinds.first(), kinds.last());
        assert_eq!((first, last), (Some(&"session.started"), Some(&"session.ended")), "{session}: {kinds:?}");
        let inner = &kinds[1..kinds.len() - 1];
        assert!(inner.iter().all(|kind| *kind == "chat.message"), "{session}: {kinds:?}");
        let written: Vec<String> = story[1..kinds.len() - 1].iter().map(|event| text(&data(event)["mid"])).collect();
        // One that was written and whose answer the kill swallowed may be there too.
        assert!(written.starts_with(mids) && written.len() <= mids.len() + 1, "{session}: {mids:?}, but {written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_audit_tell_what_people_saw_of_an_evening_with_ten_kills() {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let seed = env::var(SEED).map_or_else(|_| clock(), |seed| seed.parse().expect("a number"));
    println!("{SEED}={seed}");
    let mut dice = Dice(seed);
    let mut server = Server::start(&format!("{}[limits]\nexempt = [\"127.0.0.0/8\"]\n", backend::config()));
    let told = Arc::new(Mutex::new(Told::default()));
    for round in 0..ROUNDS {
        let http = server.addr("http");
        let before = told.lock().expect("lock").answers;
        let mut pairs = JoinSet::new();
        for number in 0..PAIRS_PER_ROUND {
            let own = Dice(dice.below(u64::MAX));
            pairs.spawn(pair(http, format!("{round}-{number}"), own, Arc::clone(&told)));
        }
        let moment = before + usize::try_from(10 + dice.below(50)).expect("small");
        let mut done = false;
        while !done {
            tokio::select! {
                ended = pairs.join_next() => match ended {
                    Some(ended) => ended.expect("nobody is disappointed while the server lives"),
                    None => done = true,
                },
                () = sleep(LOOK_INTERVAL) => done = told.lock().expect("lock").answers >= moment,
            }
        }
        pairs.abort_all();
        server.crash_and_restart();
        // Whoever waited for an answer has got none.
        while pairs.join_next().await.is_some() {}
    }
    let live = |server: &Server| server.metric("video_chat_active_sessions", "");
    assert!(eventually(PATIENCE, || live(&server) == 0.0), "those who are gone are given up");
    let all_ended = || {
        let (events, _) = kept(&server);
        let ended = events.iter().filter(|event| &*event.kind == "session.ended").count();
        ended == events.iter().filter(|event| &*event.kind == "session.started").count()
    };
    assert!(eventually(PATIENCE, all_ended));

    let (events, deeds) = kept(&server);
    let told = told.lock().expect("lock");
    check_sessions(&events, &told);
    named(&events, "chat.message", "mid");
    assert!(named(&events, "report.submitted", "report").is_superset(&told.reports));
    let decided = named(&events, "moderation.decision", "report");
    assert!(decided.is_superset(&told.decisions));
    assert_eq!(decided, subjects(&deeds, "report.decide"), "events and audit tell the same");
    assert!(named(&events, "appeal.submitted", "appeal").is_superset(&told.appeals));
    let judged = named(&events, "appeal.decided", "appeal");
    assert!(told.verdicts.keys().all(|appeal| judged.contains(appeal)));
    assert_eq!(judged, subjects(&deeds, "appeal.decide"), "events and audit tell the same");
    let added = named(&events, "ban.added", "id");
    assert!(named(&events, "ban.lifted", "id").is_subset(&added));
    for (appeal, (is_lifted, token)) in &told.verdicts {
        let status = ask(server.addr("http"), "GET /v1/blocks", token, &json!({})).status;
        assert_eq!(status, if *is_lifted { 200 } else { 403 }, "{appeal}");
    }
    println!(
        "{} people, {ROUNDS} kills; {} answers, {} calls with messages, {} reports, {} bans decided, {} appeals, {} verdicts; {} events, {} deeds",
        2 * ROUNDS * PAIRS_PER_ROUND,
        told.answers,
        told.mids_by_session.len(),
        told.reports.len(),
        told.decisions.len(),
        told.appeals.len(),
        told.verdicts.len(),
        events.len(),
        deeds.len(),
    );
    assert!(
        !told.decisions.is_empty() && !told.verdicts.is_empty(),
        "an evening on which nothing happened proves nothing"
    );
}
