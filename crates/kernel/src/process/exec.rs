//! Another program in the same process (`execve(2)`).

use super::executor::Program;
use super::image::Image;
use super::process::Process;
use super::request::SpawnRequest;
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::fd::IoResult;
use crate::id::Pid;
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

impl Process {
    /// Replaces the program of the process. When this succeeds the process is already the new one (descriptors that are
    /// close-on-exec are closed, caught signals have their default action) and the caller's guest code must not run again: its
    /// executor unwinds it, frees its memory and starts the program that it was given.
    ///
    /// `inherit` of the request is taken for granted.
    ///
    /// # Errors
    /// Those of [`Kernel::spawn`](super::Kernel::spawn). The process is then unchanged.
    pub fn exec(&self, request: &SpawnRequest, waker: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        let kernel = self.kernel();
        kernel.check_request(request)?;
        self.may_start(&request.path)?;
        let mut start = self.cx()?;
        if request.credentials.is_some() && !start.cred.is_root() {
            return Poll::Ready(Err(Errno::EPERM.into()));
        }
        kernel.prepare_place(&mut start, request)?;
        let mut there = kernel.after_actions(&start, request)?;
        let mut handed = kernel.environment_for(self, request);
        let mut loaded = ready!(kernel.load(&there.fs(), request, &handed.env, waker))?;
        let fds = ready!(kernel.child_fds(self, start, request, true, waker))?;
        if request.setsid {
            self.setsid()?;
        }
        if let Some(group) = request.pgroup {
            self.setpgid(Pid(0), group)?;
        }
        kernel.guard.record_environment(&mut handed, self.pid());
        let image = Image::new(&mut loaded, handed.env.into_owned());
        self.set_image(Arc::new(image));
        let mut cred = Credentials::clone(request.credentials.as_ref().unwrap_or(&there.cred));
        (cred.suid, cred.sgid) = (cred.euid, cred.egid);
        self.set_cred(cred);
        there.place.exe = Some(loaded.exe);
        let old = self.place.lock().replace(there.place);
        drop(old);
        self.replace_fds(fds);
        self.with_signals(|table| {
            if let Ok(entry) = table.entry_mut(self.pid()) {
                entry.signals.exec(request.sigmask, request.sigdefault);
                entry.has_execed = true;
            }
        });
        Poll::Ready(Ok(loaded.program))
    }
}
