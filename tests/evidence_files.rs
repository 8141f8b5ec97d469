//! Files as evidence against the built program: a report keeps them when their sender deletes them, for moderators alone.
mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::backend;
use support::caller::Call;
use support::eventually;
use support::http::Reply;
use support::http::request_as;

const PATIENCE: Duration = Duration::from_secs(20);

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and then what nobody wants to see";
const PAGE: &[u8] = b"<!doctype html><script>alert(document.domain)</script>";

fn files_below(directory: &Path) -> usize {
    std::fs::read_dir(directory).expect("a directory").fold(0, |count, entry| {
        let path = entry.expect("an entry").path();
        count + if path.is_dir() { files_below(&path) } else { 1 }
    })
}

fn on_disk(call: &Call) -> usize {
    files_below(&call.server.state.path().join("uploads"))
}

fn ask(call: &Call, line: &str, token: &str) -> Reply {
    request_as(call.http(), line, token, None)
}

/// The second one complains, without a block, so that the call goes on; the name of the report.
async fn report(call: &mut Call, mids: Value) -> String {
    let data = json!({"session": call.session, "reason": "nudity", "block": false, "evidence": {"mids": mids}});
    let told = call.b.client.ask("report.submit", data).await;
    told["report"].as_str().expect("a name").to_owned()
}

/// What the report says of the files that were shown, by name.
fn told(call: &Call, report: &str, moderator: &str) -> Vec<(String, Value)> {
    let whole = ask(call, &format!("GET /v1/reports/{report}"), moderator).json();
    let messages = whole["evidence"]["messages"].as_array().expect("a list").clone();
    let files = messages.into_iter().map(|message| message["file"].clone());
    files.map(|file| (file["name"].as_str().expect("a name").to_owned(), file)).collect()
}

#[tokio::test]
async fn what_was_sent_stays_for_moderators_when_its_sender_deletes_it_and_after_a_kill() {
    let mut call = Call::start(&backend::config()).await;
    let (moderator, admin) = (backend::token("mo", "moderator"), backend::token("ada", "admin"));
    let picture = call.show("image", "a \"b\".png", PNG, 1).await;
    let page = call.show("file", "page.html", PAGE, 2).await;
    let report = report(&mut call, json!([])).await;
    for message in [&picture, &page] {
        call.delete(message).await;
        let gone = || call.get(&message["file"]["url"], &[]).status == 404;
        assert!(eventually(PATIENCE, gone), "nobody else is given it any more");
    }
    call.server.crash_and_restart();

    let files = told(&call, &report, &moderator);
    assert_eq!(files.len(), 2);
    for ((name, file), (bytes, mime)) in files.iter().zip([(PNG, "image/png"), (PAGE, "application/octet-stream")]) {
        assert_eq!(file["kept"], true, "{file}");
        let line = format!("GET /v1/reports/{report}/files/{}", file["id"].as_str().expect("an id"));
        let read = ask(&call, &line, &moderator);
        assert_eq!((read.status, read.body.as_slice()), (200, bytes), "{name}");
        assert!(read.header("content-disposition").starts_with("attachment; filename*=UTF-8''"), "{read:?}");
        for (header, value) in [
            ("content-type", mime),
            ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(read.header(header), value, "{name}: {header}");
        }
        for (token, status, code) in [
            (call.a.token.as_str(), 403, "forbidden"),
            (call.b.token.as_str(), 403, "forbidden"),
            ("nonsense", 401, "unauthorized"),
        ] {
            assert_eq!(ask(&call, &line, token).problem(status), code);
        }
        let elsewhere = line.replace(&report, "another");
        assert_eq!(ask(&call, &elsewhere, &moderator).problem(404), "not_found");
    }
    assert_eq!(ask(&call, &format!("GET /v1/reports/{report}/files/none"), &moderator).problem(404), "not_found");

    // Who has looked at what is known; who was refused has not looked.
    let audit = ask(&call, "GET /v1/admin/audit", &admin).json();
    let deeds = audit["deeds"].as_array().expect("a list");
    let looked: Vec<&Value> = deeds.iter().filter(|deed| deed["action"] == "report.file").collect();
    assert_eq!(looked.len(), 2, "{audit}");
    assert_eq!((&looked[0]["by"], &looked[0]["subject"]), (&json!("shop:mo"), &json!(report)));
    assert_eq!(looked[0]["details"]["name"], "page.html");
    assert_eq!(on_disk(&call), 2);
    assert_eq!(call.server.metric("duologue_files_kept_bytes", ""), (PNG.len() + PAGE.len()) as f64);
}

#[tokio::test]
async fn no_more_is_kept_than_the_operator_wants_and_what_is_meant_most_of_all_comes_first() {
    let limits = "[files]\nevidence_bytes_per_report = 25\nevidence_bytes = 40\n";
    let mut call = Call::start(&format!("{}{limits}", backend::config())).await;
    let moderator = backend::token("mo", "moderator");
    let mut shown = Vec::new();
    for (n, name) in ["first", "second", "third"].into_iter().enumerate() {
        shown.push(call.show("file", name, &[b'x'; 10], n).await);
    }
    let report = report(&mut call, json!([shown[0]["mid"]])).await;
    let kept = |report: &str| -> Vec<(String, bool)> {
        let files = told(&call, report, &moderator);
        files.into_iter().map(|(name, file)| (name, file["kept"] == true)).collect()
    };
    let expected = [("first", true), ("second", false), ("third", true)].map(|(name, is)| (name.to_owned(), is));
    assert_eq!(kept(&report), expected, "the one that is named, then the newest");

    // The other side's report keeps the same ones at no cost, so there is room for nothing but what fits beside them.
    let data = json!({"session": call.session, "reason": "spam", "block": false});
    let second = call.a.client.ask("report.submit", data).await["report"].as_str().expect("a name").to_owned();
    let files = told(&call, &second, &moderator);
    let kept: Vec<bool> = files.iter().map(|(_, file)| file["kept"] == true).collect();
    assert_eq!(kept, [false, true, true]);

    let line = format!("GET /v1/reports/{second}/files/{}", files[0].1["id"].as_str().expect("an id"));
    assert_eq!(ask(&call, &line, &moderator).problem(404), "not_found", "the first one is the other report's");
}

#[tokio::test]
async fn where_nothing_is_to_be_kept_files_go_with_their_messages() {
    let mut call = Call::start(&format!("{}[files]\nevidence_bytes = 0\n", backend::config())).await;
    let moderator = backend::token("mo", "moderator");
    let picture = call.show("image", "a.png", PNG, 1).await;
    let report = report(&mut call, json!([picture["mid"]])).await;
    assert_eq!(told(&call, &report, &moderator)[0].1["kept"], false);
    call.delete(&picture).await;
    assert!(eventually(PATIENCE, || on_disk(&call) == 0), "its bytes are gone");
}
