//! What every packet of the load carries at the beginning of its payload.
//!
//! ```text
//! | mark of the run                                               |
//! | flow                                                          |
//! | number within the flow                                        |
//! | nanoseconds since the run began, when it was sent (8)         |
//! ```

/// Bytes of a stamp; no payload is shorter.
pub(super) const STAMP_LEN: usize = 20;

/// The identity of a packet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Packets of other runs, which may still be on their way, have another one.
    pub(super) run: u32,
    pub(super) flow: u32,
    pub(super) number: u32,
    pub(super) sent_at: u64,
}

impl Stamp {
    pub(super) fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        bytes[..4].copy_from_slice(&self.run.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.flow.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.number.to_be_bytes());
        bytes[12..].copy_from_slice(&self.sent_at.to_be_bytes());
        bytes
    }

    /// Reads the stamp of a payload, if it is long enough for one.
    pub(super) fn of(payload: &[u8]) -> Option<Stamp> {
        let (run, rest) = payload.split_first_chunk()?;
        let (flow, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sent_at, _) = rest.split_first_chunk()?;
        Some(Stamp {
            run: u32::from_be_bytes(*run),
            flow: u32::from_be_bytes(*flow),
            number: u32::from_be_bytes(*number),
            sent_at: u64::from_be_bytes(*sent_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_the_wire() {
        let stamp = Stamp { run: 1, flow: 2, number: 3, sent_at: 4 << 40 };
        let payload = [&stamp.to_bytes()[..], b"and what follows"].concat();
        assert_eq!(Stamp::of(&payload), Some(stamp));
        assert_eq!(Stamp::of(&payload[..STAMP_LEN - 1]), None);
    }
}
