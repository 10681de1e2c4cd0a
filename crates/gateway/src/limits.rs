//! What a client may make the gateway hold, and for how long.
//!
//! Every wait in this crate ends by one of these durations and every buffer by one of these sizes. The names in capitals of
//! the product's configuration (`limits.server.*`) map to the fields one to one; the fields without a name there bound the
//! transport and are the gateway's own.

use std::time::Duration;

/// Bounds of one gateway.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one message or HTTP body from a client (`maxIncomingMessageSize`).
    pub max_incoming_message: usize,
    /// Bytes of one message or HTTP body to a client (`maxOutgoingMessageSize`).
    pub max_outgoing_message: usize,
    /// Actions that one connection may have running; beyond it, reading from the connection pauses
    /// (`maxInFlightActionsPerConnection`).
    pub max_in_flight_actions: usize,
    /// Refused authentications of one address in a minute (`maxAuthFailuresPerMinute`).
    pub max_auth_failures: u32,
    /// Bytes of the request target.
    pub max_target: usize,
    /// Bytes of all names and values of a request's headers (`http.maxHeaderBytes`).
    pub max_header_bytes: usize,
    /// Header lines of a request.
    pub max_headers: usize,
    /// Bytes of all `Sec-WebSocket-Protocol` values of a request.
    pub max_subprotocol: usize,
    /// Bytes of all unfinished messages and bodies that the gateway holds, over all clients. Who would exceed it waits.
    pub max_buffered: usize,
    /// Transport connections, over all clients. Beyond it, connections wait in the listener's backlog.
    pub max_connections: usize,
    /// Transport connections of one address; loopback is exempt. Beyond it, a connection is answered 503 and closed.
    pub max_connections_per_peer: usize,
    /// Time from accepting a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// Time from the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// Time that a connection may stay without a request.
    pub idle_timeout: Duration,
    /// Time from the end of a request's head to the end of a body that is read whole.
    pub body_timeout: Duration,
    /// A client that is written to must take [`SLOW_BYTES`] in this time.
    pub write_timeout: Duration,
    /// Silence on a WebSocket after which it is pinged; after twice this silence it is dropped.
    pub ping_interval: Duration,
    /// Time for a closed WebSocket's peer to answer the close frame.
    pub close_timeout: Duration,
    /// Time for an accepted WebSocket to be admitted by the hooks (`openTimeoutMs`, and some for the queue before them).
    pub open_timeout: Duration,
}

/// Bytes that a client must take in [`Limits::write_timeout`] to count as alive.
pub const SLOW_BYTES: usize = 16 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_incoming_message: 32 << 20,
            max_outgoing_message: 32 << 20,
            max_in_flight_actions: 256,
            max_auth_failures: 60,
            max_target: 16 << 10,
            max_header_bytes: 64 << 10,
            max_headers: 128,
            max_subprotocol: 16 << 10,
            max_buffered: 512 << 20,
            max_connections: 16_384,
            max_connections_per_peer: 4096,
            handshake_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(30),
            close_timeout: Duration::from_secs(2),
            open_timeout: Duration::from_secs(20),
        }
    }
}
