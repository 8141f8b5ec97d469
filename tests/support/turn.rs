//! A small TURN client over UDP for whole-program tests. Judging by foreign clients is in `foreign_*.rs`.
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use duologue::auth::secret::Secret;
use duologue::auth::turn::Minter;
use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::Message;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;

/// How long an answer or a datagram may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// UDP as the requested transport. RFC 8656 §18.7.
const REQUESTED_UDP: [u8; 4] = [17, 0, 0, 0];

/// A TURN user name and its password.
#[derive(Clone, Debug)]
pub struct Credential {
    pub username: String,
    pub password: String,
}

impl Credential {
    /// A credential that the tests' shared secret mints for `id`, valid for ten minutes.
    pub fn for_session(id: &str) -> Credential {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let minted = Minter::new(Secret::new(super::TURN_SECRET.as_bytes().to_vec())).mint(id, now + 600);
        Credential { username: minted.username.clone(), password: minted.password.clone() }
    }
}

/// A client with one allocation.
#[derive(Debug)]
pub struct TurnClient {
    socket: UdpSocket,
    server: SocketAddr,
    credential: Credential,
    realm: String,
    nonce: Vec<u8>,
    relayed: SocketAddr,
    next_id: u64,
}

impl TurnClient {
    /// Allocates an IPv4 relayed address.
    ///
    /// # Errors
    ///
    /// The error code of the answer to the authenticated Allocate.
    pub fn allocate_udp(server: SocketAddr, credential: Credential) -> Result<TurnClient, u16> {
        let local = if server.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(local).expect("bind a client");
        socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
        let mut client = TurnClient {
            socket,
            server,
            credential,
            realm: String::new(),
            nonce: Vec::new(),
            relayed: server,
            next_id: 1,
        };
        let transport = (AttributeType::REQUESTED_TRANSPORT, REQUESTED_UDP.to_vec());
        let challenge = client.exchange(Method::ALLOCATE, std::slice::from_ref(&transport), &[], false);
        let message = Message::parse(&challenge).expect("a STUN answer");
        assert_eq!(message.error_code().map(|code| code.number()), Some(401), "a challenge");
        client.realm = message.text(AttributeType::REALM).expect("a realm").expect("UTF-8").to_owned();
        client.nonce = message.attribute(AttributeType::NONCE).expect("a nonce").to_vec();
        let answer = client.exchange(Method::ALLOCATE, &[transport], &[], true);
        let message = Message::parse(&answer).expect("a STUN answer");
        if let Some(code) = message.error_code() {
            return Err(code.number());
        }
        let relayed = message.xor_address(AttributeType::XOR_RELAYED_ADDRESS).expect("an address");
        client.relayed = relayed.expect("a sound address");
        Ok(client)
    }

    /// The relayed address.
    pub fn relayed(&self) -> SocketAddr {
        self.relayed
    }

    /// Permits a peer.
    ///
    /// # Errors
    ///
    /// The error code of the answer.
    pub fn create_permission(&mut self, peer: SocketAddr) -> Result<(), u16> {
        self.request(Method::CREATE_PERMISSION, &[], &[peer])
    }

    /// Asks for `lifetime_s` more; zero gives the allocation back.
    ///
    /// # Errors
    ///
    /// The error code of the answer.
    pub fn refresh(&mut self, lifetime_s: u32) -> Result<(), u16> {
        self.request(Method::REFRESH, &[(AttributeType::LIFETIME, lifetime_s.to_be_bytes().to_vec())], &[])
    }

    /// Sends a payload in a Send indication.
    pub fn send_to(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut buffer = [0; 2048];
        let mut writer = Writer::new(&mut buffer, Class::Indication, Method::SEND, self.transaction());
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, payload);
        let len = writer.finish().expect("room");
        self.socket.send_to(&buffer[..len], self.server).expect("send");
    }

    /// The next Data indication: the peer and the payload.
    pub fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let mut buffer = [0; 2048];
        let len = self.socket.recv(&mut buffer).ok()?;
        let message = Message::parse(&buffer[..len]).expect("a STUN message");
        assert_eq!(message.method(), Method::DATA, "a Data indication");
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS)?.ok()?;
        Some((peer, message.attribute(AttributeType::DATA)?.to_vec()))
    }

    fn request(
        &mut self,
        method: Method,
        attributes: &[(AttributeType, Vec<u8>)],
        peers: &[SocketAddr],
    ) -> Result<(), u16> {
        let answer = self.exchange(method, attributes, peers, true);
        match Message::parse(&answer).expect("a STUN answer").error_code() {
            None => Ok(()),
            Some(code) => Err(code.number()),
        }
    }

    fn exchange(
        &mut self,
        method: Method,
        attributes: &[(AttributeType, Vec<u8>)],
        peers: &[SocketAddr],
        authenticated: bool,
    ) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let id = self.transaction();
        let mut writer = Writer::new(&mut buffer, Class::Request, method, id);
        for (ty, value) in attributes {
            writer.attribute(*ty, value);
        }
        for peer in peers {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer);
        }
        if authenticated {
            writer
                .attribute(AttributeType::USERNAME, self.credential.username.as_bytes())
                .attribute(AttributeType::REALM, self.realm.as_bytes())
                .attribute(AttributeType::NONCE, &self.nonce)
                .integrity(&IntegrityKey::md5(&self.credential.username, &self.realm, &self.credential.password));
        }
        let len = writer.finish().expect("room");
        self.socket.send_to(&buffer[..len], self.server).expect("send");
        let mut answer = [0; 2048];
        loop {
            let len = self.socket.recv(&mut answer).unwrap_or_else(|e| panic!("no answer to {method:?}: {e}"));
            let Ok(message) = Message::parse(&answer[..len]) else { continue };
            if message.transaction_id() == id {
                return answer[..len].to_vec();
            }
        }
    }

    fn transaction(&mut self) -> TransactionId {
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next_id.to_be_bytes());
        self.next_id += 1;
        TransactionId(id)
    }
}
