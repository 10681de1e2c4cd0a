//! One VM.

use super::executor::Executor;
use super::exited::Exited;
use super::jobs::Jobs;
use super::process::Process;
use super::table::Table;
use super::usage::{Meters, Stock, Usage};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::errno::Errno;
use crate::error::Result;
use crate::events::{Audit, EventSink};
use crate::fd::{AccessMode, FdLimits, Fifos, File, OpenFile, Pipe, PipeUse, StatusFlags};
use crate::guard::Guard;
use crate::id::Pid;
use crate::id::{Gid, Uid};
use crate::limits::{Counter, Field, Limits};
use crate::net::{Egress, Net, NetSetup, NetworkConfig};
use crate::policy::Policy;
use crate::pseudo;
use crate::tty::{Master, PtyTable, Slave, WindowSize};
use crate::vfs::{Filesystem, FsQuota, Location, Rules, Vfs};
use parking_lot::{Mutex, RwLock};
use std::sync::{Arc, OnceLock, Weak};

/// What a VM is made of.
pub struct KernelConfig {
    /// Caps on everything that guests can grow.
    pub limits: Limits,
    /// What guests and clients may do.
    pub policy: Arc<Policy>,
    /// Source of time.
    pub clock: Arc<dyn Clock>,
    /// Source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The filesystem at `/`.
    pub root: Arc<dyn Filesystem>,
    /// Quota of the VM's own filesystems, for `/dev/shm`.
    pub fs_quota: Arc<FsQuota>,
    /// Who gets to know of warnings and of what was refused; [`Ignore`](crate::events::Ignore) for nobody.
    pub events: Arc<dyn EventSink>,
    /// Host name.
    pub hostname: Vec<u8>,
    /// What runs programs; the first that accepts a file gets it.
    pub executors: Vec<Arc<dyn Executor>>,
    /// Rules for sockets.
    pub network: NetworkConfig,
    /// The way out of the VM; without one nothing outside is reachable.
    pub egress: Option<Arc<dyn Egress>>,
}

/// One VM: filesystems, processes and everything else that its guests see.
///
/// Processes hold the kernel that they belong to. Whoever drops the last handle of their own calls
/// [`kill_all`](Self::kill_all) first, or processes that still run (or wait to be reaped) keep the VM alive.
pub struct Kernel {
    pub(super) this: Weak<Kernel>,
    pub(super) limits: Limits,
    pub(super) guard: Arc<Guard>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) executors: Vec<Arc<dyn Executor>>,
    pub(super) table: Mutex<Table>,
    pub(super) meters: Meters,
    pub(super) quota: Arc<FsQuota>,
    audit: Arc<Audit>,
    pub(super) root: Location,
    booted: Timestamp,
    boot_instant: crate::clock::Instant,
    hostname: RwLock<Vec<u8>>,
    vfs: Vfs,
    fd_limits: Arc<FdLimits>,
    fifos: Fifos,
    net: OnceLock<Arc<Net>>,
    network: NetworkConfig,
    egress: Option<Arc<dyn Egress>>,
    ptys: OnceLock<PtyTable>,
}

/// A new terminal, both halves open.
#[derive(Debug)]
pub struct PtyPair {
    /// The half of whoever shows the terminal.
    pub master: Arc<OpenFile>,
    /// The half of the programs.
    pub slave: Arc<OpenFile>,
}

/// Longest host name in bytes.
pub const HOSTNAME_MAX: usize = 64;

impl Kernel {
    /// A VM without processes. `/proc` and `/dev` are mounted if the root filesystem has these directories.
    pub fn new(config: KernelConfig) -> Arc<Self> {
        Arc::new_cyclic(|this| {
            let audit = Audit::new(Arc::clone(&config.clock), config.events);
            let guard = Guard::new(config.policy, &audit);
            let mut vfs = Vfs::new(config.root);
            pseudo::mount(&vfs, this, &config.clock, &config.fs_quota);
            vfs.set_rules(Rules::of(&guard));
            let meters = Meters::new(&config.limits);
            let fd_limits = FdLimits::new(&config.limits);
            let own = [
                &meters.processes,
                &meters.tool_calls,
                &config.fs_quota.bytes,
                &config.fs_quota.inodes,
            ];
            own.into_iter()
                .chain(fd_limits.stocks())
                .for_each(|stock| stock.watch(&audit));
            Self {
                this: this.clone(),
                meters,
                fd_limits,
                table: Mutex::new(Table::default()),
                booted: config.clock.now(),
                boot_instant: config.clock.instant(),
                hostname: RwLock::new(config.hostname),
                root: vfs.root(),
                vfs,
                quota: config.fs_quota,
                audit,
                executors: config.executors,
                entropy: config.entropy,
                clock: config.clock,
                limits: config.limits,
                guard,
                fifos: Fifos::default(),
                net: OnceLock::new(),
                network: config.network,
                egress: config.egress,
                ptys: OnceLock::new(),
            }
        })
    }

    /// The first process: parent of everything that the host starts, and of orphans. It runs no program and reaps at once.
    pub fn init(&self) -> Arc<Process> {
        let mut table = self.table.lock();
        if let Some(init) = table.init.upgrade() {
            return init;
        }
        let init = Arc::new(Process::init(self.arc()));
        table.init = Arc::downgrade(&init);
        init
    }

    /// Every process in the table, zombies included, by pid; not init.
    pub fn processes(&self) -> Vec<Arc<Process>> {
        self.table.lock().all()
    }

    /// Processes that init has reaped, oldest first: the latest `maxRetainedExited` of them.
    pub fn exited(&self) -> Vec<Exited> {
        self.table.lock().exited.all()
    }

    /// The process with this pid.
    pub fn process(&self, pid: Pid) -> Option<Arc<Process>> {
        if pid == Pid::INIT {
            return Some(self.init());
        }
        self.table.lock().process(pid)
    }

    /// The filesystems.
    pub fn vfs(&self) -> &Vfs {
        &self.vfs
    }

    /// The root directory, held.
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// The source of time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The source of randomness.
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    /// The caps in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What guests and clients may do.
    pub fn policy(&self) -> &Arc<Policy> {
        self.guard.policy()
    }

    /// Quota of the VM's own filesystems.
    pub fn quota(&self) -> &Arc<FsQuota> {
        &self.quota
    }

    /// Where everything in the VM reports what the host may want to know.
    pub fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// Counters of descriptions and pipes.
    pub fn fd_limits(&self) -> &Arc<FdLimits> {
        &self.fd_limits
    }

    /// FIFOs that are open.
    pub fn fifos(&self) -> &Fifos {
        &self.fifos
    }

    /// What `make` makes of pipes. Where there are too many, those count no more that native programs had and have closed.
    pub(super) fn with_pipes<T>(&self, make: impl Fn() -> Result<T>) -> Result<T> {
        make().or_else(|error| match error.errno() {
            Errno::EAGAIN => {
                self.fifos.tidy();
                make()
            }
            _ => Err(error),
        })
    }

    /// Calls of host tools under way, for whoever carries them out.
    pub fn tool_calls(&self) -> &Counter {
        &self.meters.tool_calls
    }

    /// What the VM uses and has used.
    pub fn usage(&self) -> Usage<'_> {
        Usage::new(&self.meters, &self.fd_limits, self.ptys.get())
    }

    /// How full every stock of the kernel is that is warned about, in the order of the table of limits.
    pub fn stocks(&self) -> Vec<Stock> {
        let quota = &self.quota;
        let own = [
            &self.meters.processes,
            &self.meters.tool_calls,
            &quota.bytes,
            &quota.inodes,
        ]
        .into_iter()
        .chain(self.fd_limits.stocks());
        let net = self
            .net
            .get()
            .map(|net| [net.sockets(), net.connections(), net.buffered()]);
        let used: Vec<&Counter> = own
            .chain(net.into_iter().flatten())
            .chain(self.ptys.get().map(PtyTable::usage))
            .collect();
        let stock = |field: &'static Field| Stock {
            field,
            // What was never used has no counter yet.
            observed: used
                .iter()
                .find(|counter| counter.path() == field.path)
                .map_or(0, |counter| counter.used()),
            capacity: self.limits.get(field.path).unwrap_or_default(),
        };
        let own = |field: &&Field| field.warns && !field.is_of_server() && !field.is_of_sessions();
        Limits::FIELDS.iter().filter(own).map(stock).collect()
    }

    /// When the VM was created.
    pub fn booted(&self) -> Timestamp {
        self.booted
    }

    /// Nanoseconds since the VM was created.
    pub fn uptime(&self) -> u64 {
        self.clock.instant().since(self.boot_instant)
    }

    /// When the VM was created, on the monotonic clock.
    pub fn boot_instant(&self) -> crate::clock::Instant {
        self.boot_instant
    }

    /// Host name.
    pub fn hostname(&self) -> Vec<u8> {
        self.hostname.read().clone()
    }

    pub(crate) fn rename_host(&self, name: &[u8]) -> Result<()> {
        if name.len() > HOSTNAME_MAX {
            return Err(Errno::EINVAL.into());
        }
        *self.hostname.write() = name.to_vec();
        Ok(())
    }

    /// Sockets.
    pub fn net(&self) -> &Arc<Net> {
        self.net.get_or_init(|| {
            let net = Net::new(NetSetup {
                limits: &self.limits,
                clock: Arc::clone(&self.clock),
                config: self.network.clone(),
                egress: self.egress.clone(),
                policy: Arc::clone(self.policy()),
                audit: Arc::clone(&self.audit),
            });
            net.count_memory(self.fd_limits.memory());
            let stocks = [net.sockets(), net.connections(), net.buffered()];
            stocks.into_iter().for_each(|stock| stock.watch(&self.audit));
            net
        })
    }

    /// Pseudo-terminals.
    pub fn ptys(&self) -> &PtyTable {
        self.ptys.get_or_init(|| {
            let jobs = Arc::new(Jobs::new(self.this.clone()));
            let memory = Arc::clone(self.fd_limits.memory());
            let ptys = PtyTable::new(&self.limits, Arc::clone(&self.clock), jobs).with_memory(memory);
            ptys.usage().watch(&self.audit);
            ptys
        })
    }

    /// Pseudo-terminals, if there ever was one.
    pub(crate) fn ptys_if_any(&self) -> Option<&PtyTable> {
        self.ptys.get()
    }

    /// A pipe of which one side is the host's: reading and writing end.
    ///
    /// # Errors
    /// `EAGAIN` or `ENFILE` at a limit.
    pub fn pipe(&self, used_for: PipeUse) -> Result<(Arc<OpenFile>, Arc<OpenFile>)> {
        let owner = (Uid::USER, Gid::USER);
        let pipe = self.with_pipes(|| Pipe::used_for(used_for, &self.fd_limits, owner, self.clock.now()))?;
        OpenFile::ends_of(&pipe, &self.fd_limits, StatusFlags::empty())
    }

    /// A new terminal for the host's use, owned by the VM's user.
    pub fn open_pty(&self) -> Result<PtyPair> {
        let (master, slave) = self.ptys().open((Uid::USER, Gid::USER))?;
        let open = |object: Arc<dyn File>| {
            OpenFile::from_object(
                object,
                None,
                AccessMode::READ_WRITE,
                StatusFlags::empty(),
                &self.fd_limits,
            )
        };
        Ok(PtyPair {
            master: open(master)?,
            slave: open(slave)?,
        })
    }

    /// Sets the size of a terminal, given either half; a change sends `SIGWINCH` to the foreground group.
    pub fn set_winsize(&self, terminal: &OpenFile, size: WindowSize) -> Result<()> {
        let object = terminal.object().ok_or(Errno::ENOTTY)?.as_any();
        if let Some(master) = object.downcast_ref::<Master>() {
            return master.pty().set_window(size);
        }
        let slave = object.downcast_ref::<Slave>().ok_or(Errno::ENOTTY)?;
        slave.pty().set_window(size)
    }

    pub(super) fn arc(&self) -> Arc<Self> {
        // A kernel only exists inside its `Arc`, and `self` borrows from it.
        self.this
            .upgrade()
            .unwrap_or_else(|| unreachable!("a kernel outlives its handles"))
    }
}

impl core::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kernel")
            .field("processes", &self.meters.processes.used())
            .finish_non_exhaustive()
    }
}
