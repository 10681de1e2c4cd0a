//! What an operator can tell the proxy.

use super::address::PreviewHost;
use std::time::Duration;

/// Options of the preview proxy; the defaults are those of limits.md section 4.6.
#[derive(Clone)]
#[non_exhaustive]
pub struct PreviewOptions {
    /// The host below which previews have origins of their own (`preview.host`); none turns that form off.
    pub host: Option<PreviewHost>,
    /// Whether pages of the path form are put into a sandbox (`preview.pathSandbox`, yes).
    pub path_sandbox: bool,
    /// Requests and open streams of one VM at a time (`limits.preview.maxConcurrentRequests`, 256).
    pub max_concurrent_requests: usize,
    /// Refused tokens of one address in a minute, after which it gets no answer but 429
    /// (`limits.preview.maxFailuresPerMinute`, 20).
    pub max_failures_per_minute: u32,
    /// Silence after which a stream is closed (`limits.preview.idleTimeoutMs`, 300 s).
    pub idle_timeout: Duration,
    /// Time that a guest has for the head of its answer, counted from the last byte of the request (60 s).
    pub head_timeout: Duration,
    /// Bytes of the head of a guest's answer (`limits.http.maxHeaderBytes`, 64 KiB).
    pub max_header_bytes: usize,
    /// The gateway's own token: whatever header carries it does not reach a guest.
    pub gateway_token: Option<String>,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        Self {
            host: None,
            path_sandbox: true,
            max_concurrent_requests: 256,
            max_failures_per_minute: 20,
            idle_timeout: Duration::from_secs(300),
            head_timeout: Duration::from_secs(60),
            max_header_bytes: 64 << 10,
            gateway_token: None,
        }
    }
}

impl std::fmt::Debug for PreviewOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreviewOptions")
            .field("host", &self.host)
            .field("path_sandbox", &self.path_sandbox)
            .field("max_concurrent_requests", &self.max_concurrent_requests)
            .field("max_failures_per_minute", &self.max_failures_per_minute)
            .field("idle_timeout", &self.idle_timeout)
            .field("head_timeout", &self.head_timeout)
            .field("max_header_bytes", &self.max_header_bytes)
            .field("gateway_token", &self.gateway_token.is_some())
            .finish()
    }
}
