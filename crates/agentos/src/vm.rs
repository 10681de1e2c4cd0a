//! The VM handle.

use crate::added::Added;
use crate::builder::{Builder, Options};
use crate::error::{Error, Result};
use crate::events::Feed;
use crate::mount::{self, Mount, MountedAt, Source};
use crate::permissions::Permissions;
use crate::{archive, engine, host, layers};
use agentos_kernel::cred::Credentials;
use agentos_kernel::events::{AuditKind, Text};
use agentos_kernel::fd::{OpenFile, PipeUse};
use agentos_kernel::limits::{Counter, Limits};
use agentos_kernel::process::{Executor, Kernel, KernelConfig, Process, Signal, SpawnRequest};
use agentos_kernel::vfs::{CaughtFs, FsContext, FsQuota, MemoryFs, Mode, MountOptions};
use agentos_kernel::{Errno, Error as KernelError};
use agentos_net::{Guard, NetworkUsage, Verdict};
use agentos_wasm::WasmExecutor;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One virtual machine. Clones are handles to the same VM; when the last handle (including those of its processes and
/// shells) is dropped, the VM and everything in it ends.
#[derive(Clone, Debug)]
pub struct AgentOs {
    pub(crate) vm: Arc<Vm>,
    /// Files and mounts are not under the policy (see [`AgentOs::as_host`]).
    pub(crate) trusted: bool,
}

/// What the handles share.
pub(crate) struct Vm {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) engine: Arc<WasmExecutor>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) root: Arc<MemoryFs>,
    pub(crate) quota: Arc<FsQuota>,
    pub(crate) options: Options,
    pub(crate) feed: Arc<Feed>,
    /// Agents of sessions, by pid.
    pub(crate) agents: parking_lot::Mutex<std::collections::HashSet<u32>>,
    pub(crate) sessions: tokio::sync::OnceCell<agentos_session::Sessions>,
    pub(crate) session_stocks: crate::sessions::SessionStocks,
    /// Software that it was given since it was created.
    pub(crate) added: Added,
    pub(crate) linux: Arc<engine::LinuxGate>,
    disposed: AtomicBool,
}

/// Variables that every process gets (lifecycle.md section 1).
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/home/user"),
    ("USER", "user"),
    ("LOGNAME", "user"),
    ("SHELL", "/bin/sh"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LANG", "C.UTF-8"),
];

impl AgentOs {
    /// Options of a new VM; every one has a default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Creates a VM with default options.
    pub async fn create() -> Result<Self> {
        Self::builder().create().await
    }

    /// Creates a VM from checked options.
    pub(crate) fn boot(mut options: Options) -> Result<Self> {
        let clock = host::SystemClock::shared();
        let quota = options.quota.clone().unwrap_or_else(|| quota(&options.limits));
        let root = layers::root(&options, &clock)?.fork(clock, quota.clone());
        if let Some(archive) = options.archive.take() {
            archive::restore(&*root, &archive)?;
        }
        options.outlet.install(&root)?;
        if !layers::any(&options) {
            options.host_tools.install(&root)?;
        }
        Self::boot_on(root, quota, options)
    }

    /// Creates a VM on a root filesystem.
    pub(crate) fn boot_on(root: Arc<MemoryFs>, quota: Arc<FsQuota>, options: Options) -> Result<Self> {
        let engine = engine::shared(options.cache_dir.as_deref(), options.limits.max_wasm_fuel > 0)?;
        let feed = Feed::new(options.callbacks.clone());
        let mut config = options.network.guard(options.policy.clone(), &options.limits);
        config.interceptor = options.outlet.interceptor(&options.limits)?;
        let guard = Arc::new(Guard::new(config));
        let top = layers::stack(&root, &options)?;
        let linux = engine::LinuxGate::new(&options);
        let mut executors: Vec<Arc<dyn Executor>> = vec![engine.clone(), linux.clone()];
        executors.extend(options.host_tools.executor());
        let kernel = Kernel::new(KernelConfig {
            limits: options.limits.clone(),
            policy: options.policy.clone(),
            clock: host::SystemClock::shared(),
            entropy: Arc::new(host::SystemEntropy),
            root: top,
            fs_quota: quota.clone(),
            events: feed.clone(),
            hostname: options.hostname.clone().into_bytes(),
            executors,
            network: options.network.kernel.clone(),
            egress: Some(guard.clone()),
        });
        guard.report_to(kernel.audit().clone());
        let vm = Vm {
            kernel,
            engine,
            guard,
            root,
            quota,
            options,
            feed,
            agents: parking_lot::Mutex::default(),
            sessions: tokio::sync::OnceCell::new(),
            session_stocks: crate::sessions::SessionStocks::default(),
            added: Added::default(),
            linux,
            disposed: AtomicBool::new(false),
        };
        for mount in &vm.options.mounts {
            vm.mount(mount, true)?;
            if mount.is_in_roots_home() && !vm.options.layers.read_only {
                let opened = vm.as_root(|cx| vm.kernel.vfs().chmod(cx, None, b"/root", mount::ENTERED, true));
                opened.map_err(Error::file("mount", &mount.guest))?;
            }
        }
        vm.mount_added(&vm.options.added)?;
        if vm.options.audit_life {
            vm.kernel.audit().record(AuditKind::VmCreated);
        }
        Ok(Self {
            vm: Arc::new(vm),
            trusted: false,
        })
    }

    /// Limits in force.
    pub fn limits(&self) -> &Limits {
        &self.vm.options.limits
    }

    /// What guests and clients may do.
    pub fn policy(&self) -> Permissions {
        Permissions::of(&self.vm)
    }

    /// What the VM's guests used of the network so far.
    pub fn network_usage(&self) -> NetworkUsage {
        self.vm.guard.usage()
    }

    /// What the network guard says of an address, besides any policy; the part `guard` of an explanation.
    pub fn classify_address(&self, address: std::net::IpAddr) -> Verdict {
        self.vm.guard.classify(address)
    }

    /// Mounts a filesystem at run time. A missing mount point is created. Over `/etc`, `/bin`, `/usr`, `/lib` and `/root` the
    /// permission policy must allow `mount_sensitive`.
    pub async fn mount(&self, mount: Mount) -> Result<()> {
        self.vm.alive()?;
        mount.check(self.vm.options.cache_dir.as_deref())?;
        self.vm.noted(self.vm.mount(&mount, self.trusted))
    }

    /// Removes a mount. `EBUSY` while a file or a working directory inside is in use. What a mount needs, removing it needs too.
    pub async fn unmount(&self, guest: &str) -> Result<()> {
        self.readable(guest)?;
        let refused = Error::file("unmountFs", guest);
        let real = self.vm.mount_point(guest, self.trusted).map_err(&refused)?;
        if mount::is_reserved(&real) {
            return Err(refused(Errno::EBUSY.into()));
        }
        self.vm.kernel.vfs().unmount(guest.as_bytes()).map_err(refused)?;
        let path = Text::from(guest);
        self.vm.kernel.audit().record(AuditKind::Unmounted { path });
        Ok(())
    }

    /// The mounts of the VM, in the order in which they were made.
    pub async fn list_mounts(&self) -> Vec<MountedAt> {
        let describe = |info: agentos_kernel::vfs::MountInfo| MountedAt {
            guest: String::from_utf8_lossy(&info.path).into_owned(),
            kind: info.kind.to_owned(),
            read_only: info.read_only,
        };
        self.vm.kernel.vfs().mounts().into_iter().map(describe).collect()
    }

    /// Ends every process, also while other handles exist; their calls fail with [`Error::Disposed`] from now on. The files
    /// go with the last handle. Idempotent.
    pub async fn dispose(&self) {
        self.vm.disposed.store(true, Ordering::Release);
        self.vm.end_sessions();
        self.vm.kernel.kill_all();
    }
}

impl Vm {
    fn mount(&self, mount: &Mount, trusted: bool) -> Result<()> {
        let refused = |error: KernelError| match error {
            KernelError::Denied(denied) => Error::Denied(denied),
            KernelError::Limit(limit) => Error::Limit(*limit),
            error => mount.refused(error.to_string()),
        };
        // A link that a guest made must not lead a mount to where none may be.
        let real = self.mount_point(&mount.guest, trusted).map_err(refused)?;
        if mount::is_reserved(&real) {
            return Err(mount.refused(mount::RESERVED));
        }
        let filesystem = match &mount.source {
            Source::HostDir(host) => mount::open_host(mount, host)?,
            Source::Memory => mount::memory(self.quota.clone()).map_err(&refused)?,
            Source::Filesystem(filesystem) => CaughtFs::new(filesystem.clone()).map_err(&refused)?,
        };
        let backend = filesystem.kind();
        self.create_mount_point(&mount.guest).map_err(refused)?;
        let options = MountOptions {
            read_only: mount.read_only,
            source: mount.source_name(),
            ..MountOptions::default()
        };
        self.kernel
            .vfs()
            .mount(mount.guest.as_bytes(), mount.capped(filesystem), options)
            .map_err(refused)?;
        self.kernel.audit().record(AuditKind::Mounted {
            path: Text::from(&*mount.guest),
            backend: Text::from(backend),
            read_only: mount.read_only,
        });
        Ok(())
    }

    /// Where a mount point really is or will be, if the policy lets a client have it.
    fn mount_point(&self, guest: &str, trusted: bool) -> Result<Vec<u8>, KernelError> {
        let vfs = self.kernel.vfs();
        let real = self.as_root(|cx| vfs.real_place(cx, guest.as_bytes()))?;
        if !trusted {
            self.as_user(|cx| vfs.may_mount(cx, &real))?;
        }
        Ok(real)
    }

    pub(crate) fn create_mount_point(&self, guest: &str) -> Result<(), KernelError> {
        self.as_root(|cx| {
            let vfs = self.kernel.vfs();
            let ends = guest.match_indices('/').skip(1).map(|(at, _)| at).chain([guest.len()]);
            for end in ends {
                match vfs.mkdir(cx, None, &guest.as_bytes()[..end], Mode::new(0o755)) {
                    Err(error) if error.errno() != Errno::EEXIST => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// Does file work with the superuser's rights and without the policy.
    pub(crate) fn as_root<T>(&self, work: impl FnOnce(&FsContext<'_>) -> T) -> T {
        let root = self.kernel.vfs().root();
        work(&FsContext::new(&Credentials::root(), &root).trusted())
    }

    /// Does file work as the VM's user.
    pub(crate) fn as_user<T>(&self, work: impl FnOnce(&FsContext<'_>) -> T) -> T {
        let root = self.kernel.vfs().root();
        work(&FsContext::new(&Credentials::user(), &root))
    }

    /// A pipe whose ends the host and a process share.
    pub(crate) fn pipe(&self, used_for: PipeUse, operation: &'static str) -> Result<(Arc<OpenFile>, Arc<OpenFile>)> {
        self.noted(self.kernel.pipe(used_for).map_err(Error::os(operation)))
    }

    /// Records a limit that a client's call has hit.
    pub(crate) fn noted<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(Error::Limit(limit)) = &result {
            self.kernel.audit().limit_exceeded(limit, None);
        }
        result
    }

    /// The environment of a process: the VM's, then the process's own.
    pub(crate) fn environment(&self, own: &[(String, String)]) -> Result<Vec<Vec<u8>>> {
        let base = ENVIRONMENT
            .iter()
            .copied()
            .chain([("HOSTNAME", self.options.hostname.as_str())]);
        let images = layers::environment(&self.options);
        let added = self.added.environment();
        let images = images.iter().chain(&added);
        let images = images.map(|(name, value)| (name.as_str(), value.as_str()));
        let mut merged: Vec<(&str, &str)> = Vec::new();
        for (name, value) in base.chain(images).chain(self.options.outlet.environment()) {
            set(&mut merged, name, value);
        }
        for (name, value) in self.options.env.iter().chain(own) {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let reason = format!("{name:?} cannot be an environment variable (no '=' or NUL, not empty)");
                return Err(Error::InvalidOption { option: "env", reason });
            }
            set(&mut merged, name, value);
        }
        Ok(merged
            .iter()
            .map(|(name, value)| format!("{name}={value}").into_bytes())
            .collect())
    }

    /// Starts a process as a child of the VM's init. Waits while its program is compiled.
    pub(crate) async fn start(&self, request: SpawnRequest) -> Result<Arc<Process>> {
        self.alive()?;
        let parent = self.kernel.init();
        let started = poll_fn(|cx| self.kernel.spawn(&parent, &request, Some(cx.waker()))).await;
        self.noted(started.map_err(|error| self.cannot_start(&request, error)))
    }

    fn cannot_start(&self, request: &SpawnRequest, error: KernelError) -> Error {
        let command = String::from_utf8_lossy(&request.path).into_owned();
        match (error.errno(), error) {
            _ if self.alive().is_err() => Error::Disposed,
            (_, KernelError::Limit(limit)) => Error::Limit(*limit),
            (_, KernelError::Denied(denied)) => Error::Denied(denied),
            (Errno::ENOENT, _) => self.missing(request).unwrap_or(Error::CommandNotFound(command)),
            (errno @ (Errno::EACCES | Errno::ENOEXEC), error) => Error::CannotExecute {
                command,
                errno,
                reason: error.to_string(),
            },
            (errno, _) => Error::Os {
                errno,
                operation: "spawn",
            },
        }
    }

    /// What is not there, if it is the directory to start in and not the program.
    fn missing(&self, request: &SpawnRequest) -> Option<Error> {
        let cwd = request.cwd.as_deref()?;
        let error = self.as_user(|cx| self.kernel.vfs().stat(cx, None, cwd, true)).err()?;
        Some(Error::file("chdir", &crate::path::decode(cwd))(error))
    }

    /// Begins no agent any more, and ends those that run.
    fn end_sessions(&self) {
        if let Some(sessions) = self.sessions.get() {
            sessions.kill();
        }
    }

    /// Fails once the VM is disposed.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.disposed.load(Ordering::Acquire) {
            Err(Error::Disposed)
        } else {
            Ok(())
        }
    }

    /// Sends a signal; a target that has ended is no error.
    pub(crate) fn signal(&self, target: i64, signal: Signal) -> Result<()> {
        let target = i32::try_from(target).unwrap_or(i32::MAX);
        match self.kernel.init().kill(target, signal) {
            Err(error) if error.errno() != Errno::ESRCH => Err(Error::os("kill")(error)),
            _ => Ok(()),
        }
    }
}

fn set<'a>(environment: &mut Vec<(&'a str, &'a str)>, name: &'a str, value: &'a str) {
    match environment.iter_mut().find(|(known, _)| *known == name) {
        Some(slot) => slot.1 = value,
        None => environment.push((name, value)),
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.end_sessions();
        self.kernel.kill_all();
        if self.options.audit_life {
            self.kernel.audit().record(AuditKind::VmDestroyed);
        }
        self.kernel.audit().flush();
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What a VM with these limits may store: shared by all its filesystems.
pub fn quota(limits: &Limits) -> Arc<FsQuota> {
    let counter = |path, unit, cap| Counter::new(path, unit, cap, Errno::ENOSPC);
    Arc::new(FsQuota {
        bytes: counter(
            "limits.resources.maxFilesystemBytes",
            "bytes",
            limits.max_filesystem_bytes,
        ),
        inodes: counter("limits.resources.maxInodeCount", "inodes", limits.max_inode_count),
    })
}
