//! Why a program cannot be run.

use agentos_kernel::{Errno, Error, LimitExceeded};

/// Why a program cannot be run; what a guest sees is made of it by [`Failure::into_error`].
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The file is no module that we run, and why.
    Invalid(String),
    /// A limit of the executor or VM.
    Limit(Box<LimitExceeded>),
    /// Its file cannot be read.
    Os(Errno),
}

impl Failure {
    /// The module was refused by the engine, whose words are passed on.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn invalid(error: wasmtime::Error) -> Self {
        if let Some(import) = error.downcast_ref::<wasmtime::UnknownImportError>() {
            return Self::Invalid(format!("unknown import: {}::{}", import.module(), import.name()));
        }
        let mut message = format!("{error:#}");
        let cut = message.char_indices().map(|(at, _)| at).find(|at| *at > MESSAGE_MAX);
        message.truncate(cut.unwrap_or(message.len()));
        Self::Invalid(message)
    }

    /// The file is larger than the VM allows.
    pub(crate) fn too_large(observed: u64, capacity: u64) -> Self {
        let path = "limits.wasm.maxModuleFileBytes";
        Self::Limit(Box::new(LimitExceeded::new(
            path,
            "bytes",
            observed,
            capacity,
            "exec",
            Errno::ENOEXEC,
        )))
    }

    /// Too much waits for the compiler already.
    pub(crate) fn busy(observed: usize, capacity: usize) -> Self {
        let path = "wasm.max_queued_programs";
        let (observed, capacity) = (observed as u64, capacity as u64);
        Self::Limit(Box::new(LimitExceeded::new(
            path,
            "programs",
            observed,
            capacity,
            "exec",
            Errno::EAGAIN,
        )))
    }

    /// The programs that wait already are too large together.
    pub(crate) fn busy_bytes(observed: u64, capacity: u64) -> Self {
        let path = "wasm.waiting_program_bytes";
        Self::Limit(Box::new(LimitExceeded::new(
            path,
            "bytes",
            observed,
            capacity,
            "exec",
            Errno::EAGAIN,
        )))
    }

    /// Whether trying again with the same file can only fail the same way.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Invalid(_))
    }

    /// What the kernel reports.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Invalid(message) => Error::not_executable(message),
            Self::Limit(limit) => Error::Limit(limit),
            Self::Os(errno) => Error::Os(errno),
        }
    }
}

/// Bytes of an engine's message that are passed on; a module can make it as long as its names.
const MESSAGE_MAX: usize = 600;
