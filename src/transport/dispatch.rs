//! Handing the runs of one socket to the kernel, and what to do when it refuses some.
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use crate::time::Mono;
use crate::transport::counters::IoCounters;
use crate::transport::counters::IoEvent;
use crate::transport::egress::MESSAGE_PARTS;
use crate::transport::egress::Run;
use crate::transport::egress::Waiting;
use crate::transport::segmentation::Segmentation;
use crate::transport::sockets;
use crate::transport::udp::Batch;
use crate::transport::udp::Envelope;
use crate::transport::udp::SEND_BATCH;
use crate::transport::udp::Sender;

/// What leaves next: a run as one buffer, or one message of a run that must leave singly.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Place {
    run: usize,
    message: Option<usize>,
}

impl Place {
    const fn whole(run: usize) -> Self {
        Self { run, message: None }
    }
}

/// Sends the chain of runs that begins with `first`; a datagram that cannot be sent is dropped and counted, as on any
/// other hop. Returns where one was going that was too long and might not be fragmented, if any.
pub(super) fn dispatch(
    waiting: &Waiting<'_>,
    first: usize,
    socket: BorrowedFd<'_>,
    sender: &mut Sender,
    segmentation: &mut Segmentation,
    counters: &IoCounters,
    now: Mono,
) -> Option<SocketAddr> {
    let mut too_long = None;
    let mut next = Some(Place::whole(first));
    while let Some(first) = next {
        // DF is a property of an IPv4 socket, so a batch is all with it or all without.
        let marked = is_marked(&waiting.runs[first.run]);
        let mut batch = sender.batch();
        let mut places = [first; SEND_BATCH];
        while let Some(place) = next
            && is_marked(&waiting.runs[place.run]) == marked
        {
            let run = &waiting.runs[place.run];
            let place = match place.message {
                None if run.count > 1 && !segmentation.admits(run.segment, now) => {
                    Place { message: Some(run.first), ..place }
                }
                None | Some(_) => place,
            };
            let parts = if place.message.is_none() { run.count * MESSAGE_PARTS } else { MESSAGE_PARTS };
            if !batch.has_room(parts) {
                break;
            }
            places[batch.len()] = place;
            next = add(&mut batch, waiting, place);
        }
        if marked && sockets::set_dont_fragment(socket, true).is_err() {
            counters.add(IoEvent::SendRefused, batch.len());
            continue;
        }
        let mut exchange = Exchange { waiting, segmentation, counters, too_long: &mut too_long };
        if let Some(refused) = exchange.send(&mut batch, socket, &places, now) {
            // Nothing behind it has left, so the order stays.
            next = Some(refused);
        }
        if marked {
            // Failing here is not failing to send: the next datagrams carry the bit too, and are still right on most ways.
            let _ = sockets::set_dont_fragment(socket, false);
        }
    }
    too_long
}

/// Whether a run needs the socket's DF bit. IPv6 has none; there each message says it.
fn is_marked(run: &Run) -> bool {
    run.route.dont_fragment && run.route.to.is_ipv4()
}

/// Adds what is at `place` to the batch and returns the next place.
fn add<'a>(batch: &mut Batch<'_, 'a>, waiting: &Waiting<'a>, place: Place) -> Option<Place> {
    let run = &waiting.runs[place.run];
    let segment = if run.count > 1 && place.message.is_none() { u16::try_from(run.segment).ok() } else { None };
    let envelope = Envelope {
        to: run.route.to,
        source: run.route.source,
        class: run.route.class,
        dont_fragment: run.route.dont_fragment,
        segment,
    };
    let following = match place.message {
        None => {
            batch.push(&envelope, waiting.run(run));
            None
        }
        Some(message) => {
            let (parts, following) = waiting.message(message);
            batch.push(&envelope, parts.into_iter());
            following
        }
    };
    match following {
        Some(message) => Some(Place { run: place.run, message: Some(message) }),
        None => run.next.map(Place::whole),
    }
}

/// What sending one batch needs and changes.
struct Exchange<'x, 'a> {
    waiting: &'x Waiting<'a>,
    segmentation: &'x mut Segmentation,
    counters: &'x IoCounters,
    too_long: &'x mut Option<SocketAddr>,
}

impl Exchange<'_, '_> {
    /// Sends a batch. Returns where to go on if the kernel refused to cut a run: then its messages leave singly.
    fn send(
        &mut self,
        batch: &mut Batch<'_, '_>,
        socket: BorrowedFd<'_>,
        places: &[Place; SEND_BATCH],
        now: Mono,
    ) -> Option<Place> {
        let mut at = 0;
        let mut retried = false;
        while at < batch.len() {
            self.counters.add(IoEvent::SendCall, 1);
            let error = match batch.send(socket, at) {
                Ok(sent) => {
                    places[at..].iter().take(sent).for_each(|place| self.count_sent(place));
                    at += sent;
                    retried = false;
                    continue;
                }
                Err(error) => error,
            };
            let place = places[at];
            let run = &self.waiting.runs[place.run];
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                // Waiting for room would only make what is behind it older.
                Some(libc::EAGAIN | libc::ENOBUFS) => {
                    let lost = places[at..batch.len()].iter().map(|place| self.datagrams(place)).sum();
                    self.counters.add(IoEvent::SendBufferFull, lost);
                    return None;
                }
                Some(code @ (libc::EINVAL | libc::EIO | libc::EMSGSIZE)) if self.datagrams(&place) > 1 => {
                    self.counters.add(IoEvent::RunRefused, 1);
                    if code == libc::EIO {
                        self.segmentation.on_unsupported(now);
                    } else {
                        self.segmentation.on_too_long(run.segment, now);
                    }
                    return Some(Place { message: Some(run.first), ..place });
                }
                Some(libc::EMSGSIZE) => {
                    self.counters.add(IoEvent::SendTooLong, 1);
                    if run.route.dont_fragment {
                        *self.too_long = Some(run.route.to);
                    }
                }
                // The error may belong to an earlier datagram to another peer (an ICMP message made it); asking again tells.
                _ if !retried => {
                    self.counters.add(IoEvent::SendRetried, 1);
                    retried = true;
                    continue;
                }
                _ => self.counters.add(IoEvent::SendRefused, self.datagrams(&place)),
            }
            at += 1;
            retried = false;
        }
        None
    }

    fn count_sent(&self, place: &Place) {
        let count = self.datagrams(place);
        self.counters.add(IoEvent::DatagramSent, count);
        if count > 1 {
            self.counters.add(IoEvent::SentInRun, count);
        }
    }

    fn datagrams(&self, place: &Place) -> usize {
        if place.message.is_none() { self.waiting.runs[place.run].count } else { 1 }
    }
}
