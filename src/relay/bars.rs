//! Sources that guess passwords: who is wrong too often is not heard for a while.
//!
//! ```text
//! slot: tag(16) | failures, or all ones while barred(16) | since when, in seconds(32)
//! ```
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::time::Mono;

/// Sources that are remembered at once.
const SLOTS: usize = 65_536;

/// In which time failures are counted.
const WINDOW_SECS: u32 = 60;

/// How long a source is barred.
const BAR_SECS: u32 = 60;

/// Stands in place of the failures while a source is barred.
const BARRED: u16 = u16::MAX;

/// The most failures that a limit can allow.
pub const FAILURES_MAX: u16 = BARRED - 1;

/// Who is counted as one: an IPv4 address, or an IPv6 /64, within which a host takes any address it likes.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
enum Source {
    V4(u32),
    V6(u64),
}

impl Source {
    const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Source::V4(ip.to_bits()),
            IpAddr::V6(ip) => Source::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

/// The failures of all sources, shared by all shards. Fixed in size; where two sources meet, the newer one is forgotten as
/// long as the older one is barred, and takes its place otherwise.
#[derive(Debug)]
pub(super) struct Bars {
    key: RandomState,
    slots: Box<[AtomicU64]>,
    /// The second after the one of the last report.
    reported: AtomicU32,
}

impl Default for Bars {
    fn default() -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { key: RandomState::new(), slots, reported: AtomicU32::new(0) }
    }
}

#[derive(Copy, Clone)]
struct Slot {
    tag: u16,
    failures: u16,
    since: u32,
}

impl Slot {
    const fn unpack(bits: u64) -> Self {
        Self { tag: (bits >> 48) as u16, failures: (bits >> 32) as u16, since: bits as u32 }
    }

    const fn pack(self) -> u64 {
        (self.tag as u64) << 48 | (self.failures as u64) << 32 | self.since as u64
    }

    const fn is_barred(self, now: u32) -> bool {
        self.failures == BARRED && now.wrapping_sub(self.since) < BAR_SECS
    }

    /// The slot after one more failure of `tag`.
    const fn after_failure(self, tag: u16, limit: u16, now: u32) -> Self {
        if self.is_barred(now) {
            return self;
        }
        let is_counting = self.tag == tag && self.failures != BARRED && now.wrapping_sub(self.since) < WINDOW_SECS;
        match self.failures {
            failures if is_counting && failures >= limit => Self { tag, failures: BARRED, since: now },
            failures if is_counting => Self { tag, failures: failures + 1, since: self.since },
            _ => Self { tag, failures: 1, since: now },
        }
    }
}

impl Bars {
    /// Counts a wrong password; returns whether it bars the source, as more than `limit` in a minute do.
    pub(super) fn count_failure(&self, ip: IpAddr, limit: u16, now: Mono) -> bool {
        let (tag, slot) = self.place(ip);
        let (now, limit) = (seconds(now), limit.min(FAILURES_MAX));
        let Some(slot) = slot else { return false };
        let before = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
            Some(Slot::unpack(bits).after_failure(tag, limit, now).pack())
        });
        let before = Slot::unpack(before.unwrap_or_else(|bits| bits));
        !before.is_barred(now) && before.after_failure(tag, limit, now).is_barred(now)
    }

    /// Whether the source was wrong too often a short while ago.
    pub(super) fn is_barred(&self, ip: IpAddr, now: Mono) -> bool {
        let (tag, slot) = self.place(ip);
        let slot = slot.map(|slot| Slot::unpack(slot.load(Ordering::Relaxed)));
        slot.is_some_and(|slot| slot.tag == tag && slot.is_barred(seconds(now)))
    }

    /// Whether a report may be made: one a second, or a flood of bars would be a flood of lines.
    pub(super) fn may_report(&self, now: Mono) -> bool {
        let next = seconds(now).wrapping_add(1);
        self.reported.swap(next, Ordering::Relaxed) != next
    }

    fn place(&self, ip: IpAddr) -> (u16, Option<&AtomicU64>) {
        let hash = self.key.hash_one(Source::of(ip));
        ((hash >> 48) as u16, self.slots.get(hash as usize % SLOTS))
    }
}

/// The moment in seconds; they begin anew after 136 years.
const fn seconds(at: Mono) -> u32 {
    at.since_start().as_secs() as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(secs))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Fails so often; returns how many times that was reported as a new bar.
    fn fail(bars: &Bars, source: &str, times: u32, now: Mono) -> usize {
        (0..times).filter(|_| bars.count_failure(ip(source), 60, now)).count()
    }

    #[test]
    fn more_failures_than_the_limit_within_a_minute_bar_for_a_minute() {
        let bars = Bars::default();
        assert_eq!(fail(&bars, "192.0.2.1", 60, at(5)), 0);
        assert!(!bars.is_barred(ip("192.0.2.1"), at(5)));
        assert_eq!(fail(&bars, "192.0.2.1", 5, at(64)), 1, "one bar, however many failures follow");
        assert!(bars.is_barred(ip("192.0.2.1"), at(64)));
        assert!(bars.is_barred(ip("192.0.2.1"), at(123)));
        assert!(!bars.is_barred(ip("192.0.2.1"), at(124)));
        assert_eq!(fail(&bars, "192.0.2.1", 61, at(124)), 1, "and then everything begins anew");
    }

    #[test]
    fn failures_are_forgotten_after_a_minute() {
        let bars = Bars::default();
        assert_eq!(fail(&bars, "192.0.2.1", 60, at(0)), 0);
        assert_eq!(fail(&bars, "192.0.2.1", 60, at(60)), 0);
        assert_eq!(fail(&bars, "192.0.2.1", 1, at(61)), 1);
    }

    #[test]
    fn each_ipv4_address_and_each_ipv6_prefix_counts_for_itself() {
        let bars = Bars::default();
        assert_eq!(fail(&bars, "192.0.2.1", 61, at(0)), 1);
        assert!(!bars.is_barred(ip("192.0.2.2"), at(0)));
        assert_eq!(fail(&bars, "2a00:1:2:3::1", 60, at(0)), 0);
        assert_eq!(fail(&bars, "2a00:1:2:3:ffff::2", 1, at(0)), 1);
        assert!(bars.is_barred(ip("2a00:1:2:3::7"), at(0)));
        assert!(!bars.is_barred(ip("2a00:1:2:4::1"), at(0)));
    }

    #[test]
    fn a_flood_of_sources_takes_no_more_memory_and_bars_no_bystander() {
        let bars = Bars::default();
        for source in 0..500_000_u32 {
            assert!(!bars.count_failure(IpAddr::V4(source.into()), 60, at(0)));
        }
        assert_eq!(size_of_val(&*bars.slots), 512 * 1024);
    }

    #[test]
    fn reports_are_made_once_a_second() {
        let bars = Bars::default();
        let reports: Vec<bool> = [0, 0, 1, 1, 1, 7].map(at).into_iter().map(|now| bars.may_report(now)).collect();
        assert_eq!(reports, [true, false, true, false, false, true]);
    }
}
