//! `preview`: a URL to a port of a VM.

use super::args::PreviewArgs;
use crate::error::{Error, Exit};
use crate::report;
use agentos_client::Value;

/// Makes a URL and prints it.
pub(super) async fn create(args: &PreviewArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    let mut arguments = vec![Value::from(i64::from(args.port))];
    if let Some(ttl) = args.ttl {
        arguments.push(Value::number(ttl.as_secs_f64()));
    }
    let mut preview: serde_json::Value = vm.call_as("createSignedPreviewUrl", &arguments).await?;
    let path = preview["path"].as_str().unwrap_or_default();
    let url = match preview["url"].as_str() {
        Some(url) => url.to_owned(),
        None => format!("{}{path}", vm.gateway_url()),
    };
    if args.target.json {
        preview["url"] = url.into();
        report::json(&preview)?;
    } else {
        report::text(&format!("{url}\n"))?;
    }
    Ok(Exit::SUCCESS)
}
