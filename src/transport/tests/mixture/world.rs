//! A data plane with the clients and peers of a plan, and what they have received.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;
use std::time::Instant;

use super::super::client::Client;
use super::super::netns::Host;
use super::super::plane::PATIENCE;
use super::super::plane::Plane;
use super::super::plane::config;
use super::super::plane::credential;
use super::super::plane::settings;
use super::plan::How;
use super::plan::Party;
use super::plan::read;
use crate::relay::Config;
use crate::relay::DropReason;
use crate::relay::Mode;
use crate::relay::PeerPolicy;
use crate::relay::RelayAddress;
use crate::relay::Strangers;
use crate::relay::Traffic;
use crate::stun::AttributeType;
use crate::stun::channel_data;
use crate::transport::IoEvent;
use crate::transport::Settings;
use crate::transport::steering;
use crate::transport::udp;
use crate::transport::udp::Envelope;
use crate::transport::udp::RECEIVE_BATCH;
use crate::transport::udp::TrafficClass;

/// How long a datagram is waited for that may be sent again.
const PROBE: Duration = Duration::from_millis(50);

/// Room for one received datagram.
const ROOM: usize = 2048;

/// Where everybody lives.
pub(super) struct Place {
    pub(super) server: IpAddr,
    pub(super) clients: IpAddr,
    pub(super) peers: IpAddr,
    pub(super) stranger: IpAddr,
    /// The hosts of the server and of all others; `None`: this one.
    pub(super) hosts: Option<[Host; 2]>,
}

impl Place {
    pub(super) fn loopback() -> Self {
        let [here, stranger] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
        Self { server: here, clients: here, peers: here, stranger, hosts: None }
    }

    /// Waits until datagrams pass both ways: hosts that were just made lose the first ones.
    pub(super) fn until_reachable(&self) {
        let server = self.at(0, || UdpSocket::bind((self.server, 0)).expect("a socket"));
        let address = server.local_addr().expect("an address");
        for ip in [self.clients, self.peers, self.stranger] {
            let other = self.socket(ip);
            let deadline = Instant::now() + PATIENCE;
            loop {
                assert!(Instant::now() < deadline, "no way to {ip} and back");
                other.send_to(b"there", address).expect("sending");
                server.set_read_timeout(Some(PROBE)).expect("a timeout");
                other.set_read_timeout(Some(PROBE)).expect("a timeout");
                let Ok((_, from)) = server.recv_from(&mut [0; 8]) else { continue };
                server.send_to(b"back", from).expect("sending");
                if other.recv(&mut [0; 8]).is_ok() {
                    break;
                }
            }
        }
    }

    fn at<T: Send>(&self, host: usize, work: impl FnOnce() -> T + Send) -> T {
        match &self.hosts {
            Some(hosts) => hosts[host].enter(work),
            None => work(),
        }
    }

    fn settings(&self, mode: Mode) -> Settings {
        let nets = [self.clients, self.peers, self.stranger].map(Into::into).to_vec();
        let policy = PeerPolicy { allow: nets.clone(), ..PeerPolicy::default() };
        let strangers = Strangers { exempt: nets, ..Strangers::default() };
        Settings {
            udp_listen: vec![SocketAddr::new(self.server, 0)],
            relay_addresses: vec![RelayAddress { local: self.server, external: self.server }],
            relay: Config { mode, policy, strangers, ..config() },
            ..settings()
        }
    }

    fn socket(&self, ip: IpAddr) -> UdpSocket {
        let socket = self.at(1, || UdpSocket::bind((ip, 0)).expect("a socket"));
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        udp::enable_traffic_class(socket.as_fd(), ip.is_ipv6()).expect("an option");
        socket
    }

    /// A socket whose port one of two shards serves.
    fn socket_on(&self, shard: u32) -> UdpSocket {
        (0..64)
            .map(|_| self.socket(self.clients))
            .find(|socket| steering::shard_of(socket.local_addr().expect("an address"), 2) == shard)
            .expect("one of 64 ports belongs to the shard")
    }
}

/// A datagram as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) how: How,
    pub(super) class: u8,
    pub(super) payload: Vec<u8>,
}

/// What came, by receiver and by where it came from, in its order.
pub(super) type Flows = BTreeMap<(Party, Party), Vec<Arrival>>;

/// A server with everybody around it.
pub(super) struct World {
    pub(super) plane: Plane,
    pub(super) mode: Mode,
    pub(super) received: Flows,
    /// Reports of ICMP errors that clients received.
    pub(super) reports: u64,
    clients: BTreeMap<Party, Client>,
    peers: BTreeMap<Party, UdpSocket>,
    addresses: BTreeMap<Party, SocketAddr>,
    sender: udp::Sender,
    receiver: udp::Receiver,
    room: Box<[u8]>,
}

impl World {
    /// A server that has served nobody before, with everything permitted and bound that the plan relies on.
    pub(super) fn start(place: &Place, mode: Mode) -> Self {
        let plane = place.at(0, || Plane::start(place.settings(mode)));
        let mut addresses = BTreeMap::from([(Party::Server, plane.udp_address())]);
        let mut peers = BTreeMap::new();
        for party in Party::PEERS {
            let socket = place.socket(if party == Party::Stranger { place.stranger } else { place.peers });
            addresses.insert(party, socket.local_addr().expect("an address"));
            if party == Party::Gone {
                // Nobody else gets the port, and the kernel refuses whatever comes from others than this.
                socket.connect((place.clients, 9)).expect("a way");
            }
            peers.insert(party, socket);
        }
        let mut clients = BTreeMap::new();
        let family = if place.server.is_ipv4() { 1 << 24 } else { 2 << 24 };
        for party in Party::CLIENTS {
            let socket = place.socket_on(u32::from(party == Party::Cousin));
            let mut client = Client::udp(socket, plane.udp_address(), credential(&party.session()));
            if party != Party::Nobody {
                let relayed = client.allocate_with(|writer| {
                    writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
                });
                addresses.insert(party, relayed.expect("an allocation"));
            }
            clients.insert(party, client);
        }
        for from in [Party::Hub, Party::Mate, Party::Cousin] {
            let client = clients.get_mut(&from).expect("a client");
            client.permit(addresses[&Party::Loner]);
            if from == Party::Hub && mode == Mode::Ports {
                client.permit(addresses[&Party::Third]);
            }
            for (to, address) in &addresses {
                if let Some(number) = from.channel(*to, mode) {
                    client.bind_channel(number, *address);
                }
            }
        }
        if mode == Mode::Ports {
            // Whoever permits nobody at all is not even heard.
            let unasked = if place.server.is_ipv4() { "9.9.9.9:9" } else { "[2620:fe::9]:9" };
            let loner = clients.get_mut(&Party::Loner).expect("a client");
            loner.permit(unasked.parse().expect("an address"));
        }
        Self {
            plane,
            mode,
            received: Flows::new(),
            reports: 0,
            clients,
            peers,
            addresses,
            sender: udp::Sender::new(),
            receiver: udp::Receiver::new(),
            room: vec![0; RECEIVE_BATCH * ROOM].into_boxed_slice(),
        }
    }

    /// Where others send to reach it.
    pub(super) fn address(&self, party: Party) -> SocketAddr {
        self.addresses[&party]
    }

    fn socket(&self, party: Party) -> &UdpSocket {
        self.clients.get(&party).map_or_else(|| &self.peers[&party], Client::socket)
    }

    /// Sends datagrams of one length, of which the last may be shorter, in as few buffers as can be; returns how many of them
    /// left together.
    pub(super) fn send(&mut self, from: Party, to: Party, class: u8, datagrams: &[Vec<u8>]) -> usize {
        let (to, socket) =
            (self.address(to), self.clients.get(&from).map_or_else(|| &self.peers[&from], Client::socket));
        // The kernel makes no empty datagrams out of a buffer.
        let run = datagrams.iter().take_while(|datagram| !datagram.is_empty()).count();
        let (run, empty) = datagrams.split_at(run);
        let buffers = std::iter::once(run.concat()).filter(|buffer| !buffer.is_empty()).chain(empty.to_vec());
        for buffer in buffers {
            let segment =
                (buffer.len() > datagrams[0].len()).then(|| u16::try_from(datagrams[0].len()).expect("short"));
            let class = TrafficClass(class);
            let mut batch = self.sender.batch();
            batch.push(
                &Envelope { to, source: None, class, dont_fragment: false, segment },
                std::iter::once(&buffer[..]),
            );
            assert_eq!(batch.send(socket.as_fd(), 0).expect("sending"), 1);
        }
        if run.len() > 1 { run.len() } else { 0 }
    }

    /// Waits for something to arrive at `party` and takes what is there; returns how many datagrams of flows it was.
    pub(super) fn receive(&mut self, party: Party) -> usize {
        self.socket(party).peek(&mut [0]).unwrap_or_else(|error| panic!("nothing more at {party:?}: {error}"));
        self.receive_now(party)
    }

    /// Takes what has arrived at `party`.
    pub(super) fn receive_now(&mut self, party: Party) -> usize {
        let socket = self.clients.get(&party).map_or_else(|| &self.peers[&party], Client::socket);
        let Ok(count) = self.receiver.receive(socket.as_fd(), &mut self.room, ROOM) else { return 0 };
        (0..count).filter(|at| self.take(party, *at)).count()
    }

    /// Notes datagram `at` of the last call; false if it was a report of an ICMP error.
    fn take(&mut self, party: Party, at: usize) -> bool {
        let datagram = self.receiver.datagram(at);
        assert!(!datagram.truncated);
        let bytes = &self.room[at * ROOM..][..datagram.len];
        let source = datagram.from.expect("an address");
        let (how, from, payload) = match channel_data::parse(bytes).filter(|_| party.is_client()) {
            _ if !party.is_client() => (How::Plain, self.party_at(source), bytes.to_vec()),
            Some(data) => {
                assert_eq!(data.payload.end, bytes.len(), "no padding over UDP");
                let mut others = self.addresses.keys();
                let from = others.find(|other| party.channel(**other, self.mode) == Some(data.number));
                (How::Channel(data.number), *from.expect("its channel"), bytes[data.payload].to_vec())
            }
            None => {
                let Some((how, peer, payload)) = read(bytes) else {
                    self.reports += 1;
                    return false;
                };
                (how, peer.map_or(Party::Server, |peer| self.party_at(peer)), payload)
            }
        };
        let arrival = Arrival { how, class: datagram.class.0, payload };
        self.received.entry((party, from)).or_default().push(arrival);
        true
    }

    fn party_at(&self, address: SocketAddr) -> Party {
        let found =
            self.addresses.iter().find(|(_, known)| known.ip() == address.ip() && known.port() == address.port());
        *found.unwrap_or_else(|| panic!("{address} is nobody's")).0
    }

    /// Waits until `condition` holds, taking what arrives at clients meanwhile.
    pub(super) fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.plane.handle.io_counters());
            Party::CLIENTS.into_iter().for_each(|party| _ = self.receive_now(party));
            std::thread::yield_now();
        }
    }

    /// How many packets the relay has judged: relayed or discarded.
    pub(super) fn judged(&self) -> u64 {
        let relayed: u64 = self.relayed().values().map(|traffic| traffic.packets).sum();
        relayed + self.dropped().values().sum::<u64>()
    }

    /// What was relayed, by the name of its direction.
    pub(super) fn relayed(&self) -> BTreeMap<&'static str, Traffic> {
        let mut relayed = BTreeMap::<_, Traffic>::new();
        for (direction, packets, bytes) in self.plane.handle.counters().iter().flat_map(|counters| counters.traffic()) {
            let traffic = relayed.entry(direction.label()).or_default();
            traffic.packets += packets;
            traffic.bytes += bytes;
        }
        relayed.retain(|_, traffic| traffic.packets > 0);
        relayed
    }

    /// What was discarded.
    pub(super) fn dropped(&self) -> BTreeMap<DropReason, u64> {
        let mut dropped = BTreeMap::new();
        for (reason, count) in self.plane.handle.counters().iter().flat_map(|counters| counters.dropped()) {
            *dropped.entry(reason).or_default() += count;
        }
        dropped.retain(|_, count| *count > 0);
        dropped
    }

    pub(super) fn count(&self, event: IoEvent) -> u64 {
        self.plane.count(event)
    }

    /// The requests of clients so far; each was answered.
    pub(super) fn requests(&self) -> u64 {
        self.clients.values().map(|client| u64::from(client.requests())).sum()
    }

    /// Gives every allocation back, and the plane with its usage records.
    pub(super) fn end(mut self) -> Plane {
        self.clients.retain(|party, _| *party != Party::Nobody);
        self.clients.values_mut().for_each(Client::deallocate);
        self.plane
    }
}
