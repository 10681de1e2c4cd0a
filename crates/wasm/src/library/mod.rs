//! Programs: from a file to something that can be instantiated.
//!
//! ```text
//!   file ──▶ request (by blob or by inode and change time) ──▶ code in memory            nearly always
//!                      │ unknown
//!                      ▼
//!            lane: digest ──▶ code in memory ──▶ disk ──▶ compiler                        once per program
//! ```
//!
//! A caller that meets an unknown program registers its waker and is answered `Pending`; it calls again when woken. Nobody
//! reads, hashes or compiles on a thread that runs guests.
//!
//! There are three lanes, so that a slow one delays nobody it should not: bundled programs (compiled on all CPUs), reading
//! and hashing of other files, and compiling those (one thread of low priority, whatever guests do).
//!
//! Bounds: size of a file (`limits.wasm.maxModuleFileBytes`), number of waiting programs of all VMs and of one filesystem,
//! bytes of idle machine code, number of remembered answers.

mod checksum;
mod code;
mod disk;
mod failure;
mod index;
mod key;
mod lane;
mod make;
mod trusted;

pub(crate) use code::{Code, Form};
pub(crate) use failure::Failure;

use crate::config::WasmConfig;
use crate::engine::Engines;
use crate::imports::Linkers;
use agentos_kernel::vfs::InodeHandle;
use disk::Disk;
use index::{Answer, Index};
use key::{Content, Key};
use lane::Lane;
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Called before and after a program is compiled.
pub type CompileHook = Arc<dyn Fn(Compiling) + Send + Sync>;

/// What a [`CompileHook`] is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compiling {
    /// Bytes of the module.
    pub bytes: u64,
    /// Whether it belongs to the bundled software.
    pub bundled: bool,
    /// Whether it has ended.
    pub finished: bool,
}

/// All programs of one executor.
pub(crate) struct Library {
    shared: Arc<Shared>,
    bundled: Lane,
    reader: Lane,
}

struct Shared {
    engines: Arc<Engines>,
    linkers: Arc<Linkers>,
    disk: Option<Disk>,
    index: Mutex<Index>,
    hook: Mutex<Option<CompileHook>>,
    compiler: Lane,
    max_waiting: usize,
}

/// How much less the compiler of guests' own programs counts than the guests that run.
const COMPILER_NICE: i32 = 10;

impl Library {
    pub(crate) fn new(config: &WasmConfig, engines: &Arc<Engines>, linkers: &Arc<Linkers>) -> crate::Result<Self> {
        let compatibility = engines.compatibility().map_err(crate::Error::engine)?;
        let disk = config
            .cache_dir
            .as_deref()
            .and_then(|dir| Disk::open(dir, compatibility, config.cache_bytes));
        let shared = Shared {
            engines: Arc::clone(engines),
            linkers: Arc::clone(linkers),
            disk,
            index: Mutex::new(Index::new(config.max_idle_code_bytes)),
            hook: Mutex::new(None),
            compiler: Lane::new("agentos-compile", COMPILER_NICE),
            max_waiting: config.max_queued_programs,
        };
        Ok(Self {
            shared: Arc::new(shared),
            bundled: Lane::new("agentos-bundle", 0),
            reader: Lane::new("agentos-load", 0),
        })
    }

    /// Sets who is told about compilations.
    pub(crate) fn set_hook(&self, hook: Option<CompileHook>) {
        *self.shared.hook.lock() = hook;
    }

    /// Whether the program with this SHA-256 is in memory or on disk.
    pub(crate) fn holds(&self, program: &disk::Digest) -> bool {
        self.shared.index.lock().code(program).is_some()
            || self.shared.disk.as_ref().is_some_and(|disk| disk.holds(program))
    }

    /// The program in `file`, of at most `limit` bytes.
    pub(crate) fn find(
        &self,
        file: &InodeHandle,
        limit: u64,
        waker: Option<&Waker>,
    ) -> Poll<Result<Arc<Code>, Failure>> {
        let blob = file.blob();
        let key = match &blob {
            Some(blob) if blob.len() > limit => return Poll::Ready(Err(Failure::too_large(blob.len(), limit))),
            Some(blob) => Key::Blob(blob.id()),
            None => match Key::of_file(file, limit) {
                Ok(key) => key,
                Err(failure) => return Poll::Ready(Err(failure)),
            },
        };
        let mut index = self.shared.index.lock();
        match index.ask(&key, waker) {
            Answer::Ready(code) => return Poll::Ready(Ok(code)),
            Answer::Failed(failure) => return Poll::Ready(Err(failure)),
            Answer::Waiting(cleared) => {
                drop(index);
                cleared.wake();
                return Poll::Pending;
            }
            Answer::Unknown => {}
        }
        let content = match blob {
            Some(blob) => Content::Blob(blob),
            None => Content::of_file(file, limit),
        };
        if let Err(failure) = index.begin(&key, waker, self.shared.max_waiting) {
            return Poll::Ready(Err(failure));
        }
        drop(index);
        let lane = if content.is_bundled() {
            &self.bundled
        } else {
            &self.reader
        };
        let shared = Arc::clone(&self.shared);
        let request = key.clone();
        match lane.push(Box::new(move || shared.make(&request, &content))) {
            Ok(()) => Poll::Pending,
            Err(_) => {
                let failure = Failure::Os(agentos_kernel::Errno::EAGAIN);
                self.shared.answer(&key, &Err(failure.clone()));
                Poll::Ready(Err(failure))
            }
        }
    }
}
