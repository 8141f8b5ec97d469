//! What histories lack: how many messages were passed on in a place that the store could not keep. Pure.
use std::collections::HashMap;
use std::collections::VecDeque;

use crate::store::Place;
use crate::time::UnixMillis;

/// Places with losses that are remembered, about 200 bytes each. Beyond it the one that lost its first message the
/// longest ago is forgotten.
const PLACES_MAX: usize = 16_384;

/// The messages of one place that were passed on and not kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) count: u64,
    /// When the first and the last of them were sent.
    pub(super) first: UnixMillis,
    pub(super) last: UnixMillis,
}

/// The losses of every session and room since this process began.
#[derive(Debug, Default)]
pub(super) struct Losses {
    loss_by_place: HashMap<Place, Loss>,
    /// The places above.
    oldest_first: VecDeque<Place>,
}

impl Losses {
    /// Notes that a message sent at that time was not kept.
    pub(super) fn add(&mut self, place: &Place, sent: UnixMillis) {
        let one = Loss { count: 1, first: sent, last: sent };
        let Some(loss) = self.loss_by_place.get_mut(place) else {
            if self.oldest_first.len() >= PLACES_MAX
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.loss_by_place.remove(&oldest);
            }
            self.oldest_first.push_back(place.clone());
            self.loss_by_place.insert(place.clone(), one);
            return;
        };
        *loss = if loss.count == 0 {
            one
        } else {
            Loss { count: loss.count + 1, first: loss.first.min(sent), last: loss.last.max(sent) }
        };
    }

    /// Notes that one of those was kept after all, when its sender repeated it. The times stay as they are.
    pub(super) fn take_back(&mut self, place: &Place) {
        if let Some(loss) = self.loss_by_place.get_mut(place) {
            loss.count = loss.count.saturating_sub(1);
        }
    }

    /// What a place has lost, if anything.
    pub(super) fn of(&self, place: &Place) -> Option<Loss> {
        self.loss_by_place.get(place).copied().filter(|loss| loss.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SessionId;

    fn place(n: usize) -> Place {
        Place::Session(SessionId(n.to_string().into()))
    }

    #[test]
    fn each_place_has_lost_what_was_lost_there_between_the_first_and_the_last() {
        let mut losses = Losses::default();
        // As their writes come back.
        for (n, sent) in [(1, 20), (2, 5), (1, 10), (1, 30)] {
            losses.add(&place(n), UnixMillis(sent));
        }
        assert_eq!(losses.of(&place(1)), Some(Loss { count: 3, first: UnixMillis(10), last: UnixMillis(30) }));
        assert_eq!(losses.of(&place(2)), Some(Loss { count: 1, first: UnixMillis(5), last: UnixMillis(5) }));
        assert_eq!(losses.of(&place(3)), None);
    }

    #[test]
    fn what_is_kept_after_all_is_not_lost() {
        let mut losses = Losses::default();
        losses.take_back(&place(1));
        losses.add(&place(1), UnixMillis(1));
        losses.take_back(&place(1));
        assert_eq!(losses.of(&place(1)), None);
        losses.add(&place(1), UnixMillis(9));
        assert_eq!(losses.of(&place(1)), Some(Loss { count: 1, first: UnixMillis(9), last: UnixMillis(9) }));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest_place() {
        let mut losses = Losses::default();
        for n in 0..=PLACES_MAX {
            losses.add(&place(n), UnixMillis(1));
            losses.add(&place(n), UnixMillis(2));
        }
        assert_eq!((losses.loss_by_place.len(), losses.oldest_first.len()), (PLACES_MAX, PLACES_MAX));
        assert_eq!(losses.of(&place(0)), None);
        assert_eq!(losses.of(&place(1)).map(|loss| loss.count), Some(2));
    }
}
