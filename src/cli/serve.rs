//! `serve`: the server itself.
use anyhow::Context;

use crate::app;
use crate::config::Config;
use crate::telemetry;

pub(super) fn run(config: Config) -> anyhow::Result<()> {
    // A page of 2 MiB is resident as a whole once one byte of it is used, and those who reckon with this memory see the step.
    // Where the kernel has no such pages there is nothing to refuse.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let _writing = telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(app::run(config))
}
