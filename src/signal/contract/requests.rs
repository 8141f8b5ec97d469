//! All that clients say.
use serde::Deserialize;
use utoipa::ToSchema;

use crate::matchmaking::RawPreferences;
use crate::signal::contract::message::Request;
use crate::signal::conversation::SentMessage;
use crate::signal::protocol::BlockFields;
use crate::signal::protocol::CandidatesFields;
use crate::signal::protocol::ChatSendFields;
use crate::signal::protocol::DeleteFields;
use crate::signal::protocol::DescriptionFields;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::HelloFields;
use crate::signal::protocol::HistoryFields;
use crate::signal::protocol::IceRefreshFields;
use crate::signal::protocol::Media;
use crate::signal::protocol::OneSessionFields;
use crate::signal::protocol::PeerState;
use crate::signal::protocol::Quality;
use crate::signal::protocol::ReactFields;
use crate::signal::protocol::ReceiptFields;
use crate::signal::protocol::ReportFields;
use crate::signal::protocol::RoomJoin;
use crate::signal::protocol::RoomLeave;
use crate::signal::protocol::SeqFields;
use crate::signal::protocol::TokenFields;
use crate::signal::protocol::Typing;
use crate::signal::view::HistoryView;
use crate::signal::view::IceServersView;
use crate::signal::view::ReportTakenView;
use crate::signal::view::push::AuthRefreshedView;
use crate::signal::view::push::ExtensionAskedView;
use crate::signal::view::push::HelloOk;
use crate::signal::view::push::QueueLeftView;
use crate::signal::view::push::QueueStatus;
use crate::signal::view::push::RoomJoinedView;

/// Whom one looks for.
#[derive(Deserialize, ToSchema)]
#[schema(as = QueueJoin)]
#[allow(dead_code, reason = "the matchmaker reads its own part, and nobody the rest")]
struct QueueJoinShape {
    #[serde(flatten)]
    preferences: RawPreferences,
    /// What one sends; filters nothing.
    media: Option<WantedShape>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MediaWanted)]
#[allow(dead_code, reason = "nobody reads it")]
struct WantedShape {
    audio: Option<bool>,
    video: Option<bool>,
}

const STATUS: &str = r#"{"state":"searching","ahead":3,"waiting":4,"eta_ms":4000,"level":0,"since":1763630000123}"#;

/// Every type, in the order in which a call uses them.
pub(super) fn requests() -> Vec<Request> {
    let mut told = entrance();
    told.extend(calls());
    told.extend(negotiation());
    told.extend(chat());
    told.extend(people());
    told
}

fn entrance() -> Vec<Request> {
    vec![
        Request::new::<HelloFields>(
            "hello",
            "Who one is",
            r#"{"guest":{"device_id":"4f7c0a52"},"client":{"name":"web","version":"1.4.0"}}"#,
        )
        .about(
            "The first message, due within 5 s. Answered even without an `id`; a refusal with `unauthorized` is followed by \
             close 4401, one with `forbidden` or `banned` by close 4403.",
        )
        .gives::<HelloOk<'_>>(
            r#"{"connection":"c1f","user":{"id":"g_Qm5","role":"user","guest":true},"resume_token":"Vb0","resume_window_ms":30000,"heartbeat_ms":25000,"auth_expires_at":1763630300123,"resumed":false,"gap":false,"access_token":"eyJ","refresh_token":"r1_"}"#,
        )
        .refuses(&[ErrorCode::Conflict, ErrorCode::Forbidden, ErrorCode::Banned]),
        Request::new::<TokenFields>("auth.refresh", "A fresh access token, before the old one ends", r#"{"token":"eyJ"}"#)
            .gives::<AuthRefreshedView>(r#"{"auth_expires_at":1763630600123}"#)
            .refuses(&[ErrorCode::Forbidden, ErrorCode::Banned]),
        Request::bare("bye", "One goes for good").about(
            "Leaves queue and rooms, ends the session, voids the resume token; close 1000 follows. Every other close counts as a \
             loss that may be resumed.",
        ),
        Request::new::<SeqFields>("ack", "How far one has read", r#"{"seq":12}"#)
            .about("Frees what would be sent again after a resume; never needed."),
    ]
}

fn calls() -> Vec<Request> {
    let of_session = |kind, summary| {
        Request::new::<OneSessionFields>(kind, summary, r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g"}"#)
            .refuses(&[ErrorCode::NotInSession])
    };
    vec![
        Request::new::<QueueJoinShape>(
            "queue.join",
            "Looks for a partner, or for a group",
            r#"{"tags":["rust","tea"],"languages":["en"],"region":"eu","attrs":{"age":30},"want":{"age":[29,30,31]},"media":{"audio":true,"video":true},"tag_wait_ms":10000}"#,
        )
        .about("An empty list, a missing region and `any` mean anything. `queue.status` tells how it goes, `match.found` ends it.")
        .gives::<QueueStatus>(STATUS)
        .refuses(&[ErrorCode::Conflict, ErrorCode::AlreadyQueued, ErrorCode::QueueFull, ErrorCode::Forbidden]),
        Request::bare("queue.leave", "Looks no more").gives::<QueueLeftView>(r#"{"left":true}"#),
        of_session("session.next", "On to the next partner, with the same preferences")
            .about("The session ends once the new search has begun; the other side is told `skipped` and does not wait again.")
            .gives::<QueueStatus>(STATUS)
            .refuses(&[ErrorCode::Forbidden, ErrorCode::QueueFull, ErrorCode::AlreadyQueued]),
        of_session("session.end", "Ends a session"),
        of_session("session.extend", "Wants a session to go on after its deadline")
            .about("Both sides have to ask; then `session.extended` tells the new deadline.")
            .gives::<ExtensionAskedView>(r#"{"pending":true}"#)
            .refuses(&[ErrorCode::Conflict]),
        Request::new::<RoomJoin>(
            "room.join",
            "Comes into a room",
            r#"{"room":"Zk0","ticket":"eyJ","media":{"audio":true,"video":true}}"#,
        )
        .about("Members need no ticket. The newcomer makes the first offer to each of those who are there.")
        .gives::<RoomJoinedView<'_>>(
            r#"{"room":"Zk0","name":"Tea at five","self":"uV1","role":"member","members":[{"peer":"aB2","role":"owner","media":{"audio":true,"video":false,"screen":false},"neg":2}],"last_mid":null,"ice_servers":[{"urls":["stun:turn.example.org:3478"]}],"ice_policy":"all","ice_expires_at":1763633600123,"server_time":1763630000123}"#,
        )
        .refuses(&[ErrorCode::NotFound, ErrorCode::Forbidden, ErrorCode::Conflict]),
        Request::new::<RoomLeave>("room.leave", "Leaves a room", r#"{"room":"Zk0"}"#)
            .refuses(&[ErrorCode::NotInSession]),
    ]
}

fn negotiation() -> Vec<Request> {
    const TO_ONE: [ErrorCode; 2] = [ErrorCode::NotFound, ErrorCode::PeerUnreachable];
    vec![
        Request::there::<DescriptionFields<'_>>(
            "rtc.description",
            "An offer, an answer, or a rollback",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","neg":1,"kind":"offer","sdp":"v=0\r\n"}"#,
        )
        .refuses(&TO_ONE),
        Request::there::<CandidatesFields<'_>>(
            "rtc.candidates",
            "Ways to reach one",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","neg":1,"candidates":[{"candidate":"candidate:1 1 udp 2113937151 192.0.2.7 54400 typ host","sdpMid":"0","sdpMLineIndex":0}]}"#,
        )
        .refuses(&TO_ONE),
        Request::there::<PeerState>(
            "rtc.state",
            "How the call stands; for sessions only",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","state":"connected","path":"relay","relay_protocol":"udp","setup_ms":812}"#,
        ),
        Request::there::<Quality>(
            "rtc.quality",
            "How good the call is; for sessions only",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","score":87,"rtt_ms":42.5,"loss":0.01,"jitter_ms":4,"bitrate":1200000}"#,
        )
        .about("Passed on at most once in 5 s."),
        Request::there::<Media>(
            "media.state",
            "Which media one sends",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","audio":true,"video":false,"screen":false}"#,
        ),
        Request::new::<IceRefreshFields>("ice.refresh", "New credentials", r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g"}"#)
            .gives::<IceServersView<'_>>(
                r#"{"ice_servers":[{"urls":["turn:turn.example.org:3478?transport=udp"],"username":"1763633600:q3f.a","credential":"tB8="}],"expires_at":1763633600123}"#,
            )
            .refuses(&[ErrorCode::NotInSession, ErrorCode::NotFound]),
    ]
}

fn chat() -> Vec<Request> {
    vec![
        Request::there::<ChatSendFields>(
            "chat.send",
            "Sends a message",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","cid":"0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11","kind":"text","text":"Hello"}"#,
        )
        .about("Sent again with its `cid` within ten minutes it is the same message, and is answered the same.")
        .gives::<SentMessage>(r#"{"mid":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10","ts":1763630000123}"#)
        .refuses(&[ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::Conflict, ErrorCode::PeerUnreachable]),
        Request::there::<HistoryFields>(
            "chat.history",
            "What was said",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","before":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10","limit":20}"#,
        )
        .gives::<HistoryView<'_>>(
            r#"{"self":"uV1","messages":[{"mid":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a0f","ts":1763630000001,"from":"aB2","kind":"text","text":"Hi"}],"more":false,"next":null,"receipts":[{"from":"aB2","read_to":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a0f"}]}"#,
        ),
        Request::there::<ReceiptFields>(
            "chat.receipt",
            "How far one has got",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","read_to":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10"}"#,
        )
        .refuses(&[ErrorCode::NotFound]),
        Request::there::<Typing>("chat.typing", "Whether one writes", r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","on":true}"#),
        Request::there::<ReactFields>(
            "chat.react",
            "Reacts to a message, or to the call",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","mid":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10","emoji":"👍"}"#,
        )
        .refuses(&[ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::PeerUnreachable]),
        Request::there::<DeleteFields>(
            "chat.delete",
            "Deletes a message of one's own",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","mid":"019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10"}"#,
        )
        .refuses(&[ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::PeerUnreachable]),
    ]
}

fn people() -> Vec<Request> {
    let absent = [ErrorCode::NotInSession, ErrorCode::NotFound];
    vec![
        Request::new::<BlockFields>(
            "block.add",
            "Never wants to meet somebody again",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g"}"#,
        )
        .about("Ends the session with them; nobody is told why.")
        .refuses(&absent),
        Request::new::<BlockFields>("block.remove", "Takes a block back", r#"{"user":"b_7Yq"}"#).refuses(&absent),
        Request::new::<ReportFields>(
            "report.submit",
            "Complains about the other side of a session",
            r#"{"session":"q3fQnS9yXW0pWmVtZ0bA2g","reason":"spam","comment":"sells watches","evidence":{"mids":["019aa0c5-fb3b-7000-8d55-0b3e2c1f9a10"]}}"#,
        )
        .about("Freezes the last messages of both sides. Blocks the other side unless `block` is false.")
        .gives::<ReportTakenView<'_>>(r#"{"report":"n5Xk"}"#)
        .refuses(&[ErrorCode::NotInSession, ErrorCode::Conflict]),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::signal::protocol::Body;
    use crate::signal::protocol::Incoming;

    #[test]
    fn every_type_that_is_read_is_told_of_with_an_example_that_is_accepted() {
        let source = include_str!("../protocol/request.rs");
        let arms = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
        let read: BTreeSet<&str> = arms.map(|(kind, _)| kind).chain(["hello"]).collect();
        let requests = requests();
        let told: BTreeSet<&str> = requests.iter().map(|request| request.kind).collect();
        assert_eq!(told, read);
        assert_eq!(requests.len(), told.len());
        for request in &requests {
            let data: Value = serde_json::from_str(&request.data.example).expect("JSON");
            let frame = json!({"type": request.kind, "id": 7, "data": data}).to_string();
            let body = Incoming::parse(&frame).expect("a frame").body;
            assert!(matches!(body, Body::Hello(Ok(_)) | Body::Request(Ok(_))), "{frame}: {body:?}");
        }
    }
}
