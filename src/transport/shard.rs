//! A shard: one thread with its own epoll, sockets, connections, buffers and relay core.
//!
//! A wake-up reads the clock once, takes what is there (one batch per socket, so no flow starves another), lets the core
//! judge it, and sends at its end. What belongs to a client is never touched by another thread.
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::relay::Config;
use crate::relay::Counters;
use crate::relay::Defences;
use crate::relay::Directory;
use crate::relay::Ledger;
use crate::relay::Server;
use crate::relay::ShardId;
use crate::relay::StreamId;
use crate::relay::Usage;
use crate::time::Clock;
use crate::time::Mono;
use crate::time::Now;
use crate::transport::arena::Arena;
use crate::transport::arena::READ_LEN;
use crate::transport::counters::IoCounters;
use crate::transport::counters::IoEvent;
use crate::transport::dice::Dice;
use crate::transport::egress::Egress;
use crate::transport::mailbox::Command;
use crate::transport::mailbox::Inbox;
use crate::transport::mailbox::Mailbox;
use crate::transport::mailbox::PARCELS;
use crate::transport::pace::Pace;
use crate::transport::sockets::Listener;
use crate::transport::sockets::Sockets;
use crate::transport::streams::Streams;
use crate::transport::tenancies::Tenancies;
use crate::transport::token::Token;
use crate::transport::udp;

/// Events of one wake-up at most.
const EVENTS: usize = 256;

/// How often connections are looked over for those that idle.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Shorter pauses are not worth going to sleep.
const PAUSE_MIN: Duration = Duration::from_micros(20);

/// What a shard starts from.
pub(super) struct Parts {
    pub(super) id: ShardId,
    pub(super) clock: Clock,
    pub(super) config: Arc<Config>,
    pub(super) directory: Arc<Directory>,
    pub(super) defences: Arc<Defences>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) counters: Arc<Counters>,
    pub(super) io: Arc<IoCounters>,
    pub(super) usage: mpsc::Sender<Usage>,
    pub(super) listeners: Vec<Listener>,
    pub(super) inbox: Inbox,
    /// See [`Pace::new`].
    pub(super) moderation: Duration,
    /// Indexed by [`ShardId`].
    pub(super) mailboxes: Arc<[Mailbox]>,
    /// Set, and the bell rung, when the thread is to end.
    pub(super) is_stopping: Arc<AtomicBool>,
}

/// The state of one data-plane thread.
pub(super) struct Shard {
    pub(super) id: ShardId,
    pub(super) clock: Clock,
    pub(super) epoll: OwnedFd,
    pub(super) server: Server,
    pub(super) config: Arc<Config>,
    pub(super) directory: Arc<Directory>,
    /// Locked when an allocation opens or closes, never for a packet.
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) io: Arc<IoCounters>,
    pub(super) usage: mpsc::Sender<Usage>,
    pub(super) inbox: Inbox,
    pub(super) mailboxes: Arc<[Mailbox]>,
    pub(super) sockets: Sockets,
    pub(super) tenancies: Tenancies,
    pub(super) dice: Dice,
    pub(super) streams: Streams,
    /// Connections with something to write.
    pub(super) dirty: Vec<StreamId>,
    /// Connections to close.
    pub(super) doomed: Vec<StreamId>,
    pub(super) arena: Arena,
    pub(super) receiver: udp::Receiver,
    pub(super) egress: Egress,
    /// What was read from a TLS connection, still encrypted.
    pub(super) cipher: Box<[u8]>,
    pub(super) swept: Mono,
    /// Packets of clients and peers in this wake-up.
    pub(super) packets: usize,
    /// Those of them that were read from a connection or queued on one.
    pub(super) frames: usize,
    /// Whether a socket gave as much as was asked for in this wake-up: then it has more.
    pub(super) has_more: bool,
    pace: Pace,
    is_stopping: Arc<AtomicBool>,
}

impl Shard {
    /// Makes the shard; called on its own thread, so that its memory is near it.
    ///
    /// # Errors
    ///
    /// What `epoll` reports.
    pub(super) fn new(parts: Parts) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, parts.inbox.bell(), Token::Inbox.encode(), EventFlags::IN)?;
        for (index, listener) in (0..=u8::MAX).zip(&parts.listeners) {
            epoll::add(&epoll, &listener.socket, Token::Listener(index).encode(), EventFlags::IN)?;
        }
        let (config, directory) = (Arc::clone(&parts.config), Arc::clone(&parts.directory));
        let server = Server::new(parts.id, config, directory, parts.defences, Arc::clone(&parts.counters));
        Ok(Self {
            id: parts.id,
            clock: parts.clock,
            epoll,
            server,
            config: parts.config,
            directory: parts.directory,
            ledger: parts.ledger,
            io: parts.io,
            usage: parts.usage,
            inbox: parts.inbox,
            mailboxes: parts.mailboxes,
            egress: Egress::new(parts.listeners.len()),
            sockets: Sockets::new(parts.listeners),
            tenancies: Tenancies::default(),
            dice: Dice::new(),
            streams: Streams::new(parts.id),
            dirty: Vec::new(),
            doomed: Vec::new(),
            arena: Arena::new(),
            receiver: udp::Receiver::new(),
            cipher: vec![0; READ_LEN].into_boxed_slice(),
            swept: parts.clock.now().mono,
            packets: 0,
            frames: 0,
            has_more: false,
            pace: Pace::new(parts.moderation),
            is_stopping: parts.is_stopping,
        })
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    ///
    /// What `epoll` reports; nothing that a client or peer can cause.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut now = self.clock.now();
        while !self.is_stopping.load(Ordering::Acquire) {
            self.wait(&mut events, self.timeout(now))?;
            now = self.clock.now();
            self.wake_up(&events, now);
            self.pace_out(now.mono);
        }
        Ok(())
    }

    /// Ends the wake-up that began then: sleeps until it is time to read again, unless that is hardly worth the call.
    fn pace_out(&mut self, began: Mono) {
        let packets = std::mem::take(&mut self.packets);
        let frames = std::mem::take(&mut self.frames);
        let has_more = std::mem::take(&mut self.has_more);
        if !self.pace.on_wake_up(packets, began) || has_more {
            return;
        }
        let ended = self.clock.now().mono;
        let next = self.pace.next_read(began, ended, 2 * frames >= packets);
        let left = next.saturating_since(ended);
        if left > PAUSE_MIN {
            self.io.add(IoEvent::Pause, 1);
            thread::sleep(left);
        }
    }

    /// Waits until something happens, or until the timeout.
    ///
    /// # Errors
    ///
    /// What `epoll` reports.
    pub(super) fn wait(&self, events: &mut Vec<epoll::Event>, timeout: Option<Timespec>) -> io::Result<()> {
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Does what there is to do at one moment.
    pub(super) fn wake_up(&mut self, events: &[epoll::Event], now: Now) {
        self.io.add(IoEvent::WakeUp, 1);
        for event in events {
            // A copy: the kernel packs events.
            let epoll::Event { flags, data } = *event;
            match Token::decode(data) {
                Token::Inbox => self.on_inbox(now),
                Token::Listener(index) => self.on_listener(index, now),
                Token::Relay(fd) => {
                    if flags.contains(EventFlags::ERR) {
                        self.on_relay_errors(fd, now);
                    }
                    if flags.contains(EventFlags::IN) {
                        self.on_relay(fd, now);
                    }
                }
                Token::Stream(id) => self.on_stream(self.streams.id(id), flags, now),
            }
        }
        self.on_deadlines(now);
        self.finish_wake_up(now);
    }

    /// Makes sure that `slots` of the arena are free. Not to be called while a packet is being judged.
    pub(super) fn make_room(&mut self, slots: usize, now: Now) {
        if self.arena.free() < slots {
            self.flush_egress(now);
            self.arena.clear();
        }
    }

    pub(super) fn flush_egress(&mut self, now: Now) {
        self.egress.flush(&self.arena, &self.sockets, &self.io, now.mono);
    }

    fn on_inbox(&mut self, now: Now) {
        self.inbox.hear();
        let mut parcels = 0;
        while let Some(parcel) = self.inbox.poll_parcel() {
            self.write_parcel(parcel.stream, &parcel.bytes, now);
            self.packets += 1;
            parcels += 1;
            if parcels == PARCELS {
                // Others fill the queue as fast as it is emptied: the sockets get their turn first.
                self.inbox.ring();
                break;
            }
        }
        while let Some(command) = self.inbox.poll_command() {
            match command {
                Command::Adopt(stream) => self.on_adopt(*stream, now),
                Command::Revoke { session, until, acted } => {
                    self.server.revoke(&session, until, now);
                    self.on_effects(now);
                    // Nobody waiting any more is no reason not to have done it.
                    let _ = acted.send(());
                }
                Command::List { which, limit, told } => drop(told.send(self.server.list(&which, limit, now))),
                Command::End { id, ended } => {
                    let was_there = self.server.end_allocation(id, now);
                    self.on_effects(now);
                    // As above.
                    let _ = ended.send(was_there);
                }
                Command::Drain => self.server.drain(),
                Command::Reconfigure(config) => {
                    self.config = Arc::clone(&config);
                    self.server.reconfigure(config);
                }
            }
        }
    }

    fn on_deadlines(&mut self, now: Now) {
        if self.server.next_deadline().is_some_and(|deadline| deadline <= now.mono) {
            self.server.handle_deadline(now);
            self.on_effects(now);
        }
        if now.mono >= self.swept + SWEEP_INTERVAL {
            self.swept = now.mono;
            self.sweep_streams(now);
        }
    }

    /// Sends everything, closes what is to be closed, and gives the arena back.
    fn finish_wake_up(&mut self, now: Now) {
        loop {
            self.flush_egress(now);
            self.write_dirty_streams();
            if self.doomed.is_empty() {
                break;
            }
            self.close_doomed_streams(now);
        }
        self.arena.clear();
    }

    /// Returns how long to sleep; for ever if nothing is due.
    fn timeout(&self, now: Now) -> Option<Timespec> {
        let sweep = (!self.streams.is_empty()).then(|| self.swept + SWEEP_INTERVAL);
        let next = self.server.next_deadline().into_iter().chain(sweep).min()?;
        let wait = next.saturating_since(now.mono);
        Timespec::try_from(wait).ok()
    }
}
