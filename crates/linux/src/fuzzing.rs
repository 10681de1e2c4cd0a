//! Entrances for fuzz targets. They are no part of the interface.

use crate::elf::{self, Plan};
use crate::job;

/// Plans a file, and checks what the loader takes for granted of a plan, and of the job that is made of it.
///
/// # Errors
/// What is wrong with the plan. A file that is refused is none.
pub fn program(bytes: &[u8]) -> Result<(), String> {
    let mut read = |at: u64, into: &mut [u8]| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = bytes.get(at..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(count)
    };
    let Ok(plan) = elf::plan(bytes.len() as u64, &mut read) else {
        return Ok(());
    };
    sound(&plan, bytes.len() as u64)?;
    let encoded = job::encode(&job::Request {
        program: &plan,
        interpreter: Some(&plan),
        argv: &[b"program".to_vec(), Vec::new()],
        env: &[b"NAME=value".to_vec()],
        path: b"/program",
        name: b"program",
        ids: [1; 4],
    });
    let word = |index: usize| {
        encoded.chunks_exact(8).nth(index).map(|word| {
            word.iter()
                .rev()
                .fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        })
    };
    match word(1) {
        Some(total) if total == encoded.len() as u64 => Ok(()),
        total => Err(format!("a job of {} bytes says that it has {total:?}", encoded.len())),
    }
}

fn sound(plan: &Plan, size: u64) -> Result<(), String> {
    const PAGE: u64 = 4096;
    let mut end = 0;
    for segment in &plan.segments {
        let whole = [segment.address, segment.len, segment.offset]
            .iter()
            .all(|number| number % PAGE == 0);
        let inside = segment.len == 0 || segment.offset.saturating_add(segment.len) <= size.next_multiple_of(PAGE);
        let zeros = segment.zero <= segment.zero_end && segment.zero_end <= segment.fresh_end;
        // What is zeroed byte by byte must be writable, and lie within what was mapped.
        let zeroed = segment.zero == segment.zero_end || segment.protection & 2 != 0 && segment.zero >= segment.address;
        let mapped = segment.zero_end == segment.address.saturating_add(segment.len);
        if !(whole && inside && zeros && zeroed && mapped && segment.address >= end) {
            return Err(format!("{segment:?} after {end:#x}"));
        }
        end = segment.fresh_end;
    }
    match plan.span == 0 || end <= plan.span {
        true => Ok(()),
        false => Err(format!("it ends at {end:#x}, beyond {:#x}", plan.span)),
    }
}

/// Numbers of the calls that the supervisor answers, always or for some arguments.
pub fn answered() -> Vec<u64> {
    let rows = crate::table::TABLE.iter();
    let numbers = rows.filter(|row| crate::table::handler(i32::try_from(row.number).unwrap_or(-1)).is_some());
    numbers.map(|row| row.number.unsigned_abs()).collect()
}
