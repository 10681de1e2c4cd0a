//! The limits `acp.*` of a VM: they stand in the one table of limits and are enforced by its sessions; how full their stocks are
//! is told and warned about as of every other stock of the VM (limits.md section 2).

use crate::usage::LimitUsage;
use agentos_kernel::Errno;
use agentos_kernel::error::LimitExceeded;
use agentos_kernel::events::Audit;
use agentos_kernel::limits::{Field, Limits};
use agentos_session::{Notice, SessionLimits};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// What the sessions of a VM with these limits are held to.
pub(crate) fn session_limits(limits: &Limits) -> SessionLimits {
    let (ms, size) = (Duration::from_millis, |bytes| {
        usize::try_from(bytes).unwrap_or(usize::MAX)
    });
    let mut own = SessionLimits::default();
    own.max_read_line_bytes = size(limits.acp_max_read_line_bytes);
    own.stdout_buffer_byte_limit = size(limits.acp_stdout_buffer_byte_limit);
    own.request_timeout = ms(limits.acp_request_timeout_ms);
    own.initialize_timeout = ms(limits.acp_initialize_timeout_ms);
    own.new_session_timeout = ms(limits.acp_new_session_timeout_ms);
    own.prompt_timeout = Some(limits.acp_prompt_timeout_ms).filter(|time| *time > 0).map(ms);
    own.max_sessions_per_vm = limits.acp_max_sessions_per_vm;
    own.max_live_sessions_per_vm = limits.acp_max_live_sessions_per_vm;
    own.max_prompts_per_session = limits.acp_max_prompts_per_session;
    own.max_prompts_per_vm = limits.acp_max_prompts_per_vm;
    own.max_queued_prompts_per_session = limits.acp_max_queued_prompts_per_session;
    own.max_pending_permissions_per_session = limits.acp_max_pending_permissions_per_session;
    own.max_pending_permissions_per_vm = limits.acp_max_pending_permissions_per_vm;
    own.max_permission_outcomes_per_session = limits.acp_max_permission_outcomes_per_session;
    own.max_permission_outcomes_per_vm = limits.acp_max_permission_outcomes_per_vm;
    own.max_grants_per_session = limits.acp_max_grants_per_session;
    own.max_history_bytes_per_vm = limits.acp_max_history_bytes_per_vm;
    own.max_event_bytes = size(limits.acp_max_event_bytes);
    own.max_fallback_continuation_bytes = size(limits.acp_max_fallback_continuation_bytes);
    own.max_terminals_per_session = limits.acp_max_terminals_per_session;
    own.terminal_output_byte_limit = size(limits.acp_terminal_output_byte_limit);
    own
}

/// How full the stocks of a VM's sessions are, as of the last change. Of several sets of sessions of one VM, which only tests
/// have, those that changed last count.
#[derive(Debug, Default)]
pub(crate) struct SessionStocks(Mutex<HashMap<&'static str, Stock>>);

#[derive(Debug, Clone, Copy, Default)]
struct Stock {
    observed: u64,
    /// Since the last time that it was half empty.
    warned: bool,
}

/// Caps below this have no warning.
const WORTH_WARNING: u64 = 5;

impl SessionStocks {
    /// Hears what sessions tell; reports to the VM's host what is worth it.
    pub(crate) fn hear(&self, notice: &Notice, audit: &Audit) {
        match notice {
            Notice::Usage {
                path,
                observed,
                capacity,
            } => {
                let noun = Limits::find(path).map_or("", |field| field.noun);
                if self.changed(path, *observed, *capacity) {
                    audit.limit_near(path, noun, *observed, *capacity);
                }
            }
            Notice::LimitExceeded {
                path,
                noun,
                observed,
                capacity,
                operation,
            } => {
                // No guest has called: this is what the table says of such sizes and counts.
                let errno = if *noun == "bytes" { Errno::EFBIG } else { Errno::EAGAIN };
                let limit = LimitExceeded::new(path, noun, *observed, *capacity, operation, errno);
                audit.limit_exceeded(&limit, None);
            }
            _ => {}
        }
    }

    /// Usage is now `observed`; whether a warning is due.
    fn changed(&self, path: &'static str, observed: u64, capacity: u64) -> bool {
        let mut stocks = self.0.lock();
        let stock = stocks.entry(path).or_default();
        stock.observed = observed;
        let (used, all) = (u128::from(observed), u128::from(capacity));
        if capacity >= WORTH_WARNING && used * 100 >= all * 80 {
            return !std::mem::replace(&mut stock.warned, true);
        }
        if used * 2 < all {
            stock.warned = false;
        }
        false
    }

    /// All of them, in the order of the table.
    pub(crate) fn usage(&self, limits: &Limits) -> Vec<LimitUsage> {
        let stocks = self.0.lock();
        let usage = |field: &Field| {
            let observed = stocks.get(field.path).map_or(0, |stock| stock.observed);
            LimitUsage::new(field.path, observed, limits.get(field.path).unwrap_or_default())
        };
        let own = |field: &&Field| field.warns && field.is_of_sessions();
        Limits::FIELDS.iter().filter(own).map(usage).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_without_limits_of_their_own_have_those_of_the_table() {
        assert_eq!(session_limits(&Limits::default()), SessionLimits::default());
        let mut limits = Limits::default();
        limits.set("acp.promptTimeoutMs", 0).unwrap();
        assert_eq!(session_limits(&limits).prompt_timeout, None);
    }

    #[test]
    fn a_stock_warns_once_until_it_has_been_half_empty() {
        let stocks = SessionStocks::default();
        let at = |observed, capacity| stocks.changed("limits.acp.maxSessionsPerVm", observed, capacity);
        assert_eq!(
            (at(7, 10), at(8, 10), at(10, 10), at(5, 10), at(9, 10)),
            (false, true, false, false, false)
        );
        assert_eq!((at(4, 10), at(8, 10), at(4, 4)), (false, true, false));
        let usage = stocks.usage(&Limits::default());
        let sessions = usage.iter().find(|stock| stock.limit == "maxSessionsPerVm").unwrap();
        assert_eq!((sessions.observed, sessions.capacity, usage.len()), (4, 10_000, 6));
    }
}
