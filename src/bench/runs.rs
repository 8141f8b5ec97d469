//! What the floor has to send, in runs that the kernel cuts, if it is to.
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;

use crate::transport::udp::Batch;
use crate::transport::udp::Envelope;
use crate::transport::udp::SEGMENTS;
use crate::transport::udp::Sender;
use crate::transport::udp::TrafficClass;

/// The longest buffer that the kernel cuts.
const CUT_MAX: usize = 65_507;

/// Who gets a packet: the number of a place, which has one socket and one destination.
pub(super) type Place = usize;

/// A packet that waits: an optional head, and bytes of the room it was received into.
struct Link {
    head: Option<[u8; 4]>,
    start: usize,
    len: usize,
    next: Option<usize>,
}

impl Link {
    fn len(&self) -> usize {
        self.len + self.head.map_or(0, |head| head.len())
    }
}

/// Packets of one place that leave as one.
struct Run {
    first: usize,
    last: usize,
    count: usize,
    /// Bytes of each packet; the last one may be shorter.
    segment: usize,
    bytes: usize,
    is_open: bool,
    /// The next run of the same place.
    next: Option<usize>,
}

/// Packets that leave at the end of a wake-up.
pub(super) struct Runs {
    is_merging: bool,
    links: Vec<Link>,
    runs: Vec<Run>,
    /// First and last run.
    chain_by_place: Vec<Option<(usize, usize)>>,
    waiting: Vec<Place>,
    /// The same with their runs, in the order in which they leave.
    order: Vec<(Place, usize)>,
    sender: Sender,
}

impl Runs {
    /// With `is_merging`, packets of one place and length are sent as one.
    pub(super) fn new(is_merging: bool) -> Self {
        Self {
            is_merging,
            links: Vec::new(),
            runs: Vec::new(),
            chain_by_place: Vec::new(),
            waiting: Vec::new(),
            order: Vec::new(),
            sender: Sender::new(),
        }
    }

    pub(super) fn push(&mut self, place: Place, head: Option<[u8; 4]>, start: usize, len: usize) {
        if self.chain_by_place.len() <= place {
            self.chain_by_place.resize(place + 1, None);
        }
        let link = Link { head, start, len, next: None };
        let (at, len) = (self.links.len(), link.len());
        self.links.push(link);
        let chain = &mut self.chain_by_place[place];
        if let Some(run) = chain.and_then(|(_, last)| self.runs.get_mut(last))
            && self.is_merging
            && run.is_open
            && (1..=run.segment).contains(&len)
            && run.count < SEGMENTS
            && run.bytes + len <= CUT_MAX
        {
            self.links[run.last].next = Some(at);
            run.last = at;
            run.count += 1;
            run.bytes += len;
            run.is_open = len == run.segment;
            return;
        }
        let number = self.runs.len();
        self.runs.push(Run { first: at, last: at, count: 1, segment: len, bytes: len, is_open: true, next: None });
        match chain {
            Some((_, last)) => {
                self.runs[*last].next = Some(number);
                *last = number;
            }
            None => {
                *chain = Some((number, number));
                self.waiting.push(place);
            }
        }
    }

    /// Sends everything. `way` says through which socket a place is reached and at which address; places of one socket
    /// that follow each other share their calls.
    pub(super) fn flush<'s>(&mut self, room: &[u8], way: impl Fn(Place) -> Option<(BorrowedFd<'s>, SocketAddr)>) {
        let Self { links, runs, chain_by_place, waiting, order, sender, .. } = self;
        for place in waiting.drain(..) {
            let mut next = chain_by_place.get_mut(place).and_then(Option::take).map(|(first, _)| first);
            while let Some(at) = next {
                order.push((place, at));
                next = runs[at].next;
            }
        }
        let mut at = 0;
        while let Some((socket, _)) = order.get(at).map(|(place, _)| way(*place)).unwrap_or_default() {
            let mut batch = sender.batch();
            while let Some((place, run)) = order.get(at)
                && let Some((found, to)) = way(*place)
                && found.as_raw_fd() == socket.as_raw_fd()
                && batch.has_room(2 * runs[*run].count)
            {
                let run = &runs[*run];
                let segment = if run.count > 1 { u16::try_from(run.segment).ok() } else { None };
                let class = TrafficClass::default();
                let envelope = Envelope { to, source: None, class, dont_fragment: false, segment };
                batch.push(&envelope, parts(links, run.first, room));
                at += 1;
            }
            send(&mut batch, socket);
        }
        order.clear();
        runs.clear();
        links.clear();
    }
}

/// The bytes of the packets that begin with `first`.
fn parts<'a>(links: &'a [Link], first: usize, room: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let link = links.get(next?)?;
        next = link.next;
        let head = link.head.as_ref().map_or(&[][..], |head| &head[..]);
        Some([head, room.get(link.start..link.start + link.len).unwrap_or_default()])
    })
    .flatten()
}

/// Sends a batch; what the kernel does not take is lost, as on any other hop.
fn send(batch: &mut Batch<'_, '_>, socket: BorrowedFd<'_>) {
    let mut at = 0;
    while at < batch.len() {
        match batch.send(socket, at) {
            Ok(sent) => at += sent,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => at += 1,
        }
    }
}
