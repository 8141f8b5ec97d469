//! What a shard does with the TCP and TLS connections of its clients.
use std::ops::Range;
use std::time::Duration;

use rustix::event::epoll;
use rustix::event::epoll::EventFlags;

use crate::relay::Head;
use crate::relay::StreamId;
use crate::stun::framing::Framing;
use crate::stun::framing::next_frame;
use crate::time::Now;
use crate::transport::counters::IoEvent;
use crate::transport::output::Kind;
use crate::transport::output::Push;
use crate::transport::shard::Shard;
use crate::transport::stream::Found;
use crate::transport::stream::Stream;
use crate::transport::stream::TurnStream;
use crate::transport::token::Token;
use crate::transport::udp::TrafficClass;

/// How long the rest of a frame may take.
const PARTIAL_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection without an allocation may say nothing of use. Browsers send their Allocate at once, and one
/// whose allocation ended opens a new connection for the next.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

impl Shard {
    /// Serves a connection that the front door gave away.
    pub(super) fn on_adopt(&mut self, stream: TurnStream, now: Now) {
        let Some(id) = self.streams.adopt(stream, now.mono) else {
            self.io.add(IoEvent::StreamRefused, 1);
            return;
        };
        let Some(stream) = self.streams.get_mut(id) else { return };
        if epoll::add(&self.epoll, &stream.socket, Token::stream(id).encode(), EventFlags::IN).is_err() {
            self.streams.remove(id);
            self.io.add(IoEvent::StreamRefused, 1);
            return;
        }
        self.io.add(IoEvent::StreamAdopted, 1);
        // What the front door read already makes no event.
        self.read_stream(id, now);
    }

    /// Reads and writes as far as a connection is ready.
    pub(super) fn on_stream(&mut self, id: StreamId, flags: EventFlags, now: Now) {
        if flags.contains(EventFlags::OUT) {
            self.mark_dirty(id);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.read_stream(id, now);
        }
    }

    /// Queues the first `len` bytes of the reply room on a connection.
    pub(super) fn write_reply(&mut self, id: StreamId, len: usize, now: Now) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let reply = self.egress.reply_room().get(..len).unwrap_or_default();
        let pushed = stream.output.push([reply, &[]], Kind::Reply, now.mono);
        self.on_pushed(id, pushed);
    }

    /// Queues the first `len` bytes of the reply room on a connection, to be dropped if it is slow.
    pub(super) fn write_note(&mut self, id: StreamId, len: usize, now: Now) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let note = self.egress.reply_room().get(..len).unwrap_or_default();
        let pushed = stream.output.push([note, &[]], Kind::Media, now.mono);
        self.on_pushed(id, pushed);
    }

    /// Queues data that lies in the arena on a connection.
    pub(super) fn write_received(&mut self, id: StreamId, head: Head, payload: Range<usize>, now: Now) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let pushed = stream.output.push([head.as_slice(), self.arena.bytes(payload)], Kind::Media, now.mono);
        self.on_pushed(id, pushed);
    }

    /// Queues data that another shard received on a connection.
    pub(super) fn write_parcel(&mut self, id: StreamId, bytes: &[u8], now: Now) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let pushed = stream.output.push([bytes, &[]], Kind::Media, now.mono);
        self.on_pushed(id, pushed);
    }

    /// Decides that a connection is closed at the end of the wake-up.
    pub(super) fn doom(&mut self, id: StreamId, reason: IoEvent) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.doom.is_none()
        {
            stream.doom = Some(reason);
            self.doomed.push(id);
        }
    }

    /// Writes to every connection that has something.
    pub(super) fn write_dirty_streams(&mut self) {
        while let Some(id) = self.dirty.pop() {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            stream.is_dirty = false;
            match stream.write() {
                Ok(is_done) if is_done == stream.awaits_room => {
                    stream.awaits_room = !is_done;
                    let flags = if is_done { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
                    if epoll::modify(&self.epoll, &stream.socket, Token::stream(id).encode(), flags).is_err() {
                        self.doom(id, IoEvent::StreamEnded);
                    }
                }
                Ok(_) => {}
                Err(_) => self.doom(id, IoEvent::StreamEnded),
            }
        }
    }

    /// Closes the doomed connections and frees what hangs on them.
    pub(super) fn close_doomed_streams(&mut self, now: Now) {
        while let Some(id) = self.doomed.pop() {
            let Some(mut stream) = self.streams.remove(id) else { continue };
            self.io.add(stream.doom.unwrap_or(IoEvent::StreamEnded), 1);
            stream.finish();
            drop(stream);
            self.server.handle_stream_closed(id, now);
            self.on_effects(now);
        }
    }

    /// Dooms connections that wait for the end of a frame, or for anything, for too long; the others give memory back.
    pub(super) fn sweep_streams(&mut self, now: Now) {
        let is_idle = |stream: &&Stream| {
            let is_stalled = stream.partial_since.is_some_and(|since| now.mono.saturating_since(since) > PARTIAL_LIMIT);
            is_stalled || (!stream.owns_allocation && now.mono.saturating_since(stream.active) > IDLE_LIMIT)
        };
        self.streams.iter_mut().for_each(|stream| stream.output.shrink());
        let idle: Vec<StreamId> = self.streams.iter().filter(is_idle).map(|stream| stream.id).collect();
        for id in idle {
            self.doom(id, IoEvent::StreamIdle);
        }
    }

    fn read_stream(&mut self, id: StreamId, now: Now) {
        self.make_room(1, now);
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Found { len, end, has_more } = stream.read(self.arena.vacant(1), &mut self.cipher);
        let wants_write = stream.wants_write();
        self.has_more |= has_more;
        let start = self.arena.keep();
        self.judge_frames(id, start..start + len, now);
        if let Some(reason) = end {
            self.doom(id, reason);
        }
        if wants_write {
            self.mark_dirty(id);
        }
    }

    /// Judges every whole frame of `received`, which lies in the arena, and keeps the rest for the next read.
    fn judge_frames(&mut self, id: StreamId, received: Range<usize>, now: Now) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let client = stream.client;
        let mut at = received.start;
        loop {
            match next_frame(self.arena.bytes(at..received.end)) {
                Framing::Frame { len, consumed } => {
                    self.packets += 1;
                    self.frames += 1;
                    self.judge(client, at..at + len, TrafficClass::default(), now);
                    at += consumed;
                }
                Framing::Incomplete { need: _ } => break,
                Framing::Invalid => {
                    self.doom(id, IoEvent::StreamInvalid);
                    return;
                }
            }
        }
        let Some(stream) = self.streams.get_mut(id) else { return };
        let rest = self.arena.bytes(at..received.end);
        stream.keep_partial(rest, at > received.start, now.mono);
    }

    fn on_pushed(&mut self, id: StreamId, (fate, shed): (Push, usize)) {
        match fate {
            Push::Taken => {
                self.frames += 1;
                self.mark_dirty(id);
            }
            Push::Dropped => self.io.add(IoEvent::StreamMediaDropped, 1),
            Push::Stuck => self.doom(id, IoEvent::StreamStuck),
        }
        if shed > 0 {
            self.io.add(IoEvent::StreamMediaDropped, shed);
        }
    }

    fn mark_dirty(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id)
            && !stream.is_dirty
        {
            stream.is_dirty = true;
            self.dirty.push(id);
        }
    }
}
