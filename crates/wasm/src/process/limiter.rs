//! What an instance may allocate.

use super::state::State;
use agentos_kernel::{Errno, LimitExceeded};
use wasmtime::ResourceLimiter;

/// Entries of one table; more than any compiler makes.
const TABLE_MAX: usize = 1 << 20;
/// Memories and tables of one instance. A memory reserves 4 GiB of address space, hence so few.
pub(crate) const MEMORIES_MAX: usize = 4;
pub(crate) const TABLES_MAX: usize = 16;
/// Bytes that a table entry takes.
const TABLE_ENTRY: usize = 8;

impl State {
    fn note_refused(&self, total: u64) {
        let path = "limits.resources.maxWasmMemoryBytes";
        let breach = LimitExceeded::new(path, "bytes", total, self.linear_max, "grow", Errno::ENOMEM);
        let process = &self.process;
        process.kernel().audit().limit_exceeded(&breach, Some(process.pid()));
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        // The bound is one of the process, however many memories it has.
        let total = self.linear.saturating_add(more as u64);
        let within = total <= self.linear_max;
        if !within {
            self.note_refused(total);
        }
        let fits = within && maximum.is_none_or(|maximum| desired <= maximum);
        let grows = fits && self.charge_memory(more);
        if grows {
            self.linear = total;
            self.growth = more as u64;
        }
        Ok(grows)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        let refused = std::mem::take(&mut self.growth);
        self.linear = self.linear.saturating_sub(refused);
        self.process.shrink_memory(refused);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        Ok(fits && self.charge_memory(desired.saturating_sub(current).saturating_mul(TABLE_ENTRY)))
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}
