//! Packets on their way out: stamped, and given to the kernel in as few calls as it allows.
use std::io;
use std::os::fd::AsFd;

use anyhow::Context;
use anyhow::bail;

use crate::bench::flow::Flow;
use crate::bench::flow::OWN_MAX;
use crate::bench::stamp::STAMP_LEN;
use crate::bench::wire::Route;
use crate::bench::wire::Wire;
use crate::transport::udp::Envelope;
use crate::transport::udp::SEGMENTS;
use crate::transport::udp::SEND_BATCH;
use crate::transport::udp::TrafficClass;

/// Packets that leave together at most.
const PACKETS: usize = 512;

/// The longest buffer that the kernel cuts.
const CUT_MAX: usize = 65_507;

const ZEROES: [u8; 3] = [0; 3];

/// Packets of one flow that leave as one.
#[derive(Copy, Clone)]
struct Shot {
    flow: usize,
    first: usize,
    count: usize,
}

/// What came of a volley.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fired {
    /// Packets that left.
    pub(super) sent: usize,
    /// Packets that the kernel, or a connection that is full, did not take.
    pub(super) refused: usize,
}

/// Sends the packets of all flows in turn.
pub(super) struct Volley {
    /// Names the run in the stamps.
    run: u32,
    burst: usize,
    size: usize,
    segmentation: bool,
    /// Whose turn it is, and how much of the burst is left.
    turn: usize,
    left: usize,
    /// Head and stamp of each packet.
    own: Box<[([u8; OWN_MAX], usize)]>,
    shots: Vec<Shot>,
    filler: Box<[u8]>,
}

impl Volley {
    pub(super) fn new(run: u32, burst: usize, size: usize, segmentation: bool) -> Self {
        Self {
            run,
            burst,
            size,
            segmentation,
            turn: 0,
            left: burst,
            own: vec![([0; OWN_MAX], 0); PACKETS].into_boxed_slice(),
            shots: Vec::with_capacity(SEND_BATCH),
            filler: vec![0xA5; size.saturating_sub(STAMP_LEN)].into_boxed_slice(),
        }
    }

    /// Sends at least one and about `due` packets at this moment, as many as fit into one call of one socket.
    ///
    /// # Errors
    ///
    /// The kernel does not cut bursts of this length, or a connection ended.
    pub(super) fn fire(&mut self, wire: &mut Wire, flows: &mut [Flow], due: usize, now: u64) -> anyhow::Result<Fired> {
        let route = flows[self.turn].route;
        let mut packets = 0;
        self.shots.clear();
        while self.shots.len() < SEND_BATCH && packets < due && is_same_call(flows[self.turn].route, route) {
            let flow = &mut flows[self.turn];
            let whole = if self.segmentation { SEGMENTS.min(CUT_MAX / flow.packet_len).max(1) } else { 1 };
            let count = self.left.min(whole);
            let Some(own) = self.own.get_mut(packets..packets + count) else { break };
            let name = u32::try_from(self.turn).unwrap_or(u32::MAX);
            for (bytes, len) in own {
                *len = flow.stamp(self.run, name, now, bytes);
            }
            self.shots.push(Shot { flow: self.turn, first: packets, count });
            packets += count;
            self.left -= count;
            if self.left == 0 {
                self.left = self.burst;
                self.turn = (self.turn + 1) % flows.len();
            }
        }
        let sent = match route {
            Route::Datagrams { port, .. } => self.send_datagrams(wire, flows, port)?,
            Route::Stream(at) => self.write(wire, flows, at).context("write to a connection")?,
        };
        Ok(Fired { sent, refused: packets - sent })
    }

    /// Whether the next packet goes through a connection.
    pub(super) fn is_at_stream(&self, flows: &[Flow]) -> bool {
        matches!(flows[self.turn].route, Route::Stream(_))
    }

    fn send_datagrams(&self, wire: &mut Wire, flows: &[Flow], port: usize) -> anyhow::Result<usize> {
        let (socket, sender) = wire.port(port);
        let mut sent = 0;
        let mut next = 0;
        while next < self.shots.len() {
            let begin = next;
            let mut batch = sender.batch();
            while let Some(shot) = self.shots.get(next).filter(|shot| batch.has_room(3 * shot.count)) {
                let flow = &flows[shot.flow];
                let Route::Datagrams { source, .. } = flow.route else { break };
                let cut = if shot.count > 1 { u16::try_from(flow.packet_len).ok() } else { None };
                let class = TrafficClass::default();
                let envelope = Envelope { to: flow.to, source, class, dont_fragment: false, segment: cut };
                let own = self.own.get(shot.first..shot.first + shot.count).unwrap_or_default();
                batch.push(&envelope, own.iter().flat_map(|own| self.parts(flow, own)));
                next += 1;
            }
            let mut at = 0;
            while at < batch.len() {
                let shots = &self.shots[begin + at..next];
                match batch.send(socket.as_fd(), at) {
                    Ok(taken) => {
                        sent += shots.iter().take(taken).map(|shot| shot.count).sum::<usize>();
                        at += taken;
                    }
                    Err(error) => match error.raw_os_error() {
                        Some(libc::EINTR) => {}
                        Some(libc::EAGAIN | libc::ENOBUFS) => return Ok(sent),
                        Some(libc::EINVAL | libc::EMSGSIZE | libc::EIO)
                            if shots.first().is_some_and(|s| s.count > 1) =>
                        {
                            bail!("the kernel does not cut bursts of this length ({error}): say --no-segmentation")
                        }
                        Some(libc::EMSGSIZE | libc::EINVAL | libc::EPERM | libc::ENETUNREACH) => {
                            return Err(error).context("send");
                        }
                        // An ICMP error about an earlier datagram.
                        _ => at += 1,
                    },
                }
            }
        }
        Ok(sent)
    }

    fn write(&self, wire: &mut Wire, flows: &[Flow], at: usize) -> io::Result<usize> {
        let Some(stream) = wire.stream(at) else { return Ok(0) };
        let mut sent = 0;
        for shot in &self.shots {
            if stream.is_blocked() {
                stream.flush()?;
                continue;
            }
            for own in self.own.get(shot.first..shot.first + shot.count).unwrap_or_default() {
                stream.queue(self.parts(&flows[shot.flow], own).into_iter());
            }
            sent += shot.count;
        }
        stream.flush()?;
        Ok(sent)
    }

    fn parts<'a>(&'a self, flow: &Flow, (own, len): &'a ([u8; OWN_MAX], usize)) -> [&'a [u8]; 3] {
        let rest = flow.packet_len.saturating_sub(len + flow.pad);
        [
            own.get(..*len).unwrap_or_default(),
            self.filler.get(..rest.min(self.size)).unwrap_or_default(),
            ZEROES.get(..flow.pad).unwrap_or_default(),
        ]
    }
}

/// Whether packets of two flows can leave in one call.
fn is_same_call(one: Route, other: Route) -> bool {
    match (one, other) {
        (Route::Datagrams { port: one, .. }, Route::Datagrams { port: other, .. }) => one == other,
        (Route::Stream(one), Route::Stream(other)) => one == other,
        (Route::Datagrams { .. }, Route::Stream(_)) | (Route::Stream(_), Route::Datagrams { .. }) => false,
    }
}
