//! What rules of the permission policy cost.

use super::Scale;
use super::row::Row;
use crate::error::Error;
use agentos::{AgentOs, Policy};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Calls that make one sample: one alone is shorter than the clock is fine.
const BATCH: u32 = 1000;
/// The file that is opened, five directories deep.
const FILE: &str = "/home/user/project/src/deep/file";

/// `open_256_rules`: one `open` under 256 rules about files, beside the same under none.
pub(crate) async fn open(scale: Scale) -> Result<Vec<Row>, Error> {
    let under = Policy::from_json(&rules()).map_err(|error| Error::Usage(format!("bench: {error}")))?;
    let ruled = seeded(under).await?;
    let free = seeded(Policy::default()).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..=scale.of(200) {
        let (a, b) = (sample(&ruled).await?, sample(&free).await?);
        // The first round warms both.
        if round > 0 {
            with.push(a);
            without.push(b);
        }
    }
    Ok(vec![
        Row::times("open_256_rules", &with).against("open without rules", &without),
    ])
}

/// As many rules as a scope may have, of which several are about the file.
fn rules() -> Value {
    let rule = |index: usize| match index % 4 {
        0 => json!({ "mode": "allow", "paths": ["/home/user/**"] }),
        1 => json!({ "mode": "deny", "operations": ["write", "rm"], "paths": [format!("/home/*/vendor{index}/**")] }),
        2 => json!({ "mode": "deny", "paths": [format!("/**/secret{index}"), format!("/srv/{index}/*.key")] }),
        _ => json!({ "mode": "allow", "operations": ["read", "stat"], "paths": [format!("/usr/share/doc{index}/**")] }),
    };
    let rules: Vec<Value> = (0..256).map(rule).collect();
    json!({ "fs": { "default": "deny", "rules": rules } })
}

async fn seeded(policy: Policy) -> Result<AgentOs, Error> {
    let vm = AgentOs::builder().permissions(policy).create().await?;
    let host = vm.as_host();
    host.mkdir_all("/home/user/project/src/deep").await?;
    host.write_file(FILE, "x").await?;
    Ok(vm)
}

async fn sample(vm: &AgentOs) -> Result<Duration, Error> {
    let start = Instant::now();
    for _ in 0..BATCH {
        vm.read_file_range(FILE, 0, 0).await?;
    }
    Ok(start.elapsed() / BATCH)
}
