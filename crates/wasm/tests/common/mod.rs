//! A VM on a real clock, with guests written in WebAssembly text.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::needless_pass_by_value)]

use agentos_kernel::clock::{Clock, Entropy, Instant, Timestamp};
use agentos_kernel::cred::Credentials;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::{Fd, Gid, Ino, Pid, Uid};
use agentos_kernel::limits::{Counter, Limits};
use agentos_kernel::net::Egress;
use agentos_kernel::process::{Executor, ExitStatus, FileAction, Kernel, KernelConfig, Process, Signal, SpawnRequest};
use agentos_kernel::vfs::{Blob, FileType, Filesystem, FsQuota, MemoryFs, Mode, NewNode};
use agentos_kernel::{Errno, Error};
use agentos_wasm::{WasmConfig, WasmExecutor};
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Real time, with a thread for timers.
pub struct RealClock {
    origin: std::time::Instant,
    timers: Mutex<BinaryHeap<Timer>>,
    changed: Condvar,
}

struct Timer(Instant, Waker);

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl RealClock {
    pub fn shared() -> Arc<Self> {
        static CLOCK: OnceLock<Arc<RealClock>> = OnceLock::new();
        let clock = CLOCK.get_or_init(|| {
            let clock = Arc::new(Self {
                origin: std::time::Instant::now(),
                timers: Mutex::default(),
                changed: Condvar::new(),
            });
            let server = Arc::clone(&clock);
            std::thread::spawn(move || server.serve());
            clock
        });
        Arc::clone(clock)
    }

    fn serve(&self) {
        let mut timers = self.timers.lock().unwrap();
        loop {
            let now = self.instant();
            let mut due = Vec::new();
            while timers.peek().is_some_and(|timer| timer.0 <= now) {
                due.extend(timers.pop());
            }
            if !due.is_empty() {
                drop(timers);
                due.into_iter().for_each(|timer| timer.1.wake());
                timers = self.timers.lock().unwrap();
                continue;
            }
            timers = match timers.peek().map(|timer| timer.0.since(now)) {
                None => self.changed.wait(timers).unwrap(),
                Some(left) => self.changed.wait_timeout(timers, Duration::from_nanos(left)).unwrap().0,
            };
        }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64)
    }

    fn instant(&self) -> Instant {
        Instant(self.origin.elapsed().as_nanos() as u64 + 1)
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        self.timers.lock().unwrap().push(Timer(deadline, waker.clone()));
        self.changed.notify_one();
    }
}

/// Predictable randomness.
pub struct Counting;

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        buf.iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte = at as u8 ^ 0x5a);
    }
}

/// One VM and the executor that it uses.
pub struct Vm {
    pub kernel: Arc<Kernel>,
    pub root: Arc<MemoryFs>,
    pub executor: Arc<WasmExecutor>,
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kernel.kill_all();
    }
}

pub fn executor(config: WasmConfig) -> Arc<WasmExecutor> {
    WasmExecutor::new(config).unwrap()
}

/// An executor that all tests of a binary share.
pub fn shared() -> Arc<WasmExecutor> {
    static SHARED: OnceLock<Arc<WasmExecutor>> = OnceLock::new();
    Arc::clone(SHARED.get_or_init(|| {
        executor(WasmConfig {
            pool_slots: 256,
            workers: 2,
            ..WasmConfig::default()
        })
    }))
}

impl Vm {
    pub fn new() -> Self {
        Self::with(shared(), Limits::default())
    }

    pub fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::with(shared(), limits)
    }

    pub fn with(executor: Arc<WasmExecutor>, limits: Limits) -> Self {
        Self::with_egress(executor, limits, None)
    }

    pub fn with_egress(executor: Arc<WasmExecutor>, limits: Limits, egress: Option<Arc<dyn Egress>>) -> Self {
        let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter("bytes"),
            inodes: counter("inodes"),
        });
        let root = MemoryFs::new(RealClock::shared(), Arc::clone(&quota));
        for name in ["bin", "tmp", "proc", "dev"] {
            let node = NewNode {
                kind: FileType::Directory,
                mode: Mode::new(0o777),
                uid: Uid::ROOT,
                gid: Gid::ROOT,
                rdev: 0,
            };
            root.mkdir(root.root(), name.as_bytes(), &node).unwrap();
        }
        let kernel = Kernel::new(KernelConfig {
            limits,
            policy: Arc::default(),
            clock: RealClock::shared(),
            entropy: Arc::new(Counting),
            root: root.clone(),
            fs_quota: quota,
            events: Arc::new(agentos_kernel::events::Ignore),
            hostname: b"box".to_vec(),
            executors: vec![executor.clone() as Arc<dyn Executor>],
            network: agentos_kernel::net::NetworkConfig::default(),
            egress,
        });
        Self { kernel, root, executor }
    }

    fn bin(&self) -> Ino {
        self.root.lookup(self.root.root(), b"bin").unwrap().ino
    }

    /// Puts a program into `/bin`.
    pub fn install(&self, name: &str, program: &str) {
        self.install_bytes(name, &wat::parse_str(program).unwrap());
    }

    pub fn install_bytes(&self, name: &str, program: &[u8]) {
        self.install_blob(name, Blob::new(program.to_vec()));
    }

    pub fn install_blob(&self, name: &str, blob: Arc<Blob>) {
        let (uid, gid) = (Uid::ROOT, Gid::ROOT);
        self.root
            .insert_blob(self.bin(), name.as_bytes(), blob, Mode::new(0o755), uid, gid)
            .unwrap();
    }

    /// Puts a program into `/bin` as a file that the VM itself might have written.
    pub fn write_program(&self, name: &str, program: &[u8]) {
        let node = NewNode {
            kind: FileType::Regular,
            mode: Mode::new(0o755),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        let file = self.root.create(self.bin(), name.as_bytes(), &node).unwrap();
        self.root.write(file.ino, 0, program).unwrap();
    }

    pub fn request(&self, argv: &[&str]) -> SpawnRequest {
        SpawnRequest {
            path: format!("/bin/{}", argv[0]).into_bytes(),
            argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            ..SpawnRequest::default()
        }
    }

    pub fn spawn_request(&self, request: &SpawnRequest) -> Result<Arc<Process>, Error> {
        let init = self.kernel.init();
        block_on(poll_fn(|cx| self.kernel.spawn(&init, request, Some(cx.waker()))))
    }

    pub fn spawn(&self, argv: &[&str]) -> Arc<Process> {
        self.spawn_request(&self.request(argv)).unwrap()
    }

    /// Runs a program to its end; its standard output is what it leaves.
    pub fn run(&self, argv: &[&str]) -> (ExitStatus, Vec<u8>) {
        self.run_with(argv, b"")
    }

    pub fn run_with(&self, argv: &[&str], input: &[u8]) -> (ExitStatus, Vec<u8>) {
        let (stdin, feed) = self.pipe();
        let (read, stdout) = self.pipe();
        let mut request = self.request(argv);
        request.actions = vec![
            FileAction::Inherit(Fd(0), stdin),
            FileAction::Inherit(Fd(1), stdout.clone()),
            FileAction::Inherit(Fd(2), stdout),
        ];
        let process = self.spawn_request(&request).unwrap();
        drop(request);
        // It may end without reading its input.
        let _ = block_on(poll_fn(|cx| feed.write(input, Some(cx.waker()))));
        drop(feed);
        let mut output = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let got = block_on(poll_fn(|cx| read.read(&mut chunk, Some(cx.waker())))).unwrap();
            if got == 0 {
                break;
            }
            output.extend_from_slice(&chunk[..got]);
        }
        (wait(&process), output)
    }

    pub fn pipe(&self) -> (Arc<OpenFile>, Arc<OpenFile>) {
        let owner = (Uid::ROOT, Gid::ROOT);
        OpenFile::pipe(self.kernel.fd_limits(), owner, Timestamp(0), Default::default()).unwrap()
    }

    pub fn kill(&self, process: &Process, signal: Signal) {
        self.kernel.init().kill(process.pid().0 as i32, signal).unwrap();
    }

    /// Waits until a process exists under this name.
    pub fn processes(&self) -> usize {
        self.kernel.processes().len()
    }

    pub fn user() -> Credentials {
        Credentials::user()
    }

    pub fn process(&self, pid: u32) -> Option<Arc<Process>> {
        self.kernel.process(Pid(pid))
    }
}

pub fn wait(process: &Arc<Process>) -> ExitStatus {
    block_on(poll_fn(|cx| process.poll_exit(cx.waker())))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Waits until something holds that no waker tells of.
pub fn eventually(what: impl Fn() -> bool) {
    while !what() {
        std::thread::yield_now();
    }
}

pub use std::future::Future;

/// `(module ...)` with the imports that `body` calls, one page of memory, and a `_start`.
pub fn program(imports: &[(&str, &str, &str)], body: &str) -> String {
    let mut text = String::from("(module\n");
    for (module, name, signature) in imports {
        text += &format!("(import \"{module}\" \"{name}\" (func ${name} {signature}))\n");
    }
    text + "(memory (export \"memory\") 2)\n" + body + ")"
}

pub const P1: &str = "wasi_snapshot_preview1";
pub const OS: &str = "agentos_v1";

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

impl Vm {
    /// Replaces the content of a program in `/bin`.
    pub fn overwrite(&self, name: &str, content: &[u8]) {
        let file = self.root.lookup(self.bin(), name.as_bytes()).unwrap();
        let empty = agentos_kernel::vfs::SetAttr {
            size: Some(0),
            ..Default::default()
        };
        self.root.setattr(file.ino, &empty).unwrap();
        self.root.write(file.ino, 0, content).unwrap();
    }
}

/// A data segment.
pub fn data(at: u32, bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{text}\")\n")
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A spawn request at `at` in memory, with its strings behind it; it takes 0x400 bytes.
pub fn spawn_request(at: u32, path: &str, argv: &[&str], flags: u32, actions: &[[u32; 7]]) -> String {
    let joined: String = argv.iter().map(|arg| format!("{arg}\0")).collect();
    let (path_at, argv_at, actions_at) = (at + 0x60, at + 0xa0, at + 0x200);
    let record = words(&[
        80,
        flags,
        path_at,
        path.len() as u32,
        argv_at,
        joined.len() as u32,
        0,
        0,
        0,
        0,
        actions_at,
        actions.len() as u32,
    ]);
    data(at, &record)
        + &data(path_at, path.as_bytes())
        + &data(argv_at, joined.as_bytes())
        + &data(actions_at, &words(&actions.concat()))
}

/// `(call $ok ...)`: exits with the error number if there is one. Needs `proc_exit`.
pub const OK: &str = "(func $ok (param i32) (if (local.get 0) (then (call $proc_exit (local.get 0)) unreachable)))\n";

pub const IMPORTS: &[(&str, &str, &str)] = &[
    (P1, "proc_exit", "(param i32)"),
    (P1, "fd_write", "(param i32 i32 i32 i32) (result i32)"),
    (P1, "fd_read", "(param i32 i32 i32 i32) (result i32)"),
    (P1, "fd_close", "(param i32) (result i32)"),
    (
        P1,
        "path_open",
        "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
    ),
    (P1, "poll_oneoff", "(param i32 i32 i32 i32) (result i32)"),
    (P1, "sched_yield", "(result i32)"),
    (P1, "random_get", "(param i32 i32) (result i32)"),
    (OS, "proc_spawn", "(param i32 i32) (result i32)"),
    (OS, "proc_exec", "(param i32) (result i32)"),
    (OS, "proc_clone", "(param i32 i32 i32 i32) (result i32)"),
    (OS, "proc_wait", "(param i32 i32 i32) (result i32)"),
    (OS, "fd_pipe", "(param i32 i32 i32) (result i32)"),
    (OS, "fd_dup", "(param i32 i32 i32 i32) (result i32)"),
    (OS, "fd_poll", "(param i32 i32 i64 i32 i32) (result i32)"),
    (OS, "fd_flock", "(param i32 i32) (result i32)"),
    (OS, "fd_record_lock", "(param i32 i32 i32) (result i32)"),
    (OS, "fd_copy_range", "(param i32 i32 i32 i32 i64 i32) (result i32)"),
    (OS, "path_open_mode", "(param i32 i32 i32 i32 i32 i32 i32) (result i32)"),
    (OS, "path_mknod", "(param i32 i32 i32 i32 i64) (result i32)"),
    (OS, "sig_wait", "(param i64 i64 i32) (result i32)"),
    (OS, "sig_kill", "(param i32 i32) (result i32)"),
    (OS, "sig_disposition", "(param i32 i32 i32) (result i32)"),
    (OS, "sig_take", "(param i64 i32) (result i32)"),
    (OS, "timer_real", "(param i64 i64 i32) (result i32)"),
    (OS, "sock_pair", "(param i32 i32 i32 i32) (result i32)"),
    (OS, "sock_open", "(param i32 i32 i32 i32) (result i32)"),
    (OS, "sock_bind", "(param i32 i32 i32) (result i32)"),
    (OS, "sock_listen", "(param i32 i32) (result i32)"),
    (OS, "sock_accept_from", "(param i32 i32 i32 i32 i32 i32) (result i32)"),
    (
        OS,
        "sock_recv_from",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    ),
    (OS, "sock_send_to", "(param i32 i32 i32 i32 i32 i32 i32) (result i32)"),
];

/// A program with all of [`IMPORTS`], [`OK`] and a `_start` of `body`; `more` stands before it.
pub fn native(more: &str, body: &str) -> String {
    program(
        IMPORTS,
        &format!("{OK}{more}\n(func (export \"_start\") (local $a i32) (local $b i32) {body})"),
    )
}
