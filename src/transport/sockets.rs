//! The UDP sockets of one shard: its listeners and its relay sockets.
use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;

use rustix::net::sockopt;
use rustix::net::sockopt::Ipv4PathMtuDiscovery;
use socket2::Domain;
use socket2::Protocol;
use socket2::SockFilter;
use socket2::Socket;
use socket2::Type;

use crate::relay::AllocationId;
use crate::relay::Family;
use crate::relay::ListenerId;
use crate::transport::steering;
use crate::transport::udp;

/// Asked for as buffer of a listener, in bytes, in each direction: all clients of a shard share it, and a packet of
/// 1200 bytes takes about twice its length. The kernel grants at most `net.core.rmem_max` (`wmem_max`).
const LISTENER_BUFFER: usize = 4 * 1024 * 1024;

/// Asked for as buffer of a relay socket, in bytes, in each direction: a key frame arrives as one burst.
const RELAY_BUFFER: usize = 512 * 1024;

/// Datagrams that a relay socket may have kept before its client wanted any, at most: its buffer is the smallest there is.
const UNHEARD_MAX: usize = 64;

/// One shard's socket on a UDP listening address.
pub(super) struct Listener {
    pub(super) socket: UdpSocket,
    /// The bound address.
    pub(super) bound: SocketAddr,
    /// The kernel's drop count at its last report.
    pub(super) drops: u32,
}

impl Listener {
    /// Returns whether the server's address has to be read off each packet, and named for each answer.
    pub(super) fn is_wildcard(&self) -> bool {
        self.bound.ip().is_unspecified()
    }
}

/// The relay socket of an allocation.
pub(super) struct RelaySocket {
    pub(super) socket: UdpSocket,
    /// The allocation that owns it.
    pub(super) at: AllocationId,
    /// The kernel's drop count at its last report.
    pub(super) drops: u32,
    /// Whether it is [`RelaySocket::ready`] and epoll watches it.
    pub(super) is_heard: bool,
}

impl RelaySocket {
    /// Makes the socket one for data. Returns its descriptor.
    ///
    /// # Errors
    ///
    /// What the kernel reports.
    pub(super) fn ready(&self, family: Family) -> io::Result<u32> {
        let (socket, is_ipv6) = (self.socket.as_fd(), family == Family::V6);
        prepare(socket, is_ipv6, RELAY_BUFFER)?;
        udp::enable_errors(socket, is_ipv6)?;
        u32::try_from(fd_index(&self.socket)).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Throws away what came until now, if the peers were not heard: nobody was permitted to send it. Returns how much it
    /// was, with what found no room in the buffer.
    pub(super) fn forget_unheard(&mut self) -> u64 {
        if self.is_heard {
            return 0;
        }
        let kept = (0..UNHEARD_MAX).take_while(|_| self.socket.recv(&mut [0]).is_ok()).count();
        if kept == 0 {
            return 0;
        }
        let drops = udp::drop_count(self.socket.as_fd()).unwrap_or(self.drops);
        let dropped = drops.wrapping_sub(std::mem::replace(&mut self.drops, drops));
        kept as u64 + u64::from(dropped)
    }
}

/// Names one socket of a shard.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum SocketKey {
    Listener(ListenerId),
    /// The relay socket of this family of the allocation with this slot.
    Relay(u32, Family),
}

/// Every UDP socket of a shard.
pub(super) struct Sockets {
    /// Indexed by [`ListenerId`].
    pub(super) listeners: Vec<Listener>,
    /// Indexed by family, then by the slot of the allocation.
    relay_by_slot: [Vec<Option<RelaySocket>>; Family::ALL.len()],
    /// Indexed by file descriptor.
    key_by_fd: Vec<Option<(u32, Family)>>,
}

impl Sockets {
    pub(super) fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, relay_by_slot: [Vec::new(), Vec::new()], key_by_fd: Vec::new() }
    }

    /// Returns the descriptor of a socket, unless it is closed.
    pub(super) fn descriptor(&self, key: SocketKey) -> Option<BorrowedFd<'_>> {
        match key {
            SocketKey::Listener(id) => Some(self.listeners.get(usize::from(id.0))?.socket.as_fd()),
            SocketKey::Relay(slot, family) => {
                Some(self.relay_by_slot[family as usize].get(slot as usize)?.as_ref()?.socket.as_fd())
            }
        }
    }

    /// Returns the relay socket with this file descriptor, and its name.
    pub(super) fn relay_by_fd(&mut self, fd: usize) -> Option<(SocketKey, &mut RelaySocket)> {
        let (slot, family) = (*self.key_by_fd.get(fd)?)?;
        let relay = self.relay_by_slot[family as usize].get_mut(slot as usize)?.as_mut()?;
        Some((SocketKey::Relay(slot, family), relay))
    }

    /// Returns the relay socket of this family of an allocation, unless its peers are heard already.
    pub(super) fn unheard(&mut self, at: AllocationId, family: Family) -> Option<&mut RelaySocket> {
        let relay = self.relay_by_slot[family as usize].get_mut(at.slot() as usize)?.as_mut()?;
        (relay.at == at && !relay.is_heard).then_some(relay)
    }

    /// Returns the drop count that the kernel reported last for a socket.
    pub(super) fn drops_mut(&mut self, key: SocketKey) -> Option<&mut u32> {
        match key {
            SocketKey::Listener(id) => Some(&mut self.listeners.get_mut(usize::from(id.0))?.drops),
            SocketKey::Relay(slot, family) => {
                Some(&mut self.relay_by_slot[family as usize].get_mut(slot as usize)?.as_mut()?.drops)
            }
        }
    }

    /// Puts a relay socket of an allocation in.
    pub(super) fn insert_relay(&mut self, at: AllocationId, family: Family, socket: UdpSocket) {
        let (slot, fd) = (at.slot() as usize, fd_index(&socket));
        let relay_by_slot = &mut self.relay_by_slot[family as usize];
        if relay_by_slot.len() <= slot {
            relay_by_slot.resize_with(slot + 1, || None);
        }
        relay_by_slot[slot] = Some(RelaySocket { socket, at, drops: 0, is_heard: false });
        if self.key_by_fd.len() <= fd {
            self.key_by_fd.resize(fd + 1, None);
        }
        self.key_by_fd[fd] = Some((at.slot(), family));
    }

    /// Takes a relay socket of an allocation out; dropping it closes it.
    pub(super) fn remove_relay(&mut self, at: AllocationId, family: Family) -> Option<RelaySocket> {
        let relay_by_slot = &mut self.relay_by_slot[family as usize];
        let relay = relay_by_slot.get_mut(at.slot() as usize)?.take_if(|relay| relay.at == at)?;
        self.key_by_fd[fd_index(&relay.socket)] = None;
        Some(relay)
    }
}

/// Returns the file descriptor as an index; an open one is never negative.
pub(super) fn fd_index(socket: &UdpSocket) -> usize {
    usize::try_from(socket.as_raw_fd()).unwrap_or(0)
}

/// A group of sockets on one address that receives nothing yet, one per shard.
pub(super) struct ClosedGroup {
    sockets: Vec<Socket>,
}

impl ClosedGroup {
    /// Binds one socket per shard to `address`. With port 0 the first one chooses for all.
    ///
    /// # Errors
    ///
    /// `AddrInUse` also when another process with the same user shares the port willingly: two servers must not split
    /// their clients unknowingly. Otherwise what the kernel reports.
    pub(super) fn bind(address: SocketAddr, shards: u16) -> io::Result<Self> {
        // Until every socket is there the kernel spreads clients over those that are, and a client that was heard by
        // the wrong shard would be a stranger to the right one. So nobody is heard before.
        let nobody = [SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0)];
        let first = open(address)?;
        first.attach_filter(&nobody)?;
        first.bind(&address.into())?;
        // Shared only from here on, so that binding has failed if anybody else was there.
        first.set_reuse_port(true)?;
        let bound = local_address(&first)?;
        let mut sockets = vec![first];
        for _ in 1..shards {
            let socket = open(address)?;
            socket.attach_filter(&nobody)?;
            socket.set_reuse_port(true)?;
            socket.bind(&bound.into())?;
            sockets.push(socket);
        }
        Ok(Self { sockets })
    }

    /// Returns the bound address.
    ///
    /// # Errors
    ///
    /// What the kernel reports.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        local_address(&self.sockets[0])
    }

    /// Steers clients to shards and lets packets in; returns the sockets in the order of the shards.
    ///
    /// # Errors
    ///
    /// What the kernel reports.
    pub(super) fn open(self) -> io::Result<Vec<Listener>> {
        let bound = self.address()?;
        let shards = u32::try_from(self.sockets.len()).unwrap_or(u32::MAX);
        if shards > 1 {
            let program = if bound.is_ipv4() { steering::program_v4(shards) } else { steering::program_v6(shards) };
            if let Err(error) = udp::attach_steering(self.sockets[0].as_fd(), &program) {
                tracing::info!(%error, "no steering program, the kernel chooses the shards of clients");
            }
        }
        let mut listeners = Vec::with_capacity(self.sockets.len());
        for socket in self.sockets {
            prepare(socket.as_fd(), bound.is_ipv6(), LISTENER_BUFFER)?;
            if bound.ip().is_unspecified() {
                udp::enable_packet_info(socket.as_fd(), bound.is_ipv6())?;
            }
            socket.detach_filter()?;
            listeners.push(Listener { socket: socket.into(), bound, drops: 0 });
        }
        Ok(listeners)
    }
}

/// Opens a relay socket on `address`, which is to be made [`ready`](RelaySocket::ready) before it is used.
///
/// # Errors
///
/// What the kernel reports: `AddrInUse` when another program has the port.
pub(super) fn open_relay(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    // Nobody is permitted to send yet: the little that the kernel keeps at least must do.
    socket.set_recv_buffer_size(0)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Gives a socket its buffers, and makes it say what it dropped and how datagrams were marked, and give several of one flow at
/// once.
fn prepare(socket: BorrowedFd<'_>, ipv6: bool, buffer: usize) -> io::Result<()> {
    sockopt::set_socket_recv_buffer_size(socket, buffer)?;
    sockopt::set_socket_send_buffer_size(socket, buffer)?;
    if !ipv6 {
        // RFC 8656 §15: DF is not set unless a client asks for it, but Linux sets it by default.
        set_dont_fragment(socket, false)?;
    }
    udp::enable_drop_count(socket)?;
    udp::enable_traffic_class(socket, ipv6)?;
    // Without it every datagram comes by itself, which is slower and nothing else.
    let _ = udp::enable_coalescing(socket);
    Ok(())
}

/// Sets or clears the DF bit of what the socket sends from now on. IPv6 knows no such bit.
///
/// # Errors
///
/// What the kernel reports.
pub(super) fn set_dont_fragment(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    // Neither listens to what earlier packets learned about the path; `PROBE` sets the bit. With `DONT` instead of `OMIT`
    // the kernel would keep to itself that a datagram with the bit was too long.
    let discovery = if on { Ipv4PathMtuDiscovery::PROBE } else { Ipv4PathMtuDiscovery::OMIT };
    Ok(sockopt::set_ip_mtu_discover(socket, discovery)?)
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn the_kernel_steers_clients_where_the_program_says() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let address: SocketAddr = address.parse().expect("an address");
            let shards = 5;
            let group = ClosedGroup::bind(address, shards).expect("a group").open().expect("open sockets");
            let target = if address.is_ipv4() { "127.0.0.1" } else { "::1" }.parse::<IpAddr>().expect("an address");
            let mut hits = [0; 5];
            for _ in 0..40 {
                let client = UdpSocket::bind(SocketAddr::new(target, 0)).expect("a socket");
                let own = client.local_addr().expect("an address");
                let shard = steering::shard_of(own, u32::from(shards)) as usize;
                for _ in 0..2 {
                    client.send_to(b"x", SocketAddr::new(target, group[0].bound.port())).expect("sending");
                    // Loopback delivers before sending returns.
                    assert_eq!(group[shard].socket.recv_from(&mut [0]).expect("a datagram").1, own);
                }
                hits[shard] += 1;
            }
            assert!(hits.iter().all(|hits| *hits > 0), "{address}: {hits:?}");
        }
    }

    #[test]
    fn nobody_is_heard_before_the_group_is_whole() {
        let group = ClosedGroup::bind("127.0.0.1:0".parse().expect("an address"), 2).expect("a group");
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.connect(group.address().expect("an address")).expect("a way");
        client.send(b"early").expect("sending");
        let listeners = group.open().expect("open sockets");
        client.send(b"now").expect("sending");
        let shard = steering::shard_of(client.local_addr().expect("an address"), 2) as usize;
        let mut datagram = [0; 8];
        assert_eq!(listeners[shard].socket.recv(&mut datagram).expect("a datagram"), 3);
        let nothing = listeners[1 - shard].socket.recv(&mut datagram).expect_err("nothing").kind();
        assert_eq!(nothing, io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_relay_socket_takes_no_memory_for_strangers_before_it_is_ready() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let at = AllocationId::default();
        let relay = RelaySocket { socket: open_relay(address).expect("a socket"), at, drops: 0, is_heard: false };
        assert!(sockopt::socket_recv_buffer_size(&relay.socket).expect("an option") < 8192);
        relay.ready(Family::V4).expect("options");
        assert!(sockopt::socket_recv_buffer_size(&relay.socket).expect("an option") > 128 * 1024);
    }

    #[test]
    fn what_came_before_a_relay_socket_was_heard_is_counted_once() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let at = AllocationId::default();
        let mut relay = RelaySocket { socket: open_relay(address).expect("a socket"), at, drops: 0, is_heard: false };
        let stranger = UdpSocket::bind(address).expect("a socket");
        stranger.connect(relay.socket.local_addr().expect("an address")).expect("a way");
        assert_eq!(relay.forget_unheard(), 0);
        for sent in [1, 200] {
            for _ in 0..sent {
                stranger.send(b"too early").expect("sending");
            }
            assert_eq!(relay.forget_unheard(), sent);
        }
        assert_eq!(relay.forget_unheard(), 0);
    }

    #[test]
    fn relay_sockets_let_routers_fragment_unless_asked_otherwise() {
        let relay = open_relay("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        prepare(relay.as_fd(), false, RELAY_BUFFER).expect("options");
        assert_eq!(sockopt::ip_mtu_discover(&relay).expect("an option"), Ipv4PathMtuDiscovery::OMIT);
        set_dont_fragment(relay.as_fd(), true).expect("an option");
        assert_eq!(sockopt::ip_mtu_discover(&relay).expect("an option"), Ipv4PathMtuDiscovery::PROBE);
    }
}
