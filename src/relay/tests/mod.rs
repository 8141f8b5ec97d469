//! The core without a socket: what clients and peers send, and exactly what comes of it.
mod allocate;
mod authentication;
mod binding;
mod channels;
mod data;
mod deadlines;
mod directory;
mod fixture;
mod hand_over;
mod hostile;
mod permissions;
mod policy;
mod ports;
mod reconfigure;
mod refresh;
mod revocation;
mod usage;
