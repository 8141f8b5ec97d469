//! A fast hash for keys that clients cannot choose: names handed out by the engine and keyed person hashes.
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::hash::RandomState;

/// An odd constant with well spread bits: the fraction of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Makes hashers that start from one random number per map.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    seed: u64,
}

impl Default for Fold {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(SPREAD) }
    }
}

impl BuildHasher for Fold {
    type Hasher = FoldHasher;

    fn build_hasher(&self) -> FoldHasher {
        FoldHasher { state: self.seed }
    }
}

/// Multiplies each word to 128 bits and folds the halves together.
pub(super) struct FoldHasher {
    state: u64,
}

impl Hasher for FoldHasher {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(SPREAD);
        // Both halves are taken whole: this is the fold.
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }
}
