//! Downloads: archives under their digests. What is there already is checked and not asked for.

use super::super::bounds::Bounds;
use super::super::disk::Disk;
use super::super::error::{Error, Result};
use super::super::progress::Step;
use super::Npm;
use super::integrity::Integrity;
use super::lock::{Lock, Locked};
use super::registry::Registry;
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Downloads at once.
const THREADS: usize = 8;
/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

impl Npm<'_> {
    /// Makes sure that all archives are there and are what the lock file says.
    pub(super) fn fetch(&self, lock: &Lock, registry: &Registry) -> Result<()> {
        let packages = lock.trees.iter().flat_map(|tree| &tree.packages);
        let distinct: BTreeMap<String, &Locked> = packages.map(|locked| (locked.integrity.hex(), locked)).collect();
        let missing = |locked: &&Locked| !self.has(locked.integrity);
        let missing: Vec<&Locked> = distinct.into_values().filter(missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let files = missing.len() as u64;
        self.progress.report(&Step::Downloads { files });
        let next = Mutex::new(missing.into_iter());
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let received = AtomicU64::new(0);
        let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
        let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while failure().is_none()
                        && let Some(locked) = take()
                    {
                        if let Err(error) = self.download(locked, registry, &received) {
                            failure().get_or_insert(error);
                        }
                    }
                });
            }
        });
        let failed = failure().take();
        failed.map_or(Ok(()), Err)
    }

    /// Whether an archive is there, and is what it should be. What is not is removed.
    fn has(&self, integrity: Integrity) -> bool {
        let path = self.disk.download_path(&integrity.hex());
        let Ok(file) = File::open(&path) else {
            return false;
        };
        let same = digest(file).is_ok_and(|found| found == integrity);
        if !same {
            let _ = std::fs::remove_file(&path);
        }
        same
    }

    fn download(&self, locked: &Locked, registry: &Registry, received: &AtomicU64) -> Result<()> {
        let (mut file, draft) = self.disk.draft()?;
        let done = self.receive(locked, registry, received, &mut file);
        let path = self.disk.download_path(&locked.integrity.hex());
        let done = done.and_then(|()| keep(&file, &draft, &path));
        if done.is_err() {
            let _ = std::fs::remove_file(&draft);
        } else {
            self.progress.report(&Step::Downloaded { name: &locked.name });
        }
        done
    }

    fn receive(&self, locked: &Locked, registry: &Registry, received: &AtomicU64, file: &mut File) -> Result<()> {
        let name = &locked.name;
        let mut hash = Sha512::new();
        let mut excess = None;
        registry
            .archive(&locked.resolved, &mut |body| {
                // A further try begins anew.
                file.rewind()?;
                file.set_len(0)?;
                hash = Sha512::new();
                let mut size = 0;
                let mut piece = vec![0; PIECE];
                loop {
                    let bytes = match body.read(&mut piece) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        read => piece.get(..read?).unwrap_or_default(),
                    };
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    let count = bytes.len() as u64;
                    size += count;
                    let all = received.fetch_add(count, Ordering::Relaxed) + count;
                    if let Err(error) = self.within(name, size, all) {
                        excess = Some(error);
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                    hash.update(bytes);
                    file.write_all(bytes)?;
                    self.progress.report(&Step::Received { name, bytes: count });
                }
            })
            .map_err(|error| excess.take().unwrap_or(error))?;
        let found = Integrity(hash.finalize().into());
        if found == locked.integrity {
            return Ok(());
        }
        Err(Error::Integrity {
            what: format!("the archive of {name}@{}", locked.version),
            expected: locked.integrity.to_string(),
            found: found.to_string(),
        })
    }

    fn within(&self, name: &str, size: u64, all: u64) -> Result<()> {
        let what = format!("bytes of the archive of {name}");
        Bounds::check(what, size, self.bounds.download, "bytes", "download")?;
        Bounds::check(
            "bytes of all archives",
            all,
            self.bounds.downloads,
            "bytes",
            "downloads",
        )
    }
}

/// Gives a draft the name of its digest.
fn keep(file: &File, draft: &Path, path: &Path) -> Result<()> {
    file.sync_data().map_err(Error::host(draft))?;
    std::fs::rename(draft, path).map_err(Error::host(path))
}

fn digest(mut file: File) -> io::Result<Integrity> {
    let mut hash = Sha512::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        match piece.get(..count) {
            Some([]) | None => return Ok(Integrity(hash.finalize().into())),
            Some(bytes) => hash.update(bytes),
        }
    }
}

impl Disk {
    /// Forgets a download.
    #[cfg(test)]
    pub(super) fn forget_downloads(&self) {
        for entry in std::fs::read_dir(self.path.join("downloads"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
