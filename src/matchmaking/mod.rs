//! Who talks to whom: tickets, the engine that brings them together, the task that runs it.
//!
//! The engine is plain data: it is told what happened and at which moment, and answers with matches.
mod attributes;
mod clique;
mod engine;
mod eta;
mod fold;
mod gathering;
mod index;
mod names;
mod notices;
mod pool;
mod posting;
mod preferences;
mod profile;
pub mod runner;
mod search;
mod size;
mod status;
mod tags;
mod ticket;
mod ties;
mod waiting;

pub use attributes::AttributeValue;
pub use attributes::Attributes;
pub use attributes::Want;
pub use engine::Engine;
pub use engine::Group;
pub use engine::JoinError;
pub use engine::Match;
pub use engine::Settings;
pub use preferences::Field;
pub use preferences::LANGUAGES_MAX;
pub use preferences::Preferences;
pub use preferences::PreferencesError;
pub use preferences::RawPreferences;
pub use preferences::TAGS_MAX;
pub use size::GroupSize;
pub use status::QueueState;
pub use status::Status;
pub use ticket::AgeBand;
pub use ticket::DeviceId;
pub use ticket::Person;
pub use ticket::Ticket;
pub use ticket::TicketId;
pub use ticket::UserId;
