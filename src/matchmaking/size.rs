//! How many are to meet: two in a session, more in a room.

/// How many a ticket is to bring together, the ticket's user among them.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupSize(u8);

impl GroupSize {
    /// Two: what a session is made of.
    pub const PAIR: GroupSize = GroupSize(2);
    /// Eight: as many as a room holds.
    pub const MAX: GroupSize = GroupSize(8);

    /// Two to eight.
    pub const fn new(people: u64) -> Option<Self> {
        if people < Self::PAIR.0 as u64 || people > Self::MAX.0 as u64 { None } else { Some(Self(people as u8)) }
    }

    /// Whether a ticket of this size is matched with one other.
    pub const fn is_pair(self) -> bool {
        self.0 == Self::PAIR.0
    }

    /// How many people.
    pub const fn people(self) -> usize {
        self.0 as usize
    }
}

impl Default for GroupSize {
    fn default() -> Self {
        Self::PAIR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_two_to_eight_people() {
        let people = |asked| GroupSize::new(asked).map(GroupSize::people);
        assert_eq!([0, 1, 2, 8, 9, 258, u64::MAX].map(people), [None, None, Some(2), Some(8), None, None, None]);
        assert!(GroupSize::default().is_pair() && !GroupSize::MAX.is_pair());
    }
}
