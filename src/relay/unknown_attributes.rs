//! Which required attributes of a request are not understood. RFC 8489 §6.3.1, §14.13.
use crate::relay::reply::UNKNOWN_MAX;
use crate::stun::AttributeType;

/// Types in the order in which they came first, each once, as many as an answer holds.
#[derive(Debug)]
pub(super) struct UnknownAttributes {
    types: [AttributeType; UNKNOWN_MAX],
    len: usize,
    /// One bit for each type below 0x8000: a request may repeat thousands, which must cost one look each.
    seen: [u64; 0x8000 / 64],
}

impl Default for UnknownAttributes {
    fn default() -> Self {
        Self { types: [AttributeType(0); UNKNOWN_MAX], len: 0, seen: [0; 0x8000 / 64] }
    }
}

impl UnknownAttributes {
    pub(super) fn insert(&mut self, ty: AttributeType) {
        let bit = 1 << (ty.0 % 64);
        let (Some(word), Some(place)) = (self.seen.get_mut(usize::from(ty.0 / 64)), self.types.get_mut(self.len))
        else {
            return;
        };
        if *word & bit == 0 {
            *word |= bit;
            *place = ty;
            self.len += 1;
        }
    }

    pub(super) fn types(&self) -> &[AttributeType] {
        self.types.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(types: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let mut unknown = UnknownAttributes::default();
        types.into_iter().for_each(|ty| unknown.insert(AttributeType(ty)));
        unknown.types().iter().map(|ty| ty.0).collect()
    }

    #[test]
    fn each_type_is_told_once_in_the_order_of_the_first() {
        assert_eq!(collect([7, 0x7FFF, 7, 0, 64, 0x7FFF, 0, 71]), [7, 0x7FFF, 0, 64, 71]);
        assert!(collect([]).is_empty());
    }

    #[test]
    fn more_than_an_answer_holds_are_left_out() {
        let told = collect((0..0x8000).chain(0..0x8000));
        assert_eq!(told, (0..u16::try_from(UNKNOWN_MAX).expect("few")).collect::<Vec<_>>());
    }

    #[test]
    fn optional_types_are_not_collected() {
        assert!(collect([0x8000, 0xFFFF]).is_empty());
    }
}
