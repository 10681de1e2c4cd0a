//! The file API of a VM (api.md section 4.1): whole files, listings, attributes. It acts as the VM's user.

mod listing;
mod read;
mod tree;
mod write;

pub use listing::{DirectoryEntry, EntryKind, ListOptions, Stat};
pub use read::FileOutcome;
pub use write::WriteOutcome;
