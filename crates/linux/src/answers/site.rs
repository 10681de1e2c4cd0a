//! Where a process asks for links, and where what answers it is.

use crate::loader;
use std::sync::OnceLock;

/// Bytes that are looked at, from `mov eax, 89` on.
pub(crate) const WRAPPER_LEN: usize = 64;
/// Bytes that are changed: those up to the end of `syscall`.
pub(crate) const CALL_LEN: usize = 7;

/// Whether this is all of `readlink` of a C library: the call, and how its result is returned. Nothing of it keeps anything
/// below the stack, where a call leaves its way back; and it is not entered between the bytes that are changed.
pub(crate) fn is_wrapper(code: &[u8]) -> bool {
    // mov eax, 89; syscall; cmp rax, -4095
    let Some(rest) = code.strip_prefix(b"\xb8\x59\0\0\0\x0f\x05\x48\x3d\x01\xf0\xff\xff") else {
        return false;
    };
    // jae or ja to where an error is returned; ret
    let &[0x73 | 0x77, skip, 0xc3, ..] = rest else {
        return false;
    };
    let Some(error) = rest.get(2 + usize::from(skip)..).filter(|_| (1..32).contains(&skip)) else {
        return false;
    };
    // mov rcx or rdx, [rip + offset of errno]; neg eax; mov fs:[rcx or rdx], eax
    let (register, stored) = match error {
        [
            0x48,
            0x8b,
            register @ (0x0d | 0x15),
            _,
            _,
            _,
            _,
            0xf7,
            0xd8,
            0x64,
            0x89,
            stored,
            ..,
        ] => (*register, *stored),
        _ => return false,
    };
    let result = error.get(12..).unwrap_or_default();
    // or, or mov, rax, -1; ret
    let ends: [&[u8]; 2] = [b"\x48\x83\xc8\xff\xc3", b"\x48\xc7\xc0\xff\xff\xff\xff\xc3"];
    matches!((register, stored), (0x0d, 0x01) | (0x15, 0x02)) && ends.iter().any(|end| result.starts_with(end))
}

/// What stands in the place of the call at `at`: a call of `thunk`, that comes back to the same place.
pub(crate) fn call_to(thunk: u64, at: u64) -> Option<[u8; CALL_LEN]> {
    let distance = thunk.wrapping_sub(at.wrapping_add(CALL_LEN as u64)).cast_signed();
    let [a, b, c, d] = i32::try_from(distance).ok()?.to_le_bytes();
    Some([0x66, 0x90, 0xe8, a, b, c, d])
}

/// Where something of the thunk is, from where the loader's code begins (`loader/answers.rs` has the layout).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thunk {
    pub(crate) top: u64,
    pub(crate) table: u64,
    pub(crate) asked: u64,
    pub(crate) entry: u64,
    /// What a notification of its call says.
    pub(crate) behind: u64,
}

const MARKS: [u64; 2] = [0x5eed_a4c0_11ab_1e55, 0x7e11_ab1e_d1ec_7047];

/// Where the thunk is in the loader.
pub(crate) fn thunk() -> Option<Thunk> {
    static FOUND: OnceLock<Option<Thunk>> = OnceLock::new();
    *FOUND.get_or_init(|| find(loader::BYTES))
}

fn find(file: &[u8]) -> Option<Thunk> {
    let number = |at: usize, len: usize| {
        let bytes = file.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0u64, |value, byte| value << 8 | u64::from(*byte)),
        )
    };
    let word = |at: usize| number(at, 8);
    let marks = MARKS.map(u64::to_le_bytes).concat();
    let at = file.windows(marks.len()).position(|bytes| bytes == marks)?;
    // Its code is one segment, whose address is where the host says that code begins.
    let headers = usize::try_from(word(32)?).ok()?;
    let mut code = None;
    for index in 0..usize::try_from(number(56, 2)?).ok()? {
        let header = headers + index * 56;
        if (number(header, 4)?, number(header + 4, 4)? & 1) == (1, 1) {
            code = code.or(usize::try_from(word(header + 8)?).ok());
        }
    }
    let from = u64::try_from(at.checked_sub(code?)?).ok()?;
    Some(Thunk {
        top: from + 16,
        table: from + 24,
        asked: from + 32,
        entry: from + 48,
        behind: from + word(at + 40)?,
    })
}

/// Where things are in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) threads: u64,
    /// The loader's code.
    pub(crate) code: u64,
    /// Where the stack began.
    pub(crate) stack: u64,
}

/// What the host says of a process (`/proc/PID/stat`).
pub(crate) fn place(stat: &str) -> Option<Place> {
    // The name in brackets may be anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let field = |number: usize| rest.split(' ').nth(number - 3)?.parse().ok();
    let place = Place {
        threads: field(20)?,
        code: field(26)?,
        stack: field(28)?,
    };
    // Whoever may not be told reads zeros or ones.
    (place.code > 4096 && place.stack > 4096).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian's.
    const GOOD: &[u8] = b"\xb8\x59\0\0\0\x0f\x05\x48\x3d\x01\xf0\xff\xff\x73\x01\xc3\x48\x8b\x0d\x19\x93\x0d\0\xf7\xd8\x64\x89\x01\x48\x83\xc8\xff\xc3\x66\x2e\x0f\x1f\x84\0\0\0\0\0";

    #[test]
    fn only_the_whole_function_is_known() {
        assert!(is_wrapper(GOOD));
        // Newer ones leave room before the error, and use another register.
        let other = b"\xb8\x59\0\0\0\x0f\x05\x48\x3d\x01\xf0\xff\xff\x77\x04\xc3\x0f\x1f\0\x48\x8b\x15\x19\x93\x0d\0\xf7\xd8\x64\x89\x02\x48\xc7\xc0\xff\xff\xff\xff\xc3";
        assert!(is_wrapper(other));
        let offset = 19..23;
        for len in 0..33 {
            assert!(!is_wrapper(&GOOD[..len]), "{len}");
        }
        for at in (0..33).filter(|at| !offset.contains(at)) {
            for byte in 0..=255 {
                let mut code = GOOD.to_vec();
                code[at] = byte;
                let same = byte == GOOD[at] || (at, byte) == (13, 0x77);
                assert_eq!(is_wrapper(&code), same, "{at}: {byte:#x}");
            }
        }
    }

    #[test]
    fn a_call_reaches_what_is_near() {
        let call = call_to(0x7000_0000_1000, 0x7000_0000_2000).unwrap();
        let distance = i64::from(i32::from_le_bytes(call[3..].try_into().unwrap()));
        assert_eq!((&call[..3], distance), (&[0x66, 0x90, 0xe8][..], -0x1007));
        assert!(call_to(0x5555_0000_0000, 0x7000_0000_2000).is_none() && call_to(0, u64::MAX).is_some());
    }

    #[test]
    fn the_loader_has_a_thunk() {
        let thunk = thunk().unwrap();
        assert!(thunk.behind > thunk.entry && thunk.behind < thunk.entry + 512);
        assert!(thunk.top.is_multiple_of(8) && thunk.table.is_multiple_of(8));
        let mut bytes = loader::BYTES.to_vec();
        assert!(find(&bytes[..100]).is_none() && find(&[]).is_none());
        let at = bytes
            .windows(8)
            .position(|bytes| bytes == MARKS[0].to_le_bytes())
            .unwrap();
        bytes[at] ^= 1;
        assert!(find(&bytes).is_none());
    }

    #[test]
    fn the_host_says_where_things_are() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let found = place(&stat).unwrap();
        let here = (&raw const found).addr() as u64;
        assert!(found.threads >= 1 && found.stack > 4096 && here != found.stack);
        let name = "7 (a) b) (c) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 3 18 19 20 21 22 70000 24 90000 26";
        let expected = Place {
            threads: 3,
            code: 70000,
            stack: 90000,
        };
        assert_eq!(place(name), Some(expected));
        assert_eq!(place(&name.replace("90000", "0")), None);
        assert_eq!(place("7 (a) R 1"), None);
        // Whatever a guest calls itself.
        let parts = [") ", " (", ")", "(", " ", "\n", "7", "R", "\u{fffd}", ""];
        for number in 0..10_000usize {
            let part = |at: u32| parts[number / 10usize.pow(at) % 10];
            let own: String = (0..4).map(part).collect();
            assert_eq!(place(&name.replace("a) b", &own)), Some(expected), "{own:?}");
        }
    }
}
