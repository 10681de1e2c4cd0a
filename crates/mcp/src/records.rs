//! What a client is told of its calls, if it asked for a level of logging.

#![allow(deprecated, reason = "later versions of the protocol leave logging to others")]

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, LoggingLevel, LoggingMessageNotificationParam};
use rmcp::service::Peer;
use serde_json::{Value, json};
use std::time::Instant;

/// The level that a client asked for; nothing is told before.
#[derive(Debug, Default)]
pub(crate) struct Level(Mutex<Option<u8>>);

impl Level {
    pub(crate) fn set(&self, level: LoggingLevel) {
        *self.0.lock() = Some(rank(level));
    }

    fn admits(&self, level: LoggingLevel) -> bool {
        self.0.lock().is_some_and(|least| rank(level) >= least)
    }

    /// Tells that a call begins.
    pub(crate) async fn begins(&self, peer: &Peer<RoleServer>, tool: &str) {
        let data = json!({ "tool": tool, "event": "begins" });
        self.tell(peer, LOGGER, LoggingLevel::Debug, data).await;
    }

    /// Tells how a call ended.
    pub(crate) async fn ended(&self, peer: &Peer<RoleServer>, tool: &str, start: Instant, result: &CallToolResult) {
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let failure = result.meta.as_ref().and_then(|meta| meta.get(crate::FAILURE_META));
        let (level, data) = match failure {
            Some(failure) => {
                let data = json!({ "tool": tool, "event": "failed", "durationMs": ms, "failure": failure });
                (LoggingLevel::Warning, data)
            }
            None => (
                LoggingLevel::Info,
                json!({ "tool": tool, "event": "ended", "durationMs": ms }),
            ),
        };
        self.tell(peer, LOGGER, level, data).await;
    }

    /// Tells it, if the client wants records of this level.
    pub(crate) async fn tell(&self, peer: &Peer<RoleServer>, logger: &str, level: LoggingLevel, data: Value) {
        if self.admits(level) {
            let param = LoggingMessageNotificationParam::new(level, data).with_logger(logger);
            // A client that is gone needs no record.
            let _ = peer.notify_logging_message(param).await;
        }
    }
}

/// Who tells of calls.
const LOGGER: &str = "agentos.tools";

fn rank(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        _ => 7,
    }
}
