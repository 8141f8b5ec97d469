//! Input bytes read as choices, so that any input is a sound plan.

/// What is left of an input; behind its end every choice is the first one.
#[derive(Debug)]
#[allow(dead_code, reason = "each target makes its own choices")]
pub(crate) struct Choices<'a>(&'a [u8]);

#[allow(dead_code, reason = "each target makes its own choices")]
impl<'a> Choices<'a> {
    pub(crate) fn of(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn is_set(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Below `limit`, which is at most 256 and not zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub(crate) fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Up to 63 bytes: their number, then they themselves.
    pub(crate) fn some(&mut self) -> &'a [u8] {
        let len = self.below(64).min(self.0.len());
        let (some, rest) = self.0.split_at(len);
        self.0 = rest;
        some
    }
}
