//! Matches per second and bytes per waiting ticket, with 100,000 waiting and 5 tags each, or 10 rare ones.
//!
//! Two sides that want each other: talkers wait, a listener comes and meets one of them, a new talker takes the place.
//! `cargo bench --bench matchmaking`; the memory figures are printed first. All times are CPU time of the one thread.
#![allow(unsafe_code, missing_docs)]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use duologue::matchmaking::AgeBand;
use duologue::matchmaking::AttributeValue;
use duologue::matchmaking::DeviceId;
use duologue::matchmaking::Engine;
use duologue::matchmaking::Preferences;
use duologue::matchmaking::Settings;
use duologue::matchmaking::Ticket;
use duologue::matchmaking::TicketId;
use duologue::matchmaking::UserId;
use duologue::matchmaking::Want;
use duologue::time::Mono;
use mimalloc::MiMalloc;

const WAITING: usize = 100_000;
const TAGS: usize = 5;
const MANY_TAGS: usize = 10;
const LANGUAGES: u64 = 8;
const REGIONS: u64 = 4;
const COMMON_TAGS: u64 = 1_000;
const RARE_TAGS: u64 = 1_000_000;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The program's allocator, counting the bytes asked for and not yet given back.
struct Counting;

// SAFETY: every call goes to mimalloc unchanged; the counter is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tickets as they come off the wire: every text is an allocation of its own.
struct People {
    made: u64,
    random: u64,
    tags: u64,
    tags_each: usize,
    has_region: bool,
}

impl People {
    fn new(tags: u64, tags_each: usize, has_region: bool) -> Self {
        Self { made: 0, random: 0x2545_f491_4f6c_dd1d, tags, tags_each, has_region }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn ticket(&mut self, is: &str, wants: &str, now: Mono) -> Ticket {
        self.made += 1;
        let number = self.made;
        let role = |role: &str| AttributeValue::Text(role.into());
        let mut tags: Vec<Arc<str>> = Vec::with_capacity(self.tags_each);
        while tags.len() < self.tags_each {
            let tag: Arc<str> = format!("interest {}", self.below(self.tags)).into();
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ticket {
            id: TicketId(number),
            user: UserId(format!("0190a3c4-7d1e-7b2a-9f00-{number:012}").into()),
            device: Some(DeviceId(format!("7c9e6679-7425-40de-944b-{number:012}").into())),
            age_band: AgeBand::unknown(),
            preferences: Preferences {
                tags,
                languages: vec![format!("l{}", self.below(LANGUAGES)).into()],
                region: self.has_region.then(|| format!("r{}", self.below(REGIONS)).into()),
                attributes: Arc::new(BTreeMap::from([("role".into(), role(is))])),
                want: Arc::new(Want { values_by_key: BTreeMap::from([("role".into(), vec![role(wants)])]) }),
                ..Preferences::default()
            },
            since: now,
        }
    }

    fn talker(&mut self, now: Mono) -> Ticket {
        self.ticket("talker", "listener", now)
    }

    fn listener(&mut self, now: Mono) -> Ticket {
        self.ticket("listener", "talker", now)
    }
}

fn settle(engine: &mut Engine, now: Mono) -> usize {
    let mut matches = 0;
    while engine.next_deadline().is_some_and(|due| due <= now) {
        matches += usize::from(engine.poll_match(now).is_some());
    }
    matches
}

/// 100,000 talkers who came within ten seconds.
fn crowd(people: &mut People, now: &mut Mono) -> Engine {
    let mut engine = Engine::new(Settings::default());
    for _ in 0..WAITING {
        *now = *now + Duration::from_micros(90);
        engine.join(people.talker(*now), *now).expect("there is room");
        assert_eq!(settle(&mut engine, *now), 0);
    }
    engine
}

fn memory(name: &str, tags: u64, tags_each: usize, has_region: bool) {
    let mut people = People::new(tags, tags_each, has_region);
    let mut now = Mono::default();
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let mut engine = crowd(&mut people, &mut now);
    let per_ticket = |now: usize| now.saturating_sub(before) / WAITING;
    println!("{name}: {} bytes per ticket at level 0", per_ticket(LIVE_BYTES.load(Ordering::Relaxed)));
    let started = on_cpu();
    let last = now + Duration::from_secs(60);
    settle(&mut engine, last);
    let widening = on_cpu() - started;
    println!("{name}: {} bytes per ticket at level 4", per_ticket(LIVE_BYTES.load(Ordering::Relaxed)));
    println!("{name}: {:.1} us to take one ticket through all levels", widening.as_secs_f64() * 1e6 / WAITING as f64);
}

/// The time this thread has really run: what a match costs on a machine that others use too.
fn on_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the call fills.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0);
    Duration::from_secs(time.tv_sec as u64) + Duration::from_nanos(time.tv_nsec as u64)
}

fn matches(criterion: &mut Criterion) {
    memory("5 of 1,000 tags, 8 languages", COMMON_TAGS, TAGS, false);
    memory("5 of 1,000 tags, 8 languages, 4 regions", COMMON_TAGS, TAGS, true);
    memory("5 of 1,000,000 tags, 8 languages, 4 regions", RARE_TAGS, TAGS, true);
    memory("10 of 1,000,000 tags, 8 languages, 4 regions", RARE_TAGS, MANY_TAGS, true);

    let mut group = criterion.benchmark_group("100,000 waiting, 5 tags each");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (name, has_region) in [("8 languages", false), ("8 languages, 4 regions", true)] {
        let mut people = People::new(COMMON_TAGS, TAGS, has_region);
        let mut now = Mono::default();
        let mut engine = crowd(&mut people, &mut now);
        group.bench_function(format!("match, {name}"), |bencher| {
            bencher.iter_custom(|iterations| meet(&mut engine, &mut people, now, iterations));
        });
        group.bench_function(format!("join and leave, {name}"), |bencher| {
            bencher.iter_custom(|iterations| come_and_go(&mut engine, &mut people, now, iterations));
        });
    }
    group.finish();
}

/// Tickets made at once, outside of the time taken: few enough to be in the cache like one just read off a socket.
const BATCH: u64 = 32;

/// As many times: a listener comes, meets a talker, and a new talker waits.
fn meet(engine: &mut Engine, people: &mut People, now: Mono, iterations: u64) -> Duration {
    let (mut taken, mut met) = (Duration::ZERO, 0);
    for _ in 0..iterations.div_ceil(BATCH) {
        let pairs: Vec<_> = (0..BATCH).map(|_| (people.listener(now), people.talker(now))).collect();
        let mut matches = Vec::with_capacity(pairs.len());
        let started = on_cpu();
        for (listener, talker) in pairs {
            let id = listener.id;
            engine.join(listener, now).expect("a talker has just left");
            match engine.poll_match(now) {
                Some(found) => {
                    matches.push(found);
                    engine.join(talker, now).expect("a talker has just left");
                    assert!(engine.poll_match(now).is_none());
                }
                None => drop(engine.leave(id)),
            }
        }
        taken += on_cpu() - started;
        met += matches.len() as u64;
    }
    assert!(met * 100 >= iterations * 95, "nearly all meet");
    taken.mul_f64(iterations as f64 / met as f64)
}

/// As many times: a talker comes, finds nobody and leaves.
fn come_and_go(engine: &mut Engine, people: &mut People, now: Mono, iterations: u64) -> Duration {
    let mut taken = Duration::ZERO;
    let batches = iterations.div_ceil(BATCH);
    for _ in 0..batches {
        let talkers: Vec<_> = (0..BATCH).map(|_| people.talker(now)).collect();
        let started = on_cpu();
        for talker in talkers {
            let id = talker.id;
            engine.join(talker, now).expect("there is room");
            assert!(engine.poll_match(now).is_none());
            assert!(engine.leave(id).is_some());
        }
        taken += on_cpu() - started;
    }
    taken.mul_f64(iterations as f64 / (batches * BATCH) as f64)
}

criterion_group!(benches, matches);
criterion_main!(benches);
