//! The names under which a program is called, which its module carries in a custom section of its own.

use std::path::Path;

use crate::error::{Error, Result};

const SECTION: &[u8] = b"agentos.commands";
const HEADER: usize = 8;
const CUSTOM: u8 = 0;

/// The names, sorted. `module` is read; `path` is for messages.
pub(crate) fn of(module: &[u8], path: &Path) -> Result<Vec<String>> {
    let wrong = |detail: &str| Error::Format {
        path: path.to_path_buf(),
        detail: detail.to_owned(),
    };
    let text = section(module).ok_or_else(|| wrong("the module has no section agentos.commands"))?;
    let text = std::str::from_utf8(text).map_err(|_| wrong("section agentos.commands is not text"))?;
    let mut names: Vec<String> = text.lines().filter(|n| !n.is_empty()).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Content of our section.
fn section(module: &[u8]) -> Option<&[u8]> {
    let mut rest = module.get(HEADER..)?;
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let body = after.get(..size)?;
        rest = &after[size..];
        if *id == CUSTOM {
            let (length, named) = leb128(body)?;
            if named.get(..length)? == SECTION {
                return named.get(length..);
            }
        }
    }
    None
}

/// An unsigned number and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for (id, body) in sections {
            bytes.push(*id);
            bytes.push(body.len() as u8);
            bytes.extend_from_slice(body);
        }
        bytes
    }

    #[test]
    fn names_come_from_our_section_alone() {
        let ours = [&[16], SECTION, b"sh\nbash\n"].concat();
        let bytes = module(&[(0, b"\x04nameabc"), (1, b"\0"), (0, &ours)]);
        assert_eq!(of(&bytes, Path::new("x")).unwrap(), ["bash", "sh"]);
    }

    #[test]
    fn a_module_without_it_or_cut_short_is_an_error() {
        assert!(of(&module(&[(1, b"\0")]), Path::new("x")).is_err());
        assert!(of(b"\0asm\x01\0\0\0\0\x7f", Path::new("x")).is_err());
        assert!(of(b"", Path::new("x")).is_err());
    }
}
