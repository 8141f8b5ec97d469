//! The rules in force, for all who ask: a reload exchanges them.
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;

use crate::filter::Action;
use crate::filter::Filter;
use crate::filter::Saying;
use crate::filter::Verdict;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Screen {
    filter: ArcSwap<Filter>,
    /// Rules that were met, in the order of [`Action::WORDS`].
    met: [AtomicU64; Action::WORDS.len()],
}

impl Screen {
    /// A screen of these rules.
    pub fn new(filter: Arc<Filter>) -> Self {
        Self { filter: ArcSwap::new(filter), met: Default::default() }
    }

    /// Has these rules in force from now on.
    pub fn replace(&self, filter: Arc<Filter>) {
        self.filter.store(filter);
    }

    /// Finds what a text meets, and counts it.
    pub fn check(&self, saying: Saying, text: &str) -> Verdict {
        let verdict = self.filter.load().check(saying, text);
        for action in &verdict.actions {
            let counter = Action::WORDS.iter().zip(&self.met).find(|(word, _)| **word == action.as_str());
            if let Some((_, counter)) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        verdict
    }

    /// The same of a text that has been checked before and comes again.
    pub fn check_again(&self, saying: Saying, text: &str) -> Verdict {
        self.filter.load().check(saying, text)
    }

    /// How many rules are in force.
    pub fn rules(&self) -> usize {
        self.filter.load().len()
    }

    /// How many rules were met, by what they ask for.
    pub fn met(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Action::WORDS.into_iter().zip(self.met.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}
