//! The bundled programs: what they are called, and compiling them before they are needed.

use crate::error::{Error, Result};
use crate::exec::within;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::fd::IoResult;
use agentos_kernel::vfs::{InodeHandle, OpenOptions, Opened};
use agentos_kernel::{Errno, Error as KernelError};
use agentos_software::Userland;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Names of the commands of the bundled userland, sorted.
pub fn commands() -> Result<Vec<String>> {
    Ok(Userland::bundled()?
        .commands()
        .iter()
        .map(|(command, _)| (*command).to_owned())
        .collect())
}

/// How far [`AgentOs::prepare`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preparation {
    /// Programs that are ready now.
    pub done: usize,
    /// Programs that had to be compiled.
    pub total: usize,
}

impl AgentOs {
    /// Compiles the bundled programs for this machine, unless that was done before: by this process, or by an earlier one
    /// that left them in the cache directory. Without this each is compiled when it is first run.
    ///
    /// It ends after `limits.wasm.prewarmTimeoutMs`; what is not compiled by then is when it is first run.
    ///
    /// `progress` is called before the first and after each program that had to be compiled.
    pub async fn prepare(&self, mut progress: impl FnMut(&Preparation)) -> Result<()> {
        self.vm.alive()?;
        let mut waiting = Vec::new();
        if !self.vm.options.software.is_empty() {
            for artefact in Userland::bundled()?.artefacts() {
                if self.vm.engine.has_compiled(&artefact.digest()) {
                    continue;
                }
                let path = format!("/usr/bin/{}", artefact.name);
                // A VM may have removed it.
                if let Ok(file) = self.vm.program(&path) {
                    waiting.push((path, file));
                }
            }
        }
        poll_fn(|cx| Poll::Ready(self.vm.compile(&mut waiting, cx.waker()))).await?;
        let mut now = Preparation {
            done: 0,
            total: waiting.len(),
        };
        let patience = Duration::from_millis(self.limits().wasm_prewarm_timeout_ms);
        let compiled = async {
            while !waiting.is_empty() {
                progress(&now);
                let left = waiting.len();
                poll_fn(|cx| match self.vm.compile(&mut waiting, cx.waker()) {
                    Ok(()) if waiting.len() == left => Poll::Pending,
                    other => Poll::Ready(other),
                })
                .await?;
                now.done = now.total - waiting.len();
            }
            Ok::<(), Error>(())
        };
        within(&**self.vm.kernel.clock(), patience, compiled)
            .await
            .unwrap_or(Ok(()))?;
        if now.total > 0 {
            progress(&now);
        }
        Ok(())
    }
}

impl Vm {
    fn program(&self, path: &str) -> Result<InodeHandle, KernelError> {
        let options = OpenOptions {
            read: true,
            ..OpenOptions::default()
        };
        match self.as_root(|cx| self.kernel.vfs().open(cx, None, path.as_bytes(), options))? {
            Opened::Inode(file) => Ok(file),
            _ => Err(Errno::ENOEXEC.into()),
        }
    }

    /// Asks for every program; those that are ready leave the list.
    fn compile(&self, waiting: &mut Vec<(String, InodeHandle)>, waker: &Waker) -> Result<()> {
        let mut failed = None;
        waiting.retain(|(path, file)| match self.load(file, waker) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failed.get_or_insert_with(|| Error::file("prepare", path)(error));
                false
            }
        });
        failed.map_or(Ok(()), Err)
    }

    fn load(&self, file: &InodeHandle, waker: &Waker) -> IoResult<()> {
        use agentos_kernel::process::Executor;
        self.engine.load(&self.kernel, file, Some(waker)).map_ok(drop)
    }
}
