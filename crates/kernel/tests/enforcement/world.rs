//! A VM without programs, whose init does the work: the policy binds it as it binds any other process.

#![allow(dead_code)]

use crate::common::{ManualClock, ready};
use agentos_kernel::clock::Entropy;
use agentos_kernel::cred::Credentials;
use agentos_kernel::events::EventSink;
use agentos_kernel::fd::StatusFlags;
use agentos_kernel::id::Fd;
use agentos_kernel::limits::{Counter, Limits};
use agentos_kernel::policy::Policy;
use agentos_kernel::process::{Dir, Kernel, KernelConfig, OpenHow, Process};
use agentos_kernel::vfs::{FsContext, FsQuota, MemoryFs, Mode, OpenOptions, Opened, Vfs};
use agentos_kernel::{Errno, Error, Result};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) struct World {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) process: Arc<Process>,
}

struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(4);
    }
}

pub(crate) fn quota(bytes: u64, inodes: u64) -> Arc<FsQuota> {
    let counter = |name, unit, cap| Counter::new(name, unit, cap, Errno::ENOSPC);
    Arc::new(FsQuota {
        bytes: counter("limits.resources.maxFilesystemBytes", "bytes", bytes),
        inodes: counter("limits.resources.maxInodeCount", "inodes", inodes),
    })
}

impl World {
    /// A VM under a whole policy.
    pub(crate) fn under(policy: &Value) -> Self {
        Self::build(
            policy,
            quota(1 << 30, 100_000),
            &[],
            Arc::new(agentos_kernel::events::Ignore),
        )
    }

    /// A VM that reports to a sink.
    pub(crate) fn reporting(policy: &Value, sink: Arc<dyn EventSink>) -> Self {
        Self::build(policy, quota(1 << 30, 100_000), &[], sink)
    }

    /// A VM in which so many bytes and inodes can be added, with one directory more.
    pub(crate) fn within(dir: &str, bytes: u64, inodes: u64) -> Self {
        let sink = Arc::new(agentos_kernel::events::Ignore);
        Self::build(&json!("default"), quota(bytes, inodes), &[dir], sink)
    }

    fn build(policy: &Value, quota: Arc<FsQuota>, dirs: &[&str], events: Arc<dyn EventSink>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let root = MemoryFs::new(clock.clone(), quota.clone());
        {
            let vfs = Vfs::new(root.clone());
            let (cred, top) = (Credentials::root(), vfs.root());
            for dir in ["/proc", "/dev", "/tmp", "/etc", "/usr"].iter().chain(dirs) {
                vfs.mkdir(&FsContext::new(&cred, &top), None, dir.as_bytes(), Mode::new(0o777))
                    .unwrap();
            }
        }
        let kernel = Kernel::new(KernelConfig {
            limits: Limits::default(),
            policy: Arc::new(Policy::from_json(policy).unwrap()),
            clock,
            entropy: Arc::new(NoEntropy),
            root,
            fs_quota: quota,
            events,
            hostname: b"agent-os".to_vec(),
            executors: Vec::new(),
            network: agentos_kernel::net::NetworkConfig::default(),
            egress: None,
        });
        let process = kernel.init();
        Self { kernel, process }
    }

    /// A VM with these rules about files, and everything else allowed.
    pub(crate) fn with(rules: &Value) -> Self {
        Self::under(&json!({ "fs": { "default": "allow", "rules": rules } }))
    }

    /// A VM in which these operations are denied at these paths.
    pub(crate) fn denying(operations: &[&str], paths: &[&str]) -> Self {
        Self::with(&json!([{ "mode": "deny", "operations": operations, "paths": paths }]))
    }

    /// Work that the policy does not see.
    pub(crate) fn trusted<T>(&self, work: impl FnOnce(&Vfs, &FsContext<'_>) -> T) -> T {
        let (cred, root) = (Credentials::root(), self.kernel.vfs().root());
        let mut cx = FsContext::new(&cred, &root).trusted();
        cx.umask = Mode::new(0);
        work(self.kernel.vfs(), &cx)
    }

    pub(crate) fn dir(&self, path: &str) {
        self.trusted(|vfs, cx| vfs.mkdir(cx, None, path.as_bytes(), Mode::new(0o777)))
            .unwrap();
    }

    pub(crate) fn file(&self, path: &str, content: &str) {
        let options = OpenOptions {
            write: true,
            create: true,
            mode: Mode::new(0o666),
            ..OpenOptions::default()
        };
        self.trusted(|vfs, cx| match vfs.open(cx, None, path.as_bytes(), options).unwrap() {
            Opened::Inode(file) => drop(file.write_at(cx.cred, 0, content.as_bytes()).unwrap()),
            other => panic!("{other:?}"),
        });
    }

    pub(crate) fn link(&self, target: &str, path: &str) {
        self.trusted(|vfs, cx| vfs.symlink(cx, target.as_bytes(), None, path.as_bytes()))
            .unwrap();
    }

    /// Opens with letters: read, write, create, exclusive, truncate, directory, path only, append, unnamed, no follow.
    pub(crate) fn open(&self, path: &str, letters: &str) -> Result<Fd> {
        self.open_at(Dir::Cwd, path.as_bytes(), letters)
    }

    pub(crate) fn open_at(&self, dir: Dir, path: &[u8], letters: &str) -> Result<Fd> {
        ready(self.process.open(dir, path, &how(letters), None))
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let fd = self.open(path, "r")?;
        let mut buf = [0; 256];
        let count = ready(self.process.read(fd, &mut buf, None))?;
        self.process.close(fd)?;
        Ok(buf[..count].to_vec())
    }
}

pub(crate) fn how(letters: &str) -> OpenHow {
    let has = |letter: char| letters.contains(letter);
    let status = match has('a') {
        true => StatusFlags::APPEND,
        false => StatusFlags::empty(),
    };
    OpenHow {
        options: OpenOptions {
            read: has('r'),
            write: has('w'),
            create: has('c'),
            exclusive: has('x'),
            truncate: has('t'),
            directory: has('d'),
            no_follow: has('n'),
            path_only: has('p'),
            unnamed: has('u'),
            mode: Mode::new(0o666),
        },
        status,
        cloexec: false,
        no_tty: true,
    }
}

/// What a refusal says: `operation path`.
pub(crate) fn refusal<T: core::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Denied(denied)) => format!("{} {}", denied.operation.name(), denied.resource_text()),
        other => panic!("not refused by the policy: {other:?}"),
    }
}
