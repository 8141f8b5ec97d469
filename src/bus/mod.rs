//! How nodes tell each other what concerns more than one of them.
//!
//! Within one process the [`LocalBus`] carries it. Whoever joins gets a [`Line`] and a [`Carrier`] that moves what is said on
//! it; what stands above knows neither how many nodes there are nor what lies between them.
mod line;
mod local;
mod news;

use std::pin::Pin;

pub use line::Heard;
pub use line::Line;
pub use line::Said;
pub use local::LocalBus;
pub use news::News;
pub use news::NodeId;
pub use news::To;

/// Moves what is said and heard on one line, to be run as a task; it ends with the line or with the bus.
pub type Carrier = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A place where nodes meet.
///
/// What one node says, each node that it is for hears once and in that order, the speaker never. A node that is too slow
/// misses the oldest, and is told how many. Nodes that join hear nothing from before.
pub trait Bus: Send + Sync {
    /// Joins under a name, which no other node may have.
    fn join(&self, node: NodeId) -> (Line, Carrier);
}

#[cfg(test)]
mod tests;
