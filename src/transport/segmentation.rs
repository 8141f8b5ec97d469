//! What a socket has learned about sending several datagrams as one buffer (UDP_SEGMENT).
use std::time::Duration;

use crate::time::Mono;

/// How long a refusal is remembered: routes change.
const MEMORY: Duration = Duration::from_secs(60);

/// The longest segments that the kernel took lately. Everything, until it refuses: a device without checksum offload
/// (EIO), or a segment beyond the MTU of the route, which the kernel will not fragment (EINVAL, EMSGSIZE).
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Segmentation {
    refused: Option<Refused>,
}

#[derive(Copy, Clone, Debug)]
struct Refused {
    /// Segments of this length or more, in bytes.
    from: usize,
    until: Mono,
}

impl Segmentation {
    /// Returns whether segments of this many bytes are worth trying.
    pub(super) fn admits(&self, segment: usize, now: Mono) -> bool {
        self.refused.is_none_or(|refused| segment < refused.from || refused.until <= now)
    }

    /// The kernel refused segments of this many bytes.
    pub(super) fn on_too_long(&mut self, segment: usize, now: Mono) {
        self.refused = Some(Refused { from: segment, until: now + MEMORY });
    }

    /// The kernel refused to cut anything.
    pub(super) fn on_unsupported(&mut self, now: Mono) {
        self.on_too_long(0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mono = Mono::from_start(Duration::ZERO);

    #[test]
    fn a_refusal_holds_for_its_length_and_for_a_minute() {
        let mut segmentation = Segmentation::default();
        assert!(segmentation.admits(65_507, START));
        segmentation.on_too_long(1400, START);
        assert!(segmentation.admits(1399, START) && !segmentation.admits(1400, START));
        assert!(!segmentation.admits(1400, START + Duration::from_secs(59)));
        assert!(segmentation.admits(1400, START + MEMORY));
    }

    #[test]
    fn a_device_that_cannot_is_spared_for_a_minute() {
        let mut segmentation = Segmentation::default();
        segmentation.on_unsupported(START);
        assert!(!segmentation.admits(1, START));
        assert!(segmentation.admits(1, START + MEMORY));
    }
}
