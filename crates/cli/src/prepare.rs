//! What a person sees while the bundled programs are compiled for this machine, once.

use crate::error::Error;
use crate::report;
use agentos::AgentOs;
use std::time::Instant;

/// Compiles what is not compiled yet, and says so on standard error; silent when there is nothing to do.
pub(crate) async fn programs(vm: &AgentOs) -> Result<(), Error> {
    let start = Instant::now();
    let mut told = false;
    vm.prepare(|step| {
        told = true;
        report::progress(&format!(
            "agentos: preparing the bundled programs for this machine, once: {} of {} ({}, {:.1} s)",
            step.done + 1,
            step.total,
            step.program,
            start.elapsed().as_secs_f64(),
        ));
    })
    .await?;
    if told {
        report::progress(&format!("agentos: prepared in {:.1} s", start.elapsed().as_secs_f64()));
    }
    Ok(())
}
