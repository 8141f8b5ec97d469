//! Files in messages. Rules 36 and 37.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;

use crate::auth::file_link::FileLinks;
use crate::auth::secret::Secret;
use crate::signal::hub::tests::fixture::Fixture;
use crate::signal::hub::tests::fixture::START;
use crate::signal::hub::tests::fixture::settings;
use crate::signal::settings::EvidenceLimits;
use crate::signal::settings::FileSharing;
use crate::store::MessageKind;
use crate::store::Place;
use crate::store::Retention;
use crate::store::SessionId;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::UserId;

const CID: &str = "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11";

fn with_files(retention: Retention) -> Fixture {
    let files = FileSharing {
        links: FileLinks::new(Secret::new(*b"signs addresses")),
        link_life: Duration::from_secs(3600),
        released: Arc::new(Notify::new()),
        evidence: EvidenceLimits { bytes_per_report: 20, total_bytes: 30 },
    };
    Fixture::with(crate::signal::settings::Settings { files: Some(files), retention, ..settings() })
}

fn put(hub: &mut Fixture, id: &str, session: &str, owner: &str, state: UploadState) {
    let upload = Upload {
        id: UploadId(id.into()),
        place: Place::Session(SessionId(session.into())),
        owner: UserId(owner.into()),
        kind: MessageKind::Image,
        name: "a.png".into(),
        mime: "image/png".into(),
        bytes: 7,
        sha256: None,
        state,
        at: START,
    };
    hub.store.put_upload(&upload).expect("stored");
}

fn show(session: &str, cid: &str, file: &str) -> Value {
    json!({"session": session, "cid": cid, "kind": "image", "file": file})
}

#[test]
fn a_file_goes_out_with_an_address_and_the_history_gives_another() {
    let mut hub = with_files(Retention::default());
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, b, session, _) = hub.pair_up(a, b);
    put(&mut hub, "f1", &session, "shop:ann", UploadState::Complete);
    let sent = hub.ask(a, "chat.send", show(&session, CID, "f1")).expect("is sent");
    assert_eq!(hub.ask(a, "chat.send", show(&session, CID, "f1")), Ok(sent));
    let got = hub.take_one(b, "chat.message")["data"]["file"].clone();
    let expires = START.0 + 3_600_000;
    assert_eq!((&got["id"], &got["name"], &got["size"]), (&json!("f1"), &json!("a.png"), &json!(7)));
    assert_eq!((&got["type"], &got["expires_at"]), (&json!("image/png"), &json!(expires)));
    let url = got["url"].as_str().expect("a URL");
    assert!(url.starts_with(&format!("/v1/files/f1?expires={expires}&signature=")), "{url}");
    hub.advance(Duration::from_secs(60));
    let page = hub.ask(b, "chat.history", json!({"session": session})).expect("is there");
    assert_eq!(page["messages"][0]["file"]["expires_at"], json!(expires + 60_000));
    assert_ne!(page["messages"][0]["file"]["url"], got["url"]);
}

#[test]
fn a_file_must_be_ones_own_whole_of_its_kind_and_of_this_place() {
    for retention in [Retention::default(), Retention { session_chat: Duration::ZERO, ..Retention::default() }] {
        let mut hub = with_files(retention);
        let (a, b) = (hub.user("ann"), hub.user("bob"));
        let (a, b, session, _) = hub.pair_up(a, b);
        put(&mut hub, "own", &session, "shop:ann", UploadState::Complete);
        put(&mut hub, "half", &session, "shop:ann", UploadState::Asked);
        put(&mut hub, "gone", &session, "shop:ann", UploadState::Abandoned);
        put(&mut hub, "bob's", &session, "shop:bob", UploadState::Complete);
        put(&mut hub, "elsewhere", "another", "shop:ann", UploadState::Complete);
        let cases = [
            ("half", "conflict"),
            ("gone", "not_found"),
            ("bob's", "not_found"),
            ("elsewhere", "not_found"),
            ("no", "not_found"),
        ];
        for (file, code) in cases {
            assert_eq!(hub.ask(a, "chat.send", show(&session, CID, file)), Err(code.into()), "{file}");
        }
        let voice = json!({"session": session, "cid": CID, "kind": "voice", "file": "own"});
        assert_eq!(hub.ask(a, "chat.send", voice), Err("bad_request".into()));
        assert!(!hub.take_kinds(b).contains(&"chat.message".to_owned()));
        // A name that went nowhere is free.
        hub.ask(a, "chat.send", show(&session, CID, "own")).expect("is sent");
        hub.take_one(b, "chat.message");
    }
}

#[test]
fn while_the_store_cannot_write_words_go_out_and_files_do_not() {
    let mut hub = with_files(Retention::default());
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, b, session, _) = hub.pair_up(a, b);
    put(&mut hub, "f1", &session, "shop:ann", UploadState::Complete);
    hub.store_is_full = true;
    assert_eq!(hub.ask(a, "chat.send", show(&session, CID, "f1")), Err("unavailable".into()));
    assert!(!hub.take_kinds(b).contains(&"chat.message".to_owned()));
    hub.store_is_full = false;
    hub.ask(a, "chat.send", show(&session, CID, "f1")).expect("is sent");
    hub.take_one(b, "chat.message");
}

#[test]
fn where_nothing_is_kept_a_deleted_message_still_takes_its_file_along() {
    let mut hub = with_files(Retention { session_chat: Duration::ZERO, ..Retention::default() });
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, b, session, _) = hub.pair_up(a, b);
    put(&mut hub, "f1", &session, "shop:ann", UploadState::Complete);
    let mid = hub.ask(a, "chat.send", show(&session, CID, "f1")).expect("is sent")["mid"].clone();
    assert_eq!(hub.ask(b, "chat.delete", json!({"session": session, "mid": mid})), Err("forbidden".into()));
    let state = |hub: &Fixture| hub.store.upload(&UploadId("f1".into())).expect("read").expect("known").state;
    assert_eq!(state(&hub), UploadState::Complete);
    hub.ask(a, "chat.delete", json!({"session": session, "mid": mid})).expect("is deleted");
    assert_eq!(state(&hub), UploadState::Abandoned);
    hub.take_one(b, "chat.deleted");
}

#[test]
fn where_there_are_no_files_none_is_sent_and_none_is_told_of() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    assert_eq!(hub.ask(a, "chat.send", show(&session, CID, "f1")), Err("unavailable".into()));
    let mut hub = with_files(Retention::default());
    let a = hub.connect();
    let features = hub.take_one(a, "welcome")["data"]["features"].clone();
    assert!(features.as_array().expect("a list").contains(&json!("files")), "{features}");
}
