//! Limits that are a server's.

use crate::support::{Client, json, text};
use agentos_server::VmDefinition;
use agentos_server::actor::cron::CronLimits;
use serde_json::json;

#[allow(
    clippy::field_reassign_with_default,
    reason = "the limits cannot be built from outside their crate otherwise"
)]
async fn limited(previews: usize, jobs: u64) -> Client {
    let mut cron = CronLimits::default();
    cron.jobs = jobs;
    let definition = VmDefinition::builder().preview_max_active(previews).cron_limits(cron);
    Client::asleep(definition.build().unwrap()).await
}

#[tokio::test]
async fn previews_and_jobs_are_counted() {
    let vm = limited(2, 1).await;
    for _ in 0..2 {
        vm.ok("createSignedPreviewUrl", (3000,)).await;
    }
    assert_eq!(
        vm.err("createSignedPreviewUrl", (3000,)).await.0,
        "agentos/limit_exceeded"
    );
    let job = json(json!({ "schedule": "* * * * *", "action": { "type": "exec", "command": "true" } }));
    vm.ok("scheduleCron", (job.clone(),)).await;
    let error = vm.call("scheduleCron", (job,)).await.unwrap_err();
    assert_eq!(error.code, "limit_exceeded", "{error}");
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
}
