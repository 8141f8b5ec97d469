//! The machine that measures: its cores, its files, its neighbourhood.
use std::net::IpAddr;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::thread::CpuSet;

/// Keeps this thread on one core.
///
/// # Errors
///
/// There is no such core, or this process may not use it.
pub(crate) fn pin(cpu: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set)
}

/// Lets this process open as many files as it may: every client of a load is a socket.
///
/// # Errors
///
/// What the system call reports.
pub(crate) fn raise_file_limit() -> rustix::io::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
}

/// Whether an address is this machine's or of a private network. RFC 1918, RFC 4193, RFC 3927, RFC 4291 §2.5.6.
pub(crate) fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
