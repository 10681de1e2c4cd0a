//! Guest paths as clients give them: absolute and normalised (api.md section 4.1).

use crate::error::{Error, Result};

/// Checks a path for reading.
pub(crate) fn check(path: &str) -> Result<&str> {
    if !path.starts_with('/') {
        return Err(Error::RelativePath(path.to_owned()));
    }
    let normal = path == "/" || path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."));
    if normal { Ok(path) } else { Err(Error::UnnormalizedPath(path.to_owned())) }
}

/// Checks a path for writing: generated trees are refused before the kernel is asked.
pub(crate) fn check_writable(path: &str) -> Result<&str> {
    let inside = |tree: &str| path == tree || path.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/'));
    if inside("/proc") || inside("/etc/agentos") {
        return Err(Error::ReadOnlyPath(path.to_owned()));
    }
    check(path)
}

/// The directory that holds `path`, and its last component.
pub(crate) fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(pair) => pair,
        None => ("/", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_normal_paths_pass() {
        for good in ["/", "/a", "/a/b c", "/...", "/a/..b"] {
            assert_eq!(check(good).unwrap(), good);
        }
        assert_eq!(check("a").unwrap_err().to_string(), "Path must be absolute: a");
        for bad in ["/a/", "//", "/a//b", "/./a", "/a/.."] {
            assert_eq!(check(bad).unwrap_err().to_string(), format!("Path must be normalized: {bad}"));
        }
    }

    #[test]
    fn generated_trees_are_read_only() {
        for path in ["/proc", "/proc/1/comm", "/etc/agentos/x"] {
            assert_eq!(check_writable(path).unwrap_err().code(), "EROFS");
        }
        assert!(check_writable("/processes").is_ok());
    }
}
