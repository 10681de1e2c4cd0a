//! The `server` group of the limits (limits.md section 4.7): what clients together may make the server hold.

use crate::config::InvalidConfig;
use agentos_actor::RegistryLimits;
use std::time::Duration;

/// One field of the group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerLimit {
    /// Its name.
    pub(crate) name: &'static str,
    /// Smallest and largest value.
    pub(crate) bounds: (u64, u64),
    /// Built-in value.
    #[cfg(test)]
    default: u64,
    /// What it bounds.
    #[cfg(test)]
    meaning: &'static str,
}

const MAX_BYTES: u64 = 1 << 40;
const MAX_COUNT: u64 = (1 << 31) - 1;

macro_rules! limits {
    ($($field:ident = $name:literal, $default:expr, $min:expr, $max:expr, $doc:literal;)*) => {
        /// Bounds of a server. Every field has a default.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct ServerLimits {
            $(#[doc = $doc] pub $field: u64,)*
        }

        impl Default for ServerLimits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl ServerLimits {
            /// Every field.
            pub(crate) const FIELDS: &[ServerLimit] = &[$(ServerLimit {
                name: $name,
                bounds: ($min, $max),
                #[cfg(test)]
                default: $default,
                #[cfg(test)]
                meaning: $doc,
            },)*];

            fn slot(&mut self, name: &str) -> Option<&mut u64> {
                match name { $($name => Some(&mut self.$field),)* _ => None }
            }
        }
    };
}

limits! {
    max_incoming_message_size = "maxIncomingMessageSize", 32 << 20, 1024, MAX_BYTES, "Bytes of one message from a client.";
    max_outgoing_message_size = "maxOutgoingMessageSize", 32 << 20, 1024, MAX_BYTES, "Bytes of one message to a client.";
    max_connections_per_vm = "maxConnectionsPerVm", 1024, 1, MAX_COUNT, "Connections of one VM, HTTP requests included.";
    max_in_flight_actions_per_connection = "maxInFlightActionsPerConnection", 256, 1, MAX_COUNT,
        "Actions of one connection that run at once; reading from the connection pauses beyond.";
    connection_queue_bytes = "connectionQueueBytes", 16 << 20, 1024, MAX_BYTES, "Bytes of events that wait for one connection.";
    connection_queue_events = "connectionQueueEvents", 10_000, 1, MAX_COUNT, "Events that wait for one connection.";
    hibernation_queue_bytes = "hibernationQueueBytes", 128 << 20, 1024, MAX_BYTES, "Bytes of messages that wait for one VM to wake.";
    hibernation_queue_messages = "hibernationQueueMessages", 65_535, 1, MAX_COUNT, "Messages that wait for one VM to wake.";
    wake_timeout_ms = "wakeTimeoutMs", 90_000, 1, MAX_COUNT, "How long work waits for a VM to wake, in ms.";
    boot_timeout_ms = "bootTimeoutMs", 30_000, 1, MAX_COUNT, "How long a boot may take, in ms.";
    max_concurrent_executions = "maxConcurrentExecutions", 0, 0, MAX_COUNT,
        "Commands of clients and cron jobs that run at one time; further ones wait, in turns of the VMs. What `spawn` and `openShell` start counts while it computes. 0 is four for each CPU of the host.";
    execution_queue_deadline_ms = "executionQueueDeadlineMs", 60_000, 1, MAX_COUNT, "How long such a command may wait, in ms.";
    guest_log_head_bytes = "guestLogHeadBytes", 16 << 10, 0, MAX_BYTES,
        "Bytes that are kept of the beginning of each stream of a process that `spawn` started.";
    guest_log_tail_bytes = "guestLogTailBytes", 48 << 10, 0, MAX_BYTES, "Bytes that are kept of the end of such a stream.";
    max_vms = "maxVms", 0, 0, MAX_COUNT, "VMs that exist; 0 is any number.";
    max_awake_vms = "maxAwakeVms", 0, 0, MAX_COUNT, "VMs that are awake; 0 is any number.";
    max_auth_failures_per_minute = "maxAuthFailuresPerMinute", 60, 1, MAX_COUNT, "Refused authentications of one address.";
    max_unaccepted_creates_per_minute = "maxUnacceptedCreatesPerMinute", 60, 1, MAX_COUNT,
        "Ids that one address may reserve without a hook accepting it; loopback is exempt.";
    hook_timeout_ms = "hookTimeoutMs", 5000, 1, MAX_COUNT, "How long one hook may take, in ms.";
    receive_timeout_ms = "receiveTimeoutMs", 1000, 1, MAX_COUNT, "How long `canReceive` may take for one event, in ms.";
    conn_state_bytes = "connStateBytes", 64 << 10, 2, MAX_BYTES, "Bytes of the state of one connection, as `createConnState` makes it.";
    max_subscriptions_per_connection = "maxSubscriptionsPerConnection", 1024, 1, MAX_COUNT, "Events that one connection subscribes to.";
    max_call_depth = "maxCallDepth", 16, 1, 1024, "Actors in one chain of calls between actors.";
    open_timeout_ms = "openTimeoutMs", 15_000, 1, MAX_COUNT, "How long all hooks that open a connection may take, in ms.";
}

impl ServerLimits {
    /// Sets a field by its name, `maxVms`, or its path, `limits.server.maxVms`.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one, or a value out of bounds.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), InvalidConfig> {
        let bare = name.strip_prefix("limits.server.").unwrap_or(name);
        let path = format!("limits.server.{bare}");
        let Some(field) = Self::FIELDS.iter().find(|field| field.name == bare) else {
            let known: Vec<&str> = Self::FIELDS.iter().map(|field| field.name).collect();
            let near = crate::actions::nearest(bare, &known);
            let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            return Err(InvalidConfig::one(&path, format_args!("unknown field{hint}")));
        };
        let (min, max) = field.bounds;
        if !(min..=max).contains(&value) {
            let reason = format_args!("must be an integer between {min} and {max}, got {value}");
            return Err(InvalidConfig::one(&path, reason));
        }
        if let Some(slot) = self.slot(bare) {
            *slot = value;
        }
        Ok(())
    }

    /// What of it the actor runtime enforces.
    pub(crate) fn registry(&self) -> RegistryLimits {
        RegistryLimits {
            max_actors: count(self.max_vms),
            max_awake: count(self.max_awake_vms),
            max_connections: count(self.max_connections_per_vm),
            max_in_flight_actions: count(self.max_in_flight_actions_per_connection),
            connection_queue_bytes: count(self.connection_queue_bytes),
            connection_queue_events: count(self.connection_queue_events),
            hibernation_queue_bytes: count(self.hibernation_queue_bytes),
            hibernation_queue_messages: count(self.hibernation_queue_messages),
            wake_timeout: Duration::from_millis(self.wake_timeout_ms),
            hook_timeout: Duration::from_millis(self.hook_timeout_ms),
            open_timeout: Duration::from_millis(self.open_timeout_ms),
            receive_timeout: Duration::from_millis(self.receive_timeout_ms),
            conn_state_bytes: count(self.conn_state_bytes),
            max_subscriptions: count(self.max_subscriptions_per_connection),
            max_call_depth: u32::try_from(self.max_call_depth).unwrap_or(u32::MAX),
            max_unaccepted_creates: count(self.max_unaccepted_creates_per_minute),
            ..RegistryLimits::default()
        }
    }

    /// What of it the gateway enforces.
    pub(crate) fn gateway(&self) -> agentos_gateway::Limits {
        let mut limits = agentos_gateway::Limits::default();
        limits.max_incoming_message = count(self.max_incoming_message_size);
        limits.max_outgoing_message = count(self.max_outgoing_message_size);
        limits.max_in_flight_actions = count(self.max_in_flight_actions_per_connection);
        limits.max_auth_failures = u32::try_from(self.max_auth_failures_per_minute).unwrap_or(u32::MAX);
        // The hooks' time, and some for the queue before them.
        limits.open_timeout = Duration::from_millis(self.open_timeout_ms) + Duration::from_secs(5);
        limits
    }
}

fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table in the guide. `AGENTOS_BLESS=1` writes them.
    #[test]
    fn every_limit_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/serve.md");
        let guide = std::fs::read_to_string(path).unwrap();
        let head = "| field | default | bounds |\n| --- | --- | --- |\n";
        let (before, after) = guide.split_once(head).unwrap();
        let (found, after) = after.split_once("\n\n").unwrap();
        let row = |field: &ServerLimit| {
            let default = match (field.name, field.default) {
                (name, bytes) if name.ends_with("Bytes") || name.contains("MessageSize") => match bytes >> 20 {
                    0 => format!("{} KiB", bytes >> 10),
                    mib => format!("{mib} MiB"),
                },
                (_, number) => number.to_string(),
            };
            format!("| `{}` | {default} | {} |", field.name, field.meaning)
        };
        let wanted: Vec<String> = ServerLimits::FIELDS.iter().map(row).collect();
        let wanted = wanted.join("\n");
        if std::env::var_os("AGENTOS_BLESS").is_some() {
            std::fs::write(path, format!("{before}{head}{wanted}\n\n{after}")).unwrap();
        } else {
            assert_eq!(found, wanted, "docs/serve.md differs; AGENTOS_BLESS=1 writes it");
        }
    }

    /// Each field that the actor runtime enforces arrives there.
    #[test]
    fn what_the_runtime_enforces_arrives_there() {
        let mut limits = ServerLimits::default();
        for (name, value) in [
            ("receiveTimeoutMs", 7),
            ("connStateBytes", 8),
            ("maxSubscriptionsPerConnection", 9),
            ("maxCallDepth", 10),
        ] {
            limits.set(name, value).unwrap();
        }
        let registry = limits.registry();
        assert_eq!(registry.receive_timeout, Duration::from_millis(7));
        assert_eq!(
            (
                registry.conn_state_bytes,
                registry.max_subscriptions,
                registry.max_call_depth
            ),
            (8, 9, 10)
        );
        let text = limits.set("maxCallDepth", 1 << 20).unwrap_err().to_string();
        assert!(text.starts_with("limits.server.maxCallDepth: must be"), "{text}");
    }

    #[test]
    fn fields_are_set_within_their_bounds() {
        let mut limits = ServerLimits::default();
        limits.set("maxVms", 5).unwrap();
        assert_eq!((limits.max_vms, limits.registry().max_actors), (5, 5));
        let error = limits.set("maxVmz", 5).unwrap_err().to_string();
        assert_eq!(error, "limits.server.maxVmz: unknown field (did you mean maxVms?)");
        let error = limits.set("limits.server.hookTimeoutMs", 0).unwrap_err().to_string();
        assert_eq!(
            error,
            "limits.server.hookTimeoutMs: must be an integer between 1 and 2147483647, got 0"
        );
    }
}
