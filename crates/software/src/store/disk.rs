//! The directory of a store: who may use it, one writer at a time, and records that appear whole or not at all.

use super::bounds::Bounds;
use super::error::{Error, Result};
use super::package::{FORMAT, Record};
use super::progress::{Progress, Step};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest record, and largest lock file.
const RECORD_MOST: u64 = 16 << 20;
/// How drafts of records begin.
const DRAFT: &str = ".draft-";

/// The directory.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
}

/// The right to change the store, until it is dropped.
#[derive(Debug)]
pub(super) struct Locked(#[expect(dead_code, reason = "the host gives up the lock with the descriptor")] OwnedFd);

impl Disk {
    /// Opens the directory, which is made if there is none. It belongs to this user alone: what is in it is run.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let make = |path: &Path| {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(Error::host(path))
        };
        make(&path)?;
        let metadata = std::fs::metadata(&path).map_err(Error::host(&path))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            let reason = "must belong to this user, and nobody else may write to it";
            return Err(Error::source(format!("store {}", path.display()), reason));
        }
        for folder in ["packages", "downloads"] {
            make(&path.join(folder))?;
        }
        Ok(Self { path })
    }

    /// Waits until nobody else changes the store.
    pub(super) fn lock(&self, progress: &dyn Progress) -> Result<Locked> {
        let path = self.path.join("lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::open(&path, flags, Mode::from_raw_mode(0o600)).map_err(Error::host(&path))?;
        if fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            progress.report(&Step::Waiting);
            fs::flock(&file, FlockOperation::LockExclusive).map_err(Error::host(&path))?;
        }
        self.sweep();
        Ok(Locked(file))
    }

    /// Removes what a process that died has left. Whoever calls has the lock.
    fn sweep(&self) {
        for folder in ["packages", "downloads"] {
            for entry in std::fs::read_dir(self.path.join(folder))
                .into_iter()
                .flatten()
                .flatten()
            {
                if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                    let _ = std::fs::remove_file(entry.path());
                    let _ = std::fs::remove_dir_all(entry.path());
                }
            }
        }
    }

    /// Where a record is, and the lock file beside it.
    pub(super) fn record_path(&self, spec: &str) -> PathBuf {
        self.path.join("packages").join(format!("{}.json", key(spec)))
    }

    pub(super) fn lock_path(&self, spec: &str) -> PathBuf {
        self.path.join("packages").join(format!("{}.lock", key(spec)))
    }

    /// Where a download with this digest is.
    pub(super) fn download_path(&self, digest: &str) -> PathBuf {
        self.path.join("downloads").join(digest)
    }

    /// A file for a download that nobody else has, and its name.
    pub(super) fn draft(&self) -> Result<(File, PathBuf)> {
        let path = self.path.join("downloads").join(draft_name());
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        Ok((options.open(&path).map_err(Error::host(&path))?, path))
    }

    /// Reads a small file of the store; none if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Error::host(path))?,
        };
        let mut text = Vec::new();
        let mut file = file.take(RECORD_MOST + 1);
        file.read_to_end(&mut text).map_err(Error::host(path))?;
        Bounds::check(path.display(), text.len() as u64, RECORD_MOST, "bytes", "record")?;
        Ok(Some(text))
    }

    /// Writes a small file, whole and on the disk, in place of the one before.
    pub(super) fn write(&self, path: &Path, text: &[u8]) -> Result<()> {
        let folder = self.path.join("packages");
        let draft = folder.join(draft_name());
        let write = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(text)?;
            file.sync_all()?;
            std::fs::rename(&draft, path)?;
            File::open(&folder)?.sync_all()
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&draft);
            Error::host(path)(error)
        })
    }

    /// The record of a package. `Err` holds why it cannot be used.
    pub(super) fn record(path: &Path) -> Result<Option<Result<Record, String>>> {
        let Some(text) = Self::read(path)? else {
            return Ok(None);
        };
        let record: Result<Record, _> = serde_json::from_slice(&text);
        Ok(Some(match record {
            Ok(record) if record.format == FORMAT => Ok(record),
            Ok(record) => Err(format!("its record is of format {}, not {FORMAT}", record.format)),
            Err(error) => Err(format!("its record cannot be read: {error}")),
        }))
    }

    /// The files of all records, sorted.
    pub(super) fn records(&self) -> Result<Vec<PathBuf>> {
        let folder = self.path.join("packages");
        let entries = std::fs::read_dir(&folder).map_err(Error::host(&folder))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
        paths.sort();
        Ok(paths)
    }
}

fn draft_name() -> String {
    let mut random = [0; 16];
    // Names without randomness are tried once, and fail where they exist.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    format!("{DRAFT}{}-{}", std::process::id(), hex(&random))
}

/// The name of a record: readable, and unlike that of every other spec.
fn key(spec: &str) -> String {
    let sign = |sign: char| match sign {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => sign,
        _ => '-',
    };
    let readable: String = spec.chars().rev().take(48).map(sign).collect();
    let readable: String = readable.chars().rev().collect();
    let digest = hex(&Sha256::digest(spec.as_bytes()));
    let digest = digest.get(..16).unwrap_or_default();
    format!("{}-{digest}", readable.trim_start_matches(['.', '-']))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file, as hexadecimal digits.
pub(super) fn digest_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::host(path))?;
    let mut hash = Sha256::new();
    let mut buf = vec![0; 128 << 10];
    loop {
        let count = file.read(&mut buf).map_err(Error::host(path))?;
        match buf.get(..count) {
            Some([]) | None => return Ok(hex(&hash.finalize())),
            Some(bytes) => hash.update(bytes),
        }
    }
}
