//! The system calls on UDP sockets that no safe crate offers: batches, control messages, steering.
//!
//! This is the only file of the package with `unsafe`. Everything it offers is safe to call: memory comes in as
//! slices, and no pointer handed to the kernel is used after the call that it was made for. The load generator
//! (`bench`) sends and receives through it too: it must not be slower than the server.
#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::mem;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV6;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::ptr;

use libc::c_int;

/// Datagrams per receive call at most: beyond this the cost per datagram no longer falls.
pub(crate) const RECEIVE_BATCH: usize = 32;

/// Messages per send call at most; one may be many datagrams ([`Envelope::segment`]).
pub(crate) const SEND_BATCH: usize = 32;

/// Pieces of memory per send call at most.
pub(super) const SEND_PARTS: usize = 1024;

/// Datagrams that one message may be cut into: older kernels take 64, newer ones 128.
pub(crate) const SEGMENTS: usize = 64;

/// The socket option that tells a socket's use of memory, and its numbers. Linux `asm-generic/socket.h`, `linux/sock_diag.h`.
const SO_MEMINFO: c_int = 55;
const SK_MEMINFO_VARS: usize = 9;

/// Room for the control messages of one datagram: packet info (40), traffic class (24), segment length (24), and drop
/// count or DF (24).
const CONTROL_LEN: usize = 128;

/// DSCP and ECN of a datagram: the second byte of its IPv4 header, the traffic class of its IPv6 header. RFC 2474 §3,
/// RFC 3168 §5. Zero is best effort, not ECN-capable.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct TrafficClass(pub(crate) u8);

/// A socket address as the kernel writes it: `sockaddr_in` or `sockaddr_in6`.
///
/// ```text
/// IPv4:  family(2, native) port(2, network) address(4)
/// IPv6:  family(2, native) port(2, network) flow(4) address(16) scope(4, native)
/// ```
#[derive(Copy, Clone)]
#[repr(C, align(8))]
struct Name([u8; 32]);

#[derive(Copy, Clone)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// What the kernel said about one received datagram.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Length in bytes, from the start of its slot.
    pub(crate) len: usize,
    /// Where it came from; `None` for an address family that is not ours.
    pub(crate) from: Option<SocketAddr>,
    /// The address that it was sent to, on sockets with [`enable_packet_info`].
    pub(crate) local: Option<IpAddr>,
    /// The datagrams that the kernel dropped on this socket since it was opened (modulo 2^32), on sockets with
    /// [`enable_drop_count`]; `None` means unchanged since zero.
    pub(crate) drops: Option<u32>,
    /// The datagram did not fit into its slot.
    pub(crate) truncated: bool,
    /// How it was marked, on sockets with [`enable_traffic_class`].
    pub(crate) class: TrafficClass,
    /// On sockets with [`enable_coalescing`] several datagrams of one flow may come as one. Then all but the last are
    /// this long, which is never zero.
    pub(crate) segment: Option<usize>,
}

/// The scratch memory of `recvmmsg`.
pub(crate) struct Receiver {
    names: Box<[Name; RECEIVE_BATCH]>,
    controls: Box<[Control; RECEIVE_BATCH]>,
    iovecs: Box<[libc::iovec; RECEIVE_BATCH]>,
    headers: Box<[libc::mmsghdr; RECEIVE_BATCH]>,
}

impl Receiver {
    /// Allocates the scratch memory.
    pub(crate) fn new() -> Self {
        // SAFETY: all-zero bytes are a valid `iovec` and a valid `mmsghdr` (null pointers, zero lengths).
        let (iovec, header) = unsafe { (mem::zeroed::<libc::iovec>(), mem::zeroed::<libc::mmsghdr>()) };
        Self {
            names: Box::new([Name([0; 32]); RECEIVE_BATCH]),
            controls: Box::new([Control([0; CONTROL_LEN]); RECEIVE_BATCH]),
            iovecs: Box::new([iovec; RECEIVE_BATCH]),
            headers: Box::new([header; RECEIVE_BATCH]),
        }
    }

    /// Receives without waiting, one datagram into each `slot_len` bytes of `slots`, and returns how many came;
    /// [`Receiver::datagram`] describes each.
    ///
    /// # Errors
    ///
    /// What `recvmmsg` reports; `WouldBlock` when nothing is there.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, slots: &mut [u8], slot_len: usize) -> io::Result<usize> {
        let mut count = 0;
        for (at, slot) in slots.chunks_exact_mut(slot_len).take(RECEIVE_BATCH).enumerate() {
            self.iovecs[at] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = self.names[at].0.as_mut_ptr().cast();
            header.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
            header.msg_iov = &mut self.iovecs[at];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[at].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_LEN as _;
            header.msg_flags = 0;
            count = at + 1;
        }
        // SAFETY: the first `count` headers point at memory that lives through the call and that nothing else uses
        // during it: `slots` is borrowed mutably, names, controls and iovecs are owned by `self`. Lengths are theirs.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// Describes datagram `at` of the last [`Receiver::receive`].
    pub(crate) fn datagram(&self, at: usize) -> Datagram {
        let header = &self.headers[at];
        let mut datagram = Datagram {
            len: header.msg_len as usize,
            from: decode_name(&self.names[at].0),
            local: None,
            drops: None,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            class: TrafficClass::default(),
            segment: None,
        };
        // SAFETY: `msg_control` points at `controls[at]`, which `self` owns and nobody else writes, and the kernel
        // set `msg_controllen` to the valid part of it; the libc macros walk exactly that part. Reads are unaligned.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&header.msg_hdr);
            while let Some(found) = message.as_ref() {
                let data = libc::CMSG_DATA(message);
                match (found.cmsg_level, found.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        // `ipi_spec_dst` is ours even when the packet was sent to a broadcast address.
                        let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                        datagram.local = Some(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        datagram.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                    }
                    (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                        datagram.drops = Some(data.cast::<u32>().read_unaligned());
                    }
                    (libc::IPPROTO_IP, libc::IP_TOS) => datagram.class = TrafficClass(data.read()),
                    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                        // Only the lowest byte of the int is ever set.
                        datagram.class = TrafficClass(data.cast::<c_int>().read_unaligned() as u8);
                    }
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        let len = usize::try_from(data.cast::<c_int>().read_unaligned()).unwrap_or(0);
                        datagram.segment = (len > 0).then_some(len);
                    }
                    (_, _) => {}
                }
                message = libc::CMSG_NXTHDR(&header.msg_hdr, message);
            }
        }
        datagram
    }
}

/// What the kernel knows about a datagram that a socket with [`enable_errors`] sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct SocketError {
    /// Who found out.
    pub(super) origin: ErrorOrigin,
    /// Where the datagram was going; without a port if it is IPv4 and this machine found out.
    pub(super) peer: SocketAddr,
    /// The ICMP type.
    pub(super) kind: u8,
    /// The ICMP code.
    pub(super) code: u8,
    /// What the type says more, mostly an MTU in bytes.
    pub(super) info: u32,
}

/// Who found out that a datagram did not arrive.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorOrigin {
    /// A router or the peer's host, by ICMP.
    Icmp,
    /// This machine: the datagram was longer than the MTU of the route and might not be fragmented.
    TooLong,
}

/// Takes the oldest error of a socket; `None` if it is of no interest.
///
/// # Errors
///
/// What `recvmsg` reports; `WouldBlock` when there is none.
pub(super) fn receive_error(socket: BorrowedFd<'_>) -> io::Result<Option<SocketError>> {
    let mut name = Name([0; 32]);
    let mut control = Control([0; CONTROL_LEN]);
    // SAFETY: all-zero bytes are a valid `msghdr` (null pointers, zero lengths).
    let mut header = unsafe { mem::zeroed::<libc::msghdr>() };
    header.msg_name = name.0.as_mut_ptr().cast();
    header.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_LEN as _;
    // SAFETY: the header points at `name` and `control`, which live through the call, with their lengths; the quoted
    // datagram has no room and is cut off.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if received < 0 {
        return Err(io::Error::last_os_error());
    }
    let Some(peer) = decode_name(&name.0) else { return Ok(None) };
    // SAFETY: as in `Receiver::datagram`: the macros walk the valid part of `control`. Reads are unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&header);
        while let Some(found) = message.as_ref() {
            if matches!(
                (found.cmsg_level, found.cmsg_type),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            ) {
                let error = libc::CMSG_DATA(message).cast::<libc::sock_extended_err>().read_unaligned();
                let is_too_long = error.ee_errno.cast_signed() == libc::EMSGSIZE;
                let origin = match error.ee_origin {
                    libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => ErrorOrigin::Icmp,
                    libc::SO_EE_ORIGIN_LOCAL if is_too_long => ErrorOrigin::TooLong,
                    _ => return Ok(None),
                };
                let (kind, code, info) = (error.ee_type, error.ee_code, error.ee_info);
                return Ok(Some(SocketError { origin, peer, kind, code, info }));
            }
            message = libc::CMSG_NXTHDR(&header, message);
        }
    }
    Ok(None)
}

/// How a message leaves.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Where to.
    pub(crate) to: SocketAddr,
    /// The source address, on a socket that is bound to the unspecified address.
    pub(crate) source: Option<IpAddr>,
    /// How it is marked.
    pub(crate) class: TrafficClass,
    /// Refuse it rather than fragment it. Acts on IPv6 only: for IPv4 it is a property of the socket.
    pub(crate) dont_fragment: bool,
    /// The kernel cuts the message into datagrams of this many bytes, the last one taking the rest.
    pub(crate) segment: Option<u16>,
}

/// The scratch memory of `sendmmsg`.
pub(crate) struct Sender {
    names: Box<[Name; SEND_BATCH]>,
    controls: Box<[Control; SEND_BATCH]>,
    headers: Box<[libc::mmsghdr; SEND_BATCH]>,
    iovecs: Box<[libc::iovec]>,
}

impl Sender {
    /// Allocates the scratch memory.
    pub(crate) fn new() -> Self {
        // SAFETY: all-zero bytes are a valid `mmsghdr` and a valid `iovec` (null pointers, zero lengths).
        let (header, iovec) = unsafe { (mem::zeroed::<libc::mmsghdr>(), mem::zeroed::<libc::iovec>()) };
        Self {
            names: Box::new([Name([0; 32]); SEND_BATCH]),
            controls: Box::new([Control([0; CONTROL_LEN]); SEND_BATCH]),
            headers: Box::new([header; SEND_BATCH]),
            iovecs: vec![iovec; SEND_PARTS].into_boxed_slice(),
        }
    }

    /// Begins a batch of messages whose bytes live for `'a`.
    pub(crate) fn batch<'a>(&mut self) -> Batch<'_, 'a> {
        Batch { sender: self, count: 0, parts: 0, bytes: PhantomData }
    }
}

/// Messages that leave in one system call.
pub(crate) struct Batch<'s, 'a> {
    sender: &'s mut Sender,
    count: usize,
    /// How many of the sender's iovecs are in use.
    parts: usize,
    /// Those iovecs point at bytes that are borrowed as long as the batch exists.
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Batch<'_, 'a> {
    /// Returns whether one more message of this many parts fits.
    pub(crate) fn has_room(&self, parts: usize) -> bool {
        self.count < SEND_BATCH && SEND_PARTS - self.parts >= parts
    }

    /// Returns the number of messages.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a message: the concatenation of `parts`, of which empty ones cost nothing, and neighbours in memory count as one. What
    /// has no room is left out.
    pub(crate) fn push(&mut self, envelope: &Envelope, parts: impl Iterator<Item = &'a [u8]>) {
        let Some(header) = self.sender.headers.get_mut(self.count) else { return };
        let first = self.parts;
        for part in parts.filter(|part| !part.is_empty()) {
            // Sending does not write to it.
            let iov_base = part.as_ptr().cast_mut().cast();
            match self.sender.iovecs[first..self.parts].last_mut() {
                Some(last) if last.iov_base.wrapping_byte_add(last.iov_len) == iov_base => last.iov_len += part.len(),
                Some(_) | None => {
                    let Some(free) = self.sender.iovecs.get_mut(self.parts) else { break };
                    *free = libc::iovec { iov_base, iov_len: part.len() };
                    self.parts += 1;
                }
            }
        }
        let name = &mut self.sender.names[self.count];
        let control = &mut self.sender.controls[self.count];
        let name_len = encode_name(envelope.to, &mut name.0);
        let control_len = encode_controls(envelope, control);
        let header = &mut header.msg_hdr;
        header.msg_name = name.0.as_mut_ptr().cast();
        header.msg_namelen = name_len as libc::socklen_t;
        header.msg_iov = self.sender.iovecs[first..].as_mut_ptr();
        header.msg_iovlen = (self.parts - first) as _;
        header.msg_control = if control_len == 0 { ptr::null_mut() } else { control.0.as_mut_ptr().cast() };
        header.msg_controllen = control_len as _;
        header.msg_flags = 0;
        self.count += 1;
    }

    /// Sends the messages from `first` on without waiting and returns how many left.
    ///
    /// # Errors
    ///
    /// What `sendmmsg` reports about message `first`; an error of a later one comes out when that is first.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, first: usize) -> io::Result<usize> {
        let headers = &mut self.sender.headers[first.min(self.count)..self.count];
        // SAFETY: `push` made each of these headers point at a name, a control buffer and iovecs that the sender owns,
        // and those at bytes that are borrowed for `'a`, which this batch does not outlive. The kernel only reads them
        // (it writes `msg_len` of the headers).
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// Makes the socket tell to which of our addresses each datagram was sent ([`Datagram::local`]).
///
/// # Errors
///
/// What `setsockopt` reports.
pub(super) fn enable_packet_info(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &c_int::from(true))
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &c_int::from(true))
    }
}

/// Makes the socket tell how many datagrams it had to drop for want of room ([`Datagram::drops`]).
///
/// # Errors
///
/// What `setsockopt` reports.
pub(crate) fn enable_drop_count(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &c_int::from(true))
}

/// Returns how many datagrams the socket had to drop until now, the number that [`Datagram::drops`] goes on from.
///
/// # Errors
///
/// What `getsockopt` reports; kernels before 4.12 do not know it.
pub(super) fn drop_count(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = [0_u32; SK_MEMINFO_VARS];
    let mut len = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: both are live and ours alone; the kernel writes at most `len` bytes to `info`, any of which is a number, and
    // the length to `len`.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            info.as_mut_ptr().cast(),
            ptr::from_mut(&mut len),
        )
    };
    if outcome == 0 { Ok(info[libc::SK_MEMINFO_DROPS as usize]) } else { Err(io::Error::last_os_error()) }
}

/// Makes the socket tell how each datagram was marked ([`Datagram::class`]).
///
/// # Errors
///
/// What `setsockopt` reports.
pub(super) fn enable_traffic_class(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, &c_int::from(true))
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTOS, &c_int::from(true))
    }
}

/// Lets datagrams of one flow that reached the machine together come as one ([`Datagram::segment`]).
///
/// # Errors
///
/// What `setsockopt` reports; kernels before 5.0 do not know it.
pub(crate) fn enable_coalescing(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, &c_int::from(true))
}

/// Makes the kernel keep errors about datagrams that the socket sent, for [`receive_error`]. Each also fails the next
/// send, whoever that is for.
///
/// # Errors
///
/// What `setsockopt` reports.
pub(super) fn enable_errors(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &c_int::from(true))
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, &c_int::from(true))
    }
}

/// Lets `program` choose the socket of the SO_REUSEPORT group that `socket` belongs to, for each datagram.
///
/// # Errors
///
/// What `setsockopt` reports; needs no privilege.
pub(super) fn attach_steering(socket: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel copies the program during the call and does not write to it.
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// Makes the kernel refuse to cut messages that this socket sends, as it does for devices that cannot.
#[cfg(test)]
pub(super) fn refuse_segments(socket: BorrowedFd<'_>) -> io::Result<()> {
    // Segments need a checksum, and this one sends without.
    set_option(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, &c_int::from(true))
}

fn set_option<T>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: `value` is a live reference and the length is its size; the kernel reads at most that much.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn decode_name(name: &[u8; 32]) -> Option<SocketAddr> {
    let family = c_int::from(u16::from_ne_bytes([name[0], name[1]]));
    let port = u16::from_be_bytes([name[2], name[3]]);
    match family {
        libc::AF_INET => Some(SocketAddr::from(([name[4], name[5], name[6], name[7]], port))),
        libc::AF_INET6 => {
            let address: [u8; 16] = name[8..24].try_into().expect("16 bytes");
            let scope = u32::from_ne_bytes(name[24..28].try_into().expect("4 bytes"));
            // The flow label is not part of a 5-tuple.
            Some(SocketAddrV6::new(address.into(), port, 0, scope).into())
        }
        _ => None,
    }
}

fn encode_name(address: SocketAddr, name: &mut [u8; 32]) -> usize {
    *name = [0; 32];
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            name[4..8].copy_from_slice(&address.ip().octets());
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            name[8..24].copy_from_slice(&address.ip().octets());
            name[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
            mem::size_of::<libc::sockaddr_in6>()
        }
    }
}

/// Writes the control messages that an envelope asks for and returns their length; 0 if it asks for nothing.
fn encode_controls(envelope: &Envelope, control: &mut Control) -> usize {
    let mut len = 0;
    match envelope.source {
        None => {}
        Some(IpAddr::V4(source)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: source.to_bits().to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            len = encode_control(control, len, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(source)) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
            len = encode_control(control, len, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
    if envelope.class != TrafficClass::default() {
        let class = c_int::from(envelope.class.0);
        len = match envelope.to {
            SocketAddr::V4(_) => encode_control(control, len, libc::IPPROTO_IP, libc::IP_TOS, class),
            SocketAddr::V6(_) => encode_control(control, len, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class),
        };
    }
    if envelope.dont_fragment && envelope.to.is_ipv6() {
        len = encode_control(control, len, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, c_int::from(true));
    }
    if let Some(segment) = envelope.segment {
        len = encode_control(control, len, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    len
}

/// Writes a control message behind the first `at` bytes, which are others, and returns the length of all.
fn encode_control<T: Copy>(control: &mut Control, at: usize, level: c_int, kind: c_int, value: T) -> usize {
    let value_len = mem::size_of::<T>() as libc::c_uint;
    // SAFETY: these two only compute lengths.
    let (len, space) = unsafe { (libc::CMSG_LEN(value_len), libc::CMSG_SPACE(value_len) as usize) };
    assert!(at + space <= CONTROL_LEN, "control messages are larger than their room");
    // SAFETY: `control` is aligned for a header and `at` is the sum of earlier `space`s, which keep that alignment;
    // `space` bytes from there were just checked to exist, and `CMSG_DATA` of a header lies inside its space. The write
    // of the value is unaligned.
    unsafe {
        let header = control.0.as_mut_ptr().add(at).cast::<libc::cmsghdr>();
        let mut fields = mem::zeroed::<libc::cmsghdr>();
        fields.cmsg_len = len as _;
        fields.cmsg_level = level;
        fields.cmsg_type = kind;
        header.write(fields);
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
    }
    at + space
}

#[cfg(test)]
mod tests;
