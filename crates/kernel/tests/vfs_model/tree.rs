//! Whole trees: what is in them, and copies of them.

use crate::guest::Guest;
use crate::host::Host;
use crate::op::{Op, Stat, Value};
use crate::{Ignore, mask_stat};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use std::collections::{BTreeMap, HashMap};

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) stat: Stat,
    pub(crate) content: Vec<u8>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(crate) type Tree = BTreeMap<Vec<u8>, Item>;

/// Slot that the walk uses.
const SLOT: usize = 0;

/// Something that answers operations.
trait World {
    fn ask(&mut self, op: &Op) -> Result<Value, i32>;
}

impl World for Guest {
    fn ask(&mut self, op: &Op) -> Result<Value, i32> {
        self.apply(op)
    }
}

impl World for Host {
    fn ask(&mut self, op: &Op) -> Result<Value, i32> {
        self.apply(op)
    }
}

pub(crate) fn of_guest(guest: &mut Guest, ignore: Ignore) -> Tree {
    let mut tree = Tree::new();
    guest.flip();
    collect(guest, b".", ignore, &mut tree);
    guest.flip();
    tree
}

pub(crate) fn of_host(host: &mut Host, ignore: Ignore) -> Tree {
    let mut tree = Tree::new();
    host.flip();
    collect(host, b".", ignore, &mut tree);
    host.flip();
    tree
}

fn collect(world: &mut impl World, path: &[u8], ignore: Ignore, tree: &mut Tree) {
    let Ok(Value::Names(names)) = world.ask(&Op::List(path.to_vec())) else {
        return;
    };
    for (name, _) in names.into_iter().filter(|(name, _)| name != b"." && name != b"..") {
        let path = [path, b"/", &name].concat();
        let Ok(Value::Stat(stat)) = world.ask(&Op::Stat(path.clone(), false)) else {
            panic!("{} vanished", String::from_utf8_lossy(&path));
        };
        let kind = stat.mode & 0o170_000;
        let stat = opened_up(world, &path, stat);
        let content = match kind {
            0o100_000 => content(world, &path, &stat),
            0o120_000 => bytes(world.ask(&Op::Readlink(path.clone()))),
            _ => Vec::new(),
        };
        let xattrs = if matches!(kind, 0o100_000 | 0o040_000) {
            xattrs(world, &path)
        } else {
            Vec::new()
        };
        tree.insert(
            path.clone(),
            Item {
                stat: mask_stat(stat, ignore),
                content,
                xattrs,
            },
        );
        if kind == 0o040_000 {
            collect(world, &path, ignore, tree);
        }
    }
}

/// Gives the owner all rights, on both sides alike, where those are needed to look at everything.
fn opened_up(world: &mut impl World, path: &[u8], mut stat: Stat) -> Stat {
    let kind = stat.mode & 0o170_000;
    let closed = stat.mode & 0o700 != 0o700 && matches!(kind, 0o100_000 | 0o040_000);
    if closed && !rustix::process::geteuid().is_root() {
        world
            .ask(&Op::Chmod(path.to_vec(), stat.mode & 0o7777 | 0o700))
            .unwrap();
        stat.mode |= 0o700;
    }
    stat
}

/// The content with holes left out: pieces of data with their offsets.
fn content(world: &mut impl World, path: &[u8], stat: &Stat) -> Vec<u8> {
    world
        .ask(&Op::Open(SLOT, path.to_vec(), crate::op::How::Read, 0))
        .unwrap_or(Value::Done);
    let mut content = Vec::new();
    let mut at = 0;
    while at < stat.size {
        let Ok(Value::Count(data)) = world.ask(&Op::SeekData(SLOT, at)) else {
            break;
        };
        let piece = bytes(world.ask(&Op::Read(SLOT, data, 1 << 16)));
        // Zeros that are stored are no different from a hole.
        for (index, byte) in piece.iter().enumerate().filter(|(_, byte)| **byte != 0) {
            content.extend((data + index as u64).to_le_bytes());
            content.push(*byte);
        }
        if piece.is_empty() {
            break;
        }
        at = data + piece.len() as u64;
    }
    let _ = world.ask(&Op::Close(SLOT));
    content
}

fn xattrs(world: &mut impl World, path: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Ok(Value::Names(names)) = world.ask(&Op::ListXattr(path.to_vec())) else {
        return Vec::new();
    };
    let value = |world: &mut _, name: &[u8]| bytes(World::ask(world, &Op::GetXattr(path.to_vec(), name.to_vec())));
    names
        .into_iter()
        .map(|(name, _)| (name.clone(), value(world, &name)))
        .collect()
}

fn bytes(outcome: Result<Value, i32>) -> Vec<u8> {
    match outcome {
        Ok(Value::Bytes(bytes)) => bytes,
        _ => Vec::new(),
    }
}

/// The first difference, in words.
pub(crate) fn difference(ours: &Tree, theirs: &Tree) -> Option<String> {
    for path in ours.keys().chain(theirs.keys()) {
        let (here, there) = (ours.get(path), theirs.get(path));
        if here != there {
            let show =
                |item: Option<&Item>| item.map(|item| (item.stat.clone(), item.content.len(), item.xattrs.len()));
            let path = String::from_utf8_lossy(path);
            return Some(format!("{path}: here {:?}, host {:?}", show(here), show(there)));
        }
    }
    None
}

/// Removes everything.
pub(crate) fn clear(guest: &mut Guest) {
    let tree = of_guest(guest, Ignore::default());
    guest.flip();
    for (path, item) in tree.iter().rev() {
        let op = match item.stat.mode & 0o170_000 {
            0o040_000 => Op::Rmdir(path.clone()),
            _ => Op::Unlink(path.clone()),
        };
        guest.ask(&op).unwrap();
    }
    guest.flip();
}

/// Makes a real directory like the guest's tree, hard links included.
pub(crate) fn materialise(guest: &mut Guest, host: &mut Host, owners: bool) {
    let tree = of_guest(guest, Ignore::default());
    guest.flip();
    host.flip();
    let mut first: HashMap<u64, Vec<u8>> = HashMap::new();
    for (path, item) in &tree {
        let (base, mode) = (&host.base, Mode::from_raw_mode(0o700));
        let known = first.entry(guest.ino(path)).or_insert_with(|| path.clone());
        match item.stat.mode & 0o170_000 {
            // The way to the tree under test is there already.
            0o040_000 => fs::mkdirat(base, path, mode).or_else(exists).unwrap(),
            _ if known != path => fs::linkat(base, &*known, base, path, AtFlags::empty()).unwrap(),
            0o120_000 => fs::symlinkat(&item.content, base, path).unwrap(),
            0o010_000 => fs::mknodat(base, path, FileType::Fifo, mode, 0).unwrap(),
            0o100_000 => copy(guest, path, item.stat.size, host),
            other => panic!("{other:o}"),
        }
    }
    // Last, and the deepest first: what was made here must not be in the way.
    for (path, item) in tree.iter().rev() {
        dress(host, path, item, owners);
    }
    guest.flip();
    host.flip();
}

fn exists(errno: rustix::io::Errno) -> rustix::io::Result<()> {
    if errno == rustix::io::Errno::EXIST {
        Ok(())
    } else {
        Err(errno)
    }
}

fn copy(guest: &mut Guest, path: &[u8], size: u64, host: &Host) {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = fs::openat(&host.base, path, flags, Mode::from_raw_mode(0o600)).unwrap();
    guest
        .ask(&Op::Open(SLOT, path.to_vec(), crate::op::How::Read, 0))
        .unwrap();
    let mut at = 0;
    while let Ok(Value::Count(data)) = guest.ask(&Op::SeekData(SLOT, at)) {
        let Ok(Value::Count(hole)) = guest.ask(&Op::SeekHole(SLOT, data)) else {
            break;
        };
        let piece = bytes(guest.ask(&Op::Read(SLOT, data, (hole - data) as usize)));
        rustix::io::pwrite(&file, &piece, data).unwrap();
        at = hole;
    }
    fs::ftruncate(&file, size).unwrap();
    guest.ask(&Op::Close(SLOT)).unwrap();
}

fn dress(host: &Host, path: &[u8], item: &Item, owners: bool) {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    if owners {
        let (uid, gid) = (fs::Uid::from_raw(item.stat.uid), fs::Gid::from_raw(item.stat.gid));
        fs::chownat(&host.base, path, Some(uid), Some(gid), flags).unwrap();
    }
    if item.stat.mode & 0o170_000 == 0o120_000 {
        return;
    }
    for (name, value) in &item.xattrs {
        host.set_xattr(path, name, value);
    }
    fs::chmodat(
        &host.base,
        path,
        Mode::from_raw_mode(item.stat.mode & 0o7777),
        AtFlags::empty(),
    )
    .unwrap();
}
