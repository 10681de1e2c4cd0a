//! A program that can be instantiated.

use super::failure::Failure;
use super::trusted;
use crate::compat::Generation;
use crate::engine::Engines;
use crate::imports::Linkers;
use crate::process::State;
use crate::process::{MEMORIES_MAX, TABLES_MAX};
use agentos_abi as abi;
use agentos_kernel::{Errno, LimitExceeded};
use parking_lot::Mutex;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{Engine, ExternType, FuncType, InstancePre, Module, ModuleExport, Mutability, ValType};

/// Bytes of a page of WebAssembly memory.
const PAGE: u64 = 1 << 16;

/// A loaded program, shared by all processes that run it.
pub(crate) struct Code {
    home: Arc<Form>,
    /// The program on other engines than the one it was loaded for first.
    others: Mutex<Vec<Arc<Form>>>,
    /// Where its machine code is mapped from.
    file: Option<File>,
    /// Whether an instance fits a slot of a pool.
    pub(crate) fits_pool: bool,
    linkers: Arc<Linkers>,
    engines: Arc<Engines>,
    /// Whether it imports our own module, which decides where the root directory is preopened.
    pub(crate) native: bool,
    /// Which calls of another system it expects.
    pub(crate) generation: Generation,
    clones: bool,
    /// Names of exported mutable globals, which a clone gets copies of.
    globals: Vec<String>,
    /// Bytes of memory that it begins with.
    memory: u64,
    /// Bytes of machine code.
    pub(crate) size: u64,
    /// Part of the product: never unloaded, since it will be needed again.
    pub(crate) bundled: bool,
    used: AtomicU64,
}

/// Machine code on its first engine.
pub(super) struct Loaded {
    pub(super) module: Module,
    /// Where it is mapped from, if that is a file.
    pub(super) file: Option<File>,
    /// Whether an instance fits a slot of a pool.
    pub(super) fits_pool: bool,
}

/// The program on one engine.
pub(crate) struct Form {
    pub(crate) pre: InstancePre<State>,
    pub(crate) memory: Option<ModuleExport>,
    pub(crate) start: ModuleExport,
    pub(crate) clone_entry: Option<ModuleExport>,
}

impl Code {
    /// Checks what the program imports and exports and binds it.
    pub(super) fn new(
        engines: &Arc<Engines>,
        linkers: &Arc<Linkers>,
        loaded: Loaded,
        bundled: bool,
    ) -> Result<Self, Failure> {
        let Loaded {
            module,
            file,
            fits_pool,
        } = loaded;
        let needed = module.resources_required();
        if needed.num_memories as usize > MEMORIES_MAX || needed.num_tables as usize > TABLES_MAX {
            return Err(Failure::Invalid(format!(
                "has more than {MEMORIES_MAX} memories or {TABLES_MAX} tables"
            )));
        }
        let form = Arc::new(Form::new(linkers, &module)?);
        let range = module.image_range();
        let clones = form.clone_entry.is_some();
        let native = module.imports().any(|import| import.module() == abi::MODULE);
        Ok(Self {
            home: form,
            others: Mutex::default(),
            file,
            fits_pool,
            linkers: Arc::clone(linkers),
            engines: Arc::clone(engines),
            native,
            generation: Generation::of(&module),
            clones,
            globals: module
                .exports()
                .filter(|export| is_mutable(&export.ty()))
                .map(|export| export.name().to_owned())
                .collect(),
            memory: needed.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE),
            size: (range.end as usize).saturating_sub(range.start as usize) as u64,
            bundled,
            used: AtomicU64::new(0),
        })
    }

    /// The program on this engine, loaded at the first call.
    pub(crate) fn on(&self, engine: &Engine) -> Result<Arc<Form>, Failure> {
        if self.home.is_on(engine) {
            return Ok(Arc::clone(&self.home));
        }
        let mut others = self.others.lock();
        if let Some(form) = others.iter().find(|form| form.is_on(engine)) {
            return Ok(Arc::clone(form));
        }
        let module = match &self.file {
            Some(file) => file
                .try_clone()
                .map_err(Into::into)
                .and_then(|file| trusted::from_file(engine, file)),
            None => self
                .home
                .pre
                .module()
                .serialize()
                .and_then(|code| trusted::from_bytes(engine, &code)),
        };
        let form = Arc::new(Form::new(&self.linkers, &module.map_err(Failure::invalid)?)?);
        others.push(Arc::clone(&form));
        Ok(form)
    }

    /// The program outside of the pools, with at least `stack` bytes of native stack.
    pub(crate) fn on_demand(&self, stack: u64) -> Result<Arc<Form>, Failure> {
        self.on(&self.engines.on_demand(stack).map_err(Failure::invalid)?)
    }

    /// Whether the memory that it begins with is within what the VM allows a process.
    pub(crate) fn check_memory(&self, capacity: u64) -> agentos_kernel::Result<()> {
        if self.memory <= capacity {
            return Ok(());
        }
        let path = "limits.resources.maxWasmMemoryBytes";
        Err(LimitExceeded::new(path, "bytes", self.memory, capacity, "exec", Errno::ENOMEM).into())
    }

    /// Bytes of memory that it begins with.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether a process that runs it can be cloned.
    pub(crate) fn can_clone(&self) -> bool {
        self.clones
    }

    /// Names of exported mutable globals.
    pub(crate) fn globals(&self) -> &[String] {
        &self.globals
    }

    /// Notes a use at `time`, a counter that only grows.
    pub(crate) fn touch(&self, time: u64) {
        self.used.store(time, Ordering::Relaxed);
    }

    /// When it was last used.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Form {
    fn is_on(&self, engine: &Engine) -> bool {
        Engine::same(self.pre.module().engine(), engine)
    }

    fn new(linkers: &Linkers, module: &Module) -> Result<Self, Failure> {
        let pre = linkers
            .of(module.engine(), Generation::of(module))?
            .instantiate_pre(module)
            .map_err(Failure::invalid)?;
        let start = match module.get_export("_start") {
            Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0 => {
                module.get_export_index("_start")
            }
            _ => None,
        };
        let memory = match module.get_export("memory") {
            Some(ExternType::Memory(_)) => module.get_export_index("memory"),
            _ => None,
        };
        let clone_entry = match module.get_export(abi::CLONE_ENTRY) {
            Some(ExternType::Func(ty)) if takes_and_gives_i32(&ty) => module.get_export_index(abi::CLONE_ENTRY),
            _ => None,
        };
        Ok(Self {
            start: start.ok_or_else(|| {
                Failure::Invalid("exports no function \"_start\" without parameters and results".into())
            })?,
            memory,
            clone_entry,
            pre,
        })
    }
}

fn is_mutable(ty: &ExternType) -> bool {
    matches!(ty, ExternType::Global(global) if global.mutability() == Mutability::Var)
}

fn takes_and_gives_i32(ty: &FuncType) -> bool {
    let one = |mut types: Box<dyn Iterator<Item = ValType> + '_>| {
        types.next().is_some_and(|ty| ty.is_i32()) && types.next().is_none()
    };
    one(Box::new(ty.params())) && one(Box::new(ty.results()))
}
