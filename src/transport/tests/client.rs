//! A TURN client: just enough to see the server from outside.
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::UdpSocket;

use super::plane::PATIENCE;
use crate::auth::turn::TurnCredential;
use crate::stun::AttributeType;
use crate::stun::ChannelNumber;
use crate::stun::Class;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::stun::Writer;
use crate::stun::channel_data;
use crate::stun::framing::Framing;
use crate::stun::framing::next_frame;

/// REQUESTED-TRANSPORT: UDP. RFC 8656 §18.7.
const UDP: u32 = 17 << 24;

/// The longest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// A connection that bytes go in and out of.
pub(super) trait Pipe: Read + Write + Send {}
impl<T: Read + Write + Send> Pipe for T {}

enum Link {
    Udp(UdpSocket),
    Stream { pipe: Box<dyn Pipe>, unread: Vec<u8> },
}

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A STUN message.
    Stun(Vec<u8>),
    /// Application data on a channel.
    Channel(u16, Vec<u8>),
}

/// A client with credentials.
pub(super) struct Client {
    link: Link,
    credential: TurnCredential,
    /// REALM and NONCE, once the server told them.
    challenge: Option<(Vec<u8>, Vec<u8>)>,
    requests: u32,
}

impl Client {
    pub(super) fn udp(socket: UdpSocket, server: SocketAddr, credential: TurnCredential) -> Self {
        // A connected socket hears only who it speaks to: the source address of every answer is checked by the kernel.
        socket.connect(server).expect("a way to the server");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { link: Link::Udp(socket), credential, challenge: None, requests: 0 }
    }

    pub(super) fn stream(pipe: impl Pipe + 'static, credential: TurnCredential) -> Self {
        let link = Link::Stream { pipe: Box::new(pipe), unread: Vec::new() };
        Self { link, credential, challenge: None, requests: 0 }
    }

    /// The socket of a client over UDP.
    pub(super) fn socket(&self) -> &UdpSocket {
        match &self.link {
            Link::Udp(socket) => socket,
            Link::Stream { .. } => panic!("a connection"),
        }
    }

    /// How many requests were sent, Binding included.
    pub(super) fn requests(&self) -> u32 {
        self.requests
    }

    /// Sends bytes as they are: one datagram, or a part of the stream.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Link::Udp(socket) => assert_eq!(socket.send(bytes).expect("sending"), bytes.len()),
            Link::Stream { pipe, .. } => {
                pipe.write_all(bytes).expect("sending");
                pipe.flush().expect("sending");
            }
        }
    }

    /// Waits for the next message.
    pub(super) fn receive(&mut self) -> Received {
        let frame = match &mut self.link {
            Link::Udp(socket) => {
                let mut datagram = vec![0; DATAGRAM_MAX];
                let len = socket.recv(&mut datagram).expect("a datagram in time");
                datagram.truncate(len);
                datagram
            }
            Link::Stream { pipe, unread } => loop {
                match next_frame(unread) {
                    Framing::Frame { len, consumed } => {
                        let mut frame: Vec<u8> = unread.drain(..consumed).collect();
                        assert!(frame[len..].iter().all(|pad| *pad == 0), "padding is zero");
                        frame.truncate(len);
                        break frame;
                    }
                    Framing::Incomplete { .. } => {
                        let mut chunk = vec![0; 4096];
                        let len = pipe.read(&mut chunk).expect("bytes in time");
                        assert_ne!(len, 0, "the server closed the connection");
                        unread.extend_from_slice(&chunk[..len]);
                    }
                    Framing::Invalid => panic!("the server sent neither STUN nor ChannelData"),
                }
            },
        };
        match channel_data::parse(&frame) {
            Some(data) => Received::Channel(data.number, frame[data.payload].to_vec()),
            None => Received::Stun(frame),
        }
    }

    /// Waits until the server closes the connection.
    pub(super) fn wait_for_close(&mut self) {
        let Link::Stream { pipe, .. } = &mut self.link else { panic!("not a connection") };
        let mut rest = Vec::new();
        // A reset is a close too; only a timeout is none.
        if let Err(error) = pipe.read_to_end(&mut rest) {
            assert!(!matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{error}");
        }
    }

    /// Sends an authenticated request and returns its answer; whatever else comes first must not.
    pub(super) fn request(&mut self, method: Method, attributes: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        loop {
            let request = self.write_request(method, &attributes);
            self.send(&request);
            let answer = self.receive_answer();
            let message = Message::parse(&answer).expect("a STUN message");
            match message.error_code() {
                Some(ErrorCode::UNAUTHENTICATED | ErrorCode::STALE_NONCE) if self.requests < 1000 => {
                    let text = |ty| message.attribute(ty).expect("REALM and NONCE").to_vec();
                    let challenge = Some((text(AttributeType::REALM), text(AttributeType::NONCE)));
                    if self.challenge == challenge {
                        return answer;
                    }
                    self.challenge = challenge;
                }
                _ => return answer,
            }
        }
    }

    /// Returns the bytes of a request with the credentials known so far.
    pub(super) fn write_request(&mut self, method: Method, attributes: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.requests += 1;
        let mut id = [7; 12];
        id[..4].copy_from_slice(&self.requests.to_be_bytes());
        let mut buffer = vec![0; 1024];
        let mut writer = Writer::new(&mut buffer, Class::Request, method, TransactionId(id));
        attributes(&mut writer);
        if let Some((realm, nonce)) = &self.challenge {
            let TurnCredential { username, password } = &self.credential;
            let realm_text = std::str::from_utf8(realm).expect("a realm");
            writer
                .attribute(AttributeType::USERNAME, username.as_bytes())
                .attribute(AttributeType::REALM, realm)
                .attribute(AttributeType::NONCE, nonce)
                .integrity(&IntegrityKey::md5(username, realm_text, password));
        }
        let len = writer.finish().expect("room");
        buffer.truncate(len);
        buffer
    }

    /// Waits for the next message, which must be STUN.
    pub(super) fn receive_answer(&mut self) -> Vec<u8> {
        match self.receive() {
            Received::Stun(answer) => answer,
            Received::Channel(number, data) => panic!("{} bytes on channel {number:#x} instead", data.len()),
        }
    }

    /// Allocates and returns the relayed address.
    pub(super) fn allocate(&mut self) -> SocketAddr {
        self.allocate_with(|_| {}).expect("an allocation")
    }

    /// Allocates with more attributes.
    pub(super) fn allocate_with(&mut self, more: impl Fn(&mut Writer<'_>)) -> Result<SocketAddr, ErrorCode> {
        let answer = self.request(Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
            more(writer);
        });
        let message = Message::parse(&answer).expect("a STUN message");
        match message.error_code() {
            Some(error) => Err(error),
            None => Ok(message.xor_address(AttributeType::XOR_RELAYED_ADDRESS).expect("an address").expect("sound")),
        }
    }

    /// Gives the allocation back.
    pub(super) fn deallocate(&mut self) {
        let answer = self.request(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        });
        assert_eq!(outcome(&answer), Ok(()));
    }

    /// Permits peers with the address of `peer`.
    pub(super) fn permit(&mut self, peer: SocketAddr) {
        assert_eq!(self.try_permit(peer), Ok(()));
    }

    /// Asks to permit peers with the address of `peer`.
    pub(super) fn try_permit(&mut self, peer: SocketAddr) -> Result<(), ErrorCode> {
        let answer = self.request(Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        outcome(&answer)
    }

    /// Binds channel `number` to `peer`.
    pub(super) fn bind_channel(&mut self, number: u16, peer: SocketAddr) {
        assert_eq!(self.try_bind_channel(number, peer), Ok(()));
    }

    /// Asks to bind channel `number` to `peer`.
    pub(super) fn try_bind_channel(&mut self, number: u16, peer: SocketAddr) -> Result<(), ErrorCode> {
        let answer = self.request(Method::CHANNEL_BIND, |writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        outcome(&answer)
    }

    /// Sends data on a channel, padded only where it must be.
    pub(super) fn send_on(&mut self, number: u16, data: &[u8]) {
        let frame = self.channel_frame(number, data);
        self.send(&frame);
    }

    /// Returns the bytes of data on a channel.
    pub(super) fn channel_frame(&self, number: u16, data: &[u8]) -> Vec<u8> {
        let number = ChannelNumber::new(number).expect("a channel number");
        let mut frame = channel_data::header(number, u16::try_from(data.len()).expect("a length")).to_vec();
        frame.extend_from_slice(data);
        if let Link::Stream { .. } = self.link {
            frame.resize(frame.len().next_multiple_of(4), 0);
        }
        frame
    }

    /// Sends data in a Send indication.
    pub(super) fn indicate(&mut self, peer: SocketAddr, data: &[u8], more: impl Fn(&mut Writer<'_>)) {
        let mut buffer = vec![0; data.len() + 128];
        let mut writer = Writer::new(&mut buffer, Class::Indication, Method::SEND, TransactionId([9; 12]));
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        more(&mut writer);
        let len = writer.attribute(AttributeType::DATA, data).finish().expect("room");
        self.send(&buffer[..len]);
    }

    /// Waits for a Data indication and returns its peer and data.
    pub(super) fn receive_indication(&mut self) -> (SocketAddr, Vec<u8>) {
        let answer = self.receive_answer();
        let message = Message::parse(&answer).expect("a STUN message");
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("sound");
        (peer, message.attribute(AttributeType::DATA).expect("data").to_vec())
    }

    /// Asks for nothing and waits for the answer: what the server sent before has come, or never will.
    pub(super) fn ping(&mut self) -> SocketAddr {
        let request = {
            let challenge = self.challenge.take();
            let request = self.write_request(Method::BINDING, |_| {});
            self.challenge = challenge;
            request
        };
        self.send(&request);
        let answer = self.receive_answer();
        let message = Message::parse(&answer).expect("a STUN message");
        assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
        message.xor_address(AttributeType::XOR_MAPPED_ADDRESS).expect("an address").expect("sound")
    }
}

fn outcome(answer: &[u8]) -> Result<(), ErrorCode> {
    match Message::parse(answer).expect("a STUN message").error_code() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
