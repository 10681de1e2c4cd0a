//! A filesystem whose files are kept by functions of a script (api.md section 8).
//!
//! The kernel knows inodes; the script knows paths. The table here joins them: an inode is a path that was looked up, and
//! moves with it. Every operation is one call of the script's dispatcher, `(method, ...arguments)`, which the TypeScript side
//! makes of the driver's methods.
//!
//! The script is not trusted to be quick or right: each call has a deadline, after a few missed ones the filesystem is left
//! alone for a while (`EIO` at once, so that a driver that hangs cannot hold up one guest thread after the other), a
//! driver that throws is `EIO` unless it names another error, and answers that make no sense are `EIO`. A call from the
//! script's own thread would wait for itself and is `EDEADLK`. A program that is killed waits for no answer, and the driver hears
//! of that as of a deadline; how many programs wait at a time is bounded ([`Waits`]).

use crate::callback::{CallError, Callback};
use crate::mailbox::Mailbox;
use crate::runtime;
use agentos::Errno;
use agentos::vfs::outside::Waits;
use agentos::vfs::{
    Attr, Clock, DirEntry, Features, FileType, Filesystem, Gid, Ino, KernelError, Mode, NewNode, RenameFlags, SetAttr,
    SetTime, StatFs, Timestamp, Uid,
};
use agentos_value::Value;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

type Result<T> = std::result::Result<T, KernelError>;

/// How long one call may take unless the driver says otherwise.
const DEADLINE: Duration = Duration::from_secs(5);
/// Missed deadlines, none long after the other, after which the driver is left alone.
const MISSES_MAX: u32 = 3;
/// For how long.
const REST: Duration = Duration::from_secs(30);
/// Paths that are remembered; beyond, the oldest that nobody holds are forgotten.
const NODES_MAX: usize = 65_536;
/// Most bytes asked for or given at once.
const PIECE_MAX: usize = 1 << 20;
/// Largest number of a system error.
const NUMBER_MAX: i32 = 140;
const ROOT: Ino = Ino(1);

/// A filesystem of a script.
pub(super) struct ScriptFs {
    dispatcher: Callback,
    waits: Waits,
    deadline: Duration,
    read_only: bool,
    owner: ThreadId,
    clock: Arc<dyn Clock>,
    nodes: Mutex<Nodes>,
    misses: Mutex<Misses>,
}

/// Deadlines that the driver missed lately.
#[derive(Default)]
struct Misses {
    count: u32,
    last: Option<Instant>,
}

struct Nodes {
    by_path: HashMap<Vec<u8>, Ino>,
    by_ino: HashMap<Ino, Node>,
    next: u64,
}

/// Names and kinds, sorted by the bytes of the names.
type Listing = Arc<Vec<(Vec<u8>, FileType)>>;

struct Node {
    /// From the root of the filesystem, without a slash at its end; empty for the root itself. `None` once removed.
    path: Option<Vec<u8>>,
    holders: u64,
    listing: Option<Listing>,
    /// Appends and changes of one file's size happen one after the other.
    writing: Arc<Turn>,
}

/// Had by one at a time, in the order of asking.
type Turn = tokio::sync::Mutex<()>;

impl ScriptFs {
    /// The filesystem that `config` describes: `{function, timeoutMs?, readOnly?}`. Made on the script's own thread.
    pub(super) fn open(
        mailbox: &Arc<Mailbox>,
        waits: Waits,
        config: &serde_json::Value,
    ) -> std::result::Result<Arc<Self>, String> {
        let function = config.get("function").and_then(serde_json::Value::as_u64);
        let function = function.and_then(|number| u32::try_from(number).ok());
        let function = function.ok_or("must hold the driver's dispatcher")?;
        let deadline = config.get("timeoutMs").and_then(serde_json::Value::as_u64);
        let root = Node {
            path: Some(Vec::new()),
            holders: 1,
            listing: None,
            writing: Arc::default(),
        };
        Ok(Arc::new(Self {
            dispatcher: Callback::new(mailbox, function),
            waits,
            deadline: deadline.map_or(DEADLINE, Duration::from_millis),
            read_only: config
                .get("readOnly")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or(false),
            owner: std::thread::current().id(),
            clock: agentos::system_clock(),
            nodes: Mutex::new(Nodes {
                by_path: HashMap::from([(Vec::new(), ROOT)]),
                by_ino: HashMap::from([(ROOT, root)]),
                next: ROOT.0 + 1,
            }),
            misses: Mutex::default(),
        }))
    }

    fn call(&self, method: &str, path: &[u8], rest: Vec<Value>) -> Result<Value> {
        if std::thread::current().id() == self.owner {
            return Err(Errno::EDEADLK.into());
        }
        if self.rests() {
            return Err(Errno::EIO.into());
        }
        let mut args = vec![Value::from(method), Value::from(shown(path))];
        args.extend(rest);
        // The deadline is the runtime's.
        let runtime = runtime::handle().map_err(|_| Errno::EAGAIN)?;
        let _entered = runtime.enter();
        // The driver may need other programs, even of the same VM, before it can answer.
        let answer = self.wait(self.dispatcher.call(args, self.deadline))?;
        if let Err(CallError::TimedOut(_)) = &answer {
            self.missed();
        }
        answer.map_err(|error| errno_of(&error).into())
    }

    /// Blocks until there is an answer. However many have come in one turn of a task of the runtime's: this thread cannot give way.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T> {
        self.waits.wait(tokio::task::unconstrained(answer))
    }

    /// A deadline was missed. Answers in between do not count: a driver may hang for some paths only.
    fn missed(&self) {
        let now = Instant::now();
        let mut misses = self.misses.lock();
        let recent = misses.last.is_some_and(|last| now.duration_since(last) < REST);
        misses.count = if recent { misses.count + 1 } else { 1 };
        misses.last = Some(now);
    }

    /// Whether the driver has missed so many deadlines that it is left alone.
    fn rests(&self) -> bool {
        let misses = self.misses.lock();
        let recent = misses.last.is_some_and(|last| last.elapsed() < REST);
        recent && misses.count >= MISSES_MAX
    }

    fn path(&self, ino: Ino) -> Result<Vec<u8>> {
        let nodes = self.nodes.lock();
        let node = nodes.by_ino.get(&ino).ok_or(Errno::ESTALE)?;
        Ok(node.path.clone().ok_or(Errno::ESTALE)?)
    }

    /// The turn of those who change a file.
    fn writing(&self, ino: Ino) -> Result<OwnedMutexGuard<()>> {
        let nodes = self.nodes.lock();
        let turn = Arc::clone(&nodes.by_ino.get(&ino).ok_or(Errno::ESTALE)?.writing);
        drop(nodes);
        self.wait(turn.lock_owned())
    }

    fn child(&self, dir: Ino, name: &[u8]) -> Result<Vec<u8>> {
        let path = self.path(dir)?;
        std::str::from_utf8(name).map_err(|_| Errno::EILSEQ)?;
        Ok([&path, &b"/"[..], name].concat())
    }

    /// The attributes of a path, which gets an inode if it has none.
    fn attr(&self, path: Vec<u8>) -> Result<Attr> {
        let told = self.call("stat", &path, Vec::new())?;
        let kind = told
            .get("type")
            .and_then(Value::as_str)
            .and_then(kind_of)
            .ok_or(Errno::EIO)?;
        let number = |name: &str| told.get(name).and_then(Value::as_f64).filter(|number| *number >= 0.0);
        let size = number("size").unwrap_or(0.0) as u64; // saturates
        let default_mode = if kind == FileType::Directory { 0o755 } else { 0o644 };
        let mode = number("mode").map_or(default_mode, |mode| mode as u32 & 0o7777);
        let time = |name: &str| Timestamp(number(name).map_or(0, |ms| (ms * 1e6) as i64)); // saturates
        let ino = self.nodes.lock().ino(path);
        let mtime = time("mtimeMs");
        Ok(Attr {
            ino,
            kind,
            mode: Mode::new(mode),
            nlink: if kind == FileType::Directory { 2 } else { 1 },
            uid: Uid::USER,
            gid: Gid::USER,
            rdev: 0,
            size,
            blocks: size.div_ceil(512),
            atime: mtime,
            mtime,
            ctime: mtime,
            btime: mtime,
        })
    }

    fn list(&self, dir: Ino) -> Result<Listing> {
        let path = self.path(dir)?;
        let told = self.call("list", &path, Vec::new())?;
        let mut entries = Vec::new();
        for entry in told.as_array().ok_or(Errno::EIO)? {
            let Some([Value::Text(name), Value::Text(kind)]) = entry.as_array() else {
                return Err(Errno::EIO.into());
            };
            let good = !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\0']);
            // What could not be looked up is not listed.
            if good && name != "." && name != ".." {
                entries.push((name.clone().into_bytes(), kind_of(kind).unwrap_or(FileType::Regular)));
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|a, b| a.0 == b.0);
        Ok(Arc::new(entries))
    }

    fn removing(&self, method: &str, dir: Ino, name: &[u8]) -> Result<()> {
        let path = self.child(dir, name)?;
        self.call(method, &path, Vec::new())?;
        self.nodes.lock().remove(&path);
        Ok(())
    }
}

impl Nodes {
    fn ino(&mut self, path: Vec<u8>) -> Ino {
        if let Some(ino) = self.by_path.get(&path) {
            return *ino;
        }
        if self.by_ino.len() >= NODES_MAX {
            self.forget();
        }
        let ino = Ino(self.next);
        self.next += 1;
        self.by_path.insert(path.clone(), ino);
        let node = Node {
            path: Some(path),
            holders: 0,
            listing: None,
            writing: Arc::default(),
        };
        self.by_ino.insert(ino, node);
        ino
    }

    /// Forgets the older half of what nobody holds.
    fn forget(&mut self) {
        let mut idle: Vec<Ino> = self
            .by_ino
            .iter()
            .filter(|(_, node)| node.holders == 0)
            .map(|(ino, _)| *ino)
            .collect();
        idle.sort_unstable_by_key(|ino| ino.0);
        for ino in &idle[..idle.len() / 2] {
            if let Some(path) = self.by_ino.remove(ino).and_then(|node| node.path) {
                self.by_path.remove(&path);
            }
        }
    }

    fn remove(&mut self, path: &[u8]) {
        if let Some(ino) = self.by_path.remove(path) {
            match self.by_ino.get_mut(&ino) {
                Some(node) if node.holders > 0 => node.path = None,
                _ => drop(self.by_ino.remove(&ino)),
            }
        }
    }

    /// Moves a path with all below it.
    fn rename(&mut self, from: &[u8], to: &[u8]) {
        self.remove(to);
        let below =
            |path: &[u8]| path == from || path.strip_prefix(from).is_some_and(|rest| rest.first() == Some(&b'/'));
        let moved: Vec<Vec<u8>> = self.by_path.keys().filter(|path| below(path)).cloned().collect();
        for path in moved {
            if let Some(ino) = self.by_path.remove(&path) {
                let renamed = [to, &path[from.len()..]].concat();
                if let Some(node) = self.by_ino.get_mut(&ino) {
                    node.path = Some(renamed.clone());
                }
                self.by_path.insert(renamed, ino);
            }
        }
    }
}

fn shown(path: &[u8]) -> String {
    match path {
        [] => "/".to_owned(),
        path => String::from_utf8_lossy(path).into_owned(),
    }
}

fn kind_of(name: &str) -> Option<FileType> {
    match name {
        "file" => Some(FileType::Regular),
        "directory" => Some(FileType::Directory),
        "symlink" => Some(FileType::Symlink),
        _ => None,
    }
}

/// The system error with this name.
fn named(name: &str) -> Option<Errno> {
    (1..=NUMBER_MAX)
        .filter_map(Errno::from_raw)
        .find(|errno| errno.name() == name)
}

/// The system error that a failed call means.
fn errno_of(error: &CallError) -> Errno {
    match error {
        CallError::Refused(error) => named(&error.code).unwrap_or(Errno::EIO),
        CallError::TimedOut(_) => Errno::ETIMEDOUT,
        CallError::Threw(_) | CallError::Gone => Errno::EIO,
    }
}

impl Filesystem for ScriptFs {
    fn kind(&self) -> &'static str {
        "script"
    }

    fn features(&self) -> Features {
        Features {
            read_only: self.read_only,
            volatile: true,
            slow: true,
            no_set_id: true,
            own_atime: true,
            confined: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.attr(self.child(dir, name)?)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        let mut path = self.path(dir)?;
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        path.truncate(end);
        Ok(self.nodes.lock().ino(path))
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.attr(self.path(ino)?)
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        let path = self.path(ino)?;
        if set.uid.is_some_and(|uid| uid != Uid::USER) || set.gid.is_some_and(|gid| gid != Gid::USER) {
            return Err(Errno::EPERM.into());
        }
        if let Some(size) = set.size {
            let _turn = self.writing(ino)?;
            self.call("truncate", &path, vec![number(size)])?;
        }
        if let Some(mode) = set.mode {
            self.call("chmod", &path, vec![Value::from(mode.bits())])?;
        }
        if set.mtime != SetTime::Keep {
            let at = match set.mtime {
                SetTime::At(at) => at,
                _ => self.clock.now(),
            };
            self.call("utimes", &path, vec![Value::number((at.0 / 1_000_000) as f64)])?;
        }
        self.attr(path)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        match self.call("readlink", &self.path(ino)?, Vec::new())? {
            Value::Text(target) => Ok(target.into_bytes()),
            _ => Err(Errno::EIO.into()),
        }
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        if node.kind != FileType::Regular {
            return Err(Errno::EPERM.into());
        }
        let path = self.child(dir, name)?;
        self.call("create", &path, vec![Value::from(node.mode.bits())])?;
        self.attr(path)
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        let path = self.child(dir, name)?;
        self.call("mkdir", &path, vec![Value::from(node.mode.bits())])?;
        self.attr(path)
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], _node: &NewNode) -> Result<Attr> {
        let path = self.child(dir, name)?;
        let target = String::from_utf8(target.to_vec()).map_err(|_| Errno::EILSEQ)?;
        self.call("symlink", &path, vec![Value::from(target)])?;
        self.attr(path)
    }

    fn link(&self, _ino: Ino, _dir: Ino, _name: &[u8]) -> Result<Attr> {
        Err(Errno::EPERM.into())
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.removing("unlink", dir, name)
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.removing("rmdir", dir, name)
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        let (from, to) = (self.child(dir, name)?, self.child(to_dir, to_name)?);
        if flags == RenameFlags::Exchange {
            return Err(Errno::EINVAL.into());
        }
        if from == to {
            return Ok(());
        }
        if flags == RenameFlags::NoReplace && self.attr(to.clone()).is_ok() {
            return Err(Errno::EEXIST.into());
        }
        self.call("rename", &from, vec![Value::from(shown(&to))])?;
        self.nodes.lock().rename(&from, &to);
        Ok(())
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        // Positions count in the listing that was made at the start, so that nothing is seen twice.
        let known = self.nodes.lock().by_ino.get(&dir).and_then(|node| node.listing.clone());
        let listing = match known.filter(|_| position > 0) {
            Some(listing) => listing,
            None => {
                let listing = self.list(dir)?;
                if let Some(node) = self.nodes.lock().by_ino.get_mut(&dir) {
                    node.listing = Some(Arc::clone(&listing));
                }
                listing
            }
        };
        let path = self.path(dir)?;
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        for (at, (name, kind)) in listing.iter().enumerate().skip(start) {
            let ino = self.nodes.lock().ino([&path, &b"/"[..], name].concat());
            let next = at as u64 + 1;
            let kind = *kind;
            if emit(DirEntry { name, ino, kind, next }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let most = buf.len().min(PIECE_MAX);
        let told = self.call("read", &self.path(ino)?, vec![number(offset), number(most as u64)])?;
        let piece = told.as_bytes().ok_or(Errno::EIO)?;
        let count = piece.len().min(most);
        buf[..count].copy_from_slice(&piece[..count]);
        Ok(count)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        let _turn = self.writing(ino)?;
        self.store(ino, offset, data)
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        let _turn = self.writing(ino)?;
        let end = self.getattr(ino)?.size;
        let count = self.store(ino, end, data)?;
        Ok((count, end + count as u64))
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        let mut nodes = self.nodes.lock();
        nodes.by_ino.get_mut(&ino).ok_or(Errno::ESTALE)?.holders += 1;
        Ok(())
    }

    fn release(&self, ino: Ino) {
        let mut nodes = self.nodes.lock();
        if let Some(node) = nodes.by_ino.get_mut(&ino) {
            node.holders = node.holders.saturating_sub(1);
            if node.holders == 0 && node.path.is_none() {
                nodes.by_ino.remove(&ino);
            }
        }
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_size: 4096,
            name_max: 255,
            ..StatFs::default()
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl ScriptFs {
    fn store(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        let count = data.len().min(PIECE_MAX);
        let piece = Value::Bytes(Bytes::copy_from_slice(&data[..count]));
        self.call("write", &self.path(ino)?, vec![number(offset), piece])?;
        Ok(count)
    }
}

/// An offset or size, which scripts have as doubles.
fn number(count: u64) -> Value {
    Value::number(count as f64) // what lies beyond 2^53 is far beyond any file
}
