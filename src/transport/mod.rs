//! The data plane: one thread per core with its own sockets and relay core.
