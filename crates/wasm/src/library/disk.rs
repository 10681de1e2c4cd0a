//! Compiled programs on disk.
//!
//! Loading machine code trusts it completely, so this folder holds only what this code wrote and can recognise:
//!
//! * the folder is private (mode 0700, ours); a folder that is somebody else's or open to others is not used at all;
//! * a file appears by `rename(2)`, complete or not at all, so any number of processes may share a folder;
//! * a file ends with a seal: its key (program, engine, format) and a checksum of key and content. A file that is cut,
//!   damaged, of another version, another owner or writable by others reads as a miss. A miss only costs compiling.
//!
//! The seal comes last because the content is mapped from the beginning of the file. What is verified is the open file that
//! is then mapped, not a name.
//!
//! Guests cannot reach the folder; someone who can write to it as the user who runs agentOS could as well replace agentOS.

use super::checksum::{Checksum, Sum};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

/// SHA-256 of a program or of a key.
pub(crate) type Digest = [u8; 32];

/// Name of the folder inside the cache directory, and format of its files.
const FOLDER: &str = "compiled-1";
const MAGIC: &[u8; 8] = b"agosCWM2";
const SEAL: usize = MAGIC.len() + size_of::<Digest>() + size_of::<Sum>();

/// Bits by which group and others could write.
const FOREIGN_WRITE: u32 = 0o022;
const FOREIGN_ANY: u32 = 0o077;

/// A folder of compiled programs.
pub(crate) struct Disk {
    folder: OwnedFd,
    compatibility: u64,
    capacity: u64,
}

impl Disk {
    /// Opens or makes the folder inside `parent`. `None` if there cannot be one or it is not ours alone.
    pub(crate) fn open(parent: &Path, compatibility: u64, capacity: u64) -> Option<Self> {
        let path = parent.join(FOLDER);
        // Failing is fine when it exists; otherwise opening will tell.
        let _ = std::fs::create_dir_all(parent);
        let _ = fs::mkdir(&path, Mode::RWXU);
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = fs::open(&path, flags, Mode::empty()).ok()?;
        let stat = fs::fstat(&folder).ok()?;
        if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & FOREIGN_ANY != 0 {
            return None;
        }
        Some(Self {
            folder,
            compatibility,
            capacity,
        })
    }

    /// The verified compiled form of the program with this digest.
    pub(crate) fn get(&self, program: &Digest) -> Option<File> {
        let key = self.key(program);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut file = File::from(fs::openat(&self.folder, name(&key), flags, Mode::empty()).ok()?);
        if !verify(&mut file, &key).unwrap_or(false) {
            return None;
        }
        // Age decides about eviction. In a read-only folder nothing is evicted.
        let _ = file.set_modified(SystemTime::now());
        Some(file)
    }

    /// Whether there is a file for the program with this digest; its content is not looked at.
    pub(crate) fn holds(&self, program: &Digest) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        fs::statat(&self.folder, name(&self.key(program)), flags).is_ok()
    }

    /// Stores a compiled form and returns it as a file. `None` if the folder cannot be written to, which is no failure.
    pub(crate) fn put(&self, program: &Digest, code: &[u8]) -> Option<File> {
        let key = self.key(program);
        // As `is_draft` knows them. By chance, as others of this process, and of other containers with our number, write here too.
        let chance = RandomState::new().build_hasher().finish();
        let draft = format!(".{}.{chance}", std::process::id());
        let written = self.write(&draft, &key, code);
        if written.is_err() {
            let _ = fs::unlinkat(&self.folder, draft.as_str(), AtFlags::empty());
        }
        let file = written.ok()?;
        self.evict();
        Some(file)
    }

    fn write(&self, draft: &str, key: &Digest, code: &[u8]) -> std::io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = File::from(fs::openat(&self.folder, draft, flags, Mode::RUSR)?);
        file.write_all(code)?;
        file.write_all(MAGIC)?;
        file.write_all(key)?;
        file.write_all(&seal(key, code))?;
        fs::renameat(&self.folder, draft, &self.folder, name(key))?;
        Ok(file)
    }

    fn key(&self, program: &Digest) -> Digest {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(self.compatibility.to_le_bytes());
        hash.update(program);
        hash.finalize().into()
    }

    /// Removes the files that were not used for longest until the rest fits, and drafts of processes that died.
    fn evict(&self) {
        let Ok(files) = self.files() else { return };
        let mut total: u64 = files.iter().map(|file| file.size).sum();
        for file in files {
            let stale = file.draft && file.age > STALE_DRAFT;
            if total <= self.capacity && !stale {
                continue;
            }
            if stale || !file.draft {
                let _ = fs::unlinkat(&self.folder, file.name.as_c_str(), AtFlags::empty());
                total = total.saturating_sub(file.size);
            }
        }
    }

    /// All files, oldest first.
    fn files(&self) -> std::io::Result<Vec<Entry>> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let mut files = Vec::new();
        for entry in fs::Dir::read_from(&self.folder)? {
            let entry = entry?;
            let Ok(stat) = fs::statat(&self.folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let draft = is_draft(entry.file_name().to_bytes());
            let ours = draft || is_name(entry.file_name().to_bytes());
            // What else somebody keeps here is neither counted nor removed.
            if !ours || fs::FileType::from_raw_mode(stat.st_mode) != fs::FileType::RegularFile {
                continue;
            }
            let modified = u64::try_from(stat.st_mtime).unwrap_or(0);
            files.push(Entry {
                name: entry.file_name().to_owned(),
                size: u64::try_from(stat.st_size).unwrap_or(0),
                age: now.saturating_sub(modified),
                draft,
            });
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.age));
        Ok(files)
    }
}

/// Seconds after which a draft is taken for abandoned.
const STALE_DRAFT: u64 = 3600;

struct Entry {
    name: std::ffi::CString,
    size: u64,
    age: u64,
    draft: bool,
}

/// Whether a file is called like a stored program.
fn is_name(name: &[u8]) -> bool {
    name.len() == 2 * size_of::<Digest>() && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a file is called like one that is being written.
fn is_draft(name: &[u8]) -> bool {
    let numbers = name.strip_prefix(b".").map(|rest| rest.split(|byte| *byte == b'.'));
    numbers.is_some_and(|mut numbers| {
        let mut number = || {
            numbers
                .next()
                .is_some_and(|one| !one.is_empty() && one.iter().all(u8::is_ascii_digit))
        };
        number() && number() && numbers.next().is_none()
    })
}

/// Whether the file is ours, private, and what was written under `key`.
fn verify(file: &mut File, key: &Digest) -> std::io::Result<bool> {
    let meta = file.metadata()?;
    let private = meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & FOREIGN_WRITE == 0;
    let (true, true, Some(code)) = (meta.is_file(), private, meta.len().checked_sub(SEAL as u64)) else {
        return Ok(false);
    };
    let mut stored = [0; SEAL];
    file.read_exact_at(&mut stored, code)?;
    let expected_start = [MAGIC.as_slice(), key].concat();
    let Some(sum) = stored.strip_prefix(expected_start.as_slice()) else {
        return Ok(false);
    };
    file.rewind()?;
    let mut checksum = Checksum::new();
    checksum.update(key);
    let mut left = code;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let part = chunk.get_mut(..wanted).unwrap_or_default();
        file.read_exact(part)?;
        checksum.update(part);
        left -= wanted as u64;
    }
    Ok(sum == checksum.finish())
}

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

fn seal(key: &Digest, code: &[u8]) -> Sum {
    let mut checksum = Checksum::new();
    checksum.update(key);
    checksum.update(code);
    checksum.finish()
}

fn name(key: &Digest) -> String {
    use std::fmt::Write as _;
    key.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    const PROGRAM: Digest = [7; 32];

    fn disk(folder: &tempfile::TempDir, capacity: u64) -> Disk {
        Disk::open(folder.path(), 1, capacity).unwrap()
    }

    fn only_file(folder: &tempfile::TempDir) -> PathBuf {
        let mut files = std::fs::read_dir(folder.path().join(FOLDER)).unwrap();
        let path = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        path
    }

    fn content(mut file: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes.truncate(bytes.len() - SEAL);
        bytes
    }

    #[test]
    fn what_was_put_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 1 << 20);
        assert!(disk.get(&PROGRAM).is_none());
        assert_eq!(content(disk.put(&PROGRAM, b"code").unwrap()), b"code");
        assert_eq!(content(disk.get(&PROGRAM).unwrap()), b"code");
        let other_engine = Disk::open(folder.path(), 2, 1 << 20).unwrap();
        assert!(other_engine.get(&PROGRAM).is_none());
    }

    #[test]
    fn damaged_cut_and_exposed_files_are_misses() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 1 << 20);
        let damage: [fn(&mut Vec<u8>); 5] = [
            |bytes| bytes[1] ^= 1,
            |bytes| bytes.truncate(bytes.len() - 1),
            |bytes| bytes.truncate(3),
            |bytes| bytes.clear(),
            |bytes| bytes.extend_from_slice(b"more"),
        ];
        for change in damage {
            disk.put(&PROGRAM, b"some code").unwrap();
            let path = only_file(&folder);
            let mut bytes = std::fs::read(&path).unwrap();
            change(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            assert!(disk.get(&PROGRAM).is_none());
        }
        disk.put(&PROGRAM, b"some code").unwrap();
        std::fs::set_permissions(only_file(&folder), std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(disk.get(&PROGRAM).is_none());
    }

    #[test]
    fn a_file_under_another_key_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 1 << 20);
        disk.put(&PROGRAM, b"code").unwrap();
        let path = only_file(&folder);
        std::fs::rename(&path, path.with_file_name(name(&disk.key(&[8; 32])))).unwrap();
        assert!(disk.get(&[8; 32]).is_none());
    }

    #[test]
    fn a_folder_open_to_others_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        drop(disk(&folder, 1));
        let path = folder.path().join(FOLDER);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Disk::open(folder.path(), 1, 1).is_none());
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/tmp", &path).unwrap();
        assert!(Disk::open(folder.path(), 1, 1).is_none());
    }

    #[test]
    fn the_oldest_files_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 2 * (100 + SEAL as u64));
        disk.put(&[1; 32], &[0; 100]).unwrap();
        disk.get(&[1; 32])
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        disk.put(&[2; 32], &[0; 100]).unwrap();
        disk.put(&[3; 32], &[0; 100]).unwrap();
        assert!(disk.get(&[1; 32]).is_none());
        assert!(disk.get(&[2; 32]).is_some() && disk.get(&[3; 32]).is_some());
    }

    #[test]
    fn only_own_files_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 1);
        let foreign = ["letter", ".profile", ".1.2.3", ".1", ".1.x", "ABCDEF", "..2"];
        let path = |name: &str| folder.path().join(FOLDER).join(name);
        for name in foreign {
            std::fs::write(path(name), "precious").unwrap();
            File::open(path(name))
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH)
                .unwrap();
        }
        std::fs::write(path(".1.2"), "left by a process that died").unwrap();
        File::open(path(".1.2"))
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        disk.put(&PROGRAM, b"code").unwrap();
        assert!(disk.get(&PROGRAM).is_none() && !path(".1.2").exists());
        assert!(foreign.iter().all(|name| path(name).exists()));
    }
}
