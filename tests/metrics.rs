//! `/metrics` of the built program: the names of the Video Chat Backend count what they say.
mod support;

use std::time::Duration;

use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http::request_as;
use support::ws::Client;
use support::ws::matched_pair_of_users;

/// How long what happens behind an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn each_name_of_the_video_chat_backend_counts_what_it_says() {
    let server = Server::start(&backend::config());
    let http = server.addr("http");
    let ((mut a, a_hello, found), (mut b, _, _)) = matched_pair_of_users(http, "numbers").await;
    let session = &found["session"];
    let sdp = |kind: &str| json!({"session": session, "neg": 1, "kind": kind, "sdp": "v=0"});
    a.ask("rtc.description", sdp("offer")).await;
    b.ask("rtc.description", sdp("answer")).await;
    b.ask("rtc.candidates", json!({"session": session, "neg": 1, "candidates": []})).await;
    b.ask("report.submit", json!({"session": session, "reason": "spam", "block": false})).await;
    b.ask("block.add", json!({"session": session})).await;
    a.push("session.ended").await;
    assert_eq!(a.refused("session.end", json!({"session": session})).await, "not_in_session");

    let moderator = backend::token("mia", "moderator");
    let report = request_as(http, "GET /v1/reports", &moderator, None).json()["reports"][0]["report"].clone();
    let id = report.as_str().expect("a report");
    assert_eq!(request_as(http, &format!("POST /v1/reports/{id}/claim"), &moderator, None).status, 200);
    let decision = json!({"decision": "reject"});
    assert_eq!(request_as(http, &format!("POST /v1/reports/{id}/decision"), &moderator, Some(&decision)).status, 200);

    drop(a.into_inner());
    let mut back = Client::connect(http).await;
    let resume = json!({"token": a_hello["resume_token"], "last_seq": 0});
    let hello = json!({"resume": resume, "client": {"name": "test", "version": "1"}});
    back.ask("hello", hello.clone()).await;
    let mut late = Client::connect(http).await;
    assert_eq!(late.refused("hello", hello).await, "unauthorized");

    for (name, labels, value) in [
        ("video_chat_total_connections", "", 4.0),
        ("video_chat_sessions_created_total", "", 1.0),
        ("video_chat_matches_created_total", "", 1.0),
        ("video_chat_sessions_ended_total", "", 1.0),
        ("video_chat_active_sessions", "", 0.0),
        ("video_chat_queue_length", "", 0.0),
        ("video_chat_match_latency_seconds_count", "", 2.0),
        ("video_chat_webrtc_offers_total", "", 1.0),
        ("video_chat_webrtc_answers_total", "", 1.0),
        ("video_chat_ice_candidates_total", "", 1.0),
        ("video_chat_connection_success_total", "", 0.0),
        ("video_chat_reports_submitted_total", "", 1.0),
        ("video_chat_reports_moderated_total", "", 1.0),
        ("video_chat_users_blocked_total", "", 1.0),
        ("video_chat_rate_limit_hits_total", "", 0.0),
        ("video_chat_errors_total", "code=\"not_in_session\"", 1.0),
        ("video_chat_errors_total", "code=\"unauthorized\"", 1.0),
        ("video_chat_request_duration_seconds_count", "status=\"1xx\"", 4.0),
        ("duologue_resumes_total", "result=\"refused\"", 1.0),
        ("duologue_resumes_total", "", 2.0),
    ] {
        assert!(
            eventually(PATIENCE, || server.metric(name, labels) == value),
            "{name}: {}",
            server.metric(name, labels)
        );
    }
    assert!(server.get("/metrics").1.contains("# TYPE video_chat_connection_failures counter"));
    assert!(eventually(PATIENCE, || server.metric("video_chat_active_connections", "") == 2.0), "b, and a back");
    // Two hellos, two joins, and what is told above.
    assert!(server.metric("video_chat_websocket_events_total", "direction=\"in\"") >= 12.0);
    assert!(server.metric("video_chat_websocket_events_total", "direction=\"out\"") > 12.0);
    assert!(server.metric("video_chat_request_duration_seconds_count", "status=\"2xx\"") >= 3.0);
    assert!(server.get("/metrics").1.contains("duologue_shard_datagrams_total{shard=\"0\",direction=\"in\"}"));
}
