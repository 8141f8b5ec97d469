//! The data plane over loopback, as clients and peers see it.

mod client;
mod control;
mod icmp;
mod pair;
mod plane;
mod runs;
mod slow;
mod still;
mod stream;
mod udp;
