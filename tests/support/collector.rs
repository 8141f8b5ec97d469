//! A collector of OpenTelemetry: takes spans by OTLP over HTTP, or does not.
use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

/// What it does with spans.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    Taking,
    /// Comes again later: 503.
    Busy,
    /// Answers nobody until its mood changes.
    Silent,
    /// Takes none, ever: 400.
    Refusing,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Told {
    pub name: String,
    /// Hexadecimal, as in `traceparent`.
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub has_failed: bool,
    pub links: Vec<String>,
    pub attribute_by_key: HashMap<String, String>,
    pub nanoseconds: u64,
}

impl Told {
    pub fn attribute(&self, key: &str) -> &str {
        self.attribute_by_key.get(key).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Heard {
    spans: Vec<Told>,
    /// Attributes of the process, and headers, of the last request.
    process: HashMap<String, String>,
    headers: HashMap<String, String>,
}

/// See the module's documentation.
pub struct Collector {
    addr: SocketAddr,
    mood: Arc<(Mutex<Mood>, Condvar)>,
    heard: Arc<Mutex<Heard>>,
}

impl Collector {
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let collector = Self { addr, mood: Arc::new((Mutex::new(mood), Condvar::new())), heard: Arc::default() };
        let (mood, heard) = (Arc::clone(&collector.mood), Arc::clone(&collector.heard));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mood, heard) = (Arc::clone(&mood), Arc::clone(&heard));
                thread::spawn(move || serve(&stream, &mood, &heard));
            }
        });
        collector
    }

    /// What the server's configuration says of it.
    pub fn settings(&self) -> String {
        format!("[telemetry]\notlp_url = \"http://{}/v1/traces\"\n", self.addr)
    }

    pub fn change(&self, mood: Mood) {
        let (now, changed) = &*self.mood;
        *now.lock().expect("lock") = mood;
        changed.notify_all();
    }

    /// All spans taken so far.
    pub fn spans(&self) -> Vec<Told> {
        self.heard.lock().expect("lock").spans.clone()
    }

    /// The spans of that name.
    pub fn named(&self, name: &str) -> Vec<Told> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// A header of the last request.
    pub fn header(&self, name: &str) -> String {
        self.heard.lock().expect("lock").headers.get(name).cloned().unwrap_or_default()
    }

    /// An attribute of the process that the spans are of.
    pub fn process(&self, key: &str) -> String {
        self.heard.lock().expect("lock").process.get(key).cloned().unwrap_or_default()
    }
}

fn serve(stream: &TcpStream, mood: &(Mutex<Mood>, Condvar), heard: &Mutex<Heard>) {
    let mut writer = stream;
    let mut reader = BufReader::new(stream);
    while let Some((headers, body)) = read_request(&mut reader) {
        let (now, changed) = mood;
        let now = changed.wait_while(now.lock().expect("lock"), |mood| *mood == Mood::Silent).expect("lock");
        let status = match *now {
            Mood::Taking => {
                take(headers, &body, &mut heard.lock().expect("lock"));
                "200 OK"
            }
            Mood::Busy => "503 Service Unavailable",
            Mood::Refusing => "400 Bad Request",
            Mood::Silent => unreachable!("waited for another"),
        };
        drop(now);
        // In one piece: the kernel would hold the second one back until the first is acknowledged.
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<(HashMap<String, String>, Vec<u8>)> {
    let mut headers = HashMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
    assert_eq!(line.trim_end(), "POST /v1/traces HTTP/1.1");
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}

fn take(headers: HashMap<String, String>, body: &[u8], heard: &mut Heard) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("a message of OTLP");
    for of_process in request.resource_spans {
        heard.process = told(of_process.resource.expect("a process").attributes);
        let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
        heard.spans.extend(spans.map(one));
    }
    heard.headers = headers;
}

fn one(span: Span) -> Told {
    Told {
        name: span.name,
        trace: hexadecimal(&span.trace_id),
        id: hexadecimal(&span.span_id),
        parent: hexadecimal(&span.parent_span_id),
        has_failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
        links: span.links.iter().map(|link| hexadecimal(&link.span_id)).collect(),
        attribute_by_key: told(span.attributes),
        nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
    }
}

fn told(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value).expect("a value") {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        other => panic!("no attribute is {other:?}"),
    };
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
