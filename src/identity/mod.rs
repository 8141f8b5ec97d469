//! Who people are, as far as it takes time to find out: passwords, keys of others, and what
//! a service of the operator says.
//!
//! Tokens are issued, verified and ended by signaling, which waits for nobody. What waits is here.
mod desk;
mod guest_check;
mod guest_work;
mod hasher;
mod keys;
mod stats;
mod throttle;
mod watch;
mod web;

pub use desk::Desk;
pub use desk::Form;
pub use desk::Settings;
pub use guest_check::GuestCheck;
pub use guest_work::GuestWork;
pub use guest_work::Task;
pub use keys::KeyFetcher;
pub use keys::KeySource;
pub use stats::Proof;
pub use stats::Stats;
pub use watch::Watch;
