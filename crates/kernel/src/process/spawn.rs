//! Starting a process.
//!
//! Order matters: everything that can fail or must wait happens on copies, before the process exists. The child's descriptors
//! are made from a copy of the parent's, so that a file action may use any of them as its source; what the child is not to
//! have is taken out at the end.

use super::files::Opening;
use super::image::Image;
use super::kernel::Kernel;
use super::limit::Resource;
use super::process::{Cx, Parts, Place, Process};
use super::program::{ARGV, ENV, Loaded};
use super::request::{FileAction, SpawnRequest};
use super::signals::Signals;
use super::table::{Entry, State, Table};
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::fd::{FdTable, IoResult};
use crate::id::{Fd, Pid};
use crate::vfs::{Access, FileType, access};
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker, ready};
use smallvec::SmallVec;
use std::sync::Arc;

/// Descriptors that a child gets without being asked for.
const STANDARD: u32 = 3;

/// How a new process relates to others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Relation {
    pub(super) pgroup: Option<Pid>,
    pub(super) setsid: bool,
    pub(super) foreground: bool,
}

/// One process taken out of `maxProcesses`, given back unless it comes to life.
pub(super) struct Reservation<'a>(Option<&'a Kernel>);

impl<'a> Reservation<'a> {
    pub(super) fn new(kernel: &'a Kernel) -> Result<Self> {
        kernel.meters.processes.take(1, "spawn")?;
        Ok(Self(Some(kernel)))
    }

    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(kernel) = self.0 {
            kernel.meters.processes.give(1);
        }
    }
}

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
        let mut cx = parent.cx()?;
        if let Some(cred) = &request.credentials {
            if !cx.cred.is_root() {
                return Poll::Ready(Err(Errno::EPERM.into()));
            }
            cx.cred = Arc::new(cred.clone());
        }
        self.prepare_place(&mut cx, request)?;
        let loaded = ready!(self.load(&cx.fs(), request, waker))?;
        let fds = ready!(self.child_fds(parent, &cx, request, waker))?;
        let child = self.admit(parent, request, &cx, &loaded, fds)?;
        reservation.keep();
        self.meters.count_start();
        loaded.program.start(Arc::clone(&child));
        Poll::Ready(Ok(child))
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
        cx: &Cx,
        request: &SpawnRequest,
        waker: Option<&Waker>,
    ) -> IoResult<FdTable> {
        let mut fds = parent.fds.lock().clone();
        let mut given: SmallVec<[Fd; 8]> = SmallVec::new();
        let mut place = cx.place.clone();
        for action in &request.actions {
            let here = Cx {
                cred: Arc::clone(&cx.cred),
                root: cx.root.clone(),
                place: place.clone(),
                caller: cx.caller,
            };
            match action {
                FileAction::Close(fd) => drop(fds.close(*fd)),
                FileAction::Dup2 { from, to } if from == to => fds.set_cloexec(*from, false)?,
                FileAction::Dup2 { from, to } => drop(fds.dup_to(*from, *to, false)?),
                FileAction::Inherit(fd, file) => drop(fds.set(*fd, Arc::clone(file), false)?),
                FileAction::Open { fd, path, how } => {
                    let opening = Opening {
                        cx: &here,
                        base: None,
                        path,
                        how,
                    };
                    let file = ready!(self.open_file(&opening, waker))?;
                    drop(fds.set(*fd, file, false)?);
                }
                FileAction::Chdir(path) => {
                    let mut moved = here;
                    self.enter(&mut moved, path)?;
                    place = moved.place;
                }
            }
            if let Some(fd) = action.target() {
                given.push(fd);
            }
        }
        let stays = |fd: Fd, cloexec: bool| given.contains(&fd) || (!cloexec && (request.inherit || fd.0 < STANDARD));
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

    /// Brings the process into the table.
    fn admit(
        &self,
        parent: &Arc<Process>,
        request: &SpawnRequest,
        cx: &Cx,
        loaded: &Loaded,
        fds: FdTable,
    ) -> Result<Arc<Process>> {
        let name: &[u8] = &loaded.path;
        let image = Image::new(name, loaded.argv.clone(), request.env.clone());
        let place = Place {
            cwd: self.final_cwd(cx, request)?,
            umask: cx.place.umask,
            exe: Some(loaded.exe.clone()),
        };
        let parts = Parts {
            pid: Pid(0),
            fds,
            place,
            cred: Arc::clone(&cx.cred),
            image: Arc::new(image),
            limits: parent.limits.lock().clone(),
            nice: parent.nice.load(Ordering::Acquire),
        };
        let relation = Relation {
            pgroup: request.pgroup,
            setsid: request.setsid,
            foreground: request.foreground,
        };
        let signals = |table: &Table| match table.entry(parent.pid()) {
            Ok(entry) => entry.signals.spawned(request.sigmask, request.sigdefault),
            Err(_) => Signals::default().spawned(request.sigmask, request.sigdefault),
        };
        self.enrol(parent, parts, relation, signals, true)
    }

    fn final_cwd(&self, cx: &Cx, request: &SpawnRequest) -> Result<crate::vfs::Location> {
        let mut cx = Cx {
            cred: Arc::clone(&cx.cred),
            root: cx.root.clone(),
            place: cx.place.clone(),
            caller: cx.caller,
        };
        for action in &request.actions {
            if let FileAction::Chdir(path) = action {
                self.enter(&mut cx, path)?;
            }
        }
        Ok(cx.place.cwd)
    }

    /// Gives a new process its pid, parent, group and session, and the terminal if it asked for that.
    pub(super) fn enrol(
        &self,
        parent: &Arc<Process>,
        mut parts: Parts,
        relation: Relation,
        signals: impl FnOnce(&Table) -> Signals,
        has_execed: bool,
    ) -> Result<Arc<Process>> {
        let child = {
            let mut table = self.table.lock();
            if table.disposed {
                return Err(Errno::ECANCELED.into());
            }
            let (own_group, own_session) = match table.entry(parent.pid()) {
                Ok(entry) if entry.is_zombie() || entry.doom.is_some() => return Err(Errno::EINTR.into()),
                Ok(entry) => (entry.group, entry.session),
                Err(error) if parent.pid() != Pid::INIT => return Err(error),
                Err(_) => (Pid::INIT, Pid::INIT),
            };
            check_user_limit(&table, parent, &parts.cred)?;
            let pid = table.free_pid();
            let session = if relation.setsid { pid } else { own_session };
            let group = match relation.pgroup {
                _ if relation.setsid => pid,
                Some(Pid(0)) => pid,
                Some(group) if table.session_of_group(group) == Some(session) => group,
                Some(_) => return Err(Errno::EPERM.into()),
                None => own_group,
            };
            parts.pid = pid;
            let process = Arc::new(Process::new(self.arc(), parts));
            let entry = Entry {
                process: Arc::clone(&process),
                parent: parent.pid(),
                group,
                session,
                children: Vec::new(),
                signals: signals(&table),
                state: State::Running,
                report: None,
                doom: None,
                has_execed,
                waited: Default::default(),
            };
            table.insert(pid, entry);
            process
        };
        if relation.foreground
            && let Err(error) = self.take_foreground(&child, relation.setsid)
        {
            self.unenrol(&child);
            return Err(error);
        }
        Ok(child)
    }

    /// Makes the child's group the foreground group; with `setsid` its terminal becomes the controlling one first.
    fn take_foreground(&self, child: &Process, setsid: bool) -> Result<()> {
        if setsid {
            let terminal = (0..STANDARD)
                .find_map(|fd| child.terminal(Fd(fd)).ok())
                .ok_or(Errno::ENOTTY)?;
            return terminal.set_controlling(child, false);
        }
        let terminal = self
            .ptys_if_any()
            .and_then(|ptys| ptys.controlling(child.sid()))
            .ok_or(Errno::ENOTTY)?;
        terminal.set_foreground(child, child.pgid())
    }

    /// Takes back a process that never ran.
    fn unenrol(&self, child: &Process) {
        let fds = core::mem::replace(&mut *child.fds.lock(), FdTable::new(0));
        drop(self.table.lock().remove(child.pid()));
        drop(fds);
        drop(child.place.lock().take());
    }
}

/// `RLIMIT_NPROC`: processes of the new one's user. Only counted where a process has set it.
fn check_user_limit(table: &Table, parent: &Process, cred: &Credentials) -> Result<()> {
    let limits = parent.limits.lock();
    if !limits.is_changed(Resource::Processes) || cred.is_root() {
        return Ok(());
    }
    let cap = limits.get(Resource::Processes).soft;
    drop(limits);
    let count = table
        .entries()
        .filter(|(_, entry)| entry.process.cred().ruid == cred.ruid)
        .count() as u64;
    if count >= cap {
        Err(Errno::EAGAIN.into())
    } else {
        Ok(())
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
