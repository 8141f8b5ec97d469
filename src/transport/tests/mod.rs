//! The data plane over loopback, as clients and peers see it.

mod calls;
mod client;
mod control;
mod icmp;
mod inspection;
mod mixture;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the whole program")]
#[path = "../../../tests/support/netns.rs"]
mod netns;
mod pair;
mod plane;
mod runs;
mod slow;
mod still;
mod stream;
mod udp;
