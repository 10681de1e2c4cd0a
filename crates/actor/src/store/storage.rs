//! Where actors are kept: a data directory, or memory for registries without one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agentos_store::tables::VM_SCHEMA;
use agentos_store::{DataDir, Database, Error, Headroom, HostIndex, VmStore};
use parking_lot::Mutex;

use super::user::{InMemory, UserPlace};

/// The storage of a registry.
#[derive(Debug)]
pub(crate) enum Storage {
    Disk(Arc<DataDir>),
    Memory(Memory),
}

/// Databases that live as long as the registry.
#[derive(Debug)]
pub(crate) struct Memory {
    index: HostIndex,
    databases: Mutex<HashMap<String, Database>>,
    users: InMemory,
    generations: AtomicU64,
}

/// One opening of one actor's files.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) database: Database,
    pub(crate) generation: u64,
    pub(crate) directory: Option<PathBuf>,
    pub(super) user: UserPlace,
    /// Holds the lock.
    vm: Option<VmStore>,
}

impl Opening {
    /// Closes the files in order. Blocks.
    pub(crate) fn close(self) -> Result<(), Error> {
        match self.vm {
            Some(vm) => vm.close(),
            // A database in memory stays for the next opening, which shall find all of this one.
            None => self.database.flush().wait(),
        }
    }
}

impl Storage {
    /// Opens a data directory, and completes what an interrupted process left. Blocks.
    pub(crate) fn open(directory: &Path, headroom: Option<Headroom>, vfs: Option<String>) -> Result<Self, Error> {
        Ok(Self::Disk(DataDir::open_with(directory, headroom, vfs)?))
    }

    pub(crate) fn memory() -> Result<Self, Error> {
        let index = HostIndex::in_memory()?;
        Ok(Self::Memory(Memory {
            index,
            databases: Mutex::default(),
            users: InMemory::default(),
            generations: AtomicU64::new(0),
        }))
    }

    pub(crate) fn index(&self) -> &HostIndex {
        match self {
            Self::Disk(data) => data.index(),
            Self::Memory(memory) => &memory.index,
        }
    }

    /// The data directory, if there is one.
    pub(crate) const fn data_dir(&self) -> Option<&Arc<DataDir>> {
        match self {
            Self::Disk(data) => Some(data),
            Self::Memory(_) => None,
        }
    }

    /// Refuses while the disk is too full for a new actor.
    pub(crate) fn check_headroom(&self) -> Result<(), Error> {
        match self {
            Self::Disk(data) => data.headroom().check(),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Opens or creates one actor's files. Blocks.
    pub(crate) fn open_actor(&self, id: &str) -> Result<Opening, Error> {
        match self {
            Self::Disk(data) => {
                let vm = data.open_vm(id)?;
                let (database, directory) = (vm.database().clone(), Some(vm.directory().to_owned()));
                let user = UserPlace::Disk {
                    path: vm.user_database_path(),
                    headroom: Arc::clone(data.headroom()),
                };
                Ok(Opening {
                    database,
                    generation: vm.generation(),
                    directory,
                    user,
                    vm: Some(vm),
                })
            }
            Self::Memory(memory) => {
                let mut databases = memory.databases.lock();
                let database = match databases.get(id) {
                    Some(database) => database.clone(),
                    None => {
                        let database = Database::in_memory(&VM_SCHEMA)?;
                        databases.insert(id.to_owned(), database.clone());
                        database
                    }
                };
                let generation = memory.generations.fetch_add(1, Ordering::Relaxed) + 1;
                Ok(Opening {
                    database,
                    generation,
                    directory: None,
                    user: UserPlace::Memory {
                        all: Arc::clone(&memory.users),
                        id: id.to_owned(),
                    },
                    vm: None,
                })
            }
        }
    }

    /// Removes one actor's files, which are closed. Blocks.
    pub(crate) fn remove_actor(&self, id: &str) -> Result<(), Error> {
        match self {
            Self::Disk(data) => data.remove_vm(id),
            Self::Memory(memory) => {
                memory.databases.lock().remove(id);
                memory.users.lock().remove(id);
                Ok(())
            }
        }
    }

    /// Commits what waits for the index and closes it. Blocks.
    pub(crate) fn close(&self) -> Result<(), Error> {
        match self {
            Self::Disk(data) => data.close(),
            Self::Memory(_) => Ok(()),
        }
    }
}
