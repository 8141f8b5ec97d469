//! The connections of one shard, by id.
use crate::relay::ShardId;
use crate::relay::StreamId;
use crate::time::Mono;
use crate::transport::stream::Stream;
use crate::transport::stream::TurnStream;

/// An id is unique in the process because it names the shard, and over time because it counts:
///
/// ```text
/// shard(12) | how many connections this shard had before(32) | slot(20)
/// ```
const SLOT_BITS: u32 = 20;
const SERIAL_BITS: u32 = 32;

/// Shards that ids can name.
pub(super) const SHARDS_MAX: u16 = 1 << (64 - SLOT_BITS - SERIAL_BITS);

/// Connections of a shard.
pub(super) struct Streams {
    shard: ShardId,
    serial: u32,
    stream_by_slot: Vec<Option<Stream>>,
    free: Vec<usize>,
}

impl Streams {
    pub(super) fn new(shard: ShardId) -> Self {
        Self { shard, serial: 0, stream_by_slot: Vec::new(), free: Vec::new() }
    }

    /// Takes a connection over and returns its id; `None` if it is broken already or there are a million others.
    pub(super) fn adopt(&mut self, stream: TurnStream, now: Mono) -> Option<StreamId> {
        let slot = match self.free.last() {
            Some(slot) => *slot,
            None if self.stream_by_slot.len() >> SLOT_BITS == 0 => {
                self.stream_by_slot.push(None);
                self.free.push(self.stream_by_slot.len() - 1);
                self.stream_by_slot.len() - 1
            }
            None => return None,
        };
        let id = self.id(u64::from(self.serial) << SLOT_BITS | slot as u64);
        self.stream_by_slot[slot] = Some(Stream::adopt(stream, id, now).ok()?);
        self.serial = self.serial.wrapping_add(1);
        self.free.pop();
        Some(id)
    }

    /// Completes the part of an id that this shard chose.
    pub(super) fn id(&self, own: u64) -> StreamId {
        StreamId(u64::from(self.shard.0) << (SERIAL_BITS + SLOT_BITS) | own)
    }

    /// Returns the connection with this id, unless it is closed.
    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.stream_by_slot.get_mut(slot_of(id))?.as_mut().filter(|stream| stream.id == id)
    }

    /// Takes the connection with this id out.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let slot = slot_of(id);
        let stream = self.stream_by_slot.get_mut(slot)?.take_if(|stream| stream.id == id)?;
        self.free.push(slot);
        Some(stream)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.stream_by_slot.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.stream_by_slot.iter_mut().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.stream_by_slot.len()
    }
}

fn slot_of(id: StreamId) -> usize {
    (id.0 & ((1 << SLOT_BITS) - 1)) as usize
}
