//! Random work on random trees under random rules, against a model that first finds the real path and then asks.
//!
//! Two VMs begin alike; one is under the rules, the other under none. For each call the model walks the second one's tree by
//! itself, component by component with nothing but `lstat` and `readlink`, and asks the policy about what it arrives at. What
//! the policy refuses must be refused in the first VM, with that operation and that path, and happens in neither; everything
//! else must end in both alike.

use crate::common::ready;
use crate::world::{World, how};
use agentos_kernel::id::Fd;
use agentos_kernel::policy::{Operation, Policy};
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{FileType, Mode, RenameFlags};
use agentos_kernel::{Errno, Error, Result};
use serde_json::{Value, json};

const CWD: Dir = Dir::Cwd;
const ROUNDS: u64 = 60;
const CALLS: usize = 400;

/// A small generator; the seed of a failure is printed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn path(&mut self) -> Vec<u8> {
        let parts: &[&[u8]] = &[b"a", b"b", b"c", b"\xff", b"A", b"l", b"..", b"."];
        let mut path = Vec::new();
        if self.below(4) > 0 {
            path.push(b'/');
        }
        for index in 0..=self.below(3) {
            if index > 0 {
                path.extend(&b"//"[..=self.below(8) / 7]);
            }
            path.extend_from_slice(self.one(parts));
        }
        if self.below(12) == 0 {
            path.push(b'/');
        }
        path
    }

    fn rules(&mut self) -> Value {
        let patterns = [
            "/**", "/a/**", "/b", "/a/b/**", "/*/c", "/**/l", "/c/*", "/b/**", "/?", "/**/b/**", "/a/*/*",
        ];
        let names: Vec<&str> = Operation::ALL[..11].iter().map(|operation| operation.name()).collect();
        let rules: Vec<Value> = (0..=self.below(5))
            .map(|_| {
                let mode = self.one(&["deny", "deny", "allow"]);
                let paths: Vec<&str> = (0..=self.below(2)).map(|_| self.one(&patterns)).collect();
                match self.below(3) {
                    0 => json!({ "mode": mode, "paths": paths }),
                    _ => {
                        let operations: Vec<&str> = (0..=self.below(3)).map(|_| self.one(&names)).collect();
                        json!({ "mode": mode, "operations": operations, "paths": paths })
                    }
                }
            })
            .collect();
        let default = self.one(&["allow", "allow", "deny"]);
        json!({ "fs": { "default": default, "rules": rules } })
    }
}

/// One call.
#[derive(Debug, Clone)]
enum Call {
    Open(Vec<u8>, &'static str),
    OpenAt(Fd, Vec<u8>, &'static str),
    Again(Fd, &'static str),
    Stat(Vec<u8>, bool),
    Mkdir(Vec<u8>),
    Remove(Vec<u8>, bool),
    Rename(Vec<u8>, Vec<u8>, RenameFlags),
    Symlink(Vec<u8>, Vec<u8>),
    Readlink(Vec<u8>),
    Link(Vec<u8>, Vec<u8>, bool),
    Chmod(Vec<u8>),
    Truncate(Vec<u8>),
    CutFd(Fd),
    ChmodFd(Fd),
    Fifo(Vec<u8>),
    Chdir(Vec<u8>),
}

const OPENS: &[&str] = &["r", "w", "rw", "wc", "rwc", "wcx", "wt", "wct", "p", "rd", "rn"];

fn call(random: &mut Random, fds: usize) -> Call {
    let fd = |random: &mut Random| Fd(u32::try_from(random.below(fds.max(1))).unwrap());
    match random.below(20) {
        0..=4 => Call::Open(random.path(), random.one(OPENS)),
        5 => Call::OpenAt(fd(random), random.path(), random.one(OPENS)),
        6 => Call::Again(fd(random), random.one(&["r", "w", "rw", "wt", "p"])),
        7 => Call::Stat(random.path(), random.below(2) == 0),
        8 => Call::Mkdir(random.path()),
        9 => Call::Remove(random.path(), random.below(2) == 0),
        10..=12 => Call::Rename(
            random.path(),
            random.path(),
            random.one(&[RenameFlags::Replace, RenameFlags::Replace, RenameFlags::Exchange]),
        ),
        13 => Call::Symlink(random.path(), random.path()),
        14 => Call::Readlink(random.path()),
        15 => Call::Link(random.path(), random.path(), random.below(2) == 0),
        16 => Call::Chmod(random.path()),
        17 | 18 => match random.below(3) {
            0 => Call::Fifo(random.path()),
            1 => Call::CutFd(fd(random)),
            _ => Call::ChmodFd(fd(random)),
        },
        _ => match random.below(2) {
            0 => Call::Chdir(random.path()),
            _ => Call::Truncate(random.path()),
        },
    }
}

/// The side on which a call is done.
struct Side {
    world: World,
    fds: Vec<Fd>,
}

impl Side {
    fn new(policy: &Value) -> Self {
        let world = World::under(policy);
        for dir in ["/a", "/b", "/a/b", "/a/b/c", "/c"] {
            world.dir(dir);
        }
        for file in ["/a/a", "/a/b/a", "/b/c", "/c/b", "/c/A"] {
            world.file(file, "x");
        }
        world.link("/a/b", "/l");
        world.link("../b/c", "/a/l");
        Self { world, fds: Vec::new() }
    }

    fn fd(&self, fd: Fd) -> Fd {
        self.fds.get(fd.0 as usize).copied().unwrap_or(Fd(999))
    }

    fn open(&mut self, dir: Dir, path: &[u8], letters: &str) -> Result<()> {
        let mut how = how(letters);
        how.status = agentos_kernel::fd::StatusFlags::NONBLOCK;
        let fd = ready(self.world.process.open(dir, path, &how, None))?;
        self.fds.push(fd);
        Ok(())
    }

    fn act(&mut self, call: &Call) -> Result<()> {
        let process = self.world.process.clone();
        let itself = AtFlags::EMPTY_PATH;
        let follow = |follow: bool| if follow { AtFlags::FOLLOW } else { AtFlags::empty() };
        match call {
            Call::Open(path, letters) => self.open(CWD, path, letters),
            Call::OpenAt(fd, path, letters) => self.open(Dir::Fd(self.fd(*fd)), path, letters),
            Call::Again(fd, letters) => {
                let path = format!("/proc/self/fd/{}", self.fd(*fd).0);
                self.open(CWD, path.as_bytes(), letters)
            }
            Call::Stat(path, through) => process.stat(CWD, path, follow(*through)).map(drop),
            Call::Mkdir(path) => process.mkdir(CWD, path, Mode::new(0o777)),
            Call::Remove(path, false) => process.unlink(CWD, path),
            Call::Remove(path, true) => process.rmdir(CWD, path),
            Call::Rename(old, new, flags) => process.rename((CWD, old), (CWD, new), *flags),
            Call::Symlink(target, path) => process.symlink(target, CWD, path),
            Call::Readlink(path) => process.readlink(CWD, path).map(drop),
            Call::Link(old, new, through) => process.link((CWD, old), (CWD, new), follow(*through)),
            Call::Chmod(path) => process.chmod(CWD, path, Mode::new(0o777), AtFlags::FOLLOW),
            Call::Truncate(path) => process.truncate(CWD, path, 3),
            Call::CutFd(fd) => process.ftruncate(self.fd(*fd), 2),
            Call::ChmodFd(fd) => process.chmod(Dir::Fd(self.fd(*fd)), b"", Mode::new(0o777), itself),
            Call::Fifo(path) => process.mknod(CWD, path, FileType::Fifo, Mode::new(0o666), 0),
            Call::Chdir(path) => process.chdir(path),
        }
    }
}

/// What the model expects of a call.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The policy refuses this.
    Denied(Operation, Vec<u8>),
    /// The policy has nothing against it.
    Allowed,
    /// Not for the model to say: the path leads nowhere, or to what has no name any more.
    Unknown,
}

/// The tree as the model sees it: the VM without rules.
struct Model<'a> {
    world: &'a World,
    policy: &'a Policy,
}

type Names = Vec<Vec<u8>>;

fn text(names: &[Vec<u8>]) -> Vec<u8> {
    match names.is_empty() {
        true => b"/".to_vec(),
        false => names.iter().flat_map(|name| [b"/", name.as_slice()].concat()).collect(),
    }
}

impl Model<'_> {
    fn kind(&self, names: &[Vec<u8>]) -> Option<FileType> {
        let path = text(names);
        self.world
            .trusted(|vfs, cx| vfs.stat(cx, None, &path, false))
            .ok()
            .map(|stat| stat.attr.kind)
    }

    /// Real path of what a path names. Of the last component only the parent must exist.
    fn find(&self, from: Option<Names>, path: &[u8], follow: bool) -> Option<(Names, bool)> {
        let split = |path: &[u8]| -> Names {
            path.split(|b| *b == b'/')
                .filter(|n| !n.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        };
        let mut at = if path.first() == Some(&b'/') { Vec::new() } else { from? };
        let mut rest: Vec<Vec<u8>> = split(path);
        rest.reverse();
        let slash = path.ends_with(b"/");
        let (mut links, mut special) = (0, rest.is_empty());
        while let Some(name) = rest.pop() {
            if self.kind(&at) != Some(FileType::Directory) {
                return None;
            }
            special = matches!(name.as_slice(), b"." | b"..");
            match name.as_slice() {
                b"." => continue,
                b".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(name),
            }
            let last = rest.is_empty();
            if self.kind(&at) == Some(FileType::Symlink) && (!last || follow || slash) {
                links += 1;
                if links > 40 {
                    return None;
                }
                let link = text(&at);
                at.pop();
                let target = self.world.trusted(|vfs, cx| vfs.readlink(cx, None, &link)).ok()?;
                if target.first() == Some(&b'/') {
                    at.clear();
                }
                // A slash at the end of a link's text asks for a directory, too; leave that to the kernel.
                if target.ends_with(b"/") {
                    return None;
                }
                rest.extend(split(&target).into_iter().rev());
                if rest.is_empty() {
                    special = true;
                }
            }
        }
        Some((at, special))
    }

    fn cwd(&self) -> Option<Names> {
        let path = self.world.process.getcwd().ok()?;
        Some(
            path.split(|b| *b == b'/')
                .filter(|n| !n.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        )
    }

    fn place(&self, fd: Fd) -> Option<Names> {
        let link = format!("/proc/self/fd/{}", fd.0);
        let file = self.world.process.file(fd).ok()?;
        let location = file.location()?;
        if location.attr().ok()?.nlink != 1 && location.kind() != FileType::Directory {
            return None;
        }
        let path = self.world.process.readlink(CWD, link.as_bytes()).ok()?;
        if path.ends_with(b"(deleted)") {
            return None;
        }
        Some(
            path.split(|b| *b == b'/')
                .filter(|n| !n.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        )
    }

    fn ask(&self, operations: &[Operation], path: &[u8]) -> Verdict {
        match operations
            .iter()
            .find(|operation| self.policy.check(**operation, path).is_err())
        {
            Some(operation) => Verdict::Denied(*operation, path.to_vec()),
            None => Verdict::Allowed,
        }
    }

    fn open(&self, from: Option<Names>, path: &[u8], letters: &str) -> Verdict {
        let has = |letter: char| letters.contains(letter);
        let Some((names, special)) = self.find(from, path, !has('n') && !has('x')) else {
            return Verdict::Unknown;
        };
        let kind = self.kind(&names);
        if (has('c') && (path.ends_with(b"/") || special)) || (kind.is_none() && !has('c')) {
            return Verdict::Unknown;
        }
        if has('n') && kind == Some(FileType::Symlink) {
            return Verdict::Unknown;
        }
        if path.ends_with(b"/") && kind != Some(FileType::Directory) {
            return Verdict::Unknown;
        }
        self.ask(&opening(letters, kind), &text(&names))
    }

    /// A name in a directory that exists.
    fn named(&self, path: &[u8]) -> Option<Vec<u8>> {
        let (names, special) = self.find_parent(path)?;
        (!special).then(|| text(&names))
    }

    fn find_parent(&self, path: &[u8]) -> Option<(Names, bool)> {
        // Without the slashes at the end: they do not make a link be followed where a name is meant.
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        let (mut names, special) = self.find(self.cwd(), &path[..end], false)?;
        let parent_is_there = match names.pop() {
            Some(name) => {
                let there = self.kind(&names) == Some(FileType::Directory);
                names.push(name);
                there
            }
            None => true,
        };
        (parent_is_there && end > 0).then_some((names, special))
    }

    fn existing(&self, path: &[u8], follow: bool, operations: &[Operation]) -> Verdict {
        match self.find(self.cwd(), path, follow) {
            Some((names, _)) => match self.kind(&names) {
                None => Verdict::Unknown,
                Some(FileType::Directory) => self.ask(operations, &text(&names)),
                Some(_) if path.ends_with(b"/") => Verdict::Unknown,
                Some(_) => self.ask(operations, &text(&names)),
            },
            None => Verdict::Unknown,
        }
    }

    fn create(&self, path: &[u8], operation: Operation) -> Verdict {
        self.named(path)
            .map_or(Verdict::Unknown, |path| self.ask(&[operation], &path))
    }

    /// Everything below a directory, itself included, as what follows its own path; breadth first, in the order of listing.
    fn below(&self, top: &[u8]) -> Vec<Vec<u8>> {
        let mut all = vec![Vec::new()];
        let mut at = 0;
        while let Some(suffix) = all.get(at).cloned() {
            at += 1;
            let path = [top, &suffix].concat();
            let is_dir = self
                .world
                .trusted(|vfs, cx| vfs.stat(cx, None, &path, false))
                .is_ok_and(|stat| stat.attr.kind == FileType::Directory);
            if is_dir {
                all.extend(
                    self.list(&path)
                        .into_iter()
                        .map(|name| [&suffix[..], b"/", &name].concat()),
                );
            }
        }
        all
    }

    fn list(&self, path: &[u8]) -> Names {
        let opened = self
            .world
            .trusted(|vfs, cx| vfs.open(cx, None, path, how("rd").options))
            .unwrap();
        let agentos_kernel::vfs::Opened::Inode(handle) = opened else {
            panic!("a directory")
        };
        let mut names = Vec::new();
        handle
            .readdir(0, &mut |entry| {
                if !matches!(entry.name, b"." | b"..") {
                    names.push(entry.name.to_vec());
                }
                core::ops::ControlFlow::Continue(())
            })
            .unwrap();
        names
    }

    fn no_gain(&self, old: &[u8], new: &[u8]) -> Verdict {
        let gained = RIGHTS
            .iter()
            .find(|right| self.policy.check(**right, new).is_ok() && self.policy.check(**right, old).is_err());
        gained.map_or(Verdict::Allowed, |right| Verdict::Denied(*right, old.to_vec()))
    }

    fn moved(&self, old: &[u8], new: &[u8]) -> Verdict {
        for suffix in self.below(old) {
            let (old, new) = ([old, &suffix].concat(), [new, &suffix].concat());
            let steps = [
                self.ask(&[Operation::FsRename], &old),
                self.ask(&[Operation::FsRename], &new),
                self.no_gain(&old, &new),
            ];
            if let Some(denied) = steps.into_iter().find(|step| *step != Verdict::Allowed) {
                return denied;
            }
        }
        Verdict::Allowed
    }

    fn rename(&self, old: &[u8], new: &[u8], flags: RenameFlags) -> Verdict {
        let (Some(old), Some(new)) = (self.named(old), self.named(new)) else {
            return Verdict::Unknown;
        };
        let there = |path: &[u8]| self.world.trusted(|vfs, cx| vfs.stat(cx, None, path, false)).is_ok();
        if !there(&old) {
            return Verdict::Unknown;
        }
        match self.moved(&old, &new) {
            Verdict::Allowed if flags == RenameFlags::Exchange && there(&new) => self.moved(&new, &old),
            verdict => verdict,
        }
    }

    fn link(&self, old: &[u8], new: &[u8], follow: bool) -> Verdict {
        let Some((names, _)) = self.find(self.cwd(), old, follow) else {
            return Verdict::Unknown;
        };
        let kind = self.kind(&names);
        if kind.is_none() || (old.ends_with(b"/") && kind != Some(FileType::Directory)) {
            return Verdict::Unknown;
        }
        let Some(new) = self.named(new) else {
            return Verdict::Unknown;
        };
        let old = text(&names);
        let steps = [
            self.ask(&[Operation::FsWrite], &new),
            self.ask(&[Operation::FsRead], &old),
            self.no_gain(&old, &new),
        ];
        steps
            .into_iter()
            .find(|step| *step != Verdict::Allowed)
            .unwrap_or(Verdict::Allowed)
    }

    fn verdict(&self, call: &Call, fd: impl Fn(Fd) -> Fd) -> Verdict {
        use Operation::{FsChmod, FsCreateDir, FsReadlink, FsRm, FsStat, FsSymlink, FsTruncate, FsWrite};
        match call {
            Call::Open(path, letters) => self.open(self.cwd(), path, letters),
            Call::OpenAt(dir, path, letters) => self.open(self.place(fd(*dir)), path, letters),
            Call::Again(file, letters) => match self.place(fd(*file)) {
                Some(names) => self.ask(&opening(letters, self.kind(&names)), &text(&names)),
                None => Verdict::Unknown,
            },
            Call::Stat(path, follow) => self.existing(path, *follow, &[FsStat]),
            Call::Mkdir(path) => self.create(path, FsCreateDir),
            Call::Remove(path, _) => self.create(path, FsRm),
            Call::Rename(old, new, flags) => self.rename(old, new, *flags),
            Call::Symlink(_, path) => self.create(path, FsSymlink),
            Call::Readlink(path) => self.existing(path, false, &[FsReadlink]),
            Call::Link(old, new, follow) => self.link(old, new, *follow),
            Call::Chmod(path) => self.existing(path, true, &[FsChmod]),
            Call::Truncate(path) => self.existing(path, true, &[FsTruncate, FsWrite]),
            Call::CutFd(file) => self.held(fd(*file), &[FsTruncate], true),
            Call::ChmodFd(file) => self.held(fd(*file), &[FsChmod], false),
            Call::Fifo(path) => self.create(path, FsWrite),
            Call::Chdir(_) => Verdict::Allowed,
        }
    }

    fn held(&self, fd: Fd, operations: &[Operation], written: bool) -> Verdict {
        let open = self.world.process.file(fd);
        if written && !open.is_ok_and(|file| file.access().contains(agentos_kernel::fd::AccessMode::WRITE)) {
            return Verdict::Unknown;
        }
        match self.place(fd) {
            Some(names) => self.ask(operations, &text(&names)),
            None => Verdict::Unknown,
        }
    }
}

const RIGHTS: &[Operation] = &[
    Operation::FsRead,
    Operation::FsWrite,
    Operation::FsTruncate,
    Operation::FsStat,
    Operation::FsReaddir,
    Operation::FsChmod,
    Operation::FsReadlink,
    Operation::FsRm,
];

fn opening(letters: &str, kind: Option<FileType>) -> Vec<Operation> {
    let has = |letter: char| letters.contains(letter);
    let mut operations = Vec::new();
    if has('p') {
        return vec![Operation::FsStat];
    }
    if kind.is_none() || letters == "wcx" {
        operations.push(Operation::FsWrite);
    }
    match kind {
        Some(FileType::Directory) if has('r') => operations.push(Operation::FsReaddir),
        _ if has('r') => operations.push(Operation::FsRead),
        _ => {}
    }
    if kind.is_some() && (has('w') || has('t')) {
        operations.push(Operation::FsWrite);
    }
    if kind.is_some() && has('t') {
        operations.push(Operation::FsTruncate);
    }
    operations
}

fn errno(result: &Result<()>) -> Option<Errno> {
    result.as_ref().err().map(Error::errno)
}

#[test]
fn every_outcome_is_that_of_a_model_that_resolves_first() {
    let seed = std::env::var("AGENTOS_MODEL_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let (mut denied, mut allowed, mut unknown) = (0, 0, 0);
    for round in seed..seed + ROUNDS {
        let mut random = Random(round);
        let config = random.rules();
        let policy = Policy::from_json(&config).unwrap();
        let (mut ruled, mut free) = (Side::new(&config), Side::new(&json!("default")));
        for index in 0..CALLS {
            let call = call(&mut random, free.fds.len());
            let label = || format!("round {round}, call {index}: {call:?} under {config}");
            let model = Model {
                world: &free.world,
                policy: &policy,
            };
            let verdict = model.verdict(&call, |fd| free.fd(fd));
            let outcome = ruled.act(&call);
            match (&verdict, &outcome) {
                (Verdict::Denied(operation, path), Err(Error::Denied(refusal))) => {
                    assert_eq!(
                        (operation, path),
                        (&refusal.operation, &refusal.resource.to_vec()),
                        "{}",
                        label()
                    );
                    denied += 1;
                }
                (Verdict::Denied(..), _) => panic!("{}\n expected {verdict:?}, got {outcome:?}", label()),
                (Verdict::Allowed, Err(Error::Denied(_))) => panic!("{}\n allowed, but {outcome:?}", label()),
                (Verdict::Unknown, Err(Error::Denied(_))) => unknown += 1,
                _ => {
                    let reference = free.act(&call);
                    assert_eq!(errno(&outcome), errno(&reference), "{} as {verdict:?}", label());
                    allowed += 1;
                }
            }
        }
        let whole = Model {
            world: &free.world,
            policy: &policy,
        }
        .below(b"");
        assert_eq!(
            Model {
                world: &ruled.world,
                policy: &policy
            }
            .below(b""),
            whole,
            "the trees of round {round}"
        );
    }
    println!("{denied} denied, {allowed} as without rules, {unknown} refused where the model cannot tell");
    assert!(denied > 1000 && allowed > 1000 && unknown < denied / 4);
}
