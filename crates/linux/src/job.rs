//! What the loader is told (`loader/main.rs` reads it): 64-bit words, then strings, which are put into its memory.
//!
//! ```text
//!   words  0..16   mark, bytes in all, counts of arguments and variables, offsets of strings and path, name, identities,
//!                  whether there is an interpreter, descriptors of both files
//!   words 16..32   two images of eight words: the program and its interpreter
//!   words 32..     segments of eight words
//!   bytes          arguments, variables and the path of the program, each ending in a NUL
//! ```

use crate::elf::Plan;

/// The directory descriptor with which the loader asks. No descriptor has such a number.
pub(crate) const ASK: u64 = (-0x4147_4f53_i64).cast_unsigned();
/// Asks for the job, which is to be put at the address in the third argument, where there is room for the number of bytes in the fourth.
/// The answer is its length; it is not there if that is more.
pub(crate) const ASK_JOB: u64 = 1;
/// Asks for the interpreter's file, for which there was no descriptor free beside that of the program's.
pub(crate) const ASK_INTERPRETER: u64 = 3;
/// Waits for the end of the program that the process stands in for; the answer is the status.
pub(crate) const ASK_END: u64 = 6;
/// Has the VM's thread look around; said by threads of the host process alone.
pub(crate) const ASK_KNOCK: u64 = 7;
/// Says which spawn a new process belongs to; the token comes in the third argument.
pub(crate) const ASK_HELLO: u64 = 5;

/// Asks for the table of answers (`answers/mod.rs`); says where it was mapped, in the third argument.
pub(crate) const ASK_TABLE: u64 = 8;
pub(crate) const ASK_MAPPED: u64 = 9;

const MARK: u64 = 0x4a4f_4253_4f47_4121;
const HEAD: usize = 16;
const IMAGE: usize = 8;
/// Words of the descriptors.
const PROGRAM: usize = 13;
const INTERPRETER: usize = 14;

/// A program to run.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) program: &'a Plan,
    pub(crate) interpreter: Option<&'a Plan>,
    pub(crate) argv: &'a [Vec<u8>],
    pub(crate) env: &'a [Vec<u8>],
    pub(crate) path: &'a [u8],
    pub(crate) name: &'a [u8],
    /// Real and effective user, real and effective group.
    pub(crate) ids: [u32; 4],
}

/// Writes the job down.
pub(crate) fn encode(request: &Request<'_>) -> Vec<u8> {
    let plans = [Some(request.program), request.interpreter];
    let segments: usize = plans.iter().flatten().map(|plan| plan.segments.len()).sum();
    let strings = (HEAD + 2 * IMAGE + segments * IMAGE) * 8;
    let texts: Vec<&[u8]> = request.argv.iter().chain(request.env).map(Vec::as_slice).collect();
    let path = strings + texts.iter().map(|text| text.len() + 1).sum::<usize>();
    let total = path + request.path.len() + 1;
    let mut name = [0; 16];
    let len = request.name.len().min(15);
    name[..len].copy_from_slice(&request.name[..len]);
    let word = |half: &[u8]| half.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let mut words: Vec<u64> = vec![
        MARK,
        total as u64,
        request.argv.len() as u64,
        request.env.len() as u64,
        strings as u64,
        path as u64,
        word(&name[..8]),
        word(&name[8..]),
    ];
    words.extend(request.ids.map(u64::from));
    words.extend([u64::from(request.interpreter.is_some()), 0, 0, 0]);
    let mut at = (HEAD + 2 * IMAGE) * 8;
    for plan in plans {
        let Some(plan) = plan else {
            words.extend([0; IMAGE]);
            continue;
        };
        let count = plan.segments.len();
        words.extend([
            plan.span,
            plan.align,
            plan.entry,
            plan.headers,
            plan.header_count,
            count as u64,
            at as u64,
            0,
        ]);
        at += count * IMAGE * 8;
    }
    for segment in plans.iter().flatten().flat_map(|plan| &plan.segments) {
        let s = segment;
        words.extend([
            s.address,
            s.len,
            s.offset,
            s.protection,
            s.zero,
            s.zero_end,
            s.fresh_end,
            0,
        ]);
    }
    let mut job: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    job.reserve_exact(total - job.len());
    for text in texts.into_iter().chain([request.path]) {
        job.extend_from_slice(text);
        job.push(0);
    }
    job
}

/// Notes under which numbers the loader finds the files. One of the interpreter that it does not have yet it asks for.
pub(crate) fn note_files(job: &mut [u8], program: i32, interpreter: Option<i32>) {
    for (word, fd) in [(PROGRAM, program), (INTERPRETER, interpreter.unwrap_or(-1))] {
        if let Some(place) = job.get_mut(word * 8..word * 8 + 8) {
            place.copy_from_slice(&i64::from(fd).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_as_long_as_it_says() {
        let plan = Plan {
            span: 4096,
            align: 4096,
            entry: 1,
            headers: 64,
            header_count: 1,
            segments: Vec::new(),
            interpreter: None,
        };
        let argv = [b"a".to_vec(), Vec::new()];
        let env = [b"X=1".to_vec()];
        let request = Request {
            program: &plan,
            interpreter: None,
            argv: &argv,
            env: &env,
            path: b"/p",
            name: b"a long name beyond",
            ids: [1, 2, 3, 4],
        };
        let mut job = encode(&request);
        note_files(&mut job, 3, None);
        let word = |at: usize| {
            job[at * 8..at * 8 + 8]
                .iter()
                .rev()
                .fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        };
        assert_eq!(word(1), job.len() as u64);
        assert_eq!(&job[word(4) as usize..], b"a\0\0X=1\0/p\0");
        assert_eq!(&job[word(5) as usize..], b"/p\0");
        assert_eq!(&job[48..64], b"a long name bey\0");
        assert_eq!([12, 13, 14, 15].map(word), [0, 3, u64::MAX, 0]);
        note_files(&mut job, 4, Some(5));
        assert_eq!(
            job[104..120],
            [[4, 0, 0, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0, 0, 0]].concat()
        );
    }
}
