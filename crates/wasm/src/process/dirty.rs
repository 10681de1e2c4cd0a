//! Which pages of an instance's memory were written to.
//!
//! A memory begins as a private mapping of the module's image, or as zeros. A page that was written is anonymous, all others
//! still come from the image's file or do not exist. `/proc/self/pagemap` (`proc_pid_pagemap(5)`) tells them apart, which makes
//! cloning a process cost what it has written instead of what it has mapped.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// Bytes of an entry.
const ENTRY: usize = 8;
/// The page belongs to a file, or to shared memory.
const FROM_FILE: u64 = 1 << 61;
const SWAPPED: u64 = 1 << 62;
const PRESENT: u64 = 1 << 63;
/// Entries per read.
const CHUNK: usize = 1024;

/// Calls `each` for every range of `memory` that may differ from a fresh instance, in order; with everything if the host does
/// not say.
pub(super) fn for_each(memory: &[u8], mut each: impl FnMut(Range<usize>)) {
    let page = rustix::param::page_size();
    let start = memory.as_ptr().addr();
    let known = pagemap().is_some_and(|map| {
        start.is_multiple_of(page) && scan(map, start / page, memory.len(), page, &mut each).is_ok()
    });
    if !known {
        // Ranges that were reported before a failure are reported again, which does no harm.
        each(0..memory.len());
    }
}

fn scan(map: &File, first: usize, len: usize, page: usize, each: &mut impl FnMut(Range<usize>)) -> std::io::Result<()> {
    let pages = len.div_ceil(page);
    let mut buf = [0; CHUNK * ENTRY];
    let mut run: Option<usize> = None;
    let mut at = 0;
    while at < pages {
        let count = (pages - at).min(CHUNK);
        let part = buf.get_mut(..count * ENTRY).unwrap_or_default();
        map.read_exact_at(part, ((first + at) * ENTRY) as u64)?;
        for (index, entry) in part.chunks_exact(ENTRY).enumerate() {
            let bits = entry.try_into().map_or(PRESENT, u64::from_ne_bytes);
            let written = bits & (PRESENT | SWAPPED) != 0 && bits & FROM_FILE == 0;
            match (written, run) {
                (true, None) => run = Some(at + index),
                (false, Some(begin)) => {
                    each(begin * page..(at + index) * page);
                    run = None;
                }
                _ => {}
            }
        }
        at += count;
    }
    if let Some(begin) = run {
        each(begin * page..len);
    }
    Ok(())
}

fn pagemap() -> Option<&'static File> {
    static MAP: OnceLock<Option<File>> = OnceLock::new();
    MAP.get_or_init(|| File::open("/proc/self/pagemap").ok()).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_reported() {
        let page = rustix::param::page_size();
        let mut memory = vec![0u8; 64 * page];
        let skip = memory.as_ptr().align_offset(page);
        let memory = &mut memory[skip..skip + 60 * page];
        memory[10 * page] = 1;
        memory[11 * page] = 1;
        memory[40 * page + 1] = 1;
        let mut seen = [false; 60];
        for_each(memory, |range| {
            for at in range.step_by(page) {
                seen[at / page] = true;
            }
        });
        assert!(seen[10] && seen[11] && seen[40]);
    }
}
