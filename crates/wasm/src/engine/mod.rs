//! The wasmtime engines of one executor.
//!
//! | engine | for |
//! | --- | --- |
//! | two pools | nearly every process: slots for memory, table and stack are reserved once and reused |
//! | on demand | when the pools are full or could not be reserved, and for modules that do not fit a slot; one for each size of stack |
//! | compiling, serial and parallel | turning wasm into machine code; they never run any |
//!
//! Only the first, small pool is made at the start, so that a host process that runs one command does not wait for more.
//!
//! All of them accept the same machine code: what differs is not part of `precompile_compatibility_hash`. Modules are bound to
//! one engine, though, so a program that runs on both is loaded twice ([`crate::library`]).
//!
//! Choices that are part of compatibility, and why:
//!
//! * Epochs are always on: without them a loop could be neither stopped nor scheduled. Fuel would cost three times as much; an
//!   executor for VMs with an instruction budget has it beside epochs, and code of its own.
//! * The collector is `drc`. It only serves standard exceptions; the null collector would never free their payloads.
//! * A memory has 4 GiB of address space and guard pages, so that accesses need no bounds check. That is never reduced: if
//!   the host refuses the address space, there are fewer slots.
//! * No shared memories: their wait instruction would block a worker. No 64-bit memories: the guest ABI has 32-bit pointers.

mod flavour;

use crate::config::WasmConfig;
use crate::error::{Error, Result};
use parking_lot::RwLock;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use wasmtime::Engine;

/// Native stack that a guest may use unless its VM allows less.
pub(crate) const FULL_STACK: usize = flavour::WASM_STACK;
/// Sizes of stack that are told apart.
const STACK_STEP: usize = 64 << 10;
/// Slots of the first pool, and fewest for which another one is made.
const FIRST_SLOTS: u32 = 64;

pub(crate) struct Engines {
    first: Option<Pool>,
    rest: OnceLock<Option<Pool>>,
    rest_slots: u32,
    /// Whether instructions are counted.
    fuel: bool,
    /// By the size of stack that guests may use, in units of [`STACK_STEP`].
    on_demand: RwLock<Vec<(usize, Engine)>>,
    serial: OnceLock<Engine>,
    parallel: OnceLock<Engine>,
}

/// An engine with a number of slots for instances.
pub(crate) struct Pool {
    pub(crate) engine: Engine,
    slots: u32,
    used: AtomicU32,
}

impl Engines {
    /// Makes the first engine. There is no pool if the host has not enough address space for the smallest.
    pub(crate) fn new(config: &WasmConfig) -> Result<Self> {
        let first = Pool::new(config.pool_slots.min(FIRST_SLOTS), config.fuel);
        let engines = Self {
            rest_slots: if first.is_some() {
                config.pool_slots.saturating_sub(FIRST_SLOTS)
            } else {
                0
            },
            first,
            fuel: config.fuel,
            rest: OnceLock::new(),
            on_demand: RwLock::default(),
            serial: OnceLock::new(),
            parallel: OnceLock::new(),
        };
        engines.home().map_err(Error::engine)?;
        Ok(engines)
    }

    /// The engine that programs are loaded for first.
    pub(crate) fn home(&self) -> wasmtime::Result<Engine> {
        match &self.first {
            Some(pool) => Ok(pool.engine.clone()),
            None => self.on_demand(FULL_STACK as u64),
        }
    }

    /// Whether instructions are counted.
    pub(crate) fn counts_fuel(&self) -> bool {
        self.fuel
    }

    /// A pool with a free slot, which is taken.
    pub(crate) fn claim(&self) -> Option<&Pool> {
        let first = self.first.as_ref()?;
        if first.claim() {
            return Some(first);
        }
        let rest = self.rest.get_or_init(|| {
            if self.rest_slots > 0 {
                Pool::new(self.rest_slots, self.fuel)
            } else {
                None
            }
        });
        rest.as_ref().filter(|pool| pool.claim())
    }

    /// Gives a slot back to the pool of this engine.
    pub(crate) fn give_back(&self, engine: &Engine) {
        let pools = self.first.iter().chain(self.rest.get().and_then(Option::as_ref));
        for pool in pools.filter(|pool| Engine::same(&pool.engine, engine)) {
            pool.used.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// An engine on demand whose guests may use at least `stack` bytes of native stack, and at most [`STACK_STEP`] more.
    pub(crate) fn on_demand(&self, stack: u64) -> wasmtime::Result<Engine> {
        let steps = usize::try_from(stack).unwrap_or(usize::MAX).div_ceil(STACK_STEP);
        let steps = steps.clamp(1, FULL_STACK / STACK_STEP);
        let find = |engines: &Vec<(usize, Engine)>| {
            let found = engines.iter().find(|(known, _)| *known == steps);
            found.map(|(_, engine)| engine.clone())
        };
        if let Some(engine) = find(&self.on_demand.read()) {
            return Ok(engine);
        }
        let mut engines = self.on_demand.write();
        if let Some(engine) = find(&engines) {
            return Ok(engine);
        }
        let engine = Engine::new(&flavour::on_demand(steps * STACK_STEP, self.fuel))?;
        engines.push((steps, engine.clone()));
        Ok(engine)
    }

    /// The engine that compiles: on all CPUs, or on the calling thread only.
    pub(crate) fn compiler(&self, parallel: bool) -> wasmtime::Result<Engine> {
        let slot = if parallel { &self.parallel } else { &self.serial };
        if let Some(engine) = slot.get() {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&flavour::compiler(parallel, self.fuel))?;
        Ok(slot.get_or_init(|| engine).clone())
    }

    /// Ends the present time slice of everything that runs.
    pub(crate) fn tick(&self) {
        for pool in self.first.iter().chain(self.rest.get().and_then(Option::as_ref)) {
            pool.engine.increment_epoch();
        }
        for (_, engine) in self.on_demand.read().iter() {
            engine.increment_epoch();
        }
    }

    /// What machine code must have been made for to run here.
    pub(crate) fn compatibility(&self) -> wasmtime::Result<u64> {
        self.home().map(|engine| compatibility(&engine))
    }
}

impl Pool {
    /// A pool with the wanted number of slots, or the half, or the quarter, ...
    fn new(wanted: u32, fuel: bool) -> Option<Self> {
        let mut slots = wanted;
        while slots > 0 {
            let made = [true, false].map(|keep| flavour::pooled(slots, keep, fuel));
            if let Some(engine) = made.iter().find_map(|config| Engine::new(config).ok()) {
                return Some(Self {
                    engine,
                    slots,
                    used: AtomicU32::new(0),
                });
            }
            slots = if slots > FIRST_SLOTS {
                (slots / 2).max(FIRST_SLOTS)
            } else {
                0
            };
        }
        None
    }

    fn claim(&self) -> bool {
        let more = |used| (used < self.slots).then(|| used + 1);
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .is_ok()
    }
}

fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = Fnv::default();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
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

    fn engines(pool_slots: u32) -> Engines {
        let config = WasmConfig {
            pool_slots,
            ..WasmConfig::default()
        };
        Engines::new(&config).unwrap()
    }

    #[test]
    fn code_runs_on_every_engine() {
        let engines = engines(100);
        let pools: Vec<_> = (0..100).map(|_| engines.claim().unwrap().engine.clone()).collect();
        let others = [
            engines.on_demand(1).unwrap(),
            engines.on_demand(u64::MAX).unwrap(),
            engines.compiler(true).unwrap(),
        ];
        for engine in pools.iter().chain(&others) {
            assert_eq!(compatibility(engine), engines.compatibility().unwrap());
        }
    }

    #[test]
    fn slots_are_taken_and_given_back() {
        let engines = engines(100);
        let claimed: Vec<_> = (0..100).map(|_| engines.claim().unwrap().engine.clone()).collect();
        assert!(!Engine::same(&claimed[0], &claimed[99]));
        assert!(engines.claim().is_none());
        engines.give_back(&claimed[99]);
        assert!(engines.claim().is_some() && engines.claim().is_none());
    }

    #[test]
    fn without_address_space_there_is_less_of_a_pool_or_none() {
        assert!(Pool::new(u32::MAX, false).is_none_or(|pool| pool.slots < u32::MAX));
        assert!(engines(0).claim().is_none());
    }
}
