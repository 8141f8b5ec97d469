//! What load generators measure with: counted durations, the kernel's view of a process, the machine they run on.
mod histogram;
mod latency;
mod machine;
mod pipe;
pub(crate) mod process;
mod trust;
mod usage;

pub(crate) use histogram::Histogram;
pub(crate) use latency::Latency;
pub(crate) use latency::rounded;
pub(crate) use machine::is_near;
pub(crate) use machine::pin;
pub(crate) use machine::raise_file_limit;
pub(crate) use pipe::Pipe;
pub(crate) use process::Reading;
pub(crate) use trust::Trust;
pub(crate) use usage::Usage;
