//! How nodes tell each other; empty until there is more than one node.
