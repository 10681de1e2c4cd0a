//! A VM on a real clock whose programs are the host's own, mounted read-only.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]

pub mod container;
pub mod places;

use agentos_kernel::clock::{Clock, Entropy, Instant, Timestamp};
use agentos_kernel::fd::{OpenFile, PipeUse};
use agentos_kernel::id::{Fd, Gid, Uid};
use agentos_kernel::limits::{Counter, Limits};
use agentos_kernel::policy::Policy;
use agentos_kernel::process::{
    Dir, Executor, ExitStatus, FileAction, Kernel, KernelConfig, OpenHow, Process, SpawnRequest,
};
use agentos_kernel::vfs::{
    FileType, Filesystem, FsQuota, HostDirFs, MemoryFs, Mode, MountOptions, NewNode, OpenOptions, OverlayFs,
};
use agentos_kernel::{Errno, Error};
use agentos_linux::LinuxExecutor;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{SystemTime, UNIX_EPOCH};

pub struct RealClock(std::time::Instant);

impl RealClock {
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
    }

    fn instant(&self) -> Instant {
        Instant(u64::try_from(self.0.elapsed().as_nanos()).unwrap() + 1)
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        let (left, waker) = (deadline.since(self.instant()), waker.clone());
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_nanos(left));
            waker.wake();
        });
    }
}

struct Counting;

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        buf.iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte = at.to_le_bytes()[0]);
    }
}

/// The executor that all tests of a binary share; none where the machine cannot, which is said loudly.
pub fn executor() -> Option<Arc<LinuxExecutor>> {
    static SHARED: OnceLock<Arc<LinuxExecutor>> = OnceLock::new();
    let executor = SHARED.get_or_init(|| {
        // Several VMs with thousands of files each, as the command has it.
        agentos_kernel::descriptors::raise();
        LinuxExecutor::new()
    });
    if let Some(why) = executor.probe().refusal() {
        eprintln!("SKIPPED: {why}");
        return None;
    }
    Some(Arc::clone(executor))
}

pub struct Vm {
    pub kernel: Arc<Kernel>,
    pub root: Arc<MemoryFs>,
    /// Variables that its programs get besides the usual.
    pub env: Vec<Vec<u8>>,
    /// Whether its end is that of the kernel.
    ends: bool,
}

impl Drop for Vm {
    fn drop(&mut self) {
        if self.ends {
            self.kernel.kill_all();
        }
    }
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ended {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, ExitStatus::Exited(0), "{self:?}");
        assert_eq!(self.err, "", "{self:?}");
        self.out
    }
}

/// Where the host's programs are.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

impl Vm {
    pub fn new() -> Option<Self> {
        Self::limited(|_| {})
    }

    pub fn limited(change: impl FnOnce(&mut Limits)) -> Option<Self> {
        let executor = executor()?;
        let mut limits = Limits::default();
        change(&mut limits);
        Some(Self::with(vec![executor], limits))
    }

    pub fn with(executors: Vec<Arc<dyn Executor>>, limits: Limits) -> Self {
        Self::over(None, executors, limits, Arc::default())
    }

    /// A VM whose programs are under a policy.
    pub fn under(policy: Policy) -> Option<Self> {
        let executor = executor()?;
        Some(Self::over(None, vec![executor], Limits::default(), Arc::new(policy)))
    }

    /// A VM whose root lies over a directory of the host, as one with an image does.
    pub fn over_image(image: &str, change: impl FnOnce(&mut Limits)) -> Option<Self> {
        let executor = executor()?;
        let mut limits = Limits::default();
        change(&mut limits);
        let image = HostDirFs::open(image, true).unwrap();
        Some(Self::over(Some(image), vec![executor], limits, Arc::default()))
    }

    fn over(
        image: Option<Arc<HostDirFs>>,
        executors: Vec<Arc<dyn Executor>>,
        limits: Limits,
        policy: Arc<Policy>,
    ) -> Self {
        let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter("bytes"),
            inodes: counter("inodes"),
        });
        let clock: Arc<dyn Clock> = Arc::new(RealClock::new());
        let root = MemoryFs::new(Arc::clone(&clock), Arc::clone(&quota));
        let node = |kind| NewNode {
            kind,
            mode: Mode::new(0o777),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        for name in ["usr", "tmp", "proc", "dev", "etc", "home"] {
            root.mkdir(root.root(), name.as_bytes(), &node(FileType::Directory))
                .unwrap();
        }
        for name in MERGED.iter().filter(|_| image.is_none()) {
            root.symlink(
                root.root(),
                name.as_bytes(),
                format!("usr/{name}").as_bytes(),
                &node(FileType::Symlink),
            )
            .unwrap();
        }
        let has_image = image.is_some();
        let top: Arc<dyn Filesystem> = match image {
            Some(image) => OverlayFs::new(root.clone(), vec![image]).unwrap(),
            None => root.clone(),
        };
        let kernel = Kernel::new(KernelConfig {
            limits,
            policy,
            clock,
            entropy: Arc::new(Counting),
            root: top,
            fs_quota: quota,
            events: Arc::new(agentos_kernel::events::Ignore),
            hostname: b"box".to_vec(),
            executors,
            network: agentos_kernel::net::NetworkConfig::default(),
            egress: None,
        });
        if !has_image {
            let usr = HostDirFs::open("/usr", true).unwrap();
            kernel.vfs().mount(b"/usr", usr, MountOptions::default()).unwrap();
        }
        Self {
            kernel,
            root,
            env: Vec::new(),
            ends: true,
        }
    }

    /// The kernel, which lives as long as somebody has it.
    pub fn into_kernel(mut self) -> Arc<Kernel> {
        self.ends = false;
        Arc::clone(&self.kernel)
    }

    /// Makes a directory below the root.
    pub fn root_dir(&self, name: &str) {
        let node = NewNode {
            kind: FileType::Directory,
            mode: Mode::new(0o777),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        self.root.mkdir(self.root.root(), name.as_bytes(), &node).unwrap();
    }

    /// Writes a file as the host.
    pub fn put(&self, path: &str, content: &[u8], mode: u32) {
        let init = self.kernel.init();
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: true,
            mode: Mode::new(0o666),
            ..OpenOptions::default()
        };
        let how = OpenHow {
            options,
            ..OpenHow::default()
        };
        let fd = ready(init.open(Dir::Cwd, path.as_bytes(), &how, None)).unwrap();
        let mut rest = content;
        while !rest.is_empty() {
            let count = ready(init.write(fd, rest, None)).unwrap();
            rest = &rest[count..];
        }
        init.close(fd).unwrap();
        init.chmod(
            Dir::Cwd,
            path.as_bytes(),
            Mode::new(mode),
            agentos_kernel::process::AtFlags::FOLLOW,
        )
        .unwrap();
    }

    /// Reads a file as the host.
    pub fn get(&self, path: &str) -> String {
        let init = self.kernel.init();
        let options = OpenOptions {
            read: true,
            ..OpenOptions::default()
        };
        let fd = ready(init.open(
            Dir::Cwd,
            path.as_bytes(),
            &OpenHow {
                options,
                ..OpenHow::default()
            },
            None,
        ))
        .unwrap();
        let mut all = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match ready(init.read(fd, &mut buf, None)).unwrap() {
                0 => break,
                count => all.extend_from_slice(&buf[..count]),
            }
        }
        init.close(fd).unwrap();
        String::from_utf8(all).unwrap()
    }

    /// Starts a program with these descriptors.
    pub fn spawn(&self, argv: &[&str], fds: &[(u32, &Arc<OpenFile>)]) -> Result<Arc<Process>, Error> {
        let request = SpawnRequest {
            path: argv[0].into(),
            argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            env: [&b"PATH=/usr/bin:/bin"[..], b"HOME=/home", b"LC_ALL=C.UTF-8"]
                .map(<[u8]>::to_vec)
                .into_iter()
                .chain(self.env.clone())
                .collect(),
            search_path: true,
            actions: fds
                .iter()
                .map(|(fd, file)| FileAction::Inherit(Fd(*fd), Arc::clone(file)))
                .collect(),
            ..SpawnRequest::default()
        };
        ready(self.kernel.spawn(&self.kernel.init(), &request, None))
    }

    pub fn pipe(&self) -> (Arc<OpenFile>, Arc<OpenFile>) {
        self.kernel.pipe(PipeUse::Guests).unwrap()
    }

    /// Runs a program to its end with some input.
    pub fn feed(&self, input: &[u8], argv: &[&str]) -> Ended {
        let (stdin, to) = self.pipe();
        let (from, stdout) = self.pipe();
        let (errors, stderr) = self.pipe();
        let process = self.spawn(argv, &[(0, &stdin), (1, &stdout), (2, &stderr)]).unwrap();
        drop((stdin, stdout, stderr));
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut rest = input;
                while !rest.is_empty() {
                    match block(|waker| to.write(rest, Some(waker))) {
                        Ok(count) => rest = &rest[count..],
                        Err(_) => break,
                    }
                }
            });
            let errors = scope.spawn(move || drain(&errors));
            let out = drain(&from);
            let err = errors.join().unwrap();
            let status = wait(&process);
            Ended { status, out, err }
        })
    }

    pub fn run(&self, argv: &[&str]) -> Ended {
        self.feed(b"", argv)
    }

    pub fn sh(&self, script: &str) -> Ended {
        self.run(&["/usr/bin/bash", "-c", script])
    }
}

pub fn wait(process: &Process) -> ExitStatus {
    block(|waker| process.poll_exit(waker))
}

/// Everything up to the end.
pub fn drain(file: &OpenFile) -> String {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match block(|waker| file.read(&mut buf, Some(waker))).unwrap() {
            0 => return String::from_utf8_lossy(&all).into_owned(),
            count => all.extend_from_slice(&buf[..count]),
        }
    }
}

pub fn ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Asks until it is ready, sleeping in between.
pub fn block<T>(mut ask: impl FnMut(&Waker) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let cx = Context::from_waker(&waker);
    loop {
        match ask(cx.waker()) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Compiles a C program with the host's compiler; none where there is no compiler, which is said.
pub fn compile(source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a.c"), dir.path().join("a"));
    std::fs::write(&from, source).unwrap();
    let done = std::process::Command::new("cc")
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .args(flags)
        .status();
    match done {
        Ok(status) => {
            assert!(status.success(), "the program does not compile");
            Some(std::fs::read(&to).unwrap())
        }
        Err(_) => {
            eprintln!("SKIPPED: no C compiler");
            None
        }
    }
}

pub fn has(path: &str) -> bool {
    let there = Path::new(path).exists();
    if !there {
        eprintln!("SKIPPED: no {path}");
    }
    there
}

/// Waits until something that happens in the background has happened.
pub fn settled(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}
