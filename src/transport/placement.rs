//! Where threads run, and how many files the process may have open.
use std::thread;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::thread::CpuSet;

/// Returns the CPUs that this process may use, or none if the kernel does not tell.
pub(super) fn usable_cpus() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Returns how many shards there are for a setting where 0 means one per CPU.
pub(super) fn shard_count(wanted: usize) -> usize {
    if wanted > 0 { wanted } else { thread::available_parallelism().map_or(1, usize::from) }
}

/// Keeps the calling thread on one CPU. Not being allowed to costs speed only.
pub(super) fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::info!(cpu, %error, "shard not pinned");
    }
}

/// Makes the calling thread's sleeps end when they should: by default Linux adds up to 50 us. Not being allowed to costs
/// delay only.
pub(super) fn wake_on_time() {
    let path = format!("/proc/{}/timerslack_ns", rustix::thread::gettid().as_raw_nonzero());
    if let Err(error) = std::fs::write(path, "1") {
        tracing::debug!(%error, "timer slack not set");
    }
}

/// Raises the number of open files to what the system allows: each relayed address is one.
pub(super) fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised)
    {
        tracing::info!(%error, "limit of open files not raised");
    }
}
