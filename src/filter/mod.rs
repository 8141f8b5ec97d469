//! What people may not say: the operator's rules, and what a text of a stranger's meets of them.
//!
//! Pure but for the [`Screen`], which holds the rules in force for all who ask.
mod fold;
mod matcher;
mod pattern;
mod rule;
mod screen;

pub use matcher::Filter;
pub use matcher::Verdict;
pub use rule::Action;
pub use rule::Rule;
pub use rule::RuleError;
pub use rule::RuleId;
pub use rule::Saying;
pub use screen::Screen;

#[cfg(test)]
mod tests;
