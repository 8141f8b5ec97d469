//! What the data plane counts about its input and output. Drops for reasons of the protocol are the relay's counters.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Something that is counted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum IoEvent {
    /// The shard woke up.
    WakeUp,
    /// The shard was busy and let packets gather before it read again.
    Pause,
    /// A receive call returned datagrams.
    ReceiveCall,
    /// A datagram was received.
    DatagramReceived,
    /// A datagram was received together with others of its flow, as one buffer.
    ReceivedInRun,
    /// The kernel dropped a received datagram because the socket's buffer was full.
    KernelDrop,
    /// A send call was made.
    SendCall,
    /// A datagram was sent.
    DatagramSent,
    /// A datagram was sent together with others of its run, as one buffer that the kernel cut.
    SentInRun,
    /// The kernel refused to cut a run; its datagrams were sent singly.
    RunRefused,
    /// A datagram was dropped because the socket's send buffer was full.
    SendBufferFull,
    /// A datagram was dropped because it was too long for its way.
    SendTooLong,
    /// A datagram was sent again because the first try reported an error of an earlier one.
    SendRetried,
    /// A datagram was dropped because the kernel refused it for another reason.
    SendRefused,
    /// The kernel reported that a datagram of a relay socket did not arrive, mostly by ICMP.
    ErrorReceived,
    /// A TCP or TLS connection was taken over from the front door.
    StreamAdopted,
    /// A TCP or TLS connection was refused: the shard has too many, or the connection was already broken.
    StreamRefused,
    /// The client closed its connection, or it broke.
    StreamEnded,
    /// A connection was closed because the relay asked for it.
    StreamClosed,
    /// A connection was closed because its bytes are not STUN or ChannelData, or its TLS is wrong.
    StreamInvalid,
    /// A connection was closed because a frame stayed unfinished, or it held no allocation for too long.
    StreamIdle,
    /// A connection was closed because the client did not read even its STUN answers.
    StreamStuck,
    /// A media packet was dropped because the client reads its connection too slowly.
    StreamMediaDropped,
    /// A packet for a connection of another shard was dropped because that shard's mailbox was full.
    MailboxFull,
    /// A relay socket could not be opened.
    RelaySocketFailed,
    /// A usage record was lost because its queue was full.
    UsageLost,
}

impl IoEvent {
    /// Every event, in the order of its counter.
    pub const ALL: [IoEvent; 26] = [
        IoEvent::WakeUp,
        IoEvent::Pause,
        IoEvent::ReceiveCall,
        IoEvent::DatagramReceived,
        IoEvent::ReceivedInRun,
        IoEvent::KernelDrop,
        IoEvent::SendCall,
        IoEvent::DatagramSent,
        IoEvent::SentInRun,
        IoEvent::RunRefused,
        IoEvent::SendBufferFull,
        IoEvent::SendTooLong,
        IoEvent::SendRetried,
        IoEvent::SendRefused,
        IoEvent::ErrorReceived,
        IoEvent::StreamAdopted,
        IoEvent::StreamRefused,
        IoEvent::StreamEnded,
        IoEvent::StreamClosed,
        IoEvent::StreamInvalid,
        IoEvent::StreamIdle,
        IoEvent::StreamStuck,
        IoEvent::StreamMediaDropped,
        IoEvent::MailboxFull,
        IoEvent::RelaySocketFailed,
        IoEvent::UsageLost,
    ];

    /// The stable name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            IoEvent::WakeUp => "wake_up",
            IoEvent::Pause => "pause",
            IoEvent::ReceiveCall => "receive_call",
            IoEvent::DatagramReceived => "datagram_received",
            IoEvent::ReceivedInRun => "received_in_run",
            IoEvent::KernelDrop => "kernel_drop",
            IoEvent::SendCall => "send_call",
            IoEvent::DatagramSent => "datagram_sent",
            IoEvent::SentInRun => "sent_in_run",
            IoEvent::RunRefused => "run_refused",
            IoEvent::SendBufferFull => "send_buffer_full",
            IoEvent::SendTooLong => "send_too_long",
            IoEvent::SendRetried => "send_retried",
            IoEvent::SendRefused => "send_refused",
            IoEvent::ErrorReceived => "error_received",
            IoEvent::StreamAdopted => "stream_adopted",
            IoEvent::StreamRefused => "stream_refused",
            IoEvent::StreamEnded => "stream_ended",
            IoEvent::StreamClosed => "stream_closed",
            IoEvent::StreamInvalid => "stream_invalid",
            IoEvent::StreamIdle => "stream_idle",
            IoEvent::StreamStuck => "stream_stuck",
            IoEvent::StreamMediaDropped => "stream_media_dropped",
            IoEvent::MailboxFull => "mailbox_full",
            IoEvent::RelaySocketFailed => "relay_socket_failed",
            IoEvent::UsageLost => "usage_lost",
        }
    }
}

/// The counters of one shard.
#[derive(Debug, Default)]
pub struct IoCounters {
    count_by_event: [AtomicU64; IoEvent::ALL.len()],
}

impl IoCounters {
    /// Returns how often `event` happened.
    pub fn count(&self, event: IoEvent) -> u64 {
        self.count_by_event[event as usize].load(Ordering::Relaxed)
    }

    /// Returns every event with its count.
    pub fn iter(&self) -> impl Iterator<Item = (IoEvent, u64)> + '_ {
        IoEvent::ALL.into_iter().map(|event| (event, self.count(event)))
    }

    /// Counts `times` more. The handle counts refused connections too, so this is a real addition.
    pub(super) fn add(&self, event: IoEvent, times: usize) {
        self.count_by_event[event as usize].fetch_add(times as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_counter_and_name() {
        let counters = IoCounters::default();
        for (at, event) in IoEvent::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, at, "{event:?} is out of order");
            counters.add(event, at);
        }
        assert!(counters.iter().enumerate().all(|(at, (_, count))| count == at as u64));
        let mut labels: Vec<_> = IoEvent::ALL.iter().map(|event| event.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), IoEvent::ALL.len());
    }
}
