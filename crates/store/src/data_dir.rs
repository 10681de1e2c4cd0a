//! The data directory: where the files of all actors are, and who may open them.
//!
//! ```text
//!   <dataDir>/                 0700
//!     lock                     held by the one process that uses the directory
//!     host.sqlite              the index of all actors
//!     seal.key                 0600; the key of sealed values, made at first use unless one is supplied
//!     vms/<actorId>/           0700
//!       lock                   held while the VM's files are open; holds the generation
//!       vm.sqlite              filesystem and tables
//!       user.sqlite            the database of the user (`db`), created on first use
//! ```
//!
//! Locks are `flock` locks: the kernel drops them with the process, so a crash leaves none behind. A destroy that a crash
//! cut short is completed when the directory is opened.

use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::FlockOperation;

use crate::database::{Database, Options};
use crate::{Error, Headroom, HostIndex, Result, tables};

/// An open data directory; the only one of its path on this host.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    index: HostIndex,
    headroom: Arc<Headroom>,
    vfs: Option<String>,
    // Last: the lock outlives everything it guards.
    /// Held while the key is read or made: two that made one at the same time would seal with different keys.
    making_key: Mutex<()>,
    _lock: Lock,
}

impl DataDir {
    /// Opens or creates the directory, takes its lock, opens the index and completes interrupted destroys.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] with path and process id when another process uses the directory; errors of the index.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        Self::open_with(path, None, None)
    }

    /// As [`open`](Self::open), with another watch over the disk, or another SQLite VFS for every file in it.
    pub fn open_with(path: &Path, headroom: Option<Headroom>, vfs: Option<String>) -> Result<Arc<Self>> {
        make_private_dir(path)?;
        let path = path.canonicalize().map_err(|error| Error::host(path, &error))?;
        let lock = Lock::take(&path)?;
        make_private_dir(&path.join("vms"))?;
        let headroom = Arc::new(headroom.unwrap_or_else(|| Headroom::of_disk(path.clone())));
        let options = Options {
            vfs: vfs.clone(),
            headroom: Some(headroom.clone()),
            ..Options::default()
        };
        let index = HostIndex::open(&path.join("host.sqlite"), options)?;
        let opened = Self {
            path,
            index,
            headroom,
            vfs,
            making_key: Mutex::new(()),
            _lock: lock,
        };
        opened.complete_destroys()?;
        Ok(Arc::new(opened))
    }

    /// The directory, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The index of all actors.
    pub fn index(&self) -> &HostIndex {
        &self.index
    }

    /// The watch over the disk.
    pub fn headroom(&self) -> &Arc<Headroom> {
        &self.headroom
    }

    /// The directory of one actor. The id is checked, so the result is always a child of `vms`.
    pub fn vm_dir(&self, actor_id: &str) -> Result<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if actor_id.is_empty() || actor_id.len() > 64 || !actor_id.bytes().all(plain) {
            return Err(Error::invalid("actor id", "must be 1 to 64 of a-z and 0-9"));
        }
        Ok(self.path.join("vms").join(actor_id))
    }

    /// Whether an actor has storage.
    pub fn has_vm(&self, actor_id: &str) -> bool {
        self.vm_dir(actor_id).is_ok_and(|dir| dir.join("vm.sqlite").exists())
    }

    /// Opens or creates the storage of an actor, and takes its lock and a new generation. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when it is open already, in this process or another; those of [`Database::open`].
    pub fn open_vm(&self, actor_id: &str) -> Result<VmStore> {
        let directory = self.vm_dir(actor_id)?;
        make_private_dir(&directory)?;
        let mut lock = Lock::take(&directory)?;
        let options = Options {
            vfs: self.vfs.clone(),
            generation: lock.generation().saturating_add(1),
            headroom: Some(self.headroom.clone()),
            ..Options::default()
        };
        let database = Database::open(&directory.join("vm.sqlite"), &tables::VM_SCHEMA, options)?;
        lock.note(database.generation())?;
        Ok(VmStore {
            directory,
            database,
            lock,
        })
    }

    /// Deletes the storage of an actor. It must be closed; what is missing already is no error.
    pub fn remove_vm(&self, actor_id: &str) -> Result<()> {
        let directory = self.vm_dir(actor_id)?;
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::host(&directory, &error)),
            _ => sync_dir(&self.path.join("vms")),
        }
    }

    /// The key of sealed values that belongs to this directory; made at the first call. Operators who supply a key of their
    /// own do not call this.
    pub fn seal_key(&self) -> Result<crate::SealKey> {
        let _one_at_a_time = self.making_key.lock();
        crate::SealKey::from_file(&self.path.join("seal.key"))
    }

    /// Closes the index. The lock goes with the value.
    pub fn close(&self) -> Result<()> {
        self.index.close()
    }

    fn complete_destroys(&self) -> Result<()> {
        for actor in self.index.destroyed()? {
            tracing::info!(actor, "completing an interrupted destroy");
            self.remove_vm(&actor)?;
            self.index.remove(&actor).wait()?;
        }
        Ok(())
    }
}

/// The open storage of one actor. Nobody else can open it until this is dropped.
#[derive(Debug)]
pub struct VmStore {
    directory: PathBuf,
    database: Database,
    lock: Lock,
}

impl VmStore {
    /// The actor's own database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The directory of the files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the database of the user is, whether or not it exists yet.
    pub fn user_database_path(&self) -> PathBuf {
        self.directory.join("user.sqlite")
    }

    /// The generation of this opening.
    pub fn generation(&self) -> u64 {
        self.lock.generation()
    }

    /// Commits what is queued, closes the file in order and releases the lock. Blocks.
    pub fn close(self) -> Result<()> {
        self.database.close()
    }
}

/// An exclusive lock on a directory, by its file `lock`, which holds `<generation> <pid>`.
#[derive(Debug)]
struct Lock {
    file: std::fs::File,
    path: PathBuf,
    generation: u64,
}

impl Lock {
    fn take(directory: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = directory.join("lock");
        let host = |error: std::io::Error| Error::host(&path, &error);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(host)?;
        let mut text = String::new();
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let _ = file.read_to_string(&mut text);
                let pid = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
                return Err(Error::Locked {
                    path: directory.to_owned(),
                    pid,
                });
            }
            Err(error) => return Err(host(error.into())),
        }
        file.read_to_string(&mut text).map_err(host)?;
        let generation = text
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        let mut lock = Self { file, path, generation };
        lock.note(generation)?;
        Ok(lock)
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes generation and holder into the file. They inform; what excludes is the lock, and the generation in the
    /// database, so this needs no flush.
    fn note(&mut self, generation: u64) -> Result<()> {
        let text = format!("{generation} {}\n", std::process::id());
        let write = |file: &mut std::fs::File| {
            file.seek(std::io::SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())?;
            file.set_len(text.len() as u64)
        };
        write(&mut self.file).map_err(|error| Error::host(&self.path, &error))?;
        self.generation = generation;
        Ok(())
    }
}

impl Drop for Lock {
    /// Gives the lock back whoever else has the descriptor: a process that this one is starting has it for a moment, until it
    /// runs its program.
    fn drop(&mut self) {
        // It goes with the descriptors in any case.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Makes a directory of mode 0700, durably; narrows the mode of one that exists.
fn make_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let host = |error: std::io::Error| Error::host(path, &error);
    if path.is_dir() {
        let mode = path.metadata().map_err(host)?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(host)?;
        }
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(host)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let sync = std::fs::File::open(path).and_then(|directory| directory.sync_all());
    sync.map_err(|error| Error::host(path, &error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::NewActor;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn open(path: &Path) -> Result<Arc<DataDir>> {
        DataDir::open_with(
            path,
            Some(Headroom::with(0, 0, || Err(std::io::Error::other("not measured")))),
            None,
        )
    }

    #[test]
    fn whoever_asks_first_for_the_key_all_get_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let data = open(&directory.path().join("data")).unwrap();
        let start = std::sync::Barrier::new(32);
        let sealed: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let ask = || {
                start.wait();
                data.seal_key().unwrap().seal("context", b"secret").unwrap()
            };
            let askers: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        let key = data.seal_key().unwrap();
        for sealed in sealed {
            assert_eq!(&**key.open("context", &sealed).unwrap(), b"secret");
        }
    }

    #[test]
    fn directories_and_files_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("data");
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = open(&root).unwrap();
        let vm = data.open_vm("abc1").unwrap();
        let user = crate::UserDatabase::open(&vm.user_database_path(), crate::UserLimits::default(), None).unwrap();
        user.execute("CREATE TABLE t (a)", &[]).unwrap();
        data.seal_key().unwrap();
        let mut files = 0;
        let mut stack = vec![root];
        while let Some(directory) = stack.pop() {
            assert_eq!(mode(&directory), 0o700, "{}", directory.display());
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    stack.push(path);
                } else {
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                    files += 1;
                }
            }
        }
        assert!(files >= 8, "{files}");
    }

    #[test]
    fn generations_grow_and_survive_a_lost_lock_file() {
        let directory = tempfile::tempdir().unwrap();
        let data = open(directory.path()).unwrap();
        let first = data.open_vm("a").unwrap();
        assert_eq!(
            data.open_vm("a").unwrap_err(),
            Error::Locked {
                path: data.vm_dir("a").unwrap(),
                pid: Some(std::process::id())
            }
        );
        let before = first.generation();
        first.close().unwrap();
        let second = data.open_vm("a").unwrap();
        assert!(second.generation() > before);
        let before = second.generation();
        second.close().unwrap();
        std::fs::remove_file(data.vm_dir("a").unwrap().join("lock")).unwrap();
        let third = data.open_vm("a").unwrap();
        assert!(third.generation() > before);
        assert_eq!(third.database().generation(), third.generation());
    }

    #[test]
    fn ids_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let data = open(directory.path()).unwrap();
        for id in ["", "..", "a/b", "/etc", "A", "a-b", "a\0b", &"a".repeat(65)] {
            assert_eq!(data.open_vm(id).unwrap_err().code(), "invalid_argument", "{id:?}");
            assert_eq!(data.remove_vm(id).unwrap_err().code(), "invalid_argument", "{id:?}");
        }
    }

    #[test]
    fn a_reservation_that_was_being_given_up_is_gone_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        for removed in [false, true] {
            let data = open(directory.path()).unwrap();
            let new = NewActor {
                actor_id: "one".into(),
                name: "vm".into(),
                key: "k".into(),
                ..NewActor::default()
            };
            data.index().create(new).wait().unwrap();
            data.open_vm("one").unwrap().close().unwrap();
            assert_eq!(data.index().give_up("one", 5).wait(), Ok(true));
            if removed {
                data.remove_vm("one").unwrap();
            }
            drop(data);
            let data = open(directory.path()).unwrap();
            assert!(!data.vm_dir("one").unwrap().exists());
            assert_eq!(
                (data.index().count(), data.index().destroyed().unwrap()),
                (Ok(0), vec![])
            );
        }
    }

    #[test]
    fn an_interrupted_destroy_is_completed_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let data = open(directory.path()).unwrap();
        let new = |id: &str| NewActor {
            actor_id: id.into(),
            name: "vm".into(),
            key: "k".into(),
            ..NewActor::default()
        };
        data.index().create(new("one")).wait().unwrap();
        data.open_vm("one").unwrap().close().unwrap();
        assert_eq!(data.index().mark_destroyed("one", 5).wait(), Ok(true));
        // The key is free at once.
        data.index().create(new("two")).wait().unwrap();
        data.open_vm("two").unwrap().close().unwrap();
        drop(data);
        let data = open(directory.path()).unwrap();
        assert!(!data.vm_dir("one").unwrap().exists());
        assert!(data.has_vm("two"));
        assert_eq!(data.index().destroyed().unwrap(), [] as [String; 0]);
        assert_eq!(data.index().find("vm", "k").unwrap().unwrap().actor_id, "two");
        data.remove_vm("one").unwrap();
    }
}
