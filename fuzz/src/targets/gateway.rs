//! Clients of the gateway before they are known: heads of requests, frames of WebSockets.

pub(crate) fn head(bytes: &[u8]) {
    agentos_gateway::fuzz::head(bytes);
}

pub(crate) fn frames(bytes: &[u8]) {
    agentos_gateway::fuzz::frames(bytes);
}
