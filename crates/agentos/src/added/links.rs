//! Links from where software would be to where it is mounted.
//!
//! A name that nobody has becomes one link, whatever is below it. Where a directory is already, the names in it are looked at
//! one by one. Where the directory is itself a link to other software, it becomes a directory of links first, so that both
//! are seen.

use super::HOME;
use crate::error::{Error, Result};
use crate::mount;
use crate::vm::Vm;
use agentos_image::Image;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{FileType, Filesystem, Mode};
use agentos_kernel::{Errno, Error as KernelError};
use std::ops::ControlFlow;

/// Most paths that are told of.
const KEPT_MOST: usize = 64;
/// Directories below one another that are looked into.
const DEPTH_MOST: usize = 64;

/// What was made for one package, so that it can be taken back.
pub(super) struct Farm<'a> {
    vm: &'a Vm,
    done: Vec<Done>,
    kept: Vec<String>,
}

enum Done {
    Mounted(Vec<u8>),
    Linked(Vec<u8>),
    Made(Vec<u8>),
    /// A link that became a directory, with what it said.
    Unfolded(Vec<u8>, Vec<u8>),
}

/// What a name of the VM is.
enum Found {
    Nothing,
    Directory,
    /// A link to a directory of other software.
    Software(Vec<u8>),
    Other,
}

impl<'a> Farm<'a> {
    pub(super) fn new(vm: &'a Vm) -> Self {
        Self {
            vm,
            done: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Remembers what has to be unmounted if something fails.
    pub(super) fn mounted(&mut self, place: &str) {
        self.done.push(Done::Mounted(place.as_bytes().to_vec()));
    }

    /// Links to everything in a tree.
    pub(super) fn link(&mut self, image: &Image, place: &str) -> Result<()> {
        let fs = image.filesystem();
        let tree = (&*fs, fs.root());
        self.merge(tree, place.as_bytes(), b"", 0)
            .map_err(|(path, error)| Error::file("addSoftware", &String::from_utf8_lossy(&path))(error))
    }

    /// Paths that something else has.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.kept.sort();
        self.kept.truncate(KEPT_MOST);
        self.kept
    }

    /// Links to the names in a directory of the package, which is at `here` in the VM.
    fn merge(&mut self, (fs, dir): (&dyn Filesystem, Ino), there: &[u8], here: &[u8], depth: usize) -> Outcome {
        let failed = |error| (here.to_vec(), error);
        if depth > DEPTH_MOST {
            return Err(failed(Errno::ELOOP.into()));
        }
        for (name, ino, kind) in names(fs, dir).map_err(failed)? {
            let (target, path) = (join(there, &name), join(here, &name));
            match (self.found(&path), kind) {
                (Found::Nothing, _) => self.put(&target, path)?,
                (Found::Directory, FileType::Directory) => self.merge((fs, ino), &target, &path, depth + 1)?,
                (Found::Software(other), FileType::Directory) => {
                    self.unfold(&path, &other)?;
                    self.merge((fs, ino), &target, &path, depth + 1)?;
                }
                _ => self.kept.push(String::from_utf8_lossy(&path).into_owned()),
            }
        }
        Ok(())
    }

    /// What there is at a path. A directory of the VM's own is nothing that anybody else is linked into.
    fn found(&self, path: &[u8]) -> Found {
        let vfs = self.vm.kernel.vfs();
        self.vm.as_root(|cx| {
            let stat = match vfs.stat(cx, None, path, false) {
                Ok(stat) => stat,
                Err(error) if error.errno() == Errno::ENOENT => return Found::Nothing,
                Err(_) => return Found::Other,
            };
            let leads = vfs.stat(cx, None, path, true).map(|stat| stat.attr.kind);
            let real = vfs.realpath(cx, None, path).unwrap_or_default();
            match (stat.attr.kind, leads) {
                _ if mount::is_reserved(&real) => Found::Other,
                (FileType::Symlink, Ok(FileType::Directory)) => match vfs.readlink(cx, None, path) {
                    Ok(text) if text.starts_with(HOME.as_bytes()) => Found::Software(text),
                    Ok(_) if real.starts_with(HOME.as_bytes()) => Found::Other,
                    Ok(_) => Found::Directory,
                    Err(_) => Found::Other,
                },
                (FileType::Directory, _) => Found::Directory,
                _ => Found::Other,
            }
        })
    }

    fn put(&mut self, target: &[u8], path: Vec<u8>) -> Outcome {
        let vfs = self.vm.kernel.vfs();
        match self.vm.as_root(|cx| vfs.symlink(cx, target, None, &path)) {
            Ok(_) => {
                self.done.push(Done::Linked(path));
                Ok(())
            }
            Err(error) => Err((path, error)),
        }
    }

    /// Makes a directory of links out of a link to a directory.
    fn unfold(&mut self, path: &[u8], other: &[u8]) -> Outcome {
        let vfs = self.vm.kernel.vfs();
        let failed = |error| (path.to_vec(), error);
        let location = self
            .vm
            .as_root(|cx| vfs.resolve(cx, None, other, true))
            .map_err(failed)?;
        let names = names(&**location.filesystem(), location.ino()).map_err(failed)?;
        self.vm.as_root(|cx| vfs.unlink(cx, None, path)).map_err(failed)?;
        self.done.push(Done::Unfolded(path.to_vec(), other.to_vec()));
        let made = self.vm.as_root(|cx| vfs.mkdir(cx, None, path, Mode::new(0o755)));
        made.map_err(failed)?;
        self.done.push(Done::Made(path.to_vec()));
        for (name, ..) in names {
            self.put(&join(other, &name), join(path, &name))?;
        }
        Ok(())
    }

    /// Takes everything back, the latest first. What cannot be is no worse than what led here.
    pub(super) fn take_back(self) {
        let vfs = self.vm.kernel.vfs();
        for done in self.done.into_iter().rev() {
            let _ = self.vm.as_root(|cx| match &done {
                Done::Linked(path) => vfs.unlink(cx, None, path),
                Done::Made(path) => vfs.rmdir(cx, None, path),
                Done::Unfolded(path, text) => vfs.symlink(cx, text, None, path).map(drop),
                Done::Mounted(path) => vfs.unmount(path),
            });
        }
    }
}

/// A failure has the path of the VM that it is about.
type Outcome = core::result::Result<(), (Vec<u8>, KernelError)>;

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    [dir, b"/", name].concat()
}

/// Names in a directory of a tree that nobody changes, sorted.
fn names(fs: &dyn Filesystem, dir: Ino) -> Result<Vec<(Vec<u8>, Ino, FileType)>, KernelError> {
    let mut all = Vec::new();
    fs.readdir(dir, 0, &mut |entry| {
        if entry.name != b"." && entry.name != b".." {
            all.push((entry.name.to_vec(), entry.ino, entry.kind));
        }
        ControlFlow::Continue(())
    })?;
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}
