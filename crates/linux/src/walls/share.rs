//! The group of one loader, in which those of its VMs are: made with it, and gone with it.

use super::find::{self, Host, LEAF, NEEDED, Node, WANTED, Why};
use super::{Cgroup, Group};
use crate::sys;
use agentos_kernel::limits::Limits;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the name of such a group begins with, before the number of the process.
const PREFIX: &str = "agentos-";
/// Groups that are looked at in search of those that nobody has any more; then the others stay.
const ENTRIES_MAX: usize = 10_000;
/// How long processes that were killed may take to be gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The group of one loader.
#[derive(Debug)]
pub(crate) struct Walls {
    path: PathBuf,
    /// Locked as long as this process lives.
    _dir: OwnedFd,
    /// Whether processor time is divided, too.
    divides_cpu: bool,
    next: AtomicU64,
    /// Why no guest can be put into it, once that was tried.
    useless: OnceLock<String>,
}

impl Walls {
    /// Makes it where it is wanted; none where none is. What hosts that are no more have left there is removed.
    pub(crate) fn new(wanted: &Cgroup) -> io::Result<Option<Self>> {
        let made = Self::made(wanted);
        made.map_err(|why| match why {
            Why::Io { path, error } => io::Error::new(error.kind(), format!("{}: {error}", path.display())),
            why => io::Error::other(why.to_string()),
        })
    }

    fn made(wanted: &Cgroup) -> Result<Option<Self>, Why> {
        if *wanted == Cgroup::Off {
            return Ok(None);
        }
        let read = |path: &str| std::fs::read_to_string(path).map_err(|error| Why::io(Path::new(path), error));
        let host = Host {
            cgroups: read("/proc/self/cgroup")?,
            mounts: read("/proc/self/mountinfo")?,
            pid: std::process::id(),
            is_delegated: sys::is_delegated,
            may_write: sys::may_write,
        };
        let wanted = match wanted {
            Cgroup::Below(path) if !sys::is_cgroup2(path) => return Err(Why::NoGroup(path.clone())),
            // Names of groups are compared with it.
            Cgroup::Below(path) => &Cgroup::Below(path.canonicalize().map_err(|error| Why::io(path, error))?),
            other => other,
        };
        let Some(node) = find::node(wanted, &host)? else {
            return Ok(None);
        };
        divide_node(&node, host.pid)?;
        remove_stale(&node.path);
        Self::below(&node.path).map(Some)
    }

    /// Makes it in a node that is divided, and tries it.
    fn below(node: &Path) -> Result<Self, Why> {
        let random = sys::random().map_err(|error| Why::io(node, error))?;
        let path = node.join(format!("{PREFIX}{}-{random:016x}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| Why::io(&path, error))?;
        let made = lock(&path).and_then(|dir| {
            let walls = Self {
                divides_cpu: divide(&path)?,
                path: path.clone(),
                _dir: dir,
                next: AtomicU64::new(1),
                useless: OnceLock::new(),
            };
            let trial = walls.group(&Limits::default());
            trial.map(|_| walls).map_err(|error| Why::Io {
                path: path.clone(),
                error,
            })
        });
        made.inspect_err(|_| remove(&path))
    }

    /// Makes the group of a VM with these limits.
    pub(crate) fn group(&self, limits: &Limits) -> io::Result<Group> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Group::new(&self.path.join(format!("vm-{number}")), limits, self.divides_cpu)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether guests can be put into it.
    pub(crate) fn is_useful(&self) -> bool {
        self.useless.get().is_none()
    }

    /// No guest could be put into it.
    pub(crate) fn is_useless(&self, why: &io::Error) {
        let _ = self.useless.set(why.to_string());
    }

    /// What it divides, in one line.
    pub(crate) fn describe(&self) -> io::Result<String> {
        if let Some(why) = self.useless.get() {
            return Err(io::Error::other(format!("{}: {why}", self.path.display())));
        }
        let node = self.path.parent().unwrap_or(&self.path).display();
        Ok(match self.divides_cpu {
            true => format!("memory, threads and processor time, below {node}"),
            false => format!("memory and threads, below {node}, which divides no processor time"),
        })
    }

    /// Kills whoever is in it and removes it, with the groups of VMs.
    pub(crate) fn clear(&self) {
        remove(&self.path);
    }
}

impl Drop for Walls {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Has a node divide its resources. Its own processes go first, where there are such.
fn divide_node(node: &Node, pid: u32) -> Result<(), Why> {
    if node.inside {
        let leaf = node.path.join(LEAF);
        match std::fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Why::io(&leaf, error)),
            _ => {}
        }
        put(&leaf.join("cgroup.procs"), &pid.to_string())?;
    }
    divide(&node.path).map(drop)
}

/// Has a group divide its resources among its children, and says whether processor time is one.
fn divide(group: &Path) -> Result<bool, Why> {
    let control = group.join("cgroup.subtree_control");
    let read = || std::fs::read_to_string(&control).map_err(|error| Why::io(&control, error));
    let has = |list: &str| list.split_ascii_whitespace().any(|name| name == WANTED);
    let before = read()?;
    if !find::missing_in(&before).is_empty() {
        put(&control, &NEEDED.map(|name| format!("+{name}")).join(" "))?;
    }
    if !has(&before) {
        // Without it the processors of a VM are bounded by affinity alone.
        let _ = put(&control, &format!("+{WANTED}"));
    }
    read().map(|list| has(&list))
}

/// Writes a value, which the host takes as a whole or not at all.
fn put(file: &Path, value: &str) -> Result<(), Why> {
    write(file, value).map_err(|error| Why::io(file, error))
}

/// The same with the error alone. It makes no file.
pub(super) fn write(file: &Path, value: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(file)?;
    file.write_all(value.as_bytes())
}

fn lock(path: &Path) -> Result<OwnedFd, Why> {
    let dir = File::open(path).map(OwnedFd::from);
    let locked = dir.and_then(|dir| sys::lock(dir.as_fd()).map(|()| dir));
    locked.map_err(|error| Why::io(path, error))
}

/// Kills whoever is in a group and below it, and removes all of it, as far as that goes: a process may be one that cannot be killed.
pub(super) fn remove(path: &Path) {
    let _ = write(&path.join("cgroup.kill"), "1");
    let Ok(entries) = std::fs::read_dir(path) else { return };
    sys::until_empty(path, PATIENCE);
    let is_group = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    for entry in entries.flatten().filter(is_group) {
        let _ = std::fs::remove_dir(entry.path());
    }
    let _ = std::fs::remove_dir(path);
}

/// Removes what hosts have left that were killed together with their guardians: groups that nobody has locked and whose process is no more.
fn remove_stale(node: &Path) {
    let entries = std::fs::read_dir(node)
        .into_iter()
        .flatten()
        .take(ENTRIES_MAX)
        .flatten();
    for entry in entries {
        let name = entry.file_name();
        if name.to_str().and_then(owner).is_some_and(|pid| !sys::exists(pid)) && lock(&entry.path()).is_ok() {
            remove(&entry.path());
        }
    }
}

/// The process whose group this is by its name.
fn owner(name: &str) -> Option<u32> {
    let (pid, random) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let is_ours = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    pid.parse().ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_loaders_are_known_by_their_names() {
        assert_eq!(owner("agentos-42-0123456789abcdef"), Some(42));
        for other in [
            "agentos-host",
            "agentos-42-",
            "agentos-42-0123",
            "agentos-x-0123456789abcdef",
            "vm-1",
        ] {
            assert_eq!(owner(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_nobody_has_any_more_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: String| {
            let path = place.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let mut ended = std::process::Command::new("/bin/true").spawn().unwrap();
        ended.wait().unwrap();
        let random = "0123456789abcdef";
        let stale = make(format!("agentos-{}-{random}", ended.id()));
        let live = make(format!("agentos-{}-{random}", std::process::id()));
        let locked = make(format!("agentos-{}-f{}", ended.id(), &random[1..]));
        let _held = lock(&locked).unwrap();
        let other = make("agentos-host".into());
        remove_stale(place.path());
        assert_eq!(
            [stale, live, locked, other].map(|path| path.exists()),
            [false, true, true, true]
        );
    }

    #[test]
    fn where_none_are_wanted_none_are_made_and_a_place_that_is_none_is_told() {
        assert!(Walls::new(&Cgroup::Off).unwrap().is_none());
        let place = tempfile::tempdir().unwrap();
        let error = Walls::new(&Cgroup::Below(place.path().to_owned()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("is no directory of a cgroup2 file system"), "{error}");
    }
}
