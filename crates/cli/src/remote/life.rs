//! `status`, `sleep`, `destroy`.

use super::args::TargetArgs;
use crate::error::{Error, Exit};
use crate::report;
use serde_json::{Value, json};

/// Prints what the VM is doing.
pub(super) async fn status(args: &TargetArgs) -> Result<Exit, Error> {
    let vm = super::vm(args).await?;
    let mut status = vm.status().await?;
    if args.json {
        status["actorId"] = json!(vm.id());
        report::json(&status)?;
        return Ok(Exit::SUCCESS);
    }
    let mut text = format!("{}  {}\n", vm.id(), status["state"].as_str().unwrap_or("unknown"));
    for reason in status["awakeBecause"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        text.push_str(&format!("awake because of {reason}\n"));
    }
    for limit in status["limits"].as_array().into_iter().flatten() {
        let name = limit["name"].as_str().unwrap_or_default();
        text.push_str(&format!("{name}: {} of {}\n", limit["observed"], limit["capacity"]));
    }
    report::text(&text)?;
    Ok(Exit::SUCCESS)
}

/// Puts the VM to sleep now.
pub(super) async fn sleep(args: &TargetArgs) -> Result<Exit, Error> {
    super::vm(args).await?.sleep().await?;
    Ok(Exit::SUCCESS)
}

/// Destroys the VM with all its data.
pub(super) async fn destroy(args: &TargetArgs) -> Result<Exit, Error> {
    super::vm(args).await?.call("destroyVm", &[]).await?;
    Ok(Exit::SUCCESS)
}
