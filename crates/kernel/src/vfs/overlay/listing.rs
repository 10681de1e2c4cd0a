//! Listing merged directories.
//!
//! A position is a position in one of the layers, times the number of stages, plus the stage: the lowers from top to bottom,
//! then the upper.

use super::lookup::{Upper, is_whiteout, is_work_name};
use super::node::{Layers, Tree};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::filesystem::{DirEntry, Filesystem};
use core::ops::ControlFlow;
use parking_lot::Mutex;
use std::sync::Arc;

/// Entries that are fetched at once.
const BATCH: usize = 64;

/// One layer of a directory, and which it is.
struct Stage {
    fs: Arc<dyn Filesystem>,
    dir: Ino,
    index: u64,
    count: u64,
}

/// Lists `dir` as [`Filesystem::readdir`] asks. No lock is held while `emit` runs.
pub(super) fn list(
    tree: &Mutex<Tree>,
    dir: Ino,
    position: u64,
    emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let count = tree.lock().stages(dir)?;
    let mut index = position % count;
    let mut inner = position / count;
    while index < count {
        let Some(stage) = tree.lock().stage(dir, index)? else {
            return Ok(());
        };
        loop {
            let batch = stage.batch(inner)?;
            for (name, next) in &batch {
                let shown = tree.lock().shown(dir, name, &stage)?;
                if let Some((ino, kind)) = shown {
                    let next = stage.position(*next)?;
                    if emit(DirEntry { name, ino, kind, next }).is_break() {
                        return Ok(());
                    }
                }
                inner = *next;
            }
            if batch.len() < BATCH {
                break;
            }
        }
        index += 1;
        inner = 0;
    }
    Ok(())
}

impl Stage {
    fn batch(&self, position: u64) -> Result<Vec<(Vec<u8>, u64)>> {
        let mut batch = Vec::new();
        self.fs.readdir(self.dir, position, &mut |entry| {
            batch.push((entry.name.to_vec(), entry.next));
            match batch.len() < BATCH {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        Ok(batch)
    }

    fn position(&self, inner: u64) -> Result<u64> {
        let position = inner.checked_mul(self.count).and_then(|at| at.checked_add(self.index));
        position.ok_or_else(|| Errno::EOVERFLOW.into())
    }
}

impl Tree {
    /// Stages of every listing of a directory, whether or not it has an upper one by now.
    fn stages(&self, dir: Ino) -> Result<u64> {
        Ok(self.dir(dir)?.lowers.len() as u64 + 1)
    }

    fn stage(&self, dir: Ino, index: u64) -> Result<Option<Stage>> {
        let node = self.dir(dir)?;
        if node.dead {
            return Ok(None);
        }
        let count = node.lowers.len() as u64 + 1;
        let lower = usize::try_from(index).ok().and_then(|index| node.lowers.get(index));
        let (fs, dir) = match (lower, node.upper) {
            (Some(layer), _) => (Arc::clone(self.lower(*layer)?), layer.ino),
            (None, Some(upper)) => (Arc::clone(&self.upper), upper),
            (None, None) => return Ok(None),
        };
        Ok(Some(Stage { fs, dir, index, count }))
    }

    /// What an entry of one layer shows, if that is the layer where it is shown.
    fn shown(&mut self, dir: Ino, name: &[u8], stage: &Stage) -> Result<Option<(Ino, crate::vfs::FileType)>> {
        if is_work_name(name) || matches!(self.upper_entry(dir, name)?, Upper::Whiteout) {
            return Ok(None);
        }
        let first = self.first_layer(dir, name)?;
        if first.unwrap_or(stage.count - 1) != stage.index {
            return Ok(None);
        }
        match self.find_optional(dir, name)? {
            Some(ino) => Ok(Some((ino, self.node(ino)?.kind))),
            None => Ok(None),
        }
    }

    /// Index of the topmost lower that has a name.
    fn first_layer(&self, dir: Ino, name: &[u8]) -> Result<Option<u64>> {
        let lowers: &Layers = &self.dir(dir)?.lowers;
        for (index, layer) in lowers.iter().enumerate() {
            match self.lower(*layer)?.lookup(layer.ino, name) {
                Ok(attr) if is_whiteout(&attr) => return Ok(None),
                Ok(_) => return Ok(Some(index as u64)),
                Err(error) if error == Errno::ENOENT => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether a directory shows no entries.
    pub(super) fn is_empty(&self, dir: Ino) -> Result<bool> {
        let count = self.stages(dir)?;
        for index in 0..count {
            let Some(stage) = self.stage(dir, index)? else { continue };
            let mut inner = 0;
            loop {
                let batch = stage.batch(inner)?;
                for (name, next) in &batch {
                    if self.visible(dir, name)? {
                        return Ok(false);
                    }
                    inner = *next;
                }
                if batch.len() < BATCH {
                    break;
                }
            }
        }
        Ok(true)
    }

    fn visible(&self, dir: Ino, name: &[u8]) -> Result<bool> {
        Ok(match self.upper_entry(dir, name)? {
            Upper::Whiteout => false,
            Upper::File(_) => true,
            Upper::Nothing => self.in_lowers(dir, name)?,
        })
    }
}
