//! The wasmtime engines of one executor.
//!
//! | engine | for |
//! | --- | --- |
//! | pooled | nearly every process: slots for memory, table and stack are reserved once and reused |
//! | on demand | when the pool is full or could not be reserved, for modules that do not fit a slot, and one for each smaller stack |
//! | compiling, serial and parallel | turning wasm into machine code; they never run any |
//!
//! All of them accept the same machine code: what differs is not part of `precompile_compatibility_hash`. Modules are bound to
//! one engine, though, so a program that runs on both is loaded twice ([`crate::library`]).
//!
//! Choices that are part of compatibility, and why:
//!
//! * Epochs are always on: without them a loop could be neither stopped nor scheduled. Fuel would cost three times as much.
//! * The collector is `drc`. It only serves standard exceptions; the null collector would never free their payloads.
//! * A memory has 4 GiB of address space and guard pages, so that accesses need no bounds check. That is never reduced: if
//!   the host refuses the address space, there are fewer slots.
//! * No shared memories: their wait instruction would block a worker. No 64-bit memories: the guest ABI has 32-bit pointers.

mod flavour;

use crate::config::WasmConfig;
use crate::error::{Error, Result};
use parking_lot::RwLock;
use std::hash::{Hash, Hasher};
use wasmtime::Engine;

/// Native stack that a guest may use unless its VM allows less.
pub(crate) const FULL_STACK: usize = flavour::WASM_STACK;
/// Sizes of stack that are told apart.
const STACK_STEP: usize = 64 << 10;
/// Fewest slots for which a pool is made.
const MIN_SLOTS: u32 = 64;

pub(crate) struct Engines {
    pooled: Option<Engine>,
    on_demand: Engine,
    /// By the size of stack that guests may use, in units of [`STACK_STEP`].
    small_stacks: RwLock<Vec<(usize, Engine)>>,
    serial: Engine,
    parallel: Engine,
    slots: u32,
}

impl Engines {
    /// Makes the engines; the pool gets as many of the wanted slots as the host has address space for.
    pub(crate) fn new(config: &WasmConfig) -> Result<Self> {
        let engine = |config: &wasmtime::Config| Engine::new(config).map_err(Error::engine);
        let on_demand = engine(&flavour::on_demand())?;
        let (pooled, slots) = pool(config.pool_slots);
        Ok(Self {
            pooled,
            on_demand,
            small_stacks: RwLock::default(),
            serial: engine(&flavour::compiler(false))?,
            parallel: engine(&flavour::compiler(true))?,
            slots,
        })
    }

    /// The engine with a pool and its number of slots, if the host had room for one.
    pub(crate) fn pooled(&self) -> Option<(&Engine, u32)> {
        self.pooled.as_ref().map(|engine| (engine, self.slots))
    }

    pub(crate) fn on_demand(&self) -> &Engine {
        &self.on_demand
    }

    /// An engine on demand whose guests may use at least `stack` bytes of native stack, and at most [`STACK_STEP`] more.
    pub(crate) fn with_stack(&self, stack: u64) -> wasmtime::Result<Engine> {
        let steps = usize::try_from(stack).unwrap_or(usize::MAX).div_ceil(STACK_STEP).max(1);
        if steps >= FULL_STACK / STACK_STEP {
            return Ok(self.on_demand.clone());
        }
        let find = |engines: &Vec<(usize, Engine)>| {
            let found = engines.iter().find(|(known, _)| *known == steps);
            found.map(|(_, engine)| engine.clone())
        };
        if let Some(engine) = find(&self.small_stacks.read()) {
            return Ok(engine);
        }
        let mut engines = self.small_stacks.write();
        if let Some(engine) = find(&engines) {
            return Ok(engine);
        }
        let engine = Engine::new(&flavour::small_stack(steps * STACK_STEP))?;
        engines.push((steps, engine.clone()));
        Ok(engine)
    }

    /// The engine that compiles: on all CPUs, or on the calling thread only.
    pub(crate) fn compiler(&self, parallel: bool) -> &Engine {
        if parallel { &self.parallel } else { &self.serial }
    }

    /// Ends the present time slice of everything that runs.
    pub(crate) fn tick(&self) {
        if let Some(pooled) = &self.pooled {
            pooled.increment_epoch();
        }
        self.on_demand.increment_epoch();
        for (_, engine) in self.small_stacks.read().iter() {
            engine.increment_epoch();
        }
    }

    /// What machine code must have been made for to run here.
    pub(crate) fn compatibility(&self) -> u64 {
        let mut hasher = Fnv::default();
        self.serial.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }
}

/// A pool with the wanted number of slots, or the half, or the quarter, ...
fn pool(wanted: u32) -> (Option<Engine>, u32) {
    let mut slots = wanted;
    while slots > 0 {
        let made = [true, false].map(|keep| flavour::pooled(slots, keep));
        if let Some(engine) = made.iter().find_map(|config| Engine::new(config).ok()) {
            return (Some(engine), slots);
        }
        slots = if slots > MIN_SLOTS {
            (slots / 2).max(MIN_SLOTS)
        } else {
            0
        };
    }
    (None, 0)
}

/// FNV-1a: the same on every run, unlike the standard library's default hasher.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_runs_on_every_engine() {
        let engines = Engines::new(&WasmConfig {
            pool_slots: 64,
            ..WasmConfig::default()
        })
        .unwrap();
        let (pooled, slots) = engines.pooled().unwrap();
        assert_eq!(slots, 64);
        let hash = |engine: &Engine| {
            let mut hasher = Fnv::default();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        for engine in [pooled, engines.on_demand(), engines.compiler(true)] {
            assert_eq!(hash(engine), engines.compatibility());
        }
    }

    #[test]
    fn without_address_space_there_is_no_pool() {
        let (engine, slots) = pool(u32::MAX);
        assert!(slots < u32::MAX);
        assert!(engine.is_some() || slots == 0);
    }
}
