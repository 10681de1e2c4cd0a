//! What a person sees while the bundled programs are compiled for this machine, once.

use crate::error::Error;
use crate::report;
use agentos::Builder;
use std::time::Instant;

/// Checks the options by creating a VM with them, starts the engine and compiles what is not compiled yet. Says so on
/// standard error; silent when there is nothing to compile. VMs that are created afterwards show what a VM costs.
pub(crate) async fn programs(builder: &Builder) -> Result<(), Error> {
    let vm = builder.clone().create().await?;
    let start = Instant::now();
    vm.prepare(|step| {
        let (done, total, time) = (step.done, step.total, start.elapsed().as_secs_f64());
        let what = "agentos: compiling the bundled programs for this machine, once";
        report::progress(&format!("{what}: {done} of {total}, {time:.1} s"));
    })
    .await
    .map_err(Error::from)
}
