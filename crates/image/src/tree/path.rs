//! Names of members.

use crate::bounds::Bounds;
use crate::error::{Error, Result};
use agentos_kernel::vfs::NAME_MAX;

/// Components of a path below the root. None are empty, `.` or `..`.
pub(crate) type Path<'a> = Vec<&'a [u8]>;

/// Splits the name of a member. Absolute names, `..`, names that no file can have, and too long or too deep ones are refused.
pub(crate) fn parts<'a>(path: &'a [u8], bounds: &Bounds) -> Result<Path<'a>> {
    let refused = |reason: String| Err(Error::member(path, reason));
    if path.starts_with(b"/") {
        return refused("has an absolute name".to_owned());
    }
    if path.len() > bounds.path {
        let (length, most) = (path.len(), bounds.path);
        return refused(format!("has a name of {length} bytes; at most {most} are accepted"));
    }
    if path.contains(&0) {
        return refused("has a NUL in its name".to_owned());
    }
    let names = path
        .split(|byte| *byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."));
    let names: Path<'_> = names.collect();
    if names.contains(&&b".."[..]) {
        return refused("has `..` in its name".to_owned());
    }
    if let Some(name) = names.iter().find(|name| name.len() > NAME_MAX) {
        let length = name.len();
        return refused(format!(
            "has a component of {length} bytes; at most {NAME_MAX} are accepted"
        ));
    }
    if names.len() > bounds.depth {
        let (depth, most) = (names.len(), bounds.depth);
        return refused(format!("lies {depth} directories deep; at most {most} are accepted"));
    }
    Ok(names)
}
