//! Two people in a session who send each other files.
use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;

use super::Server;
use super::http::Reply;
use super::http::request;
use super::ws::Client;
use super::ws::matched_pair_of_users;

/// Two people in a session.
pub struct Call {
    pub server: Server,
    pub session: Value,
    pub a: Side,
    pub b: Side,
}

/// One of them.
pub struct Side {
    pub client: Client,
    pub token: String,
}

impl Call {
    pub async fn start(extra: &str) -> Self {
        let server = Server::start(extra);
        let ((a, a_user, found), (b, b_user, _)) = matched_pair_of_users(server.addr("http"), "files").await;
        let side = |client, user: Value| Side { client, token: user["access_token"].as_str().expect("a token").into() };
        Self { session: found["session"].clone(), a: side(a, a_user), b: side(b, b_user), server }
    }

    pub fn http(&self) -> SocketAddr {
        self.server.addr("http")
    }

    /// Asks as the first of the two for an address.
    pub fn ask(&self, wish: Value) -> Reply {
        self.ask_as(&self.a.token, wish)
    }

    pub fn ask_as(&self, token: &str, mut wish: Value) -> Reply {
        if wish["session"].is_null() && wish["room"].is_null() {
            wish["session"] = self.session.clone();
        }
        let bearer = format!("authorization: Bearer {token}");
        let headers = [bearer.as_str(), "content-type: application/json"];
        request(self.http(), "POST /v1/uploads", &headers, wish.to_string().as_bytes())
    }

    pub fn put(&self, url: &Value, body: &[u8]) -> Reply {
        request(self.http(), &format!("PUT {}", url.as_str().expect("a URL")), &[], body)
    }

    pub fn get(&self, url: &Value, headers: &[&str]) -> Reply {
        request(self.http(), &format!("GET {}", url.as_str().expect("a URL")), headers, b"")
    }

    /// Puts a file of the first one; its id.
    pub fn upload(&self, kind: &str, name: &str, bytes: &[u8]) -> Value {
        let asked = self.ask(json!({"kind": kind, "name": name, "size": bytes.len()}));
        assert_eq!(asked.status, 201, "{asked:?}");
        let put = self.put(&asked.json()["url"], bytes);
        assert_eq!(put.status, 200, "{put:?}");
        asked.json()["upload"].clone()
    }

    pub fn message(&self, kind: &str, file: &Value, n: usize) -> Value {
        json!({"session": self.session, "cid": format!("6f2b1b1e-62f5-4a53-9a52-{n:012}"), "kind": kind, "file": file})
    }

    /// Sends a file from the first to the second; the message as the second one sees it.
    pub async fn show(&mut self, kind: &str, name: &str, bytes: &[u8], n: usize) -> Value {
        let upload = self.upload(kind, name, bytes);
        let message = self.message(kind, &upload, n);
        self.a.client.ask("chat.send", message).await;
        self.b.client.push("chat.message").await
    }

    /// Deletes a message of the first one.
    pub async fn delete(&mut self, message: &Value) {
        self.a.client.ask("chat.delete", json!({"session": self.session, "mid": message["mid"]})).await;
    }
}
