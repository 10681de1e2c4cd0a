//! What `/proc` shows of a guest: its descriptors, its name and its mappings, found on the host and told in the VM's terms.
//!
//! Whoever looks may be a guest whose call is being answered, or a program of another executor in another thread, so nothing here
//! belongs to the thread of the VM. Of the host's own text only numbers, protections and the kernel's fixed names get through.

use super::Vm;
use super::guest::ProcDir;
use super::memories::{self, Index, Reopened};
use super::signals::Actions;
use super::terminals::{ByIdentity, Terminals};
use crate::pipe::{NativeEnd, NativePipe};
use crate::sys;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::fd::{AccessMode, File, OpenFile, PollEvents, StatusFlags};
use agentos_kernel::id::{Fd, Ino};
use agentos_kernel::process::{Elsewhere, Footprint, Kernel, Process, Shown, ShownSignals};
use agentos_kernel::vfs::{Attr, FileType, Location, Mode};
use agentos_kernel::{Errno, Result};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Weak};

/// Files of the VM by device and inode on the host.
#[derive(Clone, Default)]
pub(super) struct Files(ByIdentity<OpenFile>);

impl Files {
    pub(super) fn add(&self, identity: (u64, u64), file: &Arc<OpenFile>) {
        let mut all = self.0.lock();
        // Cheap on average: the table doubles between two sweeps.
        if all.len() == all.capacity() {
            all.retain(|_, file| file.strong_count() > 0);
        }
        all.insert(identity, Arc::downgrade(file));
    }

    fn get(&self, identity: (u64, u64)) -> Option<Arc<OpenFile>> {
        self.0.lock().get(&identity).and_then(Weak::upgrade)
    }
}

/// Bytes of a page.
const PAGE: u64 = 4096;

/// A guest as `/proc` sees it.
struct Inside {
    /// Its directory in the host's `/proc`.
    dir: Arc<ProcDir>,
    kernel: Weak<Kernel>,
    files: Files,
    terminals: Terminals,
    memories: Index,
}

impl Vm {
    /// Lets `/proc` find what a guest has.
    pub(super) fn show(&self, process: &Process, dir: &Arc<ProcDir>) {
        process.set_elsewhere(Some(Arc::new(Inside {
            dir: Arc::clone(dir),
            kernel: Arc::downgrade(process.kernel()),
            files: self.shown.clone(),
            terminals: self.terminals.clone(),
            memories: self.memories.index().clone(),
        })));
    }
}

impl Inside {
    /// Path of what is below the directory in the host's `/proc`.
    fn below(&self, path: &str) -> String {
        format!("/proc/self/fd/{}/{path}", self.dir.as_fd().as_raw_fd())
    }

    fn text(&self, path: &str) -> Option<String> {
        let path = CString::new(path).ok()?;
        let mut text = Vec::new();
        let file = sys::open_at(self.dir.as_fd(), &path, libc::O_RDONLY).ok()?;
        std::fs::File::from(file).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    fn file(&self, fd: Fd, flags: u32) -> Result<Arc<OpenFile>> {
        let path = CString::new(format!("fd/{fd}")).map_err(|_| Errno::EBADF)?;
        let stat = sys::stat_fd(self.dir.as_fd(), &path).map_err(|_| Errno::EBADF)?;
        let identity = (stat.st_dev, stat.st_ino);
        if let Some(file) = self.files.get(identity) {
            return Ok(file);
        }
        let kernel = self.kernel.upgrade().ok_or(Errno::EBADF)?;
        let access = match flags & 3 {
            0 => AccessMode::READ,
            1 => AccessMode::WRITE,
            _ => AccessMode::READ_WRITE,
        };
        if let Some(terminal) = self.terminals.get(identity) {
            return terminal.file(&kernel, access);
        }
        let object = Arc::new(HostOnly {
            dir: Arc::clone(&self.dir),
            fd,
            is_program: self.memories.is_program(identity),
            device: stat.st_dev,
            kind: FileType::from_bits(stat.st_mode).unwrap_or(FileType::Regular),
            number: stat.st_ino,
            name: self.name_of(fd),
        });
        OpenFile::from_object(object, None, access, StatusFlags::empty(), kernel.fd_limits())
    }

    /// The kernel's name for what is no file: `eventfd` for `anon_inode:[eventfd]`.
    fn name_of(&self, fd: Fd) -> String {
        let text = std::fs::read_link(self.below(&format!("fd/{fd}"))).unwrap_or_default();
        let text = text.to_string_lossy().into_owned();
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let name = text
            .strip_prefix("anon_inode:[")
            .and_then(|rest| rest.strip_suffix(']'));
        name.filter(|name| plain(name)).unwrap_or_default().to_owned()
    }
}

impl Elsewhere for Inside {
    fn descriptors(&self) -> Vec<Fd> {
        let entries = std::fs::read_dir(self.below("fd")).into_iter().flatten().flatten();
        let mut fds: Vec<Fd> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Fd))
            .collect();
        fds.sort_unstable();
        fds
    }

    fn descriptor(&self, fd: Fd) -> Result<Shown> {
        let text = self.text(&format!("fdinfo/{fd}")).ok_or(Errno::EBADF)?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let position = field("pos:").and_then(|text| text.parse().ok()).unwrap_or(0);
        let flags = field("flags:").and_then(|text| u32::from_str_radix(text, 8).ok());
        let flags = flags.ok_or(Errno::EBADF)?;
        let file = self.file(fd, flags)?;
        Ok(Shown { file, position, flags })
    }

    fn threads(&self) -> Vec<u32> {
        // The first has the number of its process on the host, which may be another one in the VM.
        let own = self.text("stat").and_then(|text| text.split(' ').next()?.parse().ok());
        let entries = std::fs::read_dir(self.below("task")).into_iter().flatten().flatten();
        let mut threads: Vec<u32> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|tid| Some(*tid) != own)
            .collect();
        threads.sort_unstable();
        threads
    }

    fn name(&self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let file = sys::open_at(self.dir.as_fd(), c"comm", libc::O_RDONLY).ok()?;
        std::fs::File::from(file).read_to_end(&mut name).ok()?;
        name.pop();
        Some(name)
    }

    fn footprint(&self) -> Option<Footprint> {
        let text = self.text("statm")?;
        let mut pages = text.split(' ').map_while(|word| word.parse::<u64>().ok());
        let (mapped, resident) = (pages.next()?, pages.next()?);
        // A process that has ended takes nothing, and nobody knows what it took.
        (mapped > 0).then(|| Footprint {
            mapped: mapped.saturating_mul(PAGE),
            resident: resident.saturating_mul(PAGE),
        })
    }

    fn signals(&self) -> Option<ShownSignals> {
        let actions = Actions::of(self.dir.as_fd());
        // Of one that has ended nothing is read, which is as good as nothing blocked, ignored and caught.
        Some(ShownSignals {
            blocked: actions.blocked,
            ignored: actions.ignored,
            caught: actions.caught,
        })
    }

    fn maps(&self) -> Vec<u8> {
        let text = self.text("maps").unwrap_or_default();
        let mut shown = String::new();
        // A library has several lines, and its path is the same in each.
        let mut paths = HashMap::new();
        for line in text.lines() {
            shown.push_str(&self.mapping(line, &mut paths));
            shown.push('\n');
        }
        shown.into_bytes()
    }
}

impl Inside {
    /// A line of the host's, with the VM's path instead of the host's.
    fn mapping(&self, line: &str, paths: &mut HashMap<(u64, u64), Option<String>>) -> String {
        let mut fields = line.splitn(6, ' ');
        let mut next = || fields.next().unwrap_or_default();
        let (range, protection, offset, device, inode, name) = (next(), next(), next(), next(), next(), next().trim());
        let anonymous = |name: &str| {
            format!(
                "{range} {protection} 00000000 00:00 0 {name:>width$}",
                width = name.len() + 24
            )
        };
        if inode == "0" {
            let known = ["[heap]", "[stack]", "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]"];
            return match known.contains(&name) {
                true => anonymous(name),
                false => format!("{range} {protection} 00000000 00:00 0"),
            };
        }
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
        let (major, minor) = device.split_once(':').unwrap_or(("0", "0"));
        let device_number = libc::makedev(number(major) as u32, number(minor) as u32);
        let key = (device_number, inode.parse().unwrap_or(0));
        let path = paths.entry(key).or_insert_with(|| self.path_of(key));
        match path {
            Some(path) => format!(
                "{range} {protection} {offset} 00:01 {inode} {path:>width$}",
                width = path.len() + 20
            ),
            None => format!("{range} {protection} 00000000 00:00 0"),
        }
    }

    /// Where a file that is known by the host's numbers is in the VM.
    fn path_of(&self, key: (u64, u64)) -> Option<String> {
        let file = self.files.get(key)?;
        let kernel = self.kernel.upgrade()?;
        let cx = kernel.init().cx().ok()?;
        let path = kernel.vfs().path_of(&cx.fs(), file.location()?).ok()?;
        Some(String::from_utf8_lossy(&path).into_owned())
    }
}

/// What is only the host's: pipes and sockets between guests, timers, events, files without a name.
struct HostOnly {
    dir: Arc<ProcDir>,
    fd: Fd,
    kind: FileType,
    device: u64,
    number: u64,
    name: String,
    /// Whether it may be executed, of a memory file.
    is_program: Option<bool>,
}

impl HostOnly {
    /// Names the host's file without opening it, which must still be this one.
    fn named(&self) -> Option<(OwnedFd, libc::stat)> {
        let path = CString::new(format!("fd/{}", self.fd)).ok()?;
        let named = sys::open_at(self.dir.as_fd(), &path, libc::O_PATH).ok()?;
        let stat = sys::stat_fd(named.as_fd(), c"").ok()?;
        ((stat.st_dev, stat.st_ino) == (self.device, self.number)).then_some((named, stat))
    }
}

impl File for HostOnly {
    fn poll(&self, _: PollEvents, _: Option<&std::task::Waker>) -> PollEvents {
        PollEvents::NVAL
    }

    fn stat(&self) -> Result<Attr> {
        if let Some(is_program) = self.is_program {
            let (_, stat) = self.named().ok_or(Errno::ENOENT)?;
            return Ok(memories::attr_of(&stat, is_program));
        }
        Ok(Attr {
            ino: Ino(self.number),
            kind: self.kind,
            mode: Mode::new(0o600),
            nlink: 1,
            uid: agentos_kernel::id::Uid::USER,
            gid: agentos_kernel::id::Gid::USER,
            rdev: 0,
            size: 0,
            blocks: 0,
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            btime: Timestamp::default(),
        })
    }

    fn describe(&self) -> String {
        let number = self.number;
        match self.kind {
            FileType::Fifo => format!("pipe:[{number}]"),
            FileType::Socket => format!("socket:[{number}]"),
            _ if !self.name.is_empty() => format!("anon_inode:[{}]", self.name),
            _ => memories::name_of(number),
        }
    }

    /// Pipes and memory files alone.
    fn again(&self, access: AccessMode) -> Option<Arc<dyn File>> {
        let (named, stat) = self.named()?;
        if self.is_program.is_some() {
            return Some(Arc::new(Reopened::new(&named, access, self.number)?));
        }
        if stat.st_mode & libc::S_IFMT != libc::S_IFIFO {
            return None;
        }
        let pipe = NativePipe::adopt(named).ok()?;
        Some(Arc::new(NativeEnd::new(pipe, access, self.number)))
    }

    /// Of memory files those that were made to be executed, or not made not to be.
    fn program(&self) -> Result<Option<Location>> {
        match (self.is_program, self.named()) {
            (Some(true), Some((named, _))) => memories::program_of(&named).map(Some),
            _ => Ok(None),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
