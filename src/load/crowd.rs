//! All clients of a load, on one thread and one poll.
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::load::client::Client;
use crate::load::client::What;
use crate::load::target::Target;

const EVENTS: usize = 256;

/// Bytes read at once.
const ROOM: usize = 64 * 1024;

/// Something that happened to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) client: usize,
    /// When it was read, in nanoseconds since the crowd was made.
    pub(super) at: u64,
    pub(super) what: What,
}

/// See the module's documentation. Clients have numbers from 0 on; one that is gone can be dialled again.
pub(super) struct Crowd {
    target: Target,
    started: Instant,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    room: Box<[u8]>,
    clients: Vec<Option<Client>>,
    news: Vec<News>,
}

impl Crowd {
    /// Nobody is there yet.
    ///
    /// # Errors
    ///
    /// What the system call reports.
    pub(super) fn new(target: Target) -> io::Result<Self> {
        Ok(Self {
            target,
            started: Instant::now(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS),
            room: vec![0; ROOM].into_boxed_slice(),
            clients: Vec::new(),
            news: Vec::new(),
        })
    }

    /// Nanoseconds since the crowd was made.
    pub(super) fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    /// The moment after so much time from now.
    pub(super) fn after(&self, duration: Duration) -> u64 {
        self.now().saturating_add(nanos(duration))
    }

    /// Has a client connect and say `hello`; what came before of that number is gone.
    ///
    /// # Errors
    ///
    /// What the system calls report.
    pub(super) fn dial(&mut self, client: usize, hello: String) -> io::Result<()> {
        let pipe = self.target.connect(client)?;
        // Told once of each change: nothing has to be asked for again.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &pipe, epoll::EventData::new_u64(client as u64), flags)?;
        if self.clients.len() <= client {
            self.clients.resize_with(client + 1, || None);
        }
        self.clients[client] = Some(Client::new(pipe, hello));
        Ok(())
    }

    /// Whether this client has a connection.
    pub(super) fn has(&self, client: usize) -> bool {
        self.clients.get(client).is_some_and(Option::is_some)
    }

    /// Sends a message of a client; one that is gone says nothing.
    pub(super) fn say(&mut self, client: usize, message: &str) {
        let Some(Some(speaker)) = self.clients.get_mut(client) else { return };
        if let Err(error) = speaker.say(message) {
            self.lose(client, &error);
        }
    }

    /// Bytes that wait for the server to take them.
    pub(super) fn unsent(&self, client: usize) -> usize {
        self.clients.get(client).and_then(Option::as_ref).map_or(0, Client::unsent)
    }

    /// Lets a client read nothing any more.
    pub(super) fn deafen(&mut self, client: usize) {
        if let Some(Some(client)) = self.clients.get_mut(client) {
            client.set_deaf(true);
        }
    }

    /// Lets a deaf client read again, what has come meanwhile first.
    pub(super) fn undeafen(&mut self, client: usize) {
        if let Some(Some(deaf)) = self.clients.get_mut(client) {
            deaf.set_deaf(false);
            self.attend(client);
        }
    }

    /// Takes a client's connection away as a lost network does.
    pub(super) fn kill(&mut self, client: usize) {
        if let Some(client) = self.clients.get_mut(client).and_then(Option::take) {
            client.kill();
        }
    }

    /// Returns what happened, waiting for at most `patience`.
    ///
    /// # Errors
    ///
    /// What the system call reports.
    pub(super) fn hear(&mut self, patience: Duration) -> io::Result<Vec<News>> {
        let patience = if self.news.is_empty() { patience } else { Duration::ZERO };
        let timeout = Timespec::try_from(patience).ok();
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for at in 0..self.events.len() {
            let client = self.events[at].data.u64();
            self.attend(usize::try_from(client).unwrap_or(usize::MAX));
        }
        Ok(std::mem::take(&mut self.news))
    }

    fn attend(&mut self, number: usize) {
        let Self { clients, target, room, news, started, .. } = self;
        let Some(Some(client)) = clients.get_mut(number) else { return };
        let mut is_over = false;
        let attended = client.attend(&target.request, room, &mut |what| {
            is_over |= what.is_end();
            news.push(News { client: number, at: nanos(started.elapsed()), what });
        });
        match attended {
            // Whoever was told why it ends need not be told that it ended.
            _ if is_over => clients[number] = None,
            Ok(()) => {}
            Err(error) => self.lose(number, &error),
        }
    }

    fn lose(&mut self, client: usize, error: &io::Error) {
        let at = self.now();
        self.clients[client] = None;
        self.news.push(News { client, at, what: What::Lost(error.to_string()) });
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
