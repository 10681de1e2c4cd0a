//! `/proc` (`proc(5)`): processes and the VM as text.
//!
//! Content is generated when a file is opened and stays what it was then, so that a reader sees one moment. What a process
//! keeps to itself (descriptors, environment, working directory, program) is for its own user and the superuser, as on Linux.

mod links;
mod node;
mod process;
mod system;

use super::{plain_attr, refuse_names};
use crate::clock::{Clock, Timestamp};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Fd, Ino, Pid};
use crate::process::{Kernel, Process, RunState};
use crate::vfs::{Attr, DirEntry, Features, FileType, Filesystem, Jump, NewNode, RenameFlags, SetAttr, StatFs};
use bytes::Bytes;
use core::ops::ControlFlow;
use node::{Item, Node};
use std::sync::{Arc, OnceLock, Weak};

/// The processes of a VM as files.
pub(super) struct ProcFs {
    kernel: Weak<Kernel>,
    clock: Arc<dyn Clock>,
    mounted: Timestamp,
    boot_id: OnceLock<String>,
}

/// Positions in the root directory: fixed names first, then processes by pid from here on.
const FIRST_PROCESS: u64 = 1 << 16;

impl ProcFs {
    pub(super) fn new(kernel: Weak<Kernel>, clock: Arc<dyn Clock>) -> Self {
        Self {
            kernel,
            mounted: clock.now(),
            clock,
            boot_id: OnceLock::new(),
        }
    }

    fn kernel(&self) -> Result<Arc<Kernel>> {
        self.kernel.upgrade().ok_or_else(|| Errno::ENOENT.into())
    }

    /// A process that still has an entry.
    fn process(&self, pid: Pid) -> Result<Arc<Process>> {
        self.kernel()?.process(pid).ok_or_else(|| Errno::ENOENT.into())
    }

    fn node(ino: Ino) -> Result<Node> {
        Node::from_ino(ino).ok_or_else(|| Errno::ESTALE.into())
    }

    fn attr(&self, node: Node) -> Result<Attr> {
        let (item, ino) = (node.item, node.ino());
        let mut attr = plain_attr(ino, item.kind(), item.mode(), self.mounted);
        if node.pid.0 != 0 {
            let process = self.process(node.pid)?;
            if matches!(item, Item::Fd | Item::FdInfo) {
                let file = process.shown_descriptor(node.fd)?.file;
                if item == Item::Fd {
                    attr.mode = links::mode(file.access());
                    attr.size = 64;
                }
            }
            let cred = process.cred();
            (attr.uid, attr.gid) = (cred.euid, cred.egid);
            let started = process.start_time();
            (attr.atime, attr.mtime, attr.ctime, attr.btime) = (started, started, started, started);
        }
        Ok(attr)
    }

    fn find(&self, dir: Node, name: &[u8]) -> Result<Node> {
        let fixed = dir.item.children().find(|item| item.name().as_bytes() == name);
        if let Some(item) = fixed {
            return Ok(Node::of(dir.pid, item));
        }
        let number = number(name).ok_or(Errno::ENOENT)?;
        let node = match dir.item {
            Item::Root => Node::of(Pid(number), Item::Process),
            Item::TaskDir if self.process(dir.pid)?.shown_threads().contains(&number) => task(dir.pid, number),
            Item::FdDir => Node {
                fd: Fd(number),
                ..Node::of(dir.pid, Item::Fd)
            },
            Item::FdInfoDir => Node {
                fd: Fd(number),
                ..Node::of(dir.pid, Item::FdInfo)
            },
            _ => return Err(Errno::ENOENT.into()),
        };
        Ok(node)
    }

    /// Numbered entries of a directory, ascending.
    fn numbered(&self, dir: Node) -> Result<Vec<(u32, Node)>> {
        Ok(match dir.item {
            Item::Root => {
                let all = self.kernel()?.processes();
                let pids = [Pid::INIT].into_iter().chain(all.iter().map(|process| process.pid()));
                pids.map(|pid| (pid.0, Node::of(pid, Item::Process))).collect()
            }
            Item::TaskDir => {
                let threads = self.process(dir.pid)?.shown_threads();
                threads.into_iter().map(|tid| (tid, task(dir.pid, tid))).collect()
            }
            Item::FdDir | Item::FdInfoDir => {
                let item = if dir.item == Item::FdDir {
                    Item::Fd
                } else {
                    Item::FdInfo
                };
                let fds = self.process(dir.pid)?.shown_descriptors();
                fds.into_iter()
                    .map(|fd| {
                        (
                            fd.0,
                            Node {
                                fd,
                                ..Node::of(dir.pid, item)
                            },
                        )
                    })
                    .collect()
            }
            _ => Vec::new(),
        })
    }

    fn text(&self, node: Node, caller: Pid) -> Result<Vec<u8>> {
        let kernel = self.kernel()?;
        if node.pid.0 == 0 {
            return Ok(self.system_text(&kernel, node.item));
        }
        let process = self.process(node.pid)?;
        Ok(match node.item {
            Item::FdInfo => links::fd_info(&process, node.fd)?,
            item => process::text(&kernel, &process, item, caller),
        })
    }
}

impl Filesystem for ProcFs {
    fn kind(&self) -> &'static str {
        "proc"
    }

    fn features(&self) -> Features {
        Features {
            volatile: true,
            pseudo: true,
            own_atime: true,
            no_set_id: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        Node::ROOT.ino()
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let dir = Self::node(dir)?;
        if dir.item.kind() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        self.attr(self.find(dir, name)?)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        Ok(Self::node(dir)?.parent().ino())
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.attr(Self::node(ino)?)
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        // Writing to a file begins with cutting it; nothing else about an inode can be set.
        if set.mode.is_some() || set.uid.is_some() || set.gid.is_some() {
            return Err(Errno::EPERM.into());
        }
        self.getattr(ino)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        self.readlink_for(ino, Pid(0))
    }

    fn readlink_for(&self, ino: Ino, caller: Pid) -> Result<Vec<u8>> {
        let node = Self::node(ino)?;
        let kernel = self.kernel()?;
        links::text(&kernel, node, caller)
    }

    fn jump(&self, ino: Ino, caller: Pid) -> Result<Option<Jump>> {
        let node = Self::node(ino)?;
        if node.pid.0 == 0 {
            return Ok(None);
        }
        let kernel = self.kernel()?;
        links::jump(&kernel, node, caller).map(Some)
    }

    fn generate(&self, ino: Ino, caller: Pid) -> Result<Option<Bytes>> {
        self.text(Self::node(ino)?, caller).map(|text| Some(text.into()))
    }

    fn may_inspect(&self, ino: Ino, caller: Pid) -> Result<()> {
        let node = Self::node(ino)?;
        match node.pid {
            Pid(0) => Ok(()),
            pid => self.kernel()?.may_inspect(caller, pid),
        }
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let text = self.text(Self::node(ino)?, Pid(0))?;
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| text.get(at..))
            .unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write(&self, ino: Ino, _: u64, data: &[u8]) -> Result<usize> {
        let node = Self::node(ino)?;
        let value = data.strip_suffix(b"\n").unwrap_or(data);
        match node.item {
            Item::HostName => self.kernel()?.rename_host(value)?,
            Item::PComm => self.process(node.pid)?.set_name(value),
            // Accepted for programs that protect themselves; nothing here chooses victims by it.
            Item::POomScoreAdj => {}
            _ => return Err(Errno::EINVAL.into()),
        }
        Ok(data.len())
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        let count = self.write(ino, 0, data)?;
        Ok((count, count as u64))
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let dir = Self::node(dir)?;
        if dir.item.kind() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        for (at, item) in (1..).zip(dir.item.children()) {
            let entry = DirEntry {
                name: item.name().as_bytes(),
                ino: Node::of(dir.pid, item).ino(),
                kind: item.kind(),
                next: at,
            };
            if at > position && emit(entry).is_break() {
                return Ok(());
            }
        }
        for (number, node) in self.numbered(dir)? {
            let next = FIRST_PROCESS + u64::from(number) + 1;
            let name = number.to_string();
            let entry = DirEntry {
                name: name.as_bytes(),
                ino: node.ino(),
                kind: node.item.kind(),
                next,
            };
            if next > position && emit(entry).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        let node = Self::node(ino)?;
        let name = match node.item {
            Item::Task if node.fd.0 != 0 => node.fd.0.to_string(),
            Item::Process | Item::Task => node.pid.0.to_string(),
            Item::Fd | Item::FdInfo => node.fd.0.to_string(),
            item => item.name().to_owned(),
        };
        Ok((node.parent().ino(), name.into_bytes()))
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            magic: 0x9fa0,
            block_size: 4096,
            name_max: 255,
            ..StatFs::default()
        })
    }

    refuse_names!();
}

/// A thread of a process; the first has no number of its own.
fn task(pid: Pid, tid: u32) -> Node {
    let own = if tid == pid.0 { 0 } else { tid };
    Node {
        fd: Fd(own),
        ..Node::of(pid, Item::Task)
    }
}

/// A decimal number without a leading zero or sign.
fn number(name: &[u8]) -> Option<u32> {
    if name.is_empty() || !name.iter().all(u8::is_ascii_digit) || (name.len() > 1 && name.first() == Some(&b'0')) {
        return None;
    }
    core::str::from_utf8(name).ok()?.parse().ok()
}

/// One letter for what a process does. Which of the runnable ones is on a CPU is not the kernel's knowledge; whoever reads
/// certainly is.
fn state_letter(process: &Process, caller: Pid) -> (char, &'static str) {
    match process.run_state() {
        RunState::Running if process.pid() == caller => ('R', "running"),
        RunState::Running => ('S', "sleeping"),
        RunState::Stopped => ('T', "stopped"),
        RunState::Zombie | RunState::Reaped => ('Z', "zombie"),
    }
}
