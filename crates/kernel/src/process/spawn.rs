//! Starting a process.
//!
//! Order matters: everything that can fail or must wait happens on copies, before the process exists. The child's descriptors
//! are made from a copy of the parent's, so that a file action may use any of them as its source; what the child is not to
//! have is taken out at the end.

use super::enrol::{Relation, Reservation};
use super::files::Opening;
use super::frozen::Frozen;
use super::image::Image;
use super::kernel::Kernel;
use super::process::{Cx, Parts, Place, Process};
use super::program::{ARGV, ENV};
use super::request::{FileAction, SpawnRequest};
use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::fd::{FdTable, IoResult};
use crate::guard::Handed;
use crate::id::{Fd, Pid};
use crate::vfs::{Access, FileType, Location, access};
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker, ready};
use smallvec::SmallVec;
use std::sync::Arc;

/// Descriptors that a child gets without being asked for.
const STANDARD: u32 = 3;

impl Kernel {
    /// Starts a program as a child of `parent`. `Pending` while the program is being compiled; trying again repeats the whole
    /// call.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, [`NotExecutable`](crate::Error::NotExecutable), `E2BIG`, `EAGAIN` at `maxProcesses`, those of the file
    /// actions, `ECANCELED` once the VM was disposed of.
    pub fn spawn(
        &self,
        parent: &Arc<Process>,
        request: &SpawnRequest,
        waker: Option<&Waker>,
    ) -> IoResult<Arc<Process>> {
        if self.is_disposed() {
            return Poll::Ready(Err(Errno::ECANCELED.into()));
        }
        let reservation = Reservation::new(self)?;
        self.check_request(request)?;
        parent.may_start(&request.path)?;
        let mut start = parent.cx()?;
        if let Some(cred) = &request.credentials {
            if !start.cred.is_root() {
                return Poll::Ready(Err(Errno::EPERM.into()));
            }
            start.cred = Arc::new(cred.clone());
        }
        self.prepare_place(&mut start, request)?;
        let there = self.after_actions(&start, request)?;
        let mut handed = self.environment_for(parent, request);
        let mut loaded = ready!(self.load(&there.fs(), request, &handed.env, waker))?;
        let fds = ready!(self.child_fds(parent, start, request, request.inherit, waker))?;
        self.check_memory(loaded.program.memory(), "spawn")?;
        self.guard.record_environment(&mut handed, parent.pid());
        let image = Image::new(&mut loaded, handed.env.into_owned());
        let child = self.admit(parent, request, there, (image, loaded.exe), fds)?;
        reservation.keep();
        self.meters.count_start();
        loaded.program.start(Arc::clone(&child));
        Poll::Ready(Ok(child))
    }

    /// The environment that the policy leaves of a request's. The host, whose processes are init's children, may set any.
    pub(super) fn environment_for<'a>(&self, parent: &Process, request: &'a SpawnRequest) -> Handed<'a> {
        let given = (parent.pid() != Pid::INIT).then(|| parent.image());
        self.guard
            .environment(&request.env, given.as_deref().map(|image| &*image.env))
    }

    /// Checks what can be checked without looking at any file.
    pub(super) fn check_request(&self, request: &SpawnRequest) -> Result<()> {
        let limits = &self.limits;
        self.check_size(&request.argv, ARGV, limits.max_process_argv_bytes)?;
        self.check_size(&request.env, ENV, limits.max_process_env_bytes)?;
        let count = request.actions.len() as u64;
        if count > limits.max_spawn_file_actions {
            let path = "limits.process.maxSpawnFileActions";
            let cap = limits.max_spawn_file_actions;
            return Err(LimitExceeded::new(path, "actions", count, cap, "spawn", Errno::E2BIG).into());
        }
        let bytes: usize = request.actions.iter().map(FileAction::path_len).sum();
        if bytes as u64 > limits.max_spawn_file_action_bytes {
            let path = "limits.process.maxSpawnFileActionBytes";
            let cap = limits.max_spawn_file_action_bytes;
            return Err(LimitExceeded::new(path, "bytes", bytes as u64, cap, "spawn", Errno::E2BIG).into());
        }
        Ok(())
    }

    /// Where the new program will be: working directory and umask.
    pub(super) fn prepare_place(&self, cx: &mut Cx, request: &SpawnRequest) -> Result<()> {
        if let Some(umask) = request.umask {
            cx.place.umask = umask;
        }
        if let Some(cwd) = &request.cwd {
            self.enter(cx, cwd)?;
        }
        Ok(())
    }

    /// Where the program itself is looked up and begins: after the changes of directory among the file actions.
    pub(super) fn after_actions(&self, cx: &Cx, request: &SpawnRequest) -> Result<Cx> {
        let mut cx = cx.clone();
        for action in &request.actions {
            if let FileAction::Chdir(path) = action {
                self.enter(&mut cx, path)?;
            }
        }
        Ok(cx)
    }

    fn enter(&self, cx: &mut Cx, path: &[u8]) -> Result<()> {
        let target = self.vfs().resolve(&cx.fs(), None, path, true)?;
        if target.kind() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        access::check(&cx.cred, &target.attr()?, Access::EXEC)?;
        cx.place.cwd = target;
        Ok(())
    }

    /// The descriptors of the new program: the parent's as changed by the file actions, without those that are not inherited.
    pub(super) fn child_fds(
        &self,
        parent: &Process,
        mut cx: Cx,
        request: &SpawnRequest,
        inherit: bool,
        waker: Option<&Waker>,
    ) -> IoResult<FdTable> {
        let mut fds = parent.fds.lock().clone();
        let mut given: SmallVec<[Fd; 8]> = SmallVec::new();
        for action in &request.actions {
            match action {
                FileAction::Close(fd) => drop(fds.close(*fd)),
                FileAction::Dup2 { from, to } if from == to => fds.set_cloexec(*from, false)?,
                FileAction::Dup2 { from, to } => drop(fds.dup_to(*from, *to, false)?),
                FileAction::Inherit(fd, file) => drop(fds.set(*fd, Arc::clone(file), false)?),
                FileAction::Open { fd, path, how } => {
                    let opening = Opening {
                        cx: &cx,
                        base: None,
                        path,
                        how,
                    };
                    let file = ready!(self.open_file(&opening, waker))?;
                    drop(fds.set(*fd, file, false)?);
                }
                FileAction::Chdir(path) => self.enter(&mut cx, path)?,
            }
            if let Some(fd) = action.target() {
                given.push(fd);
            }
        }
        let stays = |fd: Fd, cloexec: bool| given.contains(&fd) || (!cloexec && (inherit || fd.0 < STANDARD));
        let gone: Vec<Fd> = fds
            .iter()
            .filter(|(fd, entry)| !stays(*fd, entry.cloexec))
            .map(|(fd, _)| fd)
            .collect();
        for fd in gone {
            drop(fds.close(fd));
        }
        Poll::Ready(Ok(fds))
    }

    /// The clocks of a child, if they are frozen: its parent's are, or it is asked for.
    fn clocks_of_child(&self, parent: &Process, request: &SpawnRequest) -> Option<Frozen> {
        let inherited = parent.frozen.as_ref().map(|frozen| frozen.for_child(&*self.clock));
        inherited.or_else(|| request.freeze_clocks.then(|| Frozen::new(&*self.clock)))
    }

    /// Brings the process into the table.
    fn admit(
        &self,
        parent: &Arc<Process>,
        request: &SpawnRequest,
        cx: Cx,
        (image, exe): (Image, Location),
        fds: FdTable,
    ) -> Result<Arc<Process>> {
        let parts = Parts {
            pid: Pid(0),
            fds,
            place: Place {
                exe: Some(exe),
                ..cx.place
            },
            cred: cx.cred,
            image: Arc::new(image),
            limits: parent.limits.lock().clone(),
            nice: parent.nice.load(Ordering::Acquire),
            frozen: self.clocks_of_child(parent, request),
        };
        let relation = Relation {
            pgroup: request.pgroup,
            setsid: request.setsid,
            foreground: request.foreground,
            has_execed: true,
        };
        let (mask, defaults) = (request.sigmask, request.sigdefault);
        self.enrol(parent, parts, relation, |parent| parent.spawned(mask, defaults))
    }
}

impl FileAction {
    fn path_len(&self) -> usize {
        match self {
            Self::Open { path, .. } | Self::Chdir(path) => path.len(),
            _ => 0,
        }
    }

    /// The descriptor that the child is given by this action.
    fn target(&self) -> Option<Fd> {
        match self {
            Self::Dup2 { to: fd, .. } | Self::Open { fd, .. } | Self::Inherit(fd, _) => Some(*fd),
            Self::Close(_) | Self::Chdir(_) => None,
        }
    }
}
