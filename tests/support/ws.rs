//! A WebSocket client of `duologue.v1` for tests: sends messages, waits for the answers it names.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// How long an awaited message may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whatever went over some connections, by the names that `docs/asyncapi.json` gives to messages, and the codes that requests
/// were refused with.
#[derive(Debug, Default)]
pub struct Record {
    pub frames: BTreeMap<String, Vec<Value>>,
    pub refusals: Vec<(String, String)>,
}

/// One connection; messages that were not asked for yet wait in `pending`.
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    pending: Vec<Value>,
    next_id: u64,
    record: Option<Arc<Mutex<Record>>>,
    asked: BTreeMap<u64, String>,
}

impl Client {
    /// Connects as a page of the server's own origin and reads `welcome`.
    pub async fn connect(http: SocketAddr) -> Client {
        Self::welcomed(http).await.0
    }

    /// The same with what `welcome` says.
    pub async fn welcomed(http: SocketAddr) -> (Client, Value) {
        Client::open(http, None).await
    }

    /// The same; all that goes over it is recorded.
    pub async fn recorded(http: SocketAddr, record: &Arc<Mutex<Record>>) -> Client {
        Client::open(http, Some(Arc::clone(record))).await.0
    }

    async fn open(http: SocketAddr, record: Option<Arc<Mutex<Record>>>) -> (Client, Value) {
        let stream = TcpStream::connect(http).await.expect("connect");
        let mut request = format!("ws://{http}/ws").into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("origin", format!("http://localhost:{}", http.port()).parse().expect("a header"));
        headers.insert("sec-websocket-protocol", "duologue.v1".parse().expect("a header"));
        let (socket, _) = client_async(request, stream).await.expect("upgrade");
        let mut client = Client { socket, pending: Vec::new(), next_id: 1, record, asked: BTreeMap::new() };
        let welcome = client.push("welcome").await;
        (client, welcome)
    }

    /// Connects and says hello as a new guest of `device`; the client and the data of the answer.
    pub async fn guest(http: SocketAddr, device: &str) -> (Client, Value) {
        let mut client = Client::connect(http).await;
        let hello = json!({"guest": {"device_id": device}, "client": {"name": "test", "version": "1"}});
        let answer = client.ask("hello", hello).await;
        (client, answer)
    }

    /// Sends a request and waits for its `ok`; the data of the answer.
    pub async fn ask(&mut self, kind: &str, data: Value) -> Value {
        let answer = self.ask_any(kind, data).await;
        assert_eq!(answer["type"], "ok", "{kind}: {answer}");
        answer["data"].clone()
    }

    /// Sends a request and waits for its `error`; the error's code.
    pub async fn refused(&mut self, kind: &str, data: Value) -> String {
        let answer = self.ask_any(kind, data).await;
        assert_eq!(answer["type"], "error", "{kind}: {answer}");
        answer["error"]["code"].as_str().expect("a code").to_owned()
    }

    async fn ask_any(&mut self, kind: &str, data: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(json!({"type": kind, "id": id, "data": data})).await;
        self.wait(|message| message["re"] == id).await
    }

    /// Sends a request and waits for its `error`; all of it.
    pub async fn error(&mut self, kind: &str, data: Value) -> Value {
        let answer = self.ask_any(kind, data).await;
        assert_eq!(answer["type"], "error", "{kind}: {answer}");
        answer["error"].clone()
    }

    /// Sends a frame of any kind, sound or not.
    pub async fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("send");
    }

    /// Waits for the next message that is wanted; all of it.
    pub async fn message(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait(wanted).await
    }

    /// Checks that no push of that type has come by the time that the server answers a further request.
    pub async fn nothing_of(&mut self, kind: &str) {
        self.ask("ack", json!({"seq": 0})).await;
        let come: Vec<&Value> = self.pending.iter().filter(|message| message["type"] == kind).collect();
        assert!(come.is_empty(), "{come:?}");
    }

    /// The stream below, for tests that do not read.
    pub fn into_inner(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Sends a message as it is.
    pub async fn send(&mut self, message: Value) {
        if let (Some(record), Some(kind)) = (&self.record, message["type"].as_str()) {
            let mut record = record.lock().expect("no test has failed with it");
            record.frames.entry(format!("client.{kind}")).or_default().push(message.clone());
            self.asked.extend(message["id"].as_u64().map(|id| (id, kind.to_owned())));
        }
        self.socket.send(Message::text(message.to_string())).await.expect("send");
    }

    /// Waits for the next push of a type; its data.
    pub async fn push(&mut self, kind: &str) -> Value {
        self.wait(|message| message["type"] == kind).await["data"].clone()
    }

    /// Waits for the server to close; the code.
    pub async fn closed(&mut self) -> u16 {
        let end = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                    Some(Ok(Message::Close(None))) | None => return 1005,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return 1006,
                }
            }
        };
        timeout(PATIENCE, end).await.expect("the server closes")
    }

    /// Notes what the server says: a push by its type, an ok by the type of its request as well.
    fn note(&self, message: &Value) {
        let Some(record) = &self.record else { return };
        let mut record = record.lock().expect("no test has failed with it");
        let kind = message["type"].as_str().expect("a type");
        let asked = message["re"].as_u64().and_then(|re| self.asked.get(&re));
        match (kind, asked) {
            ("error", Some(asked)) => {
                let code = message["error"]["code"].as_str().expect("a code");
                record.refusals.push((asked.clone(), code.to_owned()));
            }
            ("ok", Some(asked)) => {
                return record.frames.entry(format!("server.ok.{asked}")).or_default().push(message.clone());
            }
            _ => {}
        }
        record.frames.entry(format!("server.{kind}")).or_default().push(message.clone());
    }

    async fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.pending.iter().position(&wanted) {
            return self.pending.remove(at);
        }
        let search = async {
            loop {
                let message = self.socket.next().await.expect("the connection lives").expect("a frame");
                if let Message::Text(text) = message {
                    let value: Value = serde_json::from_str(&text).expect("JSON");
                    self.note(&value);
                    if wanted(&value) {
                        return value;
                    }
                    self.pending.push(value);
                } else if let Message::Close(frame) = message {
                    panic!("closed: {frame:?}");
                }
            }
        };
        match timeout(PATIENCE, search).await {
            Ok(value) => value,
            Err(_) => panic!("not answered in time; unread: {:?}", self.pending),
        }
    }
}

/// Two guests, matched; each side's connection and its `match.found`.
pub async fn matched_pair(http: SocketAddr, tag: &str) -> ((Client, Value), (Client, Value)) {
    let ((a, _, a_found), (b, _, b_found)) = matched_pair_of_users(http, tag).await;
    ((a, a_found), (b, b_found))
}

/// The same with the answer to each side's `hello` in the middle: its tokens.
pub async fn matched_pair_of_users(http: SocketAddr, tag: &str) -> ((Client, Value, Value), (Client, Value, Value)) {
    let (mut a, a_user) = Client::guest(http, &format!("device-a-{tag}")).await;
    let (mut b, b_user) = Client::guest(http, &format!("device-b-{tag}")).await;
    let wish = json!({"tags": [tag], "media": {"audio": true, "video": true}});
    a.ask("queue.join", wish.clone()).await;
    b.ask("queue.join", wish).await;
    let a_found = a.push("match.found").await;
    let b_found = b.push("match.found").await;
    ((a, a_user, a_found), (b, b_user, b_found))
}
