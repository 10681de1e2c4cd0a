//! The work of the lanes: digest, disk, compiler.

use super::code::{Code, Loaded};
use super::disk::Digest;
use super::failure::Failure;
use super::key::{Content, Key};
use super::{Compiling, Shared, trusted};
use crate::engine::FULL_STACK;
use agentos_kernel::Errno;
use agentos_kernel::vfs::InodeHandle;
use bytes::Bytes;
use sha2::Digest as _;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wasmtime::Engine;

impl Shared {
    /// Finds or makes the code and answers everybody who waits for it.
    pub(super) fn make(self: &Arc<Self>, key: &Key, content: &Content) {
        let bundled = content.is_bundled();
        let found = guarded(|| self.look_up(content));
        match found {
            Ok(Found::Code(code)) => self.answer(key, &Ok(code)),
            Err(failure) => self.answer(key, &Err(failure)),
            Ok(Found::Source(digest, wasm)) if bundled => {
                self.answer(key, &guarded(|| self.compile(digest, &wasm, true)));
            }
            Ok(Found::Source(digest, wasm)) => {
                let shared = Arc::clone(self);
                let request = key.clone();
                let job = move || shared.answer(&request, &guarded(|| shared.compile(digest, &wasm, false)));
                if self.compiler.push(Box::new(job)).is_err() {
                    self.answer(key, &Err(Failure::Os(Errno::EAGAIN)));
                }
            }
        }
    }

    /// Publishes an answer.
    pub(super) fn answer(&self, key: &Key, answer: &Result<Arc<Code>, Failure>) {
        let waiters = self.index.lock().finish(key, answer.clone());
        if let Some(waiters) = waiters {
            waiters.wake();
        }
    }

    /// Looks in memory and on disk.
    fn look_up(&self, content: &Content) -> Result<Found, Failure> {
        let (digest, wasm) = match content {
            Content::Blob(blob) => (blob.digest(digest), None),
            Content::File { location, limit } => {
                let wasm = read(&InodeHandle::new(location.clone()), *limit)?;
                (digest(&wasm), Some(wasm))
            }
        };
        if let Some(code) = self.index.lock().code(&digest) {
            return Ok(Found::Code(code));
        }
        let bundled = content.is_bundled();
        let stored = self.disk.as_ref().and_then(|disk| disk.get(&digest));
        // A stored form that the engine refuses after all is made again.
        if let Some(loaded) = stored.and_then(|file| self.load(Some(file), &[]).ok()) {
            return self.bind(digest, loaded, bundled).map(Found::Code);
        }
        let wasm = match content {
            Content::Blob(blob) if blob.bytes().len() as u64 != blob.len() => return Err(Failure::Os(Errno::EIO)),
            Content::Blob(blob) => blob.bytes().clone(),
            Content::File { .. } => wasm.unwrap_or_default(),
        };
        Ok(Found::Source(digest, wasm))
    }

    /// Compiles, stores and loads.
    fn compile(&self, digest: Digest, wasm: &[u8], bundled: bool) -> Result<Arc<Code>, Failure> {
        // The same content may have come by another name while this waited.
        if let Some(code) = self.index.lock().code(&digest) {
            return Ok(code);
        }
        let event = Compiling {
            bytes: wasm.len() as u64,
            bundled,
            finished: false,
        };
        self.tell(event);
        let code = self
            .engines
            .compiler(bundled)
            .and_then(|engine| engine.precompile_module(wasm));
        self.tell(Compiling {
            finished: true,
            ..event
        });
        let code = code.map_err(Failure::invalid)?;
        let stored = self.disk.as_ref().and_then(|disk| disk.put(&digest, &code));
        let loaded = self.load(stored, &code).map_err(Failure::invalid)?;
        self.bind(digest, loaded, bundled)
    }

    /// Loads machine code, mapped from `file` or else copied from `code`, for a pool if it fits there.
    fn load(&self, file: Option<File>, code: &[u8]) -> wasmtime::Result<Loaded> {
        let on = |engine: &Engine| match &file {
            Some(file) => trusted::from_file(engine, file.try_clone()?),
            None => trusted::from_bytes(engine, code),
        };
        let (module, fits_pool) = match on(&self.engines.home()?) {
            Ok(module) => (module, true),
            Err(_) => (on(&self.engines.on_demand(FULL_STACK as u64)?)?, false),
        };
        Ok(Loaded {
            module,
            file,
            fits_pool,
        })
    }

    fn bind(&self, digest: Digest, loaded: Loaded, bundled: bool) -> Result<Arc<Code>, Failure> {
        let code = Arc::new(Code::new(&self.engines, &self.linkers, loaded, bundled)?);
        self.index.lock().keep(digest, &code);
        Ok(code)
    }

    fn tell(&self, event: Compiling) {
        let hook = self.hook.lock().clone();
        if let Some(hook) = hook {
            hook(event);
        }
    }
}

enum Found {
    Code(Arc<Code>),
    Source(Digest, Bytes),
}

fn digest(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

fn read(file: &InodeHandle, limit: u64) -> Result<Bytes, Failure> {
    file.read_all(limit).map_err(|error| match error.errno() {
        Errno::EFBIG => Failure::too_large(limit.saturating_add(1), limit),
        errno => Failure::Os(errno),
    })
}

/// Runs a step that a hostile module may bring to panic.
fn guarded<T>(step: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(step))
        .unwrap_or_else(|_| Err(Failure::Invalid("the compiler failed on this module".into())))
}
