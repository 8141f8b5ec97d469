//! Random bytes for what nobody may foresee: relay ports and reservation tokens.
/// Bytes taken from the kernel at once: a call for each allocation would cost more than searching its port.
const BLOCK: usize = 512;

/// What one use takes.
const THROW: usize = 8;

/// A store of random bytes from the kernel. Each is given out once, and gone from memory then.
pub(super) struct Dice {
    block: Box<[u8; BLOCK]>,
    used: usize,
}

impl Dice {
    /// An empty store.
    pub(super) fn new() -> Self {
        Self { block: Box::new([0; BLOCK]), used: BLOCK }
    }

    /// Returns bytes that nobody has seen.
    ///
    /// # Errors
    ///
    /// What the kernel reports.
    pub(super) fn throw(&mut self) -> Result<[u8; THROW], getrandom::Error> {
        if self.used + THROW > BLOCK {
            getrandom::fill(&mut *self.block)?;
            self.used = 0;
        }
        let mut thrown = [0; THROW];
        let place = &mut self.block[self.used..][..THROW];
        thrown.swap_with_slice(place);
        self.used += THROW;
        Ok(thrown)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_throw_comes_twice_and_none_stays_behind() {
        let mut dice = Dice::new();
        let thrown: HashSet<_> = (0..3 * BLOCK / THROW).map(|_| dice.throw().expect("random bytes")).collect();
        assert_eq!(thrown.len(), 3 * BLOCK / THROW);
        assert_eq!(*dice.block, [0; BLOCK]);
    }
}
