//! What the permission policy says to a path operation.
//!
//! Every operation of [`Vfs`] runs inside [`Vfs::ruled`], which puts the rules into its context; the operation asks
//! [`FsContext::may`] as soon as it knows what it is about, before any other check. Filesystems know nothing of this.
//!
//! A real path is only as true as the tree stays still, so while there are rules, operations hold the tree: a rename has it
//! for itself, everything else shares it. An ancestor that is renamed between the check and the act, or a name that appears
//! behind a check of what is below a directory, can therefore not happen. Without rules there is no such lock.
//!
//! A name given to a file that exists already must not give rights that the file did not have: what a rename or a hard link
//! would newly allow is refused ([`FsContext::may_move`], [`FsContext::may_alias`]), for a directory with everything below
//! it.

use super::walk::Node;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::id::{Ino, Pid};
use crate::policy::{Denied, Operation, Scope, Tier};
use crate::vfs::attr::FileType;
use crate::vfs::context::FsContext;
use crate::vfs::location::Location;
use crate::vfs::namespace::{Mount, Vfs};
use crate::vfs::real;
use core::ops::ControlFlow;
use parking_lot::{RwLock, RwLockWriteGuard};
use std::collections::VecDeque;
use std::sync::Arc;

/// The rules that path operations of a VM are under.
#[derive(Debug)]
pub(crate) struct Rules {
    guard: Arc<Guard>,
    /// There are rules about files.
    files: bool,
    /// There are rules about processes, which `/proc` shows.
    processes: bool,
    tree: RwLock<()>,
}

/// What a name may allow to do with the inode it belongs to.
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

/// Entries below a directory that a rename looks at; as many as a VM may have inodes of its own.
const BELOW_MAX: usize = 262_144;

/// Directories that nothing is mounted over without `mount_sensitive` (nor over anything in them).
const SENSITIVE: &[&[u8]] = &[b"/etc", b"/bin", b"/usr", b"/lib", b"/root"];

impl Rules {
    /// The rules of a policy; none if files and processes are open.
    pub(crate) fn of(guard: &Arc<Guard>) -> Option<Self> {
        let (files, processes) = (!guard.is_open(Scope::Fs), !guard.is_open(Scope::Process));
        (files || processes).then(|| Self {
            guard: Arc::clone(guard),
            files,
            processes,
            tree: RwLock::new(()),
        })
    }

    fn check(&self, operation: Operation, path: Option<&[u8]>, caller: Pid) -> Result<()> {
        match path {
            Some(path) => self.guard.check(operation, path, caller),
            None if self.guard.policy().always_allows(operation) => Ok(()),
            None => Err(self.nameless(operation, caller)),
        }
    }

    /// Something without any path, past or present, is something that no rule can be about; nothing is allowed.
    fn nameless(&self, operation: Operation, caller: Pid) -> Error {
        self.guard.refuse(Denied::new(operation, *b"(deleted)", "fs"), caller)
    }

    /// Whether what a name allows depends on the name at all.
    fn about_names(&self) -> bool {
        let policy = self.guard.policy();
        let open = |right: &Operation| policy.always_allows(*right);
        !(open(&Operation::FsRename) && RIGHTS.iter().all(open))
    }

    /// `rename` on both paths, and no gain.
    fn may_rename(&self, old: &[u8], new: &[u8], caller: Pid) -> Result<()> {
        self.guard.check(Operation::FsRename, old, caller)?;
        self.guard.check(Operation::FsRename, new, caller)?;
        self.no_gain(old, new, caller)
    }

    /// The same as a question.
    fn would_rename(&self, old: &[u8], new: &[u8]) -> bool {
        let allows = |operation, path| self.guard.allows(operation, path);
        allows(Operation::FsRename, old)
            && allows(Operation::FsRename, new)
            && RIGHTS.iter().all(|right| allows(*right, old) || !allows(*right, new))
    }

    /// Whether path `new` allows nothing that `old` does not.
    fn no_gain(&self, old: &[u8], new: &[u8], caller: Pid) -> Result<()> {
        let policy = self.guard.policy();
        RIGHTS
            .iter()
            .filter(|right| !policy.always_allows(**right) && self.guard.allows(**right, new))
            .try_for_each(|right| self.guard.check(*right, old, caller))
    }
}

/// Times that an operation begins anew because an inode vanished between being found and being used.
const ATTEMPTS: usize = 64;

impl Vfs {
    /// Runs a path operation, under the rules if there are any.
    pub(super) fn ruled<T>(&self, cx: &FsContext<'_>, work: impl Fn(&FsContext<'_>) -> Result<T>) -> Result<T> {
        let Some(rules) = self.rules() else {
            return self.again(&self.walking(cx), work);
        };
        let _still = rules.tree.read();
        self.again(&self.walking(&under(cx, rules)), work)
    }

    /// Runs a path operation that moves names, under the rules if there are any; nothing else happens in the tree then.
    pub(super) fn ruled_alone<T>(&self, cx: &FsContext<'_>, work: impl Fn(&FsContext<'_>) -> Result<T>) -> Result<T> {
        let Some(rules) = self.rules() else {
            return self.again(&self.walking(cx), work);
        };
        let _alone = rules.tree.write();
        self.again(&self.walking(&under(cx, rules)), work)
    }

    /// The same context, for which ways that were walked before may be taken, unless real paths are needed.
    fn walking<'a>(&'a self, cx: &FsContext<'a>) -> FsContext<'a> {
        FsContext {
            walks: (!cx.needs_real_paths()).then(|| &self.news().walks),
            ..*cx
        }
    }

    /// Tries until no inode vanishes on the way. One that does so every time is one that is not there.
    fn again<T>(&self, cx: &FsContext<'_>, work: impl Fn(&FsContext<'_>) -> Result<T>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            match work(cx) {
                // It may have been found by a way that is not there any more.
                Err(error) if error == Errno::ESTALE => self.news().walks.forget(),
                done => return done,
            }
        }
        Err(Errno::ENOENT.into())
    }

    /// Keeps everything else out of the tree, where there are rules. For changes of the mount table, which move names too.
    pub(super) fn alone(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        self.rules().map(|rules| rules.tree.write())
    }
}

fn under<'a>(cx: &FsContext<'a>, rules: &'a Rules) -> FsContext<'a> {
    FsContext {
        rules: (!cx.trusted).then_some(rules),
        ..*cx
    }
}

impl FsContext<'_> {
    /// Whether walks must know the real path of where they are.
    pub(super) fn needs_real_paths(&self) -> bool {
        self.tier == Tier::Isolated || self.rules.is_some_and(|rules| rules.files)
    }

    /// Whether the tier of the calling program leaves an operation to the rules. `path` is what it is about.
    fn within_tier(&self, operation: Operation, path: impl FnOnce() -> Result<real::Real>) -> Result<()> {
        if self.tier == Tier::Full || self.trusted {
            return Ok(());
        }
        let path = path()?;
        let allowed = self.tier.allows(operation) && (self.tier != Tier::Isolated || self.is_in_cwd(path.as_deref()));
        match allowed {
            true => Ok(()),
            false => {
                let denied = Denied::new(operation, path.unwrap_or_default(), self.tier.rule());
                Err(match self.guard {
                    Some(guard) => guard.refuse(denied, self.caller),
                    None => denied.into(),
                })
            }
        }
    }

    /// Whether a path is the working directory or in it.
    fn is_in_cwd(&self, path: Option<&[u8]>) -> bool {
        let cwd = self.cwd.attr().and_then(|attr| real::of(self.cwd, &attr));
        let (Ok(Some(cwd)), Some(path)) = (cwd, path) else {
            return false;
        };
        let rest = path.strip_prefix(cwd.strip_suffix(b"/").unwrap_or(&cwd));
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    }

    fn file_rules(&self) -> Option<&Rules> {
        self.rules.filter(|rules| rules.files)
    }

    /// Whether the caller may do something to an inode that was walked to.
    pub(super) fn may(&self, operation: Operation, node: &Node) -> Result<()> {
        self.within_tier(operation, || Ok(node.real.clone()))?;
        match self.file_rules() {
            Some(rules) => rules.check(operation, node.real.as_deref(), self.caller),
            None => Ok(()),
        }
    }

    /// Whether the caller may do something to a name in a directory, whether it exists or not.
    pub(super) fn may_in(&self, operation: Operation, dir: &Node, name: &[u8]) -> Result<()> {
        self.within_tier(operation, || named(dir, name))?;
        match self.file_rules() {
            Some(rules) => rules.check(operation, named(dir, name)?.as_deref(), self.caller),
            None => Ok(()),
        }
    }

    /// Whether the caller may look at what an inode of `/proc` says about a process.
    pub(super) fn may_inspect(&self, mount: &Arc<Mount>, ino: Ino) -> Result<()> {
        match self.rules {
            Some(rules) if rules.processes => mount.fs.may_inspect(ino, self.caller),
            _ => Ok(()),
        }
    }

    /// Whether an inode may get a further name: reading it, and no right that it does not have by the old one.
    pub(super) fn may_alias(&self, node: &Node, dir: &Node, name: &[u8]) -> Result<()> {
        self.within_tier(Operation::FsWrite, || named(dir, name))?;
        let Some(rules) = self.file_rules() else { return Ok(()) };
        let new = named(dir, name)?;
        rules.check(Operation::FsWrite, new.as_deref(), self.caller)?;
        rules.check(Operation::FsRead, node.real.as_deref(), self.caller)?;
        match (&node.real, &new) {
            (Some(old), Some(new)) => rules.no_gain(old, new, self.caller),
            _ if !rules.about_names() => Ok(()),
            _ => Err(rules.nameless(Operation::FsWrite, self.caller)),
        }
    }

    /// Whether a name may be moved: `rename` on both paths, and no right that the inode does not have where it is; of a
    /// directory also for everything below.
    pub(super) fn may_move(&self, from: (&Node, &[u8]), to: (&Node, &[u8]), inode: (Ino, FileType)) -> Result<()> {
        self.within_tier(Operation::FsRename, || named(from.0, from.1))?;
        let Some(rules) = self.file_rules() else { return Ok(()) };
        let (old, new) = (named(from.0, from.1)?, named(to.0, to.1)?);
        if !rules.about_names() {
            return Ok(());
        }
        let (Some(old), Some(new)) = (old, new) else {
            return Err(rules.nameless(Operation::FsRename, self.caller));
        };
        rules.may_rename(&old, &new, self.caller)?;
        if inode.1 != FileType::Directory {
            return Ok(());
        }
        let policy = rules.guard.policy();
        // What holds for any name below holds for all, where no rule tells them apart.
        let (one, other) = (real::child(&old, b"*")?, real::child(&new, b"*")?);
        if policy.is_uniform_below(&old) && policy.is_uniform_below(&new) && rules.would_rename(&one, &other) {
            return Ok(());
        }
        self.may_move_below(rules, (&from.0.mount, inode.0), old, new)
    }

    /// The same for everything below a directory, mounts included.
    fn may_move_below(&self, rules: &Rules, dir: (&Arc<Mount>, Ino), old: Vec<u8>, new: Vec<u8>) -> Result<()> {
        let mut queue = VecDeque::from([(Arc::clone(dir.0), dir.1, old, new)]);
        let mut seen = 0;
        while let Some((mount, ino, old, new)) = queue.pop_front() {
            for (name, child, kind) in entries(&mount, ino, BELOW_MAX - seen)? {
                seen += 1;
                if seen >= BELOW_MAX {
                    let rule = "fs.rename: too many entries below to look at each";
                    return Err(rules
                        .guard
                        .refuse(Denied::new(Operation::FsRename, old, rule), self.caller));
                }
                let (old, new) = (real::child(&old, &name)?, real::child(&new, &name)?);
                rules.may_rename(&old, &new, self.caller)?;
                if kind == FileType::Directory {
                    let (mount, child) = crossed(&mount, child);
                    queue.push_back((mount, child, old, new));
                }
            }
        }
        Ok(())
    }
}

/// The real path of a name in a directory.
fn named(dir: &Node, name: &[u8]) -> Result<real::Real> {
    dir.real.as_deref().map(|dir| real::child(dir, name)).transpose()
}

/// What a directory leads to: the root of what covers it, or itself.
fn crossed(mount: &Arc<Mount>, dir: Ino) -> (Arc<Mount>, Ino) {
    let (mut mount, mut dir) = (Arc::clone(mount), dir);
    while let Some(child) = mount.child(dir) {
        (dir, mount) = (child.root, child);
    }
    (mount, dir)
}

type Entry = (Vec<u8>, Ino, FileType);

/// Names in a directory, a few more than `max` at most.
fn entries(mount: &Arc<Mount>, dir: Ino, max: usize) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    mount.fs.readdir(dir, 0, &mut |entry| {
        all.push((entry.name.to_vec(), entry.ino, entry.kind));
        match all.len() > max {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(all)
}

/// Operations on what is held already, and questions.
impl Vfs {
    /// Whether operations are under rules at all.
    pub fn is_ruled(&self) -> bool {
        self.rules().is_some()
    }

    /// Whether the caller may cut or extend an open file. Opening it for writing gave the right to write.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied).
    pub fn may_truncate(&self, cx: &FsContext<'_>, location: &Location) -> Result<()> {
        self.ruled(cx, |cx| cx.may(Operation::FsTruncate, &Node::under(cx, location)?))
    }

    /// Whether the caller may mount something at a real path: over `/etc`, `/bin`, `/usr`, `/lib` and `/root` that needs
    /// `mount_sensitive`.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied).
    pub fn may_mount(&self, cx: &FsContext<'_>, real: &[u8]) -> Result<()> {
        let inside = |dir: &[u8]| {
            real.strip_prefix(dir)
                .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
        };
        self.ruled(cx, |cx| match cx.file_rules() {
            Some(rules) if SENSITIVE.iter().any(|dir| inside(dir)) => {
                rules.guard.check(Operation::FsMountSensitive, real, cx.caller)
            }
            _ => Ok(()),
        })
    }

    /// The real path of what an absolute path names or, where nothing is there yet, would name.
    ///
    /// # Errors
    /// Those of path resolution, but for `ENOENT`.
    pub fn real_place(&self, cx: &FsContext<'_>, path: &[u8]) -> Result<Vec<u8>> {
        let mut end = path.len();
        loop {
            let there = path.get(..end).filter(|there| !there.is_empty()).unwrap_or(b"/");
            match self.resolve(cx, None, there, true) {
                Err(error) if error == Errno::ENOENT && end > 0 => {
                    end = path.iter().take(end).rposition(|byte| *byte == b'/').unwrap_or(0);
                }
                held => {
                    let mut real = self.real_path(&held?)?.ok_or(Errno::ENOENT)?;
                    let rest = path.get(end..).unwrap_or_default().split(|byte| *byte == b'/');
                    rest.filter(|name| !name.is_empty())
                        .try_for_each(|name| real::push(&mut real, name))?;
                    return Ok(real);
                }
            }
        }
    }

    /// Allows an operation on a path, whose last component need not exist, or refuses it.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied), and those of path resolution.
    pub fn may(&self, cx: &FsContext<'_>, operation: Operation, path: &[u8]) -> Result<()> {
        self.ruled(cx, |cx| {
            if cx.file_rules().is_none() && cx.tier == Tier::Full {
                return Ok(());
            }
            let parent = super::walk::parent(cx, None, path)?;
            cx.may_in(operation, &parent.dir, parent.name(Errno::EISDIR)?)
        })
    }

    /// Whether the policy allows an operation on a path, without trying it and without a trace.
    pub fn allows(&self, cx: &FsContext<'_>, operation: Operation, path: &[u8]) -> bool {
        let asked = self.ruled(cx, |cx| {
            let Some(rules) = cx.file_rules() else { return Ok(true) };
            let parent = super::walk::parent(cx, None, path)?;
            let name = parent.name(Errno::EINVAL)?;
            let path = named(&parent.dir, name)?.ok_or(Errno::ENOENT)?;
            Ok(rules.guard.allows(operation, &path))
        });
        asked.unwrap_or(false)
    }

    /// The real path of a held inode; none if it has no name, and was found before anybody asked.
    pub fn real_path(&self, location: &Location) -> Result<Option<Vec<u8>>> {
        real::of(location, &location.attr()?)
    }
}
