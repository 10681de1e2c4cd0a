//! The durable part of a VM's files.
//!
//! One [`DurableFs`] in the VM's database holds a tree for each persistent path. What a client changes there is durable
//! before the client hears of it; what a guest changes is within a second, and at once where it asks (`fsync`). A path that
//! is no longer persistent keeps its tree, hidden.

use crate::errors::from_store;
use agentos::vfs::{FileType, Filesystem, FsQuota, Gid, Mode, NewNode, Uid};
use agentos::{Builder, Mount};
use agentos_store::Database;
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_value::ActorError;
use std::sync::Arc;

/// The durable files of a VM; none for a VM that persists nothing.
#[derive(Clone, Default)]
pub(crate) struct Durable {
    files: Option<Arc<DurableFs>>,
}

/// The tree of a VM of which everything is persistent.
const EVERYTHING: &[u8] = b"/";

impl Durable {
    /// Opens the files of a database. Blocks on the disk.
    pub(crate) fn open(database: &Database, quota: Arc<FsQuota>) -> Result<Self, agentos_store::Error> {
        let files = DurableFs::open(database, agentos::system_clock(), quota, FsLimits::default())?;
        Ok(Self { files: Some(files) })
    }

    /// Mounts the tree of each path; or lets the whole writable layer be durable.
    pub(crate) fn mount(&self, mut builder: Builder, paths: &[String], all: bool) -> Result<Builder, agentos::Errno> {
        let Some(files) = &self.files else { return Ok(builder) };
        let tree = |path: &[u8], node: &NewNode| files.subtree(path, node).map_err(|error| error.errno());
        if all {
            return Ok(builder.upper(tree(EVERYTHING, &directory(Uid::ROOT, Gid::ROOT))?));
        }
        for path in paths {
            let tree: Arc<dyn Filesystem> = tree(path.as_bytes(), &directory(Uid::USER, Gid::USER))?;
            builder = builder.mount(Mount::filesystem(path, tree));
        }
        Ok(builder)
    }

    /// Has `told` called with the error of every commit that fails.
    pub(crate) fn watch(&self, told: impl Fn(&agentos_store::Error) + Send + Sync + 'static) {
        if let Some(files) = &self.files {
            files.watch(told);
        }
    }

    /// Waits until everything that was done before is durable.
    pub(crate) async fn settled(&self) -> Result<(), ActorError> {
        match &self.files {
            Some(files) => files.durable().await.map_err(|error| from_store(&error)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable")
            .field("is_open", &self.files.is_some())
            .finish()
    }
}

/// A directory of mode 0755.
fn directory(uid: Uid, gid: Gid) -> NewNode {
    NewNode {
        kind: FileType::Directory,
        mode: Mode::new(0o755),
        uid,
        gid,
        rdev: 0,
    }
}
