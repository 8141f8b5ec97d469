//! What a shard does with ICMP errors about datagrams that its relay sockets sent.
use std::net::SocketAddr;
use std::os::fd::AsFd;

use crate::relay::ClientAddr;
use crate::relay::IcmpError;
use crate::relay::Via;
use crate::time::Now;
use crate::transport::counters::IoEvent;
use crate::transport::shard::Shard;
use crate::transport::sockets::SocketKey;
use crate::transport::udp;
use crate::transport::udp::ErrorOrigin;
use crate::transport::udp::SocketError;

/// Errors taken from one relay socket at once: whoever sends more waits, and the kernel bounds what waits.
const ERROR_BATCH: usize = 16;

impl Shard {
    /// Takes what the kernel knows about datagrams that did not arrive.
    pub(super) fn on_relay_errors(&mut self, fd: u32, now: Now) {
        for _ in 0..ERROR_BATCH {
            let Some((key, relay)) = self.sockets.relay_by_fd(fd as usize) else { return };
            let at = relay.at;
            let Ok(Some(error)) = udp::receive_error(relay.socket.as_fd()) else { return };
            self.io.add(IoEvent::ErrorReceived, 1);
            let Some(error) = self.icmp_error(&error, key) else { continue };
            self.make_sendable(now);
            let told = self.server.handle_icmp(at, error, now, self.egress.reply_room());
            if let Some((client, len)) = told {
                self.tell(client, len, now);
            }
        }
    }

    /// Returns the error as the network would report it.
    fn icmp_error(&self, error: &SocketError, socket: SocketKey) -> Option<IcmpError> {
        let SocketError { origin, peer, kind, code, info } = *error;
        match origin {
            ErrorOrigin::Icmp => Some(IcmpError { peer, kind, code, mtu: info }),
            // This machine is the hop whose MTU is too small, and says so as any other would (RFC 792, RFC 4443 §3.2).
            // For IPv4 the kernel leaves the port out.
            ErrorOrigin::TooLong => match peer {
                SocketAddr::V4(_) => {
                    let peer = self.egress.too_long(socket).filter(|sent| sent.ip() == peer.ip())?;
                    Some(IcmpError { peer, kind: 3, code: 4, mtu: info })
                }
                SocketAddr::V6(_) => Some(IcmpError { peer, kind: 2, code: 0, mtu: info }),
            },
        }
    }

    /// Sends the first `len` bytes of the reply room to a client that does not wait for them.
    fn tell(&mut self, client: ClientAddr, len: usize, now: Now) {
        match client.via {
            Via::Udp(_) => self.reply(client, len, now),
            Via::Tcp(stream) | Via::Tls(stream) => self.write_note(stream, len, now),
        }
    }
}
