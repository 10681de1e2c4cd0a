//! Walking a tree without following links, with a stack of its own.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// What a walk meets.
pub(crate) enum Step<'a> {
    /// A directory; what is in it follows.
    Enter(&'a Path),
    /// Anything else, links to directories included.
    File(&'a Path, &'a Metadata),
    /// Something that could not be looked at.
    Failed(&'a Path, io::Error),
}

/// Visits `root` and all below it; entries of a directory in the order of their names.
pub(crate) fn tree(root: &Path, mut visit: impl FnMut(Step<'_>)) {
    let mut stack: Vec<Vec<PathBuf>> = Vec::new();
    enter(root, &mut stack, &mut visit);
    while let Some(entries) = stack.last_mut() {
        match entries.pop() {
            Some(path) => enter(&path, &mut stack, &mut visit),
            None => drop(stack.pop()),
        }
    }
}

fn enter(path: &Path, stack: &mut Vec<Vec<PathBuf>>, visit: &mut impl FnMut(Step<'_>)) {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) => return visit(Step::Failed(path, error)),
    };
    if !meta.is_dir() {
        return visit(Step::File(path, &meta));
    }
    visit(Step::Enter(path));
    let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect() };
    match list() {
        Ok(mut entries) => {
            entries.sort_unstable_by(|a, b| b.cmp(a));
            stack.push(entries);
        }
        Err(error) => visit(Step::Failed(path, error)),
    }
}
