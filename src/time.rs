//! Moments: monotonic for deadlines, Unix for what leaves the process.
//!
//! Pure code never reads a clock; the shell reads [`Clock`] once per wake-up and passes [`Now`] in.
use std::ops::Add;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// A moment on the monotonic clock: nanoseconds since the clock was made.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// The moment `since_start` after the clock was made.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start.as_nanos() as u64)
    }

    /// Nanoseconds since the clock was made, for arithmetic on every packet.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time since the clock was made.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `earlier` before this one, not before the clock's zero.
    pub fn before(self, earlier: Duration) -> Mono {
        Mono(self.0.saturating_sub(u64::try_from(earlier.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    fn add(self, rhs: Duration) -> Mono {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Mono(self.0.saturating_add(nanos))
    }
}

/// A moment on the wall clock: milliseconds since the Unix epoch.
#[derive(
    Copy,
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: UnixMillis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = UnixMillis;

    fn add(self, rhs: Duration) -> UnixMillis {
        let millis = u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX);
        UnixMillis(self.0.saturating_add(millis))
    }
}

/// One reading of both clocks.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For what leaves the process: expiries in credentials, timestamps.
    pub unix: UnixMillis,
}

impl Now {
    /// The reading `later` after this one on both clocks.
    pub fn plus(self, later: Duration) -> Now {
        Now { mono: self.mono + later, unix: self.unix + later }
    }
}

/// Reads the machine's clocks. One is made by the composition root; copies agree with each other.
#[derive(Copy, Clone, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic zero is this moment.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// A clock whose monotonic zero lies in the past, as far as the machine can tell such a moment: what began before the
    /// process has a moment too.
    pub fn with_past(past: Duration) -> Self {
        let now = Instant::now();
        Self { start: now.checked_sub(past).unwrap_or(now) }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono: Mono::from_start(self.start.elapsed()),
            unix: UnixMillis(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// The `Instant` of a monotonic moment, for timers of the runtime.
    pub fn instant(&self, at: Mono) -> Instant {
        self.start + at.since_start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_add_without_overflow() {
        assert_eq!(Mono::from_start(Duration::from_secs(1)) + Duration::MAX, Mono(u64::MAX));
        assert_eq!(UnixMillis(5) + Duration::from_millis(7), UnixMillis(12));
    }

    #[test]
    fn a_clock_with_a_past_has_moments_before_it_was_made() {
        let hour = Duration::from_secs(3600);
        let now = Clock::with_past(hour).now().mono;
        assert_eq!(now.saturating_since(now.before(hour)), hour);
        assert_eq!(Mono(5).before(hour), Mono(0));
    }

    #[test]
    fn an_earlier_moment_is_zero_away() {
        let (early, late) = (UnixMillis(1), UnixMillis(9));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(late.saturating_since(early), Duration::from_millis(8));
    }
}
