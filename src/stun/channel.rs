//! Channel numbers. RFC 8656 §12.

/// A channel number as it may stand on the wire: 0x4000 to 0x7FFF. Which of them may be bound says [`ChannelRange`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest number.
    pub const MIN: Self = Self(0x4000);
    /// The highest number.
    pub const MAX: Self = Self(0x7FFF);

    /// The channel with this number, if it is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= Self::MIN.0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number as it stands on the wire.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Which channel numbers clients may bind.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum ChannelRange {
    /// 0x4000 to 0x4FFF. RFC 8656 §12.
    #[default]
    Rfc8656,
    /// 0x4000 to 0x7FFF, which older clients draw from. RFC 5766 §11.
    Rfc5766,
}

impl ChannelRange {
    /// Whether a client may bind this number.
    pub const fn admits(self, channel: ChannelNumber) -> bool {
        match self {
            ChannelRange::Rfc8656 => channel.0 <= 0x4FFF,
            ChannelRange::Rfc5766 => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_numbers_end_where_the_top_bits_end() {
        assert_eq!(ChannelNumber::new(0x3FFF), None);
        assert_eq!(ChannelNumber::new(0x4000), Some(ChannelNumber::MIN));
        assert_eq!(ChannelNumber::new(0x7FFF), Some(ChannelNumber::MAX));
        assert_eq!(ChannelNumber::new(0x8000), None);
    }

    #[test]
    fn only_the_old_range_admits_numbers_above_0x4fff() {
        for (number, new, old) in
            [(0x4000, true, true), (0x4FFF, true, true), (0x5000, false, true), (0x7FFF, false, true)]
        {
            let channel = ChannelNumber::new(number).expect("in range");
            assert_eq!((ChannelRange::Rfc8656.admits(channel), ChannelRange::Rfc5766.admits(channel)), (new, old));
        }
    }
}
