//! A moment that can be put off as often as a client likes, without a timer for each time.
use crate::time::Mono;

/// Knows when the next timer of its kind comes up.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Alarm {
    rings_at: Option<Mono>,
}

impl Alarm {
    /// Whether a timer must be set for that moment. It need not if one comes up no later: whoever it wakes looks again.
    #[must_use]
    pub(crate) fn needs(&mut self, at: Mono) -> bool {
        let is_new = self.rings_at.is_none_or(|rings_at| at < rings_at);
        if is_new {
            self.rings_at = Some(at);
        }
        is_new
    }

    /// To be called when a timer of this alarm comes up.
    pub(crate) fn rang(&mut self, now: Mono) {
        self.rings_at = self.rings_at.filter(|rings_at| *rings_at > now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_that_is_put_off_needs_one_timer_at_a_time() {
        let mut alarm = Alarm::default();
        let at = |secs| Mono::from_start(Duration::from_secs(secs));
        assert!(alarm.needs(at(10)));
        assert!(!alarm.needs(at(10)) && !alarm.needs(at(99)));
        assert!(alarm.needs(at(5)));
        alarm.rang(at(4));
        assert!(!alarm.needs(at(20)));
        alarm.rang(at(5));
        assert!(alarm.needs(at(20)));
    }
}
