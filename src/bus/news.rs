//! What nodes tell each other.
use std::fmt;
use std::sync::Arc;

use crate::time::UnixMillis;

/// The name of a node within its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub Arc<str>);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom something is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Every other node.
    Others,
    /// One node.
    Node(NodeId),
}

impl To {
    /// Whether `node` is to hear it.
    pub fn includes(&self, node: &NodeId) -> bool {
        match self {
            To::Others => true,
            To::Node(one) => one == node,
        }
    }
}

/// Something that happened on one node and concerns others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A user's socket is here now: an older one elsewhere is replaced (close code 4409).
    Arrived {
        /// The user.
        user: Arc<str>,
    },
    /// A login was killed: its access tokens are refused and its sockets closed everywhere (rule 17).
    LoginKilled {
        /// The family of refresh tokens.
        family: Arc<str>,
        /// Until when one of its access tokens could be good.
        until: UnixMillis,
    },
}
