//! What a definition and a registry can be told.

use std::time::Duration;

/// Options of one kind of actor.
#[derive(Clone, Debug)]
pub struct ActorOptions {
    /// How long an actor stays awake with nothing to do; zero means for ever (`sleep.idleTimeoutMs`, 900 s).
    pub idle_timeout: Duration,
    /// What work in flight and the instance itself get to end when the actor stops (`sleep.shutdownBudgetMs`, 30 s).
    pub shutdown_budget: Duration,
    /// Deadline of one action (`actionTimeoutMs`, 900 s); [`crate::ActorDefinition::action_timeout`] can differ.
    pub action_timeout: Duration,
    /// Deadline of a boot (`limits.server.bootTimeoutMs`, 30 s).
    pub boot_timeout: Duration,
    /// Whether an accepted connection that stays open wakes the actor, without waiting for it.
    pub wake_on_connect: bool,
    /// The event after which actions that [`crate::ActorDefinition::allowed_while_stopping`] may still run, if a
    /// connection subscribed to it; empty for none.
    pub shutdown_event: &'static str,
    /// For how long they may (1 s). Work that waits for the next wake ends it early.
    pub shutdown_grace: Duration,
    /// Life of a preview token for which none is asked (`preview.defaultExpiresInSeconds`, 3600).
    pub preview_default_expires: Duration,
    /// Longest life of a preview token (`preview.maxExpiresInSeconds`, 86,400).
    pub preview_max_expires: Duration,
    /// Preview tokens that are valid at one time (`limits.preview.maxActive`, 1024).
    pub preview_max_active: usize,
}

impl Default for ActorOptions {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(900),
            shutdown_budget: Duration::from_secs(30),
            action_timeout: Duration::from_secs(900),
            boot_timeout: Duration::from_secs(30),
            wake_on_connect: true,
            shutdown_event: "",
            shutdown_grace: Duration::from_secs(1),
            preview_default_expires: Duration::from_secs(3600),
            preview_max_expires: Duration::from_secs(86_400),
            preview_max_active: 1024,
        }
    }
}

/// Bounds of the requests for one actor's previews. What is `None` is as the gateway has it for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreviewBounds {
    /// Requests and open streams at a time (`limits.preview.maxConcurrentRequests`).
    pub max_concurrent_requests: Option<usize>,
    /// Silence after which a stream is closed (`limits.preview.idleTimeoutMs`).
    pub idle_timeout: Option<Duration>,
}

/// Bounds of a whole registry: the `limits.server` group, as far as the runtime enforces it.
#[derive(Clone, Debug)]
pub struct RegistryLimits {
    /// Actors that exist, reserved ones included (`maxVms`); zero means any number.
    pub max_actors: usize,
    /// Actors that are awake (`maxAwakeVms`); zero means any number. The longest idle one makes room.
    pub max_awake: usize,
    /// Open connections of one actor, HTTP requests included (`maxConnectionsPerVm`, 1024).
    pub max_connections: usize,
    /// Actions of one connection in flight (`maxInFlightActionsPerConnection`, 256).
    pub max_in_flight_actions: usize,
    /// Bytes of events that wait for one connection (`connectionQueueBytes`, 16 MiB).
    pub connection_queue_bytes: usize,
    /// Events that wait for one connection (`connectionQueueEvents`, 10,000).
    pub connection_queue_events: usize,
    /// Bytes of arguments that wait for one actor to wake (`hibernationQueueBytes`, 128 MiB).
    pub hibernation_queue_bytes: usize,
    /// Messages that wait for one actor to wake (`hibernationQueueMessages`, 65,535).
    pub hibernation_queue_messages: usize,
    /// How long work waits for an actor to wake (`wakeTimeoutMs`, 90 s).
    pub wake_timeout: Duration,
    /// Deadline of one hook (`hookTimeoutMs`, 5 s).
    pub hook_timeout: Duration,
    /// Deadline of all hooks that open one connection (`openTimeoutMs`, 15 s).
    pub open_timeout: Duration,
    /// Deadline of `canReceive` (`receiveTimeoutMs`, 1 s).
    pub receive_timeout: Duration,
    /// Bytes of connection parameters (`paramsBytes`, 4 KiB).
    pub params_bytes: usize,
    /// Bytes of a connection's state (`connStateBytes`, 64 KiB).
    pub conn_state_bytes: usize,
    /// Bytes of a creation's input (`inputBytes`, 4 MiB).
    pub input_bytes: usize,
    /// Events that one connection subscribes to (`maxSubscriptionsPerConnection`, 1024).
    pub max_subscriptions: usize,
    /// Reservations that no hook has accepted, per minute and address, loopback exempt
    /// (`maxUnacceptedCreatesPerMinute`, 60).
    pub max_unaccepted_creates: usize,
    /// How many actors may stand in one chain of calls (`maxCallDepth`, 16).
    pub max_call_depth: u32,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        Self {
            max_actors: 0,
            max_awake: 0,
            max_connections: 1024,
            max_in_flight_actions: 256,
            connection_queue_bytes: 16 << 20,
            connection_queue_events: 10_000,
            hibernation_queue_bytes: 128 << 20,
            hibernation_queue_messages: 65_535,
            wake_timeout: Duration::from_secs(90),
            hook_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(15),
            receive_timeout: Duration::from_secs(1),
            params_bytes: 4 << 10,
            conn_state_bytes: 64 << 10,
            input_bytes: 4 << 20,
            max_subscriptions: 1024,
            max_unaccepted_creates: 60,
            max_call_depth: 16,
        }
    }
}
