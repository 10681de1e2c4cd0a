//! What happened to the files, what shall happen, and what would be left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::shim;

/// A disk that fails and remembers.
#[derive(Clone)]
pub struct Disk {
    shared: Arc<Shared>,
    name: String,
}

/// One step of SQLite, or a mark of the test.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Bytes were written to a file.
    Write {
        /// Name of the file: without its directory, or from the directory of the [`Disk`] on.
        file: String,
        /// Where.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// A file was cut.
    Truncate {
        /// Name of the file.
        file: String,
        /// Its size now.
        size: u64,
    },
    /// A file was flushed.
    Sync {
        /// Name of the file.
        file: String,
    },
    /// A file was removed, by SQLite or by somebody else.
    Delete {
        /// Name of the file.
        file: String,
    },
    /// The test noted something: what was acknowledged, for instance.
    Mark(u64),
}

/// How a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Input/output error.
    Io,
    /// The disk is full. Flushes and removals succeed.
    Full,
}

/// What a power loss leaves of that which was written and not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// Of each write nothing, everything or some sectors, as the seed has it.
    Some(u64),
}

/// Bytes that a disk writes as a whole.
const SECTOR: usize = 512;

#[derive(Default)]
pub(crate) struct Shared {
    /// Where the names of files begin; they are without a directory if there is none.
    root: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: Vec<Step>,
    /// Files below the root that are there.
    present: BTreeSet<String>,
    /// Steps taken or refused, marks not counted.
    count: u64,
    plan: Option<Plan>,
    /// One in so many reads fails; 0 for none.
    unreadable: u64,
    random: Random,
}

#[derive(Clone, Copy)]
struct Plan {
    at: u64,
    fault: Fault,
    forever: bool,
}

impl Disk {
    /// A new disk, under a name of its own.
    pub fn new() -> Self {
        Self::of(Shared::default())
    }

    /// A disk for all databases below a directory, whose files keep their places in the images. What is removed there past
    /// SQLite, as a directory is as a whole, is noted with the next step.
    pub fn below(directory: &Path) -> Self {
        Self::of(Shared {
            root: Some(directory.canonicalize().unwrap_or_else(|_| directory.to_owned())),
            ..Shared::default()
        })
    }

    fn of(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let name = shim::register(Arc::clone(&shared));
        Self { shared, name }
    }

    /// The name of the VFS.
    pub fn vfs(&self) -> &str {
        &self.name
    }

    /// Steps so far, refused ones included.
    pub fn count(&self) -> u64 {
        self.shared.state.lock().count
    }

    /// Lets the step with number `at` (counted from 0) fail, and with `forever` all after it.
    pub fn fail(&self, at: u64, fault: Fault, forever: bool) {
        self.shared.state.lock().plan = Some(Plan { at, fault, forever });
    }

    /// Lets one in so many reads fail with an input/output error, at random.
    pub fn fail_reads(&self, one_in: u64) {
        self.shared.state.lock().unreadable = one_in;
    }

    /// Lets nothing fail any more.
    pub fn heal(&self) {
        let mut state = self.shared.state.lock();
        state.plan = None;
        state.unreadable = 0;
    }

    /// Notes something between two steps.
    pub fn mark(&self, mark: u64) {
        self.shared.state.lock().steps.push(Step::Mark(mark));
    }

    /// Everything that happened.
    pub fn steps(&self) -> Vec<Step> {
        self.shared.state.lock().steps.clone()
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Disk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Disk").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Shared {
    /// Whether a read fails.
    pub(crate) fn is_unreadable(&self) -> bool {
        let mut state = self.state.lock();
        state.unreadable > 0 && state.random.next().is_multiple_of(state.unreadable)
    }

    /// What a file is called in steps.
    pub(crate) fn name_of(&self, path: &str) -> String {
        let below = self
            .root
            .as_ref()
            .and_then(|root| Path::new(path).strip_prefix(root).ok());
        match below {
            Some(below) => below.to_string_lossy().into_owned(),
            None => path.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    /// Asks whether a step may happen, and notes it if so.
    pub(crate) fn step(&self, step: Step) -> Result<(), Fault> {
        let mut state = self.state.lock();
        if let Some(root) = &self.root {
            state.note_removed(root);
        }
        let number = state.count;
        state.count += 1;
        if let Some(plan) = state.plan {
            let spared = plan.fault == Fault::Full && matches!(step, Step::Sync { .. } | Step::Delete { .. });
            let hit = number == plan.at || (plan.forever && number > plan.at);
            if hit && !spared {
                return Err(plan.fault);
            }
        }
        if let Some(root) = &self.root {
            state.note_present(root, &step);
        }
        // What is written to a file that has lost its name is nowhere after a power loss.
        if !self.is_nameless(&step) {
            state.steps.push(step);
        }
        Ok(())
    }

    fn is_nameless(&self, step: &Step) -> bool {
        match (&self.root, step) {
            (Some(root), Step::Write { file, .. } | Step::Truncate { file, .. } | Step::Sync { file }) => {
                !root.join(file).exists()
            }
            _ => false,
        }
    }
}

impl State {
    /// Notes which files are gone although SQLite did not remove them.
    fn note_removed(&mut self, root: &Path) {
        let gone: Vec<String> = self
            .present
            .iter()
            .filter(|file| !root.join(file).exists())
            .cloned()
            .collect();
        for file in gone {
            self.present.remove(&file);
            self.steps.push(Step::Delete { file });
        }
    }

    /// Notes which files there are once a step has been taken. One that was refused changes nothing: a file that SQLite could
    /// not remove is still there, for somebody else to remove.
    fn note_present(&mut self, root: &Path, taken: &Step) {
        match taken {
            Step::Write { file, .. } | Step::Truncate { file, .. } if root.join(file).exists() => {
                self.present.insert(file.clone());
            }
            Step::Delete { file } => {
                self.present.remove(file);
            }
            _ => {}
        }
    }
}

impl Step {
    /// Writes the files, as a power loss after `steps` would leave them, into a directory.
    ///
    /// # Errors
    /// Those of writing the files.
    pub fn image(steps: &[Self], survivors: Survivors, directory: &Path) -> std::io::Result<()> {
        let mut files: BTreeMap<&str, File<'_>> = BTreeMap::new();
        for step in steps {
            match step {
                Self::Write { file, .. } | Self::Truncate { file, .. } => {
                    files.entry(file).or_default().pending.push(step);
                }
                Self::Sync { file } => files.entry(file).or_default().flush(),
                Self::Delete { file } => {
                    files.remove(file.as_str());
                }
                Self::Mark(_) => {}
            }
        }
        let mut random = match survivors {
            Survivors::Some(seed) => Some(Random(seed)),
            _ => None,
        };
        for (name, mut file) in files {
            match (&survivors, &mut random) {
                (_, Some(random)) => file.flush_some(random),
                (Survivors::All, _) => file.flush(),
                _ => {}
            }
            let path = directory.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, &file.durable)?;
        }
        Ok(())
    }
}

/// A file during the replay.
#[derive(Default)]
struct File<'a> {
    durable: Vec<u8>,
    pending: Vec<&'a Step>,
}

impl File<'_> {
    fn flush(&mut self) {
        for step in core::mem::take(&mut self.pending) {
            self.apply(step, |_| true);
        }
    }

    fn flush_some(&mut self, random: &mut Random) {
        for step in core::mem::take(&mut self.pending) {
            match random.next() % 3 {
                0 => {}
                1 => self.apply(step, |_| true),
                _ => self.apply(step, |_| random.next().is_multiple_of(2)),
            }
        }
    }

    /// Applies those sectors of a write that `survives` says yes to.
    fn apply(&mut self, step: &Step, mut survives: impl FnMut(usize) -> bool) {
        match step {
            Step::Write { offset, data, .. } => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                for (index, sector) in data.chunks(SECTOR).enumerate() {
                    let at = offset.saturating_add(index * SECTOR);
                    if survives(index) {
                        self.put(at, sector);
                    }
                }
            }
            Step::Truncate { size, .. } => self.durable.resize(usize::try_from(*size).unwrap_or(0), 0),
            _ => {}
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len());
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        if let Some(target) = self.durable.get_mut(at..end) {
            target.copy_from_slice(bytes);
        }
    }
}

/// SplitMix64.
#[derive(Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    /// SQLite goes on when it cannot remove a journal; whoever removes the directory then removes that, too.
    #[test]
    fn what_sqlite_could_not_remove_is_gone_once_somebody_else_has_removed_it() {
        let root = std::env::temp_dir().join(format!("agentos-store-faults-{}", std::process::id()));
        std::fs::create_dir_all(root.join("vm")).unwrap();
        let disk = Disk::below(&root);
        let written = |file: &str| Step::Write {
            file: file.to_owned(),
            offset: 0,
            data: vec![1],
        };
        for file in ["vm/a-wal", "b"] {
            std::fs::write(root.join(file), [1]).unwrap();
        }
        disk.shared.step(written("vm/a-wal")).unwrap();
        let file = "vm/a-wal".to_owned();
        disk.fail(disk.count(), Fault::Io, false);
        disk.shared.step(Step::Delete { file: file.clone() }).unwrap_err();
        std::fs::remove_dir_all(root.join("vm")).unwrap();
        disk.shared.step(written("b")).unwrap();
        assert_eq!(disk.steps(), [written("vm/a-wal"), Step::Delete { file }, written("b")]);
        std::fs::remove_dir_all(root).unwrap();
    }
}
