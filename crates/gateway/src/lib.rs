//! HTTP and WebSocket for actors, in the RivetKit client protocol; previews, inspector, metrics.
#![forbid(unsafe_code)]
