//! All that the server says of its own accord.
use serde_json::json;

use crate::signal::contract::message::Push;
use crate::signal::protocol::Candidates;
use crate::signal::protocol::Delete;
use crate::signal::protocol::Description;
use crate::signal::protocol::Media;
use crate::signal::protocol::PeerState;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Quality;
use crate::signal::protocol::React;
use crate::signal::protocol::Typing;
use crate::signal::settings::Limits;
use crate::signal::settings::ServerName;
use crate::signal::view::ReceiptView;
use crate::signal::view::push::AuthExpiringView;
use crate::signal::view::push::GroupMatchedView;
use crate::signal::view::push::IceUpdatedView;
use crate::signal::view::push::LimitsView;
use crate::signal::view::push::ModerationNoticeView;
use crate::signal::view::push::PairMatchedView;
use crate::signal::view::push::PeerJoinedView;
use crate::signal::view::push::PeerLeftView;
use crate::signal::view::push::PeerResumedView;
use crate::signal::view::push::QueueStatus;
use crate::signal::view::push::ServerDrainView;
use crate::signal::view::push::SessionEndedView;
use crate::signal::view::push::SessionExtendView;
use crate::signal::view::push::SessionExtendedView;
use crate::signal::view::push::SessionWarningView;
use crate::signal::view::push::SizesView;
use crate::signal::view::push::SyncView;
use crate::signal::view::push::WelcomeView;
use crate::signal::view::spoken::MessageView;
use crate::time::UnixMillis;

/// Every type.
pub(super) fn pushes() -> Vec<Push> {
    PushKind::ALL.into_iter().map(push).collect()
}

/// Of a server that is configured in no way.
fn welcome() -> String {
    let server = ServerName { name: "duologue".to_owned(), version: "0.1.0".to_owned(), node: "a".to_owned() };
    let limits = LimitsView { budgets: Limits::default(), sizes: SizesView::default() };
    let features = vec!["resume", "rooms", "chat"];
    json!(WelcomeView { server, features, limits, time: UnixMillis(1_763_630_000_123) }).to_string()
}

fn push(kind: PushKind) -> Push {
    match kind {
        PushKind::Welcome => {
            Push::new::<WelcomeView>(kind, "The first message: who speaks, what it does and allows", welcome())
        }
        PushKind::Sync => Push::new::<SyncView<'_>>(
            kind,
            "After a gap: what a client without memory needs to go on",
            r#"{"sessions":[{"session":"q3fQnS9yXW0pWmVtZ0bA2g","self":"uV1","peer":{"id":"aB2","tags_common":["tea"],"language":"en"},"role":"polite","initiator":false,"deadline":1763630180123,"neg":3}],"rooms":[],"last_mid":null}"#,
        ),
        PushKind::AuthExpiring => {
            Push::new::<AuthExpiringView>(kind, "The access token ends soon: refresh it", r#"{"at":1763630300123}"#)
        }
        PushKind::ServerDrain => Push::new::<ServerDrainView>(
            kind,
            "The node goes away: come back elsewhere after close 1012",
            r#"{"within_ms":25000,"reason":"shutdown"}"#,
        ),
        PushKind::QueueStatus => Push::new::<QueueStatus>(
            kind,
            "How the search goes; on change, at most once in 2 s",
            r#"{"state":"widening","ahead":0,"waiting":2,"eta_ms":null,"level":1,"since":1763630000123}"#,
        ),
        PushKind::MatchFound => Push::either::<PairMatchedView<'_>, GroupMatchedView<'_>>(
            kind,
            "A partner is found, or a group",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","self":"uV1","peer":{"id":"aB2","tags_common":["tea"],"language":"en"},"role":"impolite","initiator":true,"waited_ms":4120,"ice_servers":[{"urls":["stun:turn.example.org:3478"]},{"urls":["turn:turn.example.org:3478?transport=udp"],"username":"1763633600:q3f.a","credential":"tB8="}],"ice_policy":"all","ice_expires_at":1763633600123,"deadline":1763630180123,"server_time":1763630000123}"#,
        ),
        PushKind::Description => Push::from_peer::<Description>(
            kind,
            "What the other side negotiates",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","neg":1,"kind":"answer","sdp":"v=0\r\n"}"#,
        ),
        PushKind::Candidates => Push::from_peer::<Candidates>(
            kind,
            "Ways to reach the other side",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","neg":1,"candidates":[],"end":true}"#,
        ),
        PushKind::PeerState => Push::from_peer::<PeerState>(
            kind,
            "How the call stands for the other side",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","state":"connected","path":"direct","setup_ms":640}"#,
        ),
        PushKind::PeerQuality => Push::from_peer::<Quality>(
            kind,
            "How good the call is for the other side",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","score":91,"rtt_ms":38,"loss":0,"jitter_ms":3,"bitrate":null}"#,
        ),
        PushKind::PeerMedia => Push::from_peer::<Media>(
            kind,
            "Which media somebody sends",
            r#"{"room":"Zk0","from":"aB2","audio":true,"video":true,"screen":false}"#,
        ),
        PushKind::PeerJoined => Push::new::<PeerJoinedView<'_>>(
            kind,
            "Somebody has come into a room",
            r#"{"room":"Zk0","peer":"aB2","role":"member"}"#,
        ),
        PushKind::PeerLeft => Push::new::<PeerLeftView<'_>>(
            kind,
            "Somebody has left, or is lost and waited for",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","peer":"aB2","reason":"lost","can_reconnect":true,"until":1763630030123}"#,
        ),
        PushKind::PeerResumed => Push::new::<PeerResumedView<'_>>(
            kind,
            "Somebody lost is back",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","peer":"aB2"}"#,
        ),
        PushKind::IceUpdated => Push::new::<IceUpdatedView<'_>>(
            kind,
            "New credentials, at 70 % of the old ones' life",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","ice_servers":[{"urls":["stun:turn.example.org:3478"]}],"expires_at":1763633600123}"#,
        ),
        PushKind::SessionExtend => Push::new::<SessionExtendView<'_>>(
            kind,
            "The other side wants the session to go on",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2"}"#,
        ),
        PushKind::SessionExtended => Push::new::<SessionExtendedView<'_>>(
            kind,
            "Both sides want the session to go on",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","deadline":1763630360123}"#,
        ),
        PushKind::SessionWarning => Push::new::<SessionWarningView<'_>>(
            kind,
            "The session ends soon: at 60 s and 10 s before its deadline",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","remaining_ms":10000}"#,
        ),
        PushKind::SessionEnded => Push::new::<SessionEndedView<'_>>(
            kind,
            "The session is over",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","reason":"ended","duration_ms":93211}"#,
        ),
        PushKind::ChatMessage => Push::from_peer::<MessageView<'_>>(
            kind,
            "A message; never to its sender",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","mid":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10","ts":1763630000123,"cid":"0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11","kind":"text","text":"Hello"}"#,
        ),
        PushKind::ChatReceipt => Push::from_peer::<ReceiptView>(
            kind,
            "How far somebody has got",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","read_to":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10"}"#,
        ),
        PushKind::ChatTyping => Push::from_peer::<Typing>(
            kind,
            "Whether somebody writes",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","on":true}"#,
        ),
        PushKind::ChatReaction => Push::from_peer::<React>(
            kind,
            "A reaction to a message, or to the call",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","emoji":"👍","remove":false}"#,
        ),
        PushKind::ChatDeleted => Push::from_peer::<Delete>(
            kind,
            "A message is deleted",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","from":"aB2","mid":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10"}"#,
        ),
        PushKind::ModerationNotice => Push::new::<ModerationNoticeView<'_>>(
            kind,
            "What a moderator has decided about one",
            r#"{"action":"mute","reason":"spam","until":1763716400123}"#,
        ),
    }
}
