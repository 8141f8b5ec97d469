//! When something is due, as plain numbers: renewals, and further attempts after a failure.
use std::time::Duration;
use std::time::SystemTime;

use crate::listener::certificate::Validity;

/// The pause after a first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(60);
/// The longest pause that we choose ourselves.
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// The longest that an authority may make us wait. Its rate limits reset within a week.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How often renewal information is asked for, whatever the authority says. RFC 9773 §4.3.2.
const INFORMATION_MIN: Duration = Duration::from_secs(60);
const INFORMATION_MAX: Duration = Duration::from_secs(86_400);

/// A number from 0 up to but not 1, from the operating system.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Dice(f64);

impl Dice {
    /// Throws; without randomness the middle is as good as any other.
    pub(super) fn throw() -> Self {
        Self(getrandom::u32().map_or(0.5, |number| f64::from(number) / (f64::from(u32::MAX) + 1.0)))
    }
}

/// A moment within a window that the authority suggests. RFC 9773 §4.2.
pub(super) fn within(start: SystemTime, end: SystemTime, dice: Dice) -> SystemTime {
    start + end.duration_since(start).unwrap_or_default().mul_f64(dice.0)
}

/// When a certificate is renewed that nobody gives other advice about: between 60 and 66 % of its life.
pub(super) fn by_age(validity: Validity, dice: Dice) -> SystemTime {
    let life = validity.not_after.duration_since(validity.not_before).unwrap_or_default();
    validity.not_before + life.mul_f64(0.60 + 0.06 * dice.0)
}

/// The pause after so many failures in a row (at least one), if the authority asks for that one or none.
pub(super) fn pause(failures: u32, asked: Option<Duration>, dice: Dice) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let own = doubled.min(PAUSE_MAX).mul_f64(0.75 + 0.5 * dice.0);
    match asked {
        // Everybody else was told the same moment.
        Some(asked) => asked.min(PAUSE_ASKED_MAX) + Duration::from_secs(5).mul_f64(dice.0),
        None => own,
    }
}

/// When renewal information is asked for again.
pub(super) fn information_pause(asked: Duration) -> Duration {
    asked.clamp(INFORMATION_MIN, INFORMATION_MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const LOW: Dice = Dice(0.0);
    const HIGH: Dice = Dice(0.999_999);

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_renewal_falls_into_the_window_of_the_authority() {
        let (start, end) = (UNIX_EPOCH + s(1000), UNIX_EPOCH + s(2000));
        assert_eq!(within(start, end, LOW), start);
        assert!(within(start, end, HIGH) > UNIX_EPOCH + s(1990) && within(start, end, HIGH) < end);
        assert_eq!(within(end, start, HIGH), end, "a window that ends before it starts is its start");
    }

    #[test]
    fn without_advice_a_third_of_the_life_is_left() {
        let validity = Validity { not_before: UNIX_EPOCH, not_after: UNIX_EPOCH + s(90 * 86_400) };
        assert_eq!(by_age(validity, LOW), UNIX_EPOCH + s(54 * 86_400));
        assert!(by_age(validity, HIGH) < UNIX_EPOCH + s(60 * 86_400));
    }

    #[test]
    fn pauses_double_up_to_hours() {
        assert_eq!(pause(1, None, LOW), s(45));
        assert_eq!(pause(2, None, LOW), s(90));
        assert_eq!(pause(50, None, LOW), s(6 * 3600 * 3 / 4));
        assert_eq!(pause(u32::MAX, None, HIGH) / 3600, PAUSE_MAX.mul_f64(0.75 + 0.5 * HIGH.0) / 3600);
    }

    #[test]
    fn an_authority_is_not_asked_before_it_wants_to_be() {
        assert_eq!(pause(1, Some(s(3600)), LOW), s(3600));
        assert!(pause(9, Some(s(10)), HIGH) >= s(10) && pause(9, Some(s(10)), HIGH) < s(15));
        assert_eq!(pause(1, Some(s(u64::MAX)), LOW), s(7 * 86_400), "but it cannot silence us for good");
    }

    #[test]
    fn renewal_information_is_asked_for_at_sane_intervals() {
        assert_eq!(information_pause(s(0)), s(60));
        assert_eq!(information_pause(s(21_600)), s(21_600));
        assert_eq!(information_pause(s(1_000_000)), s(86_400));
    }
}
