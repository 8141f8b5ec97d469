//! A shard's mailbox: commands of the control plane and packets that other shards have for its connections.
//!
//! Both queues are bounded. A full command queue makes the sender wait or give up; a full packet queue drops the packet.
use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;

use rustix::event::EventfdFlags;
use tokio::sync::oneshot;

use crate::relay::AllocationId;
use crate::relay::Config;
use crate::relay::Listing;
use crate::relay::StreamId;
use crate::relay::Which;
use crate::time::UnixMillis;
use crate::transport::stream::TurnStream;

/// Commands that wait at most.
const COMMANDS: usize = 4096;

/// Packets that wait at most.
pub(super) const PARCELS: usize = 4096;

/// Bytes of packets that wait at most: packets of the usual size never reach it.
const PARCEL_BYTES: usize = 8 * 1024 * 1024;

/// Something the control plane wants of a shard.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve this connection.
    Adopt(Box<TurnStream>),
    /// Free the session's allocations and refuse its credentials until then.
    Revoke { session: Arc<str>, until: UnixMillis, acted: oneshot::Sender<()> },
    /// Tell which allocations live, so many at most.
    List { which: Which, limit: usize, told: oneshot::Sender<Listing> },
    /// Free this allocation, and tell whether it was there.
    End { id: AllocationId, ended: oneshot::Sender<bool> },
    /// Take no new allocations.
    Drain,
    /// Go on with this configuration.
    Reconfigure(Arc<Config>),
}

/// A packet for a connection of another shard.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) stream: StreamId,
    pub(super) bytes: Box<[u8]>,
}

/// Why a command was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is no room now. The command comes back.
    Full(Command),
    /// The shard is gone.
    Gone,
}

/// A packet was not taken: there is no room, or the shard is gone.
#[derive(Debug)]
pub(super) struct ParcelDropped;

/// The sending side, shared by everybody.
#[derive(Debug)]
pub(super) struct Mailbox {
    commands: SyncSender<Command>,
    parcels: SyncSender<Parcel>,
    state: Arc<State>,
}

/// The receiving side, owned by the shard.
#[derive(Debug)]
pub(super) struct Inbox {
    commands: Receiver<Command>,
    parcels: Receiver<Parcel>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// An eventfd in the shard's epoll.
    bell: OwnedFd,
    /// The bell was rung and not yet heard: ringing again would be a system call for nothing.
    rung: AtomicBool,
    parcel_bytes: AtomicUsize,
}

/// Makes a mailbox.
///
/// # Errors
///
/// What `eventfd` reports.
pub(super) fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let state = Arc::new(State { bell, rung: AtomicBool::new(false), parcel_bytes: AtomicUsize::new(0) });
    let (command_sender, commands) = mpsc::sync_channel(COMMANDS);
    let (parcel_sender, parcels) = mpsc::sync_channel(PARCELS);
    let mailbox = Mailbox { commands: command_sender, parcels: parcel_sender, state: Arc::clone(&state) };
    Ok((mailbox, Inbox { commands, parcels, state }))
}

impl Mailbox {
    /// Wakes the shard up without putting anything in.
    pub(super) fn ring(&self) {
        self.state.ring();
    }

    /// Puts a command in.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub(super) fn command(&self, command: Command) -> Result<(), Refused> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) => Refused::Full(command),
            TrySendError::Disconnected(_) => Refused::Gone,
        })?;
        self.state.ring();
        Ok(())
    }

    /// Puts a copy of a packet in.
    ///
    /// # Errors
    ///
    /// [`ParcelDropped`].
    pub(super) fn parcel(&self, stream: StreamId, parts: [&[u8]; 2]) -> Result<(), ParcelDropped> {
        let len = parts.iter().map(|part| part.len()).sum();
        if self.state.parcel_bytes.fetch_add(len, Ordering::Relaxed) + len > PARCEL_BYTES {
            self.state.parcel_bytes.fetch_sub(len, Ordering::Relaxed);
            return Err(ParcelDropped);
        }
        let parcel = Parcel { stream, bytes: parts.concat().into_boxed_slice() };
        if self.parcels.try_send(parcel).is_err() {
            self.state.parcel_bytes.fetch_sub(len, Ordering::Relaxed);
            return Err(ParcelDropped);
        }
        self.state.ring();
        Ok(())
    }
}

impl Inbox {
    /// Returns the descriptor that becomes readable when something is put in.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.state.bell.as_fd()
    }

    /// Silences the bell; call it before taking things out.
    pub(super) fn hear(&self) {
        let mut count = [0; 8];
        // Nothing to read means that nobody rang, which is as good. This comes first: a ring between the exchange and the
        // read would be silenced with `rung` set, and nobody would ring again.
        let _ = rustix::io::read(&self.state.bell, &mut count);
        // Whoever saw `rung` set relies on this exchange to make its message visible to what follows.
        self.state.rung.swap(false, Ordering::AcqRel);
    }

    /// Rings the bell for the shard itself: there is more than it took.
    pub(super) fn ring(&self) {
        self.state.ring();
    }

    /// Takes the next command out.
    pub(super) fn poll_command(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Takes the next packet out.
    pub(super) fn poll_parcel(&self) -> Option<Parcel> {
        let parcel = self.parcels.try_recv().ok()?;
        self.state.parcel_bytes.fetch_sub(parcel.bytes.len(), Ordering::Relaxed);
        Some(parcel)
    }
}

impl State {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It only fails if the counter is at its limit, and then the bell rings already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rings_within(inbox: &Inbox, wait: Duration) -> bool {
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(inbox.bell(), rustix::event::PollFlags::IN)];
        let wait = rustix::event::Timespec::try_from(wait).expect("a wait");
        rustix::event::poll(&mut fds, Some(&wait)).expect("poll") == 1
    }

    fn is_ringing(inbox: &Inbox) -> bool {
        rings_within(inbox, Duration::ZERO)
    }

    #[test]
    fn no_ring_is_lost_while_the_shard_listens() {
        const PARCELS_SENT: usize = 200_000;
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        let sender = std::thread::spawn(move || {
            for sent in 0..PARCELS_SENT {
                // Gaps of changing length, so that a ring comes at every moment of the other side's round.
                (0..sent % 500).for_each(|_| std::hint::spin_loop());
                while mailbox.parcel(StreamId(1), [b"x", b""]).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut taken = 0;
        while taken < PARCELS_SENT {
            assert!(rings_within(&inbox, Duration::from_secs(10)), "silent after {taken} parcels");
            inbox.hear();
            while inbox.poll_parcel().is_some() {
                taken += 1;
            }
        }
        sender.join().expect("the sender ends");
    }

    #[test]
    fn the_bell_rings_once_until_it_is_heard() {
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        assert!(!is_ringing(&inbox));
        mailbox.command(Command::Drain).expect("room");
        mailbox.parcel(StreamId(1), [b"head", b"payload"]).expect("room");
        assert!(is_ringing(&inbox));
        inbox.hear();
        assert!(!is_ringing(&inbox));
        assert!(matches!(inbox.poll_command(), Some(Command::Drain)));
        let parcel = inbox.poll_parcel().expect("a parcel");
        assert_eq!((parcel.stream, &*parcel.bytes), (StreamId(1), &b"headpayload"[..]));
        mailbox.command(Command::Drain).expect("room");
        assert!(is_ringing(&inbox));
    }

    #[test]
    fn parcels_are_bounded_by_number_and_by_bytes() {
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        let taken = (0..).take_while(|_| mailbox.parcel(StreamId(1), [b"x", b""]).is_ok()).count();
        assert_eq!(taken, PARCELS);
        while inbox.poll_parcel().is_some() {}
        let big = vec![0; 64 * 1024];
        let taken = (0..).take_while(|_| mailbox.parcel(StreamId(1), [&big, b""]).is_ok()).count();
        assert_eq!(taken, PARCEL_BYTES / big.len());
        inbox.poll_parcel().expect("a parcel");
        mailbox.parcel(StreamId(1), [&big, b""]).expect("room again");
    }

    #[test]
    fn a_command_that_finds_no_room_comes_back() {
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        let taken = (0..).take_while(|_| mailbox.command(Command::Drain).is_ok()).count();
        assert_eq!(taken, COMMANDS);
        assert!(matches!(mailbox.command(Command::Drain), Err(Refused::Full(Command::Drain))));
        inbox.poll_command().expect("a command");
        mailbox.command(Command::Drain).expect("room again");
    }

    #[test]
    fn a_mailbox_of_a_shard_that_is_gone_takes_nothing() {
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        drop(inbox);
        assert!(matches!(mailbox.command(Command::Drain), Err(Refused::Gone)));
        assert!(mailbox.parcel(StreamId(1), [b"", b""]).is_err());
    }

    #[test]
    fn a_ring_while_the_bell_is_being_heard_is_not_lost() {
        const MESSAGES: usize = 50_000;
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        let sender = std::thread::spawn(move || {
            for at in 0..MESSAGES {
                // Pauses of every length, so that the receiver falls asleep and wakes up between any two.
                for _ in 0..at % 1024 {
                    std::hint::spin_loop();
                }
                while mailbox.parcel(StreamId(1), [b"x", b""]).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut taken = 0;
        while taken < MESSAGES {
            let mut fds = [rustix::event::PollFd::from_borrowed_fd(inbox.bell(), rustix::event::PollFlags::IN)];
            let patience = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
            let is_ringing = rustix::event::poll(&mut fds, Some(&patience)).expect("poll") == 1;
            assert!(is_ringing, "deaf after {taken} messages");
            inbox.hear();
            while inbox.poll_parcel().is_some() {
                taken += 1;
            }
        }
        sender.join().expect("the sender ends");
    }
}
