//! Building a registry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use agentos_store::Headroom;

use super::Registry;
use super::shared::{Parts, Registered, Shared};
use crate::store::Storage;
use crate::{ActorDefinition, Clock, RegistryLimits, SystemClock};

/// Why a registry could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A definition's name is empty or too long.
    #[error("the name '{name}' of a definition: {error}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: agentos_value::KeyError,
    },
    /// Two definitions have one name.
    #[error("two definitions have the name '{0}'")]
    Duplicate(String),
    /// The data directory cannot be used.
    #[error("the data directory: {0}")]
    Storage(#[from] agentos_store::Error),
    /// Outside of a tokio runtime.
    #[error("a registry needs a tokio runtime: {0}")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
}

/// Builds a [`Registry`].
#[derive(Default)]
pub struct RegistryBuilder {
    definitions: Vec<(String, Arc<dyn ActorDefinition>)>,
    limits: RegistryLimits,
    clock: Option<Arc<dyn Clock>>,
    data_dir: Option<PathBuf>,
    headroom: Option<Headroom>,
    vfs: Option<String>,
    allow_ambiguous_keys: bool,
}

impl RegistryBuilder {
    /// Adds a kind of actor under a name of 1 to 64 characters.
    #[must_use]
    pub fn define(mut self, name: impl Into<String>, definition: impl ActorDefinition) -> Self {
        self.definitions.push((name.into(), Arc::new(definition)));
        self
    }

    /// Sets the bounds of the whole.
    #[must_use]
    pub fn limits(mut self, limits: RegistryLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the clock; the host's by default.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the directory that actors are kept in. Without one they live as long as the registry.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Sets the watch over the disk of the data directory. By default new persistent data is refused, with `ENOSPC`, while
    /// less than 5 % or less than 1 GiB of it are free.
    #[must_use]
    pub fn headroom(mut self, headroom: Headroom) -> Self {
        self.headroom = Some(headroom);
        self
    }

    /// Sets the VFS of SQLite that the files of actors and of the index are opened with, by its name; for tests of disks that
    /// fail.
    #[must_use]
    pub fn sqlite_vfs(mut self, name: impl Into<String>) -> Self {
        self.vfs = Some(name.into());
        self
    }

    /// Admits keys with empty parts and parts with commas, which clients of version 2.3 cannot address unambiguously.
    #[must_use]
    pub const fn allow_ambiguous_keys(mut self, allow: bool) -> Self {
        self.allow_ambiguous_keys = allow;
        self
    }

    /// Builds the registry; to be called within a tokio runtime, on which actors then run. Opening the data directory blocks
    /// for a moment.
    ///
    /// # Errors
    /// Definitions that cannot be, or a data directory that cannot be used.
    pub fn build(self) -> Result<Registry, BuildError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let mut definitions = BTreeMap::new();
        for (name, definition) in self.definitions {
            if let Err(error) = agentos_value::check_name(&name) {
                return Err(BuildError::Name { name, error });
            }
            let registered = Arc::new(Registered::new(name.clone(), definition));
            if definitions.insert(name.clone(), registered).is_some() {
                return Err(BuildError::Duplicate(name));
            }
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let storage = match &self.data_dir {
            Some(directory) => Storage::open(directory, self.headroom, self.vfs)?,
            None => Storage::memory()?,
        };
        let (limits, allow_ambiguous_keys) = (self.limits, self.allow_ambiguous_keys);
        let shared = Shared::new(Parts {
            definitions,
            limits,
            clock,
            runtime,
            storage,
            allow_ambiguous_keys,
        });
        crate::preview::sweep_regularly(&shared);
        super::alarm::start(&shared);
        super::memory::start(&shared);
        Ok(Registry::new(shared))
    }
}

impl std::fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.definitions.iter().map(|(name, _)| name).collect();
        f.debug_struct("RegistryBuilder")
            .field("definitions", &names)
            .finish_non_exhaustive()
    }
}
