//! Settings of the engines.

use wasmtime::{Collector, Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Native stack that a guest may use. The remaining part of the fiber's stack is for imports: what they need is bounded,
/// because none recurses over anything that a guest controls.
pub(super) const WASM_STACK: usize = 1 << 20;
/// Stack of a fiber.
const ASYNC_STACK: usize = 2 << 20;

/// Largest memory of an instance in the pool.
const SLOT_MEMORY: usize = 1 << 30;
/// Largest table of an instance in the pool.
const SLOT_TABLE: usize = 20_000;
/// Largest bookkeeping of an instance in the pool; it grows with the number of functions.
const SLOT_INSTANCE: usize = 4 << 20;

/// Memory that a free slot keeps, at most.
const KEPT_MEMORY: usize = 1 << 20;
/// Part of a table and of a stack that a free slot keeps.
const KEPT_REST: usize = 64 << 10;

fn base(fuel: bool) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(fuel)
        .epoch_interruption(true)
        .collector(Collector::DeferredReferenceCounting)
        .wasm_memory64(false)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        .memory_reservation(4 << 30)
        .memory_may_move(false)
        .cranelift_opt_level(OptLevel::Speed)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true);
    config
}

/// For processes beyond the pool, which may use `stack` bytes of native stack.
pub(super) fn on_demand(stack: usize, fuel: bool) -> Config {
    let mut config = base(fuel);
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .max_wasm_stack(stack);
    config
}

/// For compiling only.
pub(super) fn compiler(parallel: bool, fuel: bool) -> Config {
    let mut config = on_demand(WASM_STACK, fuel);
    config.parallel_compilation(parallel);
    config
}

/// For processes in a pool of `slots`. With `keep`, pages that a process wrote stay in its slot and are reset one by one,
/// which halves the cost of starting the next process: its pages need not be faulted in. That needs a host that says
/// which pages were written (Linux 6.7); elsewhere all of the kept part would have to be reset, which costs more than it saves.
pub(super) fn pooled(slots: u32, keep: bool, fuel: bool) -> Config {
    // A store that uses exceptions takes a second memory, for their heap.
    let heaps = (slots / 4).max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots.saturating_add(heaps))
        .total_tables(slots)
        .total_stacks(slots)
        .total_gc_heaps(heaps)
        .max_memory_size(SLOT_MEMORY)
        .table_elements(SLOT_TABLE)
        .max_core_instance_size(SLOT_INSTANCE);
    if keep {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_MEMORY)
            .table_keep_resident(KEPT_REST)
            .async_stack_keep_resident(KEPT_REST);
    }
    let mut config = base(fuel);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
