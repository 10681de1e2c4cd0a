//! `-t`, and `-v` when extracting.

use super::options::Options;
use chrono::DateTime;
use std::io::Read;
use tar::{Entry, EntryType};

/// One line about a member.
pub fn line<R: Read>(entry: &Entry<'_, R>, name: &[u8], options: &Options) -> Vec<u8> {
    let mut out = Vec::new();
    if options.verbose > usize::from(options.mode == super::options::Mode::Extract) {
        let header = entry.header();
        let kind = header.entry_type();
        let letter = match kind {
            EntryType::Directory => 'd',
            EntryType::Symlink => 'l',
            EntryType::Link => 'h',
            EntryType::Char => 'c',
            EntryType::Block => 'b',
            EntryType::Fifo => 'p',
            _ => '-',
        };
        let mode = permissions(header.mode().unwrap_or(0));
        let named = |name: Option<&[u8]>, number: std::io::Result<u64>| match name {
            Some(name) if !name.is_empty() && !options.numeric => String::from_utf8_lossy(name).into_owned(),
            _ => number.unwrap_or(0).to_string(),
        };
        let owner = named(header.username_bytes(), header.uid());
        let group = named(header.groupname_bytes(), header.gid());
        let size = if kind.is_file() {
            entry.size().to_string()
        } else {
            "0".to_owned()
        };
        let used = owner.len() + 1 + group.len() + 1 + size.len();
        let width = size.len() + 19usize.saturating_sub(used);
        let time = DateTime::from_timestamp(header.mtime().unwrap_or(0) as i64, 0).unwrap_or_default();
        let time = time.format("%Y-%m-%d %H:%M");
        out.extend_from_slice(format!("{letter}{mode} {owner}/{group} {size:>width$} {time} ").as_bytes());
    }
    out.extend_from_slice(&quoted(name));
    if out.len() > name.len() {
        let arrow = match entry.header().entry_type() {
            EntryType::Symlink => " -> ",
            EntryType::Link => " link to ",
            _ => "",
        };
        if let (false, Some(target)) = (arrow.is_empty(), entry.link_name_bytes()) {
            out.extend_from_slice(arrow.as_bytes());
            out.extend_from_slice(&quoted(&target));
        }
    }
    out.push(b'\n');
    out
}

fn permissions(mode: u32) -> String {
    let mut out = String::with_capacity(9);
    for (index, letter) in "rwxrwxrwx".chars().enumerate() {
        out.push(if mode & (0o400 >> index) == 0 { '-' } else { letter });
    }
    let mut special = |bit: u32, at: usize, with: &str, without: &str| {
        if mode & bit != 0 {
            let replacement = if &out[at..=at] == "x" { with } else { without };
            out.replace_range(at..=at, replacement);
        }
    };
    special(0o4000, 2, "s", "S");
    special(0o2000, 5, "s", "S");
    special(0o1000, 8, "t", "T");
    out
}

/// A name with control characters and backslashes as escapes.
pub fn quoted(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0..=0x1f | 0x7f => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out
}
