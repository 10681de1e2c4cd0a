//! Permission bits as `chmod` takes and `ls` shows them.

/// A change of permission bits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Octal digits: these bits; a directory keeps its set-id bits unless five digits were given.
    Bits { bits: u32, exact: bool },
    /// Symbolic clauses, in order.
    Clauses(Vec<Clause>),
}

/// One operator with what stands around it: `go` `+` `rX`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Bits of the classes `u`, `g`, `o` as a mask, set-id and sticky bits included; 0 when none was named.
    who: u32,
    op: u8,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Bits { bits: u32, search: bool },
    CopyOf(u8),
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHER: u32 = 0o1007;

/// Reads a mode; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<Change> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777)?;
        return Some(Change::Bits {
            bits,
            exact: text.len() > 4,
        });
    }
    let mut clauses = Vec::new();
    for part in text.split(',') {
        clause(part.as_bytes(), &mut clauses)?;
    }
    Some(Change::Clauses(clauses))
}

fn clause(text: &[u8], clauses: &mut Vec<Clause>) -> Option<()> {
    let mut who = 0;
    let mut at = 0;
    while let Some(class) = text.get(at) {
        who |= match class {
            b'u' => USER,
            b'g' => GROUP,
            b'o' => OTHER,
            b'a' => 0o7777,
            _ => break,
        };
        at += 1;
    }
    if at == text.len() {
        return None;
    }
    while let Some(op @ (b'+' | b'-' | b'=')) = text.get(at) {
        at += 1;
        let rest = &text[at..];
        let what = match rest.first() {
            Some(class @ (b'u' | b'g' | b'o')) => {
                at += 1;
                What::CopyOf(*class)
            }
            Some(b'0'..=b'7') => {
                let digits = rest.iter().take_while(|b| (b'0'..=b'7').contains(b)).count();
                at += digits;
                let bits = u32::from_str_radix(std::str::from_utf8(&rest[..digits]).ok()?, 8).ok()?;
                What::Bits {
                    bits: Some(bits).filter(|bits| *bits <= 0o7777)?,
                    search: false,
                }
            }
            _ => {
                let (bits, search, taken) = letters(rest);
                at += taken;
                What::Bits { bits, search }
            }
        };
        clauses.push(Clause { who, op: *op, what });
    }
    (at == text.len()).then_some(())
}

fn letters(text: &[u8]) -> (u32, bool, usize) {
    let (mut bits, mut search, mut taken) = (0, false, 0);
    for letter in text {
        match letter {
            b'r' => bits |= 0o444,
            b'w' => bits |= 0o222,
            b'x' => bits |= 0o111,
            b'X' => search = true,
            b's' => bits |= 0o6000,
            b't' => bits |= 0o1000,
            _ => break,
        }
        taken += 1;
    }
    (bits, search, taken)
}

impl Change {
    /// The bits after the change. `umask` holds back what a clause without classes may change.
    pub(crate) fn apply(&self, old: u32, directory: bool, umask: u32) -> u32 {
        match self {
            Self::Bits { bits, exact } if directory && !exact => bits | (old & 0o6000),
            Self::Bits { bits, .. } => *bits,
            Self::Clauses(clauses) => clauses
                .iter()
                .fold(old & 0o7777, |mode, clause| clause.apply(mode, directory, umask)),
        }
    }
}

impl Clause {
    fn apply(&self, old: u32, directory: bool, umask: u32) -> u32 {
        let bits = match self.what {
            What::Bits { bits, search } => {
                bits | if search && (directory || old & 0o111 != 0) {
                    0o111
                } else {
                    0
                }
            }
            What::CopyOf(class) => {
                let shift = match class {
                    b'u' => 6,
                    b'g' => 3,
                    _ => 0,
                };
                (old >> shift & 7) * 0o111
            }
        };
        let affected = if self.who == 0 { 0o7777 & !umask } else { self.who };
        let bits = bits & affected;
        match self.op {
            b'+' => old | bits,
            b'-' => old & !bits,
            _ => {
                // A directory's set-id bits go only when they are named.
                let kept = if directory && bits & 0o6000 == 0 {
                    old & 0o6000
                } else {
                    0
                };
                let cleared = if self.who == 0 { 0o7777 } else { self.who };
                (old & !cleared) | bits | kept
            }
        }
    }
}

/// The caller's file creation mask.
#[cfg(target_family = "wasm")]
pub(crate) fn umask() -> u32 {
    agentos_guest::process::umask()
}

/// The same on a host, where tests run.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok())
        .unwrap_or(0o022)
}

/// The ten characters of `ls -l` for a mode with its type bits.
pub(crate) fn shown(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o140_000 => 's',
        0o120_000 => 'l',
        0o100_000 => '-',
        0o060_000 => 'b',
        0o040_000 => 'd',
        0o020_000 => 'c',
        0o010_000 => 'p',
        _ => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = mode >> shift & 7;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, old: u32, directory: bool) -> Option<u32> {
        parse(text).map(|change| change.apply(old, directory, 0o022))
    }

    #[test]
    fn symbolic_modes_work_as_chmod_does() {
        for (text, old, directory, new) in [
            ("755", 0o644, false, 0o755),
            ("755", 0o2700, true, 0o2755),
            ("00755", 0o2700, true, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("+w", 0o444, false, 0o644),
            ("a+w", 0o444, false, 0o666),
            ("go-rwx,u=rw", 0o777, false, 0o600),
            ("a=rX", 0o640, false, 0o444),
            ("a=rX", 0o700, true, 0o555),
            ("g=u", 0o740, false, 0o770),
            ("u+s,+t", 0o755, false, 0o5755),
            ("o=", 0o777, false, 0o770),
            ("g-w+x", 0o660, false, 0o650),
            ("=r", 0o777, false, 0o444),
            ("u=rwx,g=rx,o=", 0o2000, true, 0o2750),
        ] {
            assert_eq!(of(text, old, directory), Some(new), "{text} {old:o}");
        }
        for text in ["", "u", "8", "u+q", "+x,", "77777", "ugo"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn modes_are_shown_as_ls_does() {
        assert_eq!(shown(0o100_644), "-rw-r--r--");
        assert_eq!(shown(0o041_777), "drwxrwxrwt");
        assert_eq!(shown(0o106_755), "-rwsr-sr-x");
        assert_eq!(shown(0o105_644), "-rwSr--r-T");
    }
}
