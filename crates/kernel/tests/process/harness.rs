//! A VM for tests: an executor whose programs are async Rust functions, a clock that only moves when told to, and a loop
//! that runs everything until nothing can go on.

use agentos_kernel::clock::{Clock, Entropy, Instant, Timestamp};
use agentos_kernel::cred::Credentials;
use agentos_kernel::fd::{IoResult, OpenFile, PipeUse};
use agentos_kernel::id::{Fd, Gid, Pid, Uid};
use agentos_kernel::limits::{Counter, Limits};
use agentos_kernel::process::{
    Executor, ExitStatus, FileAction, Gate, Kernel, KernelConfig, OpenHow, Process, Program, SigSet, SpawnRequest,
    WaitOptions, WaitTarget, Waited,
};
use agentos_kernel::vfs::{FileType, FsContext, FsQuota, InodeHandle, MemoryFs, Mode, OpenOptions, Opened};
use agentos_kernel::{Errno, Error, Result};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

pub type Task = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Body = Arc<dyn Fn(Sys) -> Task + Send + Sync>;

/// How a test program ends.
pub enum Outcome {
    Exit(u32),
    Exec(Box<dyn Program>),
}

impl From<u32> for Outcome {
    fn from(code: u32) -> Self {
        Self::Exit(code)
    }
}

/// Time that moves by [`Vm::advance`].
#[derive(Default)]
pub struct SimClock {
    now: AtomicU64,
    timers: Mutex<Vec<(Instant, Waker)>>,
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000_000_000 + self.now.load(Ordering::SeqCst) as i64)
    }

    fn instant(&self) -> Instant {
        Instant(self.now.load(Ordering::SeqCst) + 1_000_000)
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        self.timers.lock().push((deadline, waker.clone()));
    }
}

impl SimClock {
    /// Different wakers that wait for a deadline.
    pub fn wakers(&self) -> usize {
        let mut known: Vec<Waker> = Vec::new();
        for (_, waker) in &*self.timers.lock() {
            if !known.iter().any(|one| one.will_wake(waker)) {
                known.push(waker.clone());
            }
        }
        known.len()
    }

    fn advance(&self, ns: u64) {
        self.now.fetch_add(ns, Ordering::SeqCst);
        let now = self.instant();
        let mut timers = self.timers.lock();
        let (due, later) = timers.drain(..).partition(|(deadline, _)| *deadline <= now);
        *timers = later;
        drop(timers);
        for (_, waker) in Vec::from_iter::<Vec<(Instant, Waker)>>(due) {
            waker.wake();
        }
    }
}

/// Bytes that are not random at all.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        for byte in buf {
            *byte = self.0.fetch_add(1, Ordering::SeqCst) as u8;
        }
    }
}

/// Runs programs whose file says `test:NAME`.
#[derive(Default)]
pub struct TestExecutor {
    bodies: Mutex<HashMap<String, Body>>,
    queue: Arc<Queue>,
    running: Mutex<HashMap<u64, Running>>,
    next: AtomicU64,
    /// While set, nothing finishes loading.
    pub compiling: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    this: std::sync::OnceLock<std::sync::Weak<TestExecutor>>,
}

#[derive(Default)]
struct Queue(Mutex<VecDeque<u64>>);

struct TaskWaker {
    id: u64,
    queue: Arc<Queue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut queue = self.queue.0.lock();
        if !queue.contains(&self.id) {
            queue.push_back(self.id);
        }
    }
}

struct Running {
    process: Arc<Process>,
    task: Task,
}

struct TestProgram {
    executor: Arc<TestExecutor>,
    body: Body,
}

impl Program for TestProgram {
    fn start(self: Box<Self>, process: Arc<Process>) {
        let task = (self.body)(Sys {
            process: process.clone(),
            executor: self.executor.clone(),
        });
        self.executor.add(process, task);
    }
}

impl Executor for TestExecutor {
    fn name(&self) -> &'static str {
        "test"
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"test:")
    }

    fn load(&self, _: &Kernel, file: &InodeHandle, waker: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        if self.compiling.load(Ordering::SeqCst) {
            self.waiting.lock().extend(waker.cloned());
            return Poll::Pending;
        }
        let content = file.read_all(1024)?;
        let name = String::from_utf8_lossy(&content[5..]).trim().to_owned();
        let Some(body) = self.bodies.lock().get(&name).cloned() else {
            return Poll::Ready(Err(Error::not_executable(format!("no test program {name}"))));
        };
        let executor = self.this.get().unwrap().upgrade().unwrap();
        Poll::Ready(Ok(Box::new(TestProgram { executor, body })))
    }
}

impl TestExecutor {
    fn add(&self, process: Arc<Process>, task: Task) {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        self.running.lock().insert(id, Running { process, task });
        self.queue.0.lock().push_back(id);
    }

    /// Runs until nothing can go on.
    pub fn run(&self) {
        loop {
            let Some(id) = self.queue.0.lock().pop_front() else {
                return;
            };
            let Some(mut running) = self.running.lock().remove(&id) else {
                continue;
            };
            let waker = Waker::from(Arc::new(TaskWaker {
                id,
                queue: self.queue.clone(),
            }));
            match running.process.gate(Some(&waker)) {
                Poll::Pending => drop(self.running.lock().insert(id, running)),
                Poll::Ready(Gate::Die) => {
                    drop(running.task);
                    running.process.finish();
                }
                Poll::Ready(Gate::Run) => match running.task.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Pending => drop(self.running.lock().insert(id, running)),
                    Poll::Ready(Outcome::Exit(code)) => {
                        running.process.exit(code);
                        running.process.finish();
                    }
                    Poll::Ready(Outcome::Exec(program)) => program.start(running.process),
                },
            }
        }
    }

    /// Lets loading go on.
    pub fn compiled(&self) {
        self.compiling.store(false, Ordering::SeqCst);
        for waker in std::mem::take(&mut *self.waiting.lock()) {
            waker.wake();
        }
    }
}

/// A VM with a few directories, and everything needed to drive it.
pub struct Vm {
    pub kernel: Arc<Kernel>,
    pub executor: Arc<TestExecutor>,
    pub clock: Arc<SimClock>,
    pub quota: Arc<FsQuota>,
    root: Arc<MemoryFs>,
}

impl Vm {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(set: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        set(&mut limits);
        let clock = Arc::new(SimClock::default());
        let counter = |name, unit, cap| Counter::new(name, unit, cap, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter("limits.resources.maxFilesystemBytes", "bytes", 1 << 30),
            inodes: counter("limits.resources.maxInodeCount", "inodes", 10_000),
        });
        let executor = Arc::new(TestExecutor::default());
        executor.this.set(Arc::downgrade(&executor)).unwrap();
        let root = MemoryFs::new(clock.clone(), quota.clone());
        prepare(&root);
        let kernel = Kernel::new(KernelConfig {
            limits,
            policy: Arc::default(),
            clock: clock.clone(),
            entropy: Arc::new(Counting(AtomicU64::new(0))),
            root: root.clone(),
            fs_quota: quota.clone(),
            events: Arc::new(agentos_kernel::events::Ignore),
            hostname: b"agent-os".to_vec(),
            executors: vec![executor.clone()],
            network: agentos_kernel::net::NetworkConfig::default(),
            egress: None,
        });
        Self {
            kernel,
            executor,
            clock,
            quota,
            root,
        }
    }

    /// Makes and disposes of one more VM on a fork of nothing but a few directories.
    pub fn another(&self) {
        self.another_kernel().kill_all();
    }

    pub fn another_kernel(&self) -> Arc<Kernel> {
        Kernel::new(KernelConfig {
            limits: self.kernel.limits().clone(),
            policy: self.kernel.policy().clone(),
            clock: self.clock.clone(),
            entropy: self.kernel.entropy().clone(),
            root: self.root.fork(self.clock.clone(), self.quota.clone()),
            fs_quota: self.quota.clone(),
            events: Arc::new(agentos_kernel::events::Ignore),
            hostname: b"agent-os".to_vec(),
            executors: vec![self.executor.clone()],
            network: agentos_kernel::net::NetworkConfig::default(),
            egress: None,
        })
    }

    /// Installs a program as `/bin/NAME`.
    pub fn program<F, T>(&self, name: &str, body: F)
    where
        F: Fn(Sys) -> T + Send + Sync + 'static,
        T: Future<Output = u32> + Send + 'static,
    {
        self.program_raw(name, move |sys| {
            let task = body(sys);
            async move { Outcome::Exit(task.await) }
        });
    }

    /// Installs a program that may exec.
    pub fn program_raw<F, T>(&self, name: &str, body: F)
    where
        F: Fn(Sys) -> T + Send + Sync + 'static,
        T: Future<Output = Outcome> + Send + 'static,
    {
        let body: Body = Arc::new(move |sys| Box::pin(body(sys)));
        self.executor.bodies.lock().insert(name.to_owned(), body);
        self.file(&format!("/bin/{name}"), format!("test:{name}\n").as_bytes(), 0o755);
    }

    /// Writes a file as root.
    pub fn file(&self, path: &str, content: &[u8], mode: u32) {
        let root = self.kernel.vfs().root();
        let cred = Credentials::root();
        let mut cx = FsContext::new(&cred, &root).trusted();
        cx.umask = Mode::new(0);
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: true,
            mode: Mode::new(mode),
            ..OpenOptions::default()
        };
        let Opened::Inode(handle) = self.kernel.vfs().open(&cx, None, path.as_bytes(), options).unwrap() else {
            panic!("{path} is special")
        };
        handle.write_at(&cred, 0, content).unwrap();
    }

    /// A request for a program as the VM's user, with no descriptors.
    pub fn request(argv: &[&str]) -> SpawnRequest {
        SpawnRequest {
            path: argv[0].as_bytes().to_vec(),
            argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            env: vec![b"PATH=/bin".to_vec()],
            search_path: true,
            credentials: Some(Credentials::user()),
            cwd: Some(b"/home/user".to_vec()),
            ..SpawnRequest::default()
        }
    }

    /// Starts a program as a child of init, as the SDK does, in a group of its own.
    pub fn start(&self, argv: &[&str]) -> Arc<Process> {
        self.start_with(SpawnRequest {
            pgroup: Some(Pid(0)),
            ..Self::request(argv)
        })
    }

    pub fn start_with(&self, request: SpawnRequest) -> Arc<Process> {
        match self.kernel.spawn(&self.kernel.init(), &request, None) {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending => panic!("pending"),
        }
    }

    /// Starts a program and runs until nothing can go on.
    pub fn run(&self, argv: &[&str]) -> Arc<Process> {
        let process = self.start(argv);
        self.executor.run();
        process
    }

    /// Runs a program to its end and gives its status.
    pub fn status(&self, argv: &[&str]) -> ExitStatus {
        let process = self.run(argv);
        process.exit_status().expect("it still runs")
    }

    /// Runs a program's body under a name of its own, to its end; it must exit with 0.
    pub fn check<F, T>(&self, body: F)
    where
        F: Fn(Sys) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        self.program("check", move |sys| {
            let task = body(sys);
            async move {
                task.await;
                0
            }
        });
        assert_eq!(self.status(&["check"]), ExitStatus::Exited(0));
    }

    pub fn advance(&self, ns: u64) {
        self.clock.advance(ns);
        self.executor.run();
    }

    /// A pipe to the host: the reading end, and the action that makes the writing end a process's descriptor `fd`.
    pub fn output(&self, fd: u32) -> (Arc<OpenFile>, FileAction) {
        let (read, write) = self.kernel.pipe(PipeUse::Output).unwrap();
        (read, FileAction::Inherit(Fd(fd), write))
    }

    /// Every counter is back where it was before anything ran.
    pub fn assert_idle(&self) {
        let usage = self.kernel.usage();
        let used = [
            usage.processes.used(),
            usage.memory.used(),
            usage.open_fds.used(),
            usage.pipes.used(),
            usage.ptys(),
        ];
        assert_eq!(used, [0; 5], "processes, memory, descriptions, pipes, terminals");
        assert!(self.kernel.vfs().locks().is_empty());
        assert_eq!(self.kernel.processes().len(), 0);
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kernel.kill_all();
        self.executor.run();
    }
}

/// What a host reads from a pipe without waiting.
pub fn drain(file: &OpenFile) -> String {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    while let Poll::Ready(Ok(n)) = file.read(&mut buf, None) {
        if n == 0 {
            break;
        }
        all.extend_from_slice(&buf[..n]);
    }
    String::from_utf8(all).unwrap()
}

fn prepare(root: &MemoryFs) {
    use agentos_kernel::vfs::{Filesystem, NewNode};
    let dir = |parent, name: &str, mode, uid: Uid, gid: Gid| {
        let node = NewNode {
            kind: FileType::Directory,
            mode: Mode::new(mode),
            uid,
            gid,
            rdev: 0,
        };
        root.mkdir(parent, name.as_bytes(), &node).unwrap().ino
    };
    for name in ["bin", "proc", "dev", "etc"] {
        dir(root.root(), name, 0o755, Uid::ROOT, Gid::ROOT);
    }
    dir(root.root(), "tmp", 0o1777, Uid::ROOT, Gid::ROOT);
    let home = dir(root.root(), "home", 0o755, Uid::ROOT, Gid::ROOT);
    dir(home, "user", 0o755, Uid::USER, Gid::USER);
}

/// The system as a test program sees it: its process, with the calls that wait as futures.
#[derive(Clone)]
pub struct Sys {
    process: Arc<Process>,
    executor: Arc<TestExecutor>,
}

impl Deref for Sys {
    type Target = Arc<Process>;

    fn deref(&self) -> &Arc<Process> {
        &self.process
    }
}

/// Waits for a call of the kernel.
pub async fn wait_for<T>(mut call: impl FnMut(Option<&Waker>) -> IoResult<T>) -> Result<T> {
    poll_fn(|cx| call(Some(cx.waker()))).await
}

impl Sys {
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    pub async fn spawn(&self, request: &SpawnRequest) -> Result<Pid> {
        let child = wait_for(|waker| self.kernel().spawn(&self.process, request, waker)).await?;
        Ok(child.pid())
    }

    /// Spawns with everything inherited.
    pub async fn start(&self, argv: &[&str]) -> Result<Pid> {
        self.spawn(&SpawnRequest {
            credentials: None,
            cwd: None,
            inherit: true,
            ..Vm::request(argv)
        })
        .await
    }

    /// Runs `body` in a forked child.
    pub fn fork<T>(&self, body: impl FnOnce(Self) -> T) -> Result<Pid>
    where
        T: Future<Output = u32> + Send + 'static,
    {
        self.fork_into(None, false, body)
    }

    pub fn fork_into<T>(&self, group: Option<Pid>, foreground: bool, body: impl FnOnce(Self) -> T) -> Result<Pid>
    where
        T: Future<Output = u32> + Send + 'static,
    {
        let child = self.clone_child(group, foreground)?;
        let pid = child.pid();
        let task = body(Self {
            process: child.clone(),
            executor: self.executor.clone(),
        });
        self.executor
            .add(child, Box::pin(async move { Outcome::Exit(task.await) }));
        Ok(pid)
    }

    pub async fn exec(&self, argv: &[&str]) -> Result<Box<dyn Program>> {
        let request = SpawnRequest {
            credentials: None,
            cwd: None,
            ..Vm::request(argv)
        };
        wait_for(|waker| self.process.exec(&request, waker)).await
    }

    pub async fn waitpid(&self, which: i32, options: WaitOptions) -> Result<Option<Waited>> {
        wait_for(|waker| self.process.wait(WaitTarget::from_raw(which), options, waker)).await
    }

    /// Waits for a child's end.
    pub async fn reap(&self, pid: Pid) -> agentos_kernel::process::WaitEvent {
        self.waitpid(pid.0 as i32, WaitOptions::empty())
            .await
            .unwrap()
            .unwrap()
            .event
    }

    pub async fn open(&self, path: &str, how: OpenHow) -> Result<Fd> {
        wait_for(|waker| {
            self.process
                .open(agentos_kernel::process::Dir::Cwd, path.as_bytes(), &how, waker)
        })
        .await
    }

    pub async fn open_read(&self, path: &str) -> Result<Fd> {
        self.open(
            path,
            OpenHow {
                options: OpenOptions {
                    read: true,
                    ..OpenOptions::default()
                },
                ..OpenHow::default()
            },
        )
        .await
    }

    pub async fn open_write(&self, path: &str) -> Result<Fd> {
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: true,
            mode: Mode::new(0o644),
            ..OpenOptions::default()
        };
        self.open(
            path,
            OpenHow {
                options,
                ..OpenHow::default()
            },
        )
        .await
    }

    pub async fn read(&self, fd: Fd, len: usize) -> Result<Vec<u8>> {
        let mut buf = vec![0; len];
        let got = wait_for(|waker| self.process.read(fd, &mut buf, waker)).await?;
        buf.truncate(got);
        Ok(buf)
    }

    pub async fn read_all(&self, fd: Fd) -> Result<String> {
        let mut all = Vec::new();
        loop {
            let got = self.read(fd, 4096).await?;
            if got.is_empty() {
                return Ok(String::from_utf8(all).unwrap());
            }
            all.extend(got);
        }
    }

    pub async fn cat(&self, path: &str) -> Result<String> {
        let fd = self.open_read(path).await?;
        let text = self.read_all(fd).await;
        self.close(fd)?;
        text
    }

    pub async fn write(&self, fd: Fd, data: &[u8]) -> Result<usize> {
        wait_for(|waker| self.process.write(fd, data, waker)).await
    }

    pub async fn say(&self, text: &str) {
        let mut data = text.as_bytes();
        while !data.is_empty() {
            let Ok(n) = self.write(Fd(1), data).await else { return };
            data = &data[n..];
        }
    }

    pub async fn sleep(&self, ns: i64) -> Result<()> {
        let deadline = self.deadline(ns).unwrap();
        wait_for(|waker| self.sleep_until(deadline, waker)).await
    }

    /// Lets everybody else run until they wait.
    pub async fn settle(&self) {
        for _ in 0..64 {
            let mut yielded = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    /// Waits for ever, or until a signal.
    pub async fn pause(&self) -> Error {
        wait_for(|waker| self.poll(&mut [], None, None, waker))
            .await
            .unwrap_err()
    }

    /// Waits for a signal with the mask replaced.
    pub async fn suspend(&self, mask: SigSet) -> Error {
        wait_for(|waker| self.poll(&mut [], None, Some(mask), waker))
            .await
            .unwrap_err()
    }
}
