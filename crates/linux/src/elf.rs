//! Reading ELF files: what the loader has to map where.
//!
//! Files come from guests. Everything that the loader does unchecked is checked here: that segments lie within the file and
//! within the addresses of a program, that their number is bounded, that sums do not overflow. What is not a program for this
//! machine is refused with a sentence that says why.

/// One part of a file in memory. All addresses are relative to where the image begins, or absolute in one with a fixed place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    /// Bytes to map from the file.
    pub(crate) len: u64,
    pub(crate) offset: u64,
    pub(crate) protection: u64,
    /// From here on the last mapped page is to be zero, up to `zero_end`.
    pub(crate) zero: u64,
    pub(crate) zero_end: u64,
    /// Pages without a file follow, up to here.
    pub(crate) fresh_end: u64,
}

/// How a file is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Bytes of address space for an image that may be anywhere; 0 for one with a fixed place.
    pub(crate) span: u64,
    pub(crate) align: u64,
    pub(crate) entry: u64,
    /// Where the program headers are in memory.
    pub(crate) headers: u64,
    pub(crate) header_count: u64,
    pub(crate) segments: Vec<Segment>,
    /// Path of the interpreter.
    pub(crate) interpreter: Option<Vec<u8>>,
}

/// Most program headers; then `ENOEXEC`.
const HEADERS_MAX: usize = 64;
const HEADER: usize = 56;
const PAGE: u64 = 4096;
/// A fixed place must lie between these; the loader, the stack and mappings are elsewhere.
const LOWEST: u64 = 0x1_0000;
const HIGHEST: u64 = 0x5000_0000_0000;
/// Largest alignment that is honoured; then this one is.
const ALIGN_MAX: u64 = 2 << 20;
/// Longest path of an interpreter; then `ENOEXEC`.
const INTERPRETER_MAX: u64 = 4096;

/// Why a file cannot be run.
type Refusal = String;

/// Reads from a file at an offset, as much as there is.
pub(crate) type Reader<'a> = dyn FnMut(u64, &mut [u8]) -> Result<usize, Refusal> + 'a;

/// Reads the plan of a file of `size` bytes.
pub(crate) fn plan(size: u64, read: &mut Reader<'_>) -> Result<Plan, Refusal> {
    let mut head = [0; 64];
    exactly(read, 0, &mut head, "the file header")?;
    let (at, count, entry, fixed) = check_head(&head)?;
    let mut table = vec![0; count * HEADER];
    exactly(read, at, &mut table, "the program headers")?;
    let headers: Vec<Header> = table.chunks_exact(HEADER).map(Header::new).collect();
    let mut plan = Plan {
        span: 0,
        align: PAGE,
        entry,
        headers: 0,
        header_count: count as u64,
        segments: Vec::new(),
        interpreter: None,
    };
    for header in headers.iter().filter(|header| header.kind == LOAD && header.memory > 0) {
        plan.segments.push(segment(header, size, fixed)?);
        if header.align.is_power_of_two() {
            plan.align = plan.align.max(header.align.min(ALIGN_MAX));
        }
        if (header.offset..header.offset.saturating_add(header.file)).contains(&at) {
            plan.headers = header.address + (at - header.offset);
        }
    }
    let first = plan.segments.first().ok_or("it has nothing to load")?;
    if plan.segments.windows(2).any(|pair| pair[1].address < pair[0].fresh_end) {
        return Err("its segments overlap or are out of order".into());
    }
    if !fixed {
        if first.address != 0 {
            return Err("its first segment is not at address 0".into());
        }
        plan.span = plan.segments.last().map_or(0, |last| last.fresh_end);
    }
    if let Some(header) = headers.iter().find(|header| header.kind == INTERPRETER) {
        plan.interpreter = Some(interpreter(header, read)?);
    }
    Ok(plan)
}

const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;

struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file: u64,
    memory: u64,
    align: u64,
}

impl Header {
    fn new(bytes: &[u8]) -> Self {
        Self {
            kind: number(bytes, 0, 4) as u32,
            flags: number(bytes, 4, 4) as u32,
            offset: number(bytes, 8, 8),
            address: number(bytes, 16, 8),
            file: number(bytes, 32, 8),
            memory: number(bytes, 40, 8),
            align: number(bytes, 48, 8),
        }
    }
}

/// A little-endian number of up to 8 bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let field = bytes.get(at..at + len).unwrap_or_default();
    field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Offset and number of the program headers, entry, and whether the image has a fixed place.
fn check_head(head: &[u8; 64]) -> Result<(u64, usize, u64, bool), Refusal> {
    if head[4] != 2 {
        return Err("it is a 32-bit program".into());
    }
    if head[5] != 1 {
        return Err("it is a big-endian program".into());
    }
    let machine = number(head, 18, 2);
    if machine != MACHINE {
        return Err(format!(
            "it is a program for another processor (ELF machine {machine}, not {MACHINE})"
        ));
    }
    let fixed = match number(head, 16, 2) {
        2 => true,
        3 => false,
        kind => return Err(format!("it is no program (ELF type {kind})")),
    };
    let count = number(head, 56, 2) as usize;
    if number(head, 54, 2) as usize != HEADER || count == 0 || count > HEADERS_MAX {
        return Err(format!(
            "its {count} program headers are not 1 to {HEADERS_MAX} of {HEADER} bytes"
        ));
    }
    Ok((number(head, 32, 8), count, number(head, 24, 8), fixed))
}

/// x86-64, as ELF files name it.
const MACHINE: u64 = 62;

fn segment(header: &Header, size: u64, fixed: bool) -> Result<Segment, Refusal> {
    let within = header.offset.checked_add(header.file).is_some_and(|end| end <= size);
    let low = if fixed { LOWEST } else { 0 };
    let end = header.address.checked_add(header.memory).filter(|end| *end <= HIGHEST);
    let (true, Some(end), true) = (within, end, header.address >= low) else {
        return Err("a segment lies outside of the file or of a program's addresses".into());
    };
    if header.file > header.memory || header.address % PAGE != header.offset % PAGE {
        return Err("a segment is not laid out for mapping".into());
    }
    let (start, file_end) = (header.address & !(PAGE - 1), header.address + header.file);
    let writable = header.flags & 2 != 0;
    let rests = header.memory > header.file;
    let protection = u64::from(header.flags >> 2 & 1) | u64::from(header.flags & 2) | u64::from(header.flags & 1) << 2;
    let page_end = file_end.next_multiple_of(PAGE);
    let mapped = header.file > 0;
    if rests && mapped && !writable && file_end < page_end {
        return Err("a read-only segment ends in zeros".into());
    }
    let zero = if mapped { file_end } else { start };
    let zero_end = if mapped { page_end } else { start };
    Ok(Segment {
        address: start,
        len: if mapped { page_end - start } else { 0 },
        offset: header.offset & !(PAGE - 1),
        protection,
        zero: if rests { zero } else { zero_end },
        zero_end,
        fresh_end: end.next_multiple_of(PAGE).max(zero_end),
    })
}

fn interpreter(header: &Header, read: &mut Reader<'_>) -> Result<Vec<u8>, Refusal> {
    if header.file < 2 || header.file > INTERPRETER_MAX {
        return Err("the path of its interpreter is empty or too long".into());
    }
    let mut path = vec![0; header.file as usize];
    exactly(read, header.offset, &mut path, "the path of its interpreter")?;
    match path.iter().position(|byte| *byte == 0) {
        Some(end) if end > 0 => {
            path.truncate(end);
            Ok(path)
        }
        _ => Err("the path of its interpreter has no end".into()),
    }
}

fn exactly(read: &mut Reader<'_>, offset: u64, into: &mut [u8], what: &str) -> Result<(), Refusal> {
    let mut done = 0;
    while done < into.len() {
        let rest = into.get_mut(done..).unwrap_or_default();
        match read(offset.saturating_add(done as u64), rest)? {
            0 => return Err(format!("it ends within {what}")),
            count => done += count,
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plan_of(bytes: &[u8]) -> Result<Plan, Refusal> {
        plan(bytes.len() as u64, &mut |at, into| {
            let rest = bytes
                .get(usize::try_from(at).unwrap_or(usize::MAX)..)
                .unwrap_or_default();
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    #[test]
    fn the_loader_itself_has_a_plan_and_no_relocations() {
        let loader = crate::loader::BYTES;
        if loader.is_empty() {
            return;
        }
        let plan = plan_of(loader).unwrap();
        assert!(
            plan.span > 0 && plan.interpreter.is_none() && plan.headers == 64,
            "{plan:?}"
        );
        // The one table of a static executable that would have to be worked through before it can run.
        let dynamic: Vec<Header> = loader[64..]
            .chunks_exact(HEADER)
            .take(plan.header_count as usize)
            .map(Header::new)
            .collect();
        let dynamic = dynamic.iter().find(|header| header.kind == 2).unwrap();
        let entries = &loader[dynamic.offset as usize..(dynamic.offset + dynamic.file) as usize];
        let tags: Vec<u64> = entries.chunks_exact(16).map(|entry| number(entry, 0, 8)).collect();
        assert!(
            !tags.contains(&7) && !tags.contains(&17) && !tags.contains(&36),
            "{tags:?}"
        );
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_refused_or_planned_but_never_a_panic() {
        let loader = crate::loader::BYTES;
        for len in 0..loader.len().min(700) {
            let _ = plan_of(&loader[..len]);
        }
        for at in 0..loader.len().min(700) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = loader.to_vec();
                bytes[at] = value;
                if let Ok(plan) = plan_of(&bytes) {
                    for segment in plan.segments {
                        assert!(
                            segment.fresh_end <= HIGHEST + PAGE && segment.zero <= segment.zero_end,
                            "byte {at} = {value}"
                        );
                        assert!(segment.zero_end <= segment.fresh_end, "byte {at} = {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn programs_for_others_are_refused_by_name() {
        let mut bytes = crate::loader::BYTES.to_vec();
        if bytes.is_empty() {
            return;
        }
        bytes[18] = 0xf3;
        assert!(
            plan_of(&bytes)
                .unwrap_err()
                .contains("another processor (ELF machine 243")
        );
        bytes[4] = 1;
        assert_eq!(plan_of(&bytes).unwrap_err(), "it is a 32-bit program");
    }
}
