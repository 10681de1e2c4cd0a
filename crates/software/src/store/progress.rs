//! What is going on while software is added.

/// Told what is going on. Called on several threads, and must return soon.
pub trait Progress: Send + Sync {
    /// The next step.
    fn report(&self, step: &Step<'_>);
}

/// Nobody wants to know.
impl Progress for () {
    fn report(&self, _: &Step<'_>) {}
}

impl<F: Fn(&Step<'_>) + Send + Sync> Progress for F {
    fn report(&self, step: &Step<'_>) {
        self(step);
    }
}

/// A step of adding software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Another process changes the store.
    Waiting,
    /// A package that is needed was found out about.
    Resolved {
        /// What it is.
        name: &'a str,
        /// Its version.
        version: &'a str,
        /// How many are known by now.
        count: u64,
    },
    /// Downloads begin.
    Downloads {
        /// How many files.
        files: u64,
    },
    /// Bytes of one arrived.
    Received {
        /// Which.
        name: &'a str,
        /// How many bytes came since the last step.
        bytes: u64,
    },
    /// One is here and checked.
    Downloaded {
        /// Which.
        name: &'a str,
    },
    /// Archives are unpacked.
    Unpacking {
        /// Which one is next.
        name: &'a str,
        /// How many are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// An install script that was allowed is run.
    Script {
        /// Whose, and which.
        what: &'a str,
    },
    /// Something that people should know.
    Warning(&'a str),
}
