//! A node's end of the bus.
use tokio::sync::mpsc;

use crate::bus::News;
use crate::bus::NodeId;
use crate::bus::To;

/// What waits in either direction at most. A speaker that finds no room keeps what it has to say.
pub(super) const LINE_MAX: usize = 1024;

/// Both directions of one node.
#[derive(Debug)]
pub struct Line {
    /// What this node says.
    pub say: mpsc::Sender<Said>,
    /// What it hears. Its end is the end of the bus.
    pub hear: mpsc::Receiver<Heard>,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whom it is for.
    pub to: To,
    /// What.
    pub news: News,
}

/// Something heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What another node said.
    News {
        /// That node.
        from: NodeId,
        /// What.
        news: News,
    },
    /// This node was too slow: so many words, some of them perhaps for others, went by unheard.
    Missed(u64),
}
