//! `cron`: what a VM does by itself.

use super::args::{CronAddArgs, CronArgs, CronCommand, TargetArgs};
use crate::error::{Error, Exit};
use crate::report;
use agentos_client::{Value, Vm};
use serde_json::json;

/// Lists, adds or removes a job.
pub(super) async fn main(args: &CronArgs) -> Result<Exit, Error> {
    match &args.request {
        CronCommand::Ls(target) => list(target, &super::vm(target).await?).await?,
        CronCommand::Add(args) => add(args, &super::vm(&args.target).await?).await?,
        CronCommand::Rm(args) => {
            let vm = super::vm(&args.target).await?;
            vm.call("cancelCronJob", &[Value::from(args.id.clone())]).await?;
        }
    }
    Ok(Exit::SUCCESS)
}

async fn list(target: &TargetArgs, vm: &Vm) -> Result<(), Error> {
    let jobs: serde_json::Value = vm.call_as("listCronJobs", &[]).await?;
    if target.json {
        return report::json(&jobs);
    }
    let mut text = String::new();
    for job in jobs.as_array().into_iter().flatten() {
        let word = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
        text.push_str(&format!(
            "{}  {}  {}  next {}  runs {}\n",
            word("id"),
            word("schedule"),
            word("timezone"),
            word("nextRun"),
            job["runCount"]
        ));
    }
    report::text(&text)
}

async fn add(args: &CronAddArgs, vm: &Vm) -> Result<(), Error> {
    let mut action = json!({"type": "exec", "command": args.command.first()});
    if let [_, rest @ ..] = args.command.as_slice()
        && !rest.is_empty()
    {
        action["args"] = json!(rest);
    }
    let mut job = json!({"schedule": args.schedule, "action": action});
    for (name, value) in [
        ("id", &args.id),
        ("timezone", &args.timezone),
        ("overlap", &args.overlap),
    ] {
        if let Some(value) = value {
            job[name] = json!(value);
        }
    }
    let job = Value::from_serialize(&job).map_err(|error| Error::Usage(error.to_string()))?;
    let made: serde_json::Value = vm.call_as("scheduleCron", &[job]).await?;
    match args.target.json {
        true => report::json(&made),
        false => report::text(&format!("{}\n", made["id"].as_str().unwrap_or_default())),
    }
}
