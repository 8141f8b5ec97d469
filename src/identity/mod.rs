//! Who people are, as far as it takes time to find out: passwords, and keys of others.
//!
//! Tokens are issued, verified and ended by signaling, which waits for nobody. What waits is here.
mod desk;
mod hasher;
mod keys;
mod stats;
mod throttle;
mod watch;

pub use desk::Desk;
pub use desk::Form;
pub use desk::Settings;
pub use keys::KeyFetcher;
pub use keys::KeySource;
pub use stats::Proof;
pub use stats::Stats;
pub use watch::Watch;
