//! Files in chat against the built program: put by signed addresses, shown by messages, got, and gone with them.
mod support;

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::caller::Call;
use support::eventually;
use support::http::request;
use support::http::send;
use support::ws::Client;

/// How long what happens behind a request may take.
const PATIENCE: Duration = Duration::from_secs(20);

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and then whatever a picture holds";
const WEBM: &[u8] = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm and then somebody who speaks";

/// The files on the disk.
fn on_disk(call: &Call) -> Vec<PathBuf> {
    files_below(&call.server.state.path().join("uploads"))
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn a_picture_goes_from_one_to_the_other_byte_for_byte() {
    let mut call = Call::start("").await;
    let asked = call.ask(json!({"kind": "image", "name": "a cät, 2.png", "size": PNG.len(), "type": "image/png"}));
    assert_eq!((asked.status, asked.header("cache-control")), (201, "no-store"));
    let asked = asked.json();
    assert_eq!(asked["max_bytes"], 10_485_760);
    assert!(asked["expires_at"].as_u64() > Some(1_763_600_000_000));
    let put = call.put(&asked["url"], PNG);
    assert_eq!(put.json(), json!({"upload": asked["upload"], "size": PNG.len(), "type": "image/png"}));
    assert_eq!(call.put(&asked["url"], PNG).problem(409), "conflict");

    let mut message = call.message("image", &asked["upload"], 1);
    message["text"] = json!("look");
    let sent = call.a.client.ask("chat.send", message.clone()).await;
    assert_eq!(call.a.client.ask("chat.send", message).await, sent);
    let got = call.b.client.push("chat.message").await;
    let file = &got["file"];
    assert_eq!((&got["kind"], &got["text"]), (&json!("image"), &json!("look")));
    assert_eq!((&file["id"], &file["name"]), (&asked["upload"], &json!("a cät, 2.png")));
    assert_eq!((&file["size"], &file["type"]), (&json!(PNG.len()), &json!("image/png")));
    assert!(file["expires_at"].is_u64(), "{file}");
    call.b.client.nothing_of("chat.message").await;

    let read = call.get(&file["url"], &[]);
    assert_eq!((read.status, read.body.as_slice()), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename*=UTF-8''a%20c%C3%A4t%2C%202.png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(read.header(name), value);
    }
    assert!(read.header("cache-control").starts_with("private, max-age="), "{read:?}");
    let again = call.get(&file["url"], &[&format!("if-none-match: {}", read.header("etag"))]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = request(call.http(), &format!("HEAD {}", file["url"].as_str().expect("a URL")), &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, PNG.len().to_string().as_str()));

    let page = call.b.client.ask("chat.history", json!({"session": call.session})).await;
    let fresh = &page["messages"][0]["file"];
    assert_eq!((&fresh["id"], &fresh["name"]), (&file["id"], &file["name"]));
    assert_eq!(call.get(&fresh["url"], &[]).body, PNG);
    assert_eq!(call.server.metric("duologue_files_total", "received"), 1.0);
    assert_eq!(call.server.metric("duologue_files_kept_bytes", ""), PNG.len() as f64);
    assert!(!call.server.log().contains("signature"), "addresses are no matter of the log");
}

#[tokio::test]
async fn parts_of_a_file_are_given() {
    let mut call = Call::start("").await;
    let whole: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    let file = call.show("file", "numbers.bin", &whole, 1).await["file"].clone();
    for (range, expected, content_range) in [
        ("bytes=0-0", &whole[..1], "bytes 0-0/100000"),
        ("bytes=70000-70009", &whole[70_000..70_010], "bytes 70000-70009/100000"),
        ("bytes=-5", &whole[99_995..], "bytes 99995-99999/100000"),
        ("bytes=99990-", &whole[99_990..], "bytes 99990-99999/100000"),
    ] {
        let part = call.get(&file["url"], &[&format!("range: {range}")]);
        assert_eq!((part.status, part.header("content-range"), part.body.as_slice()), (206, content_range, expected));
    }
    let outside = call.get(&file["url"], &["range: bytes=100000-"]);
    assert_eq!((outside.problem(416), outside.header("content-range")), ("bad_request".into(), "bytes */100000"));
    for whole_again in [&["range: bytes=0-1,3-4"][..], &["range: bytes=0-1", "if-range: \"another\""]] {
        let read = call.get(&file["url"], whole_again);
        assert_eq!((read.status, read.body.len()), (200, whole.len()), "{whole_again:?}");
    }
    assert_eq!(call.get(&file["url"], &[]).header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn an_address_is_good_for_one_file_one_way_and_its_time() {
    let mut call = Call::start("").await;
    let asked = call.ask(json!({"kind": "image", "name": "a.png", "size": PNG.len()})).json();
    let url = asked["url"].as_str().expect("a URL").to_owned();
    let (path, query) = url.split_once('?').expect("a query");
    let other = call.ask(json!({"kind": "image", "name": "b.png", "size": PNG.len()})).json();
    let other_path = other["url"].as_str().and_then(|url| url.split('?').next()).expect("a path");
    let (expires, signature) = query.split_once('&').expect("two parts");
    let expires: u64 = expires.strip_prefix("expires=").and_then(|text| text.parse().ok()).expect("a number");
    for forged in [
        path.to_owned(),
        format!("{path}?{signature}"),
        format!("{path}?expires={expires}"),
        format!("{path}?expires={}&{signature}", expires + 1),
        format!("{path}?expires={expires}&signature={}", "A".repeat(43)),
        format!("{path}?expires=x&{signature}"),
        format!("{other_path}?{query}"),
    ] {
        assert_eq!(call.put(&json!(forged), PNG).problem(403), "forbidden", "{forged}");
    }
    assert_eq!(call.get(&json!(url.replace("uploads", "files")), &[]).problem(403), "forbidden");
    assert_eq!(call.put(&json!(url), PNG).status, 200);
    let message = call.message("image", &asked["upload"], 1);
    call.a.client.ask("chat.send", message).await;
    let shown = call.b.client.push("chat.message").await["file"]["url"].as_str().expect("a URL").to_owned();
    assert_eq!(call.put(&json!(shown.replace("files", "uploads")), PNG).problem(403), "forbidden");
    for bad in [shown.replace("/v1/files/", "/v1/files/0"), format!("/v1/files/..%2f..%2fduologue.db?{query}")] {
        assert_eq!(call.get(&json!(bad), &[]).problem(403), "forbidden", "{bad}");
    }
}

#[tokio::test]
async fn an_address_expires() {
    let mut call = Call::start("[files]\nlink_life = \"1m\"\n").await;
    let file = call.show("image", "a.png", PNG, 1).await["file"].clone();
    let expires = file["expires_at"].as_u64().expect("a moment");
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    assert!((now + 50_000..=now + 60_000).contains(&expires), "{expires} at {now}");
    // A signature that was good a minute ago, made with the server's own secret.
    let secret = std::fs::read_to_string(call.server.state.path().join("files.secret")).expect("the secret");
    let links =
        duologue::auth::file_link::FileLinks::new(duologue::auth::secret::Secret::new(secret.trim().as_bytes()));
    let at = |expires| {
        let id = file["id"].as_str().expect("an id");
        json!(links.url(duologue::auth::file_link::FileAccess::Get, id, duologue::time::UnixMillis(expires)))
    };
    assert_eq!(call.get(&at(expires), &[]).status, 200);
    let late = call.get(&at(now - 1), &[]);
    assert_eq!(late.problem(403), "forbidden");
    assert_eq!(late.json()["detail"], "this address has expired");
}

#[tokio::test]
async fn what_is_longer_or_shorter_than_promised_is_refused_and_leaves_nothing() {
    let call = Call::start("[files]\nimage_bytes = 1000\n").await;
    assert_eq!(call.ask(json!({"kind": "image", "name": "a.png", "size": 1001})).problem(413), "too_large");
    let asked = call.ask(json!({"kind": "image", "name": "a.png", "size": 1000})).json();
    let picture = |len: usize| [PNG, &vec![7; len - PNG.len()]].concat();
    assert_eq!(call.put(&asked["url"], &picture(1001)).problem(413), "too_large");
    assert_eq!(call.put(&asked["url"], &picture(999)).problem(400), "bad_request");
    // Without a length in the head, what comes is counted.
    let line = format!("PUT {}", asked["url"].as_str().expect("a URL"));
    let chunked = |bytes: &[u8]| {
        let body = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
        send(call.http(), &line, &["transfer-encoding: chunked"], &body)
    };
    assert_eq!(chunked(&picture(1001)).problem(413), "too_large");
    assert_eq!(chunked(&vec![7; 300_000]).problem(413), "too_large");
    assert_eq!(chunked(&picture(999)).problem(400), "bad_request");
    assert_eq!(on_disk(&call), Vec::<PathBuf>::new());
    assert_eq!(chunked(&picture(1000)).status, 200, "the address is good for a further attempt");
    assert_eq!(on_disk(&call).len(), 1);
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing_and_may_try_again() {
    let call = Call::start("").await;
    let whole = vec![7; 1_000_000];
    let asked = call.ask(json!({"kind": "file", "name": "a.bin", "size": whole.len()})).json();
    let line = format!("PUT {}", asked["url"].as_str().expect("a URL"));
    {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(call.http()).expect("connect");
        let head = format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", whole.len());
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&whole[..700_000]).expect("sent");
        assert!(eventually(PATIENCE, || !on_disk(&call).is_empty()), "the first bytes arrive");
        assert_eq!(call.put(&asked["url"], &whole).problem(409), "conflict");
    }
    assert!(eventually(PATIENCE, || on_disk(&call).is_empty()), "{:?}", on_disk(&call));
    assert!(eventually(PATIENCE, || call.put(&asked["url"], &whole).status == 200));
}

#[tokio::test]
async fn nobody_keeps_others_out_by_dawdling() {
    use std::io::Write;
    let call = Call::start("").await;
    let begin = |token: &str| {
        let asked = call.ask_as(token, json!({"kind": "file", "name": "slow", "size": 1_000_000})).json();
        let mut stream = std::net::TcpStream::connect(call.http()).expect("connect");
        let url = asked["url"].as_str().expect("a URL");
        let head = format!("PUT {url} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&[7; 300_000]).expect("sent");
        stream
    };
    let dawdling: Vec<_> = (0..8).map(|_| begin(&call.a.token)).collect();
    assert!(eventually(PATIENCE, || on_disk(&call).len() == 8), "{:?}", on_disk(&call));
    let asked = call.ask(json!({"kind": "file", "name": "ninth", "size": 3})).json();
    assert_eq!(call.put(&asked["url"], b"abc").problem(429), "rate_limited");
    let asked = call.ask_as(&call.b.token, json!({"kind": "file", "name": "another's", "size": 3})).json();
    assert_eq!(call.put(&asked["url"], b"abc").status, 200);
    drop(dawdling);
    let asked = call.ask(json!({"kind": "file", "name": "tenth", "size": 3})).json();
    assert!(eventually(PATIENCE, || call.put(&asked["url"], b"abc").status == 200));
}

#[tokio::test]
async fn many_at_one_address_do_not_keep_others_out_either() {
    use std::io::Write;
    let call = Call::start("[limits]\nexempt = []\n").await;
    let nobodys = json!("/v1/uploads/x?expires=1&signature=x");
    let dawdling: Vec<_> = (0..16)
        .map(|at| {
            let token = if at < 8 { &call.a.token } else { &call.b.token };
            let asked = call.ask_as(token, json!({"kind": "file", "name": "slow", "size": 1_000_000})).json();
            let mut stream = std::net::TcpStream::connect(call.http()).expect("connect");
            let url = asked["url"].as_str().expect("a URL");
            let head = format!("PUT {url} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("sent");
            stream.write_all(&[7; 300_000]).expect("sent");
            stream
        })
        .collect();
    assert!(eventually(PATIENCE, || on_disk(&call).len() == 16), "{:?}", on_disk(&call));
    assert_eq!(call.put(&nobodys, b"abc").problem(429), "rate_limited");
    drop(dawdling);
    assert!(eventually(PATIENCE, || call.put(&nobodys, b"abc").status == 403));
}

#[tokio::test]
async fn a_file_is_what_its_first_bytes_say() {
    let mut call = Call::start("").await;
    let page = b"<html><script>alert(1)</script></html>";
    for (kind, bytes) in [("image", page.as_slice()), ("image", WEBM), ("voice", PNG), ("voice", b"#!/bin/sh")] {
        let named = if kind == "image" { "image/png" } else { "audio/webm" };
        let asked = call.ask(json!({"kind": kind, "name": "a", "size": bytes.len(), "type": named})).json();
        assert_eq!(call.put(&asked["url"], bytes).problem(400), "bad_request", "{kind}");
    }
    let voice = call.show("voice", "note.webm", WEBM, 1).await;
    assert_eq!(call.get(&voice["file"]["url"], &[]).header("content-type"), "audio/webm");
    let asked = call.ask(json!({"kind": "file", "name": "x.html", "size": page.len(), "type": "text/html"})).json();
    assert_eq!(call.put(&asked["url"], page).json()["type"], "application/octet-stream");
    let message = call.message("file", &asked["upload"], 2);
    call.a.client.ask("chat.send", message).await;
    let shown = call.b.client.push("chat.message").await;
    let read = call.get(&shown["file"]["url"], &[]);
    assert_eq!(read.header("content-type"), "application/octet-stream");
    assert_eq!(read.header("content-disposition"), "attachment; filename*=UTF-8''x.html");
    assert_eq!(read.body, page);
    for kind in ["image", "voice"] {
        let wrong = call.message(kind, &asked["upload"], 3);
        assert_eq!(call.a.client.refused("chat.send", wrong).await, "bad_request");
    }
}

#[tokio::test]
async fn only_whoever_has_put_a_file_may_show_it_and_only_there() {
    let mut call = Call::start("").await;
    assert_eq!(request(call.http(), "POST /v1/uploads", &[], b"{}").problem(401), "unauthorized");
    assert_eq!(
        call.ask_as("not a token", json!({"kind": "file", "name": "a", "size": 1})).problem(401),
        "unauthorized"
    );
    for (place, status, code) in [
        (json!({"session": "another"}), 404, "not_in_session"),
        (json!({"session": call.session, "room": "r"}), 400, "bad_request"),
    ] {
        let mut wish = json!({"kind": "file", "name": "a", "size": 1});
        wish.as_object_mut().expect("an object").extend(place.as_object().expect("an object").clone());
        assert_eq!(call.ask(wish).problem(status), code, "{place}");
    }
    let (eve, eve_user) = Client::guest(call.http(), "eve").await;
    let token = eve_user["access_token"].as_str().expect("a token");
    assert_eq!(call.ask_as(token, json!({"kind": "file", "name": "a", "size": 1})).problem(404), "not_in_session");
    drop(eve);
    let upload = call.upload("image", "a.png", PNG);
    let message = call.message("image", &upload, 1);
    assert_eq!(call.b.client.refused("chat.send", message.clone()).await, "not_found");
    let unknown = call.message("image", &json!("0".repeat(32)), 2);
    assert_eq!(call.a.client.refused("chat.send", unknown).await, "not_found");
    let promised = call.ask(json!({"kind": "image", "name": "a.png", "size": PNG.len()})).json();
    let early = call.message("image", &promised["upload"], 3);
    assert_eq!(call.a.client.refused("chat.send", early.clone()).await, "conflict");
    call.put(&promised["url"], PNG);
    call.a.client.ask("chat.send", early).await;
    call.a.client.ask("chat.send", message).await;
    call.b.client.push("chat.message").await;
    call.b.client.push("chat.message").await;
    call.b.client.nothing_of("chat.message").await;
}

#[tokio::test]
async fn a_file_for_a_room_is_shown_to_everybody_there_and_nowhere_else() {
    let mut call = Call::start("").await;
    let ask = |call: &Call, token: &str, line: &str, body: Value| {
        let headers = [&format!("authorization: Bearer {token}"), "content-type: application/json"];
        request(call.http(), line, &headers, body.to_string().as_bytes()).json()
    };
    let (a, b) = (call.a.token.clone(), call.b.token.clone());
    let room = ask(&call, &a, "POST /v1/rooms", json!({"name": "Tea"}))["id"].clone();
    let path = format!("/v1/rooms/{}", room.as_str().expect("an id"));
    let ticket = ask(&call, &a, &format!("POST {path}/invites"), json!({}))["ticket"].clone();
    let wish = |place: &str| json!({"room": room, "kind": "image", "name": place, "size": PNG.len()});
    assert_eq!(call.ask(wish("not there yet")).problem(404), "not_in_session");
    call.a.client.ask("room.join", json!({"room": room})).await;
    call.b.client.ask("room.join", json!({"room": room, "ticket": ticket})).await;
    let asked = call.ask(wish("a.png")).json();
    assert_eq!(call.put(&asked["url"], PNG).status, 200);
    let in_session = call.message("image", &asked["upload"], 1);
    assert_eq!(call.a.client.refused("chat.send", in_session.clone()).await, "not_found");
    let mut in_room = in_session;
    in_room.as_object_mut().expect("an object").remove("session");
    in_room["room"] = room.clone();
    call.a.client.ask("chat.send", in_room).await;
    let got = call.b.client.push("chat.message").await;
    assert_eq!((&got["room"], call.get(&got["file"]["url"], &[]).body.as_slice()), (&room, PNG));
    let page = ask(&call, &b, &format!("GET {path}/messages"), json!({}));
    assert_eq!(page["messages"][0]["file"]["id"], asked["upload"]);
    let url = &page["messages"][0]["file"]["url"];
    assert_eq!(call.get(url, &[]).body, PNG);
    let bearer = format!("authorization: Bearer {a}");
    assert_eq!(request(call.http(), &format!("DELETE {path}"), &[&bearer], b"").status, 204);
    assert_eq!(call.get(url, &[]).problem(404), "not_found", "a removed room takes its files along");
    assert!(eventually(PATIENCE, || on_disk(&call).is_empty()), "{:?}", on_disk(&call));
}

#[tokio::test]
async fn names_and_wishes_that_make_no_sense_are_refused() {
    let call = Call::start("").await;
    for name in ["", "..", "../../etc/passwd", "a/b", "a\\b", "a\u{0}b", "invoice\u{202e}gpj.exe"] {
        let wish = json!({"kind": "file", "name": name, "size": 1});
        assert_eq!(call.ask(wish).problem(400), "bad_request", "{name:?}");
    }
    assert_eq!(call.ask(json!({"kind": "file", "name": "x".repeat(256), "size": 1})).problem(413), "too_large");
    for wish in [
        json!({"kind": "text", "name": "a", "size": 1}),
        json!({"kind": "file", "name": "a", "size": 0}),
        json!({"kind": "file", "name": "a", "size": -1}),
        json!({"kind": "file", "name": "a"}),
        json!({"kind": "file", "name": "a", "size": 1, "type": "no type"}),
    ] {
        assert_eq!(call.ask(wish.clone()).problem(400), "bad_request", "{wish}");
    }
}

#[tokio::test]
async fn quotas_count_what_is_kept_and_what_is_promised() {
    let mut call = Call::start("[files]\nfiles_per_user = 3\nbytes_per_user = 5000\ntotal_bytes = 6000\n").await;
    let ask =
        |call: &Call, token: &str, size: u64| call.ask_as(token, json!({"kind": "file", "name": "a", "size": size}));
    let (a, b) = (call.a.token.clone(), call.b.token.clone());
    let first = call.show("file", "a", &[7; 2000], 1).await;
    let second = ask(&call, &a, 2000).json();
    assert_eq!(ask(&call, &a, 1001).problem(409), "conflict");
    assert_eq!(ask(&call, &b, 2001).problem(503), "unavailable", "the others' files count for everybody");
    assert_eq!(ask(&call, &b, 2000).status, 201);
    assert_eq!(ask(&call, &a, 1000).problem(503), "unavailable");
    // What is deleted counts no more.
    call.delete(&first).await;
    let kept = || call.server.metric("duologue_files_kept_bytes", "");
    assert!(eventually(PATIENCE, || kept() == 4000.0), "{}", kept());
    // More than a quarter is promised: one file at a time.
    assert_eq!(ask(&call, &a, 1000).problem(429), "rate_limited");
    assert_eq!(call.put(&second["url"], &[7; 2000]).status, 200);
    let third = ask(&call, &a, 1000);
    assert_eq!(third.status, 201);
    assert_eq!(ask(&call, &a, 1001).problem(503), "unavailable");
}

#[tokio::test]
async fn nobody_asks_for_files_without_end() {
    let call = Call::start("[limits]\nuploads_per_minute = 2\n").await;
    let mut asked = (0..20).map(|_| call.ask(json!({"kind": "file", "name": "a", "size": 1})));
    let refused = asked.find(|reply| reply.status != 201).expect("one too many");
    assert_eq!(refused.problem(429), "rate_limited");
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn the_number_of_files_is_a_quota_too() {
    let call = Call::start("[files]\nfiles_per_user = 2\n").await;
    call.upload("file", "a", b"1");
    call.upload("file", "b", b"2");
    assert_eq!(call.ask(json!({"kind": "file", "name": "c", "size": 1})).problem(409), "conflict");
}

#[tokio::test]
async fn a_deleted_message_takes_its_file_along() {
    for extra in ["", "[retention]\nsession_chat = \"0s\"\n"] {
        let mut call = Call::start(extra).await;
        let message = call.show("image", "a.png", PNG, 1).await;
        let other = call.show("file", "b", b"stays", 2).await;
        assert_eq!(call.get(&message["file"]["url"], &[]).status, 200);
        assert_eq!(on_disk(&call).len(), 2);
        call.delete(&message).await;
        assert!(eventually(PATIENCE, || call.get(&message["file"]["url"], &[]).status == 404));
        assert_eq!(call.get(&message["file"]["url"], &[]).problem(404), "not_found");
        assert!(eventually(PATIENCE, || on_disk(&call).len() == 1), "{:?}", on_disk(&call));
        assert_eq!(call.get(&other["file"]["url"], &[]).body, b"stays");
        let resent = call.message("image", &message["file"]["id"], 3);
        assert_eq!(call.a.client.refused("chat.send", resent).await, "not_found");
    }
}

#[tokio::test]
async fn what_no_message_shows_goes_an_hour_after_it_was_asked_for() {
    let mut call = Call::start("").await;
    call.upload("image", "a.png", PNG);
    call.ask(json!({"kind": "file", "name": "never put", "size": 500}));
    let shown = call.show("image", "shown.png", PNG, 1).await;
    let database = rusqlite::Connection::open(call.server.state.path().join("duologue.db")).expect("the database");
    database.busy_timeout(PATIENCE).expect("patience");
    let aged = database.execute("UPDATE upload SET at = at - 3600000", []).expect("an hour passes");
    assert_eq!(aged, 3);
    drop(database);
    // It looks when it starts, and then every five minutes.
    call.server.restart();
    let kept = || call.server.metric("duologue_files_kept_bytes", "");
    assert!(eventually(PATIENCE, || kept() == PNG.len() as f64), "{}", kept());
    assert_eq!(on_disk(&call).len(), 1);
    assert_eq!(call.get(&shown["file"]["url"], &[]).body, PNG);
}

#[tokio::test]
async fn files_survive_a_restart_and_so_do_their_addresses() {
    let mut call = Call::start("").await;
    let message = call.show("image", "a.png", PNG, 1).await;
    let promised = call.ask(json!({"kind": "image", "name": "b.png", "size": PNG.len()})).json();
    call.server.restart();
    let url = message["file"]["url"].clone();
    assert_eq!(call.get(&url, &[]).body, PNG);
    assert_eq!(call.put(&promised["url"], PNG).status, 200);
    assert_eq!(call.server.metric("duologue_files_kept_bytes", ""), 2.0 * PNG.len() as f64);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_tried_again() {
    let mut call = Call::start("").await;
    let message = call.show("image", "a.png", PNG, 1).await;
    let uploads = call.server.state.path().join("uploads");
    let aside = call.server.state.path().join("aside");
    std::fs::rename(&uploads, &aside).expect("moved");
    // Nothing can be made below a file.
    std::fs::write(&uploads, "").expect("written");
    for size in [3, 600_000] {
        let asked = call.ask(json!({"kind": "file", "name": "b", "size": size})).json();
        assert_eq!(call.put(&asked["url"], &vec![7; size]).problem(503), "unavailable", "{size}");
    }
    assert!(call.get(&message["file"]["url"], &[]).status >= 404);
    std::fs::remove_file(&uploads).expect("removed");
    std::fs::rename(&aside, &uploads).expect("moved back");
    assert_eq!(call.get(&message["file"]["url"], &[]).body, PNG);
    call.show("image", "c.png", PNG, 2).await;
    assert!(!call.server.log().contains("panicked"));
}

#[tokio::test]
async fn a_server_without_files_says_so() {
    let mut call = Call::start("[files]\nstorage = \"none\"\n").await;
    assert_eq!(call.ask(json!({"kind": "file", "name": "a", "size": 1})).problem(503), "unavailable");
    assert_eq!(call.get(&json!("/v1/files/0?expires=1&signature=x"), &[]).problem(503), "unavailable");
    let message = call.message("file", &json!("0".repeat(32)), 1);
    assert_eq!(call.a.client.refused("chat.send", message).await, "unavailable");
}
