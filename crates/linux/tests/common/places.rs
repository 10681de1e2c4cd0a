//! Where a host process has its loaders, found by what it has open: numbers of processes come again, and other namespaces have them too.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Directories of the loaders that a host process has.
pub fn places_of(host: u32) -> BTreeSet<PathBuf> {
    let open = std::fs::read_dir(format!("/proc/{host}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let paths = open.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    let is_place = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("agentos-linux-") && !name.ends_with(" (deleted)"))
    };
    paths.filter(is_place).collect()
}
