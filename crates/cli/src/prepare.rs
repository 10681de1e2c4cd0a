//! What a person sees while the bundled programs are compiled for this machine, once.

use crate::error::Error;
use crate::report;
use agentos::AgentOs;
use std::time::Instant;

/// Compiles what is not compiled yet, and says so on standard error; silent when there is nothing to do.
pub(crate) async fn programs(vm: &AgentOs) -> Result<(), Error> {
    let start = Instant::now();
    vm.prepare(|step| {
        let (done, total, time) = (step.done, step.total, start.elapsed().as_secs_f64());
        let what = "agentos: compiling the bundled programs for this machine, once";
        report::progress(&format!("{what}: {done} of {total}, {time:.1} s"));
    })
    .await
    .map_err(Error::from)
}
