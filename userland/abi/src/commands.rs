//! The names under which a program is called, in a custom section of its module, from where the build reads them.

/// Bytes of the names, each with a newline after it.
pub const fn length(names: &[&str]) -> usize {
    let (mut total, mut at) = (0, 0);
    while at < names.len() {
        total += names[at].len() + 1;
        at += 1;
    }
    total
}

/// The names, each with a newline after it; `N` is their [`length`].
pub const fn lines<const N: usize>(names: &[&str]) -> [u8; N] {
    let mut out = [b'\n'; N];
    let (mut end, mut at) = (0, 0);
    while at < names.len() {
        let name = names[at].as_bytes();
        let mut byte = 0;
        while byte < name.len() {
            out[end] = name[byte];
            end += 1;
            byte += 1;
        }
        end += 1;
        at += 1;
    }
    out
}

/// Writes the names of a constant slice or array of names into section `agentos.commands`. Once per program.
#[macro_export]
macro_rules! commands_of {
    ($names:expr) => {
        #[cfg(target_family = "wasm")]
        #[used]
        // SAFETY: a custom section that nothing but our own build reads.
        #[unsafe(link_section = "agentos.commands")]
        static COMMANDS: [u8; $crate::commands::length(&$names)] = $crate::commands::lines(&$names);
    };
}

#[cfg(test)]
mod tests {
    const NAMES: [&str; 3] = ["sh", "", "bash"];

    #[test]
    fn every_name_has_a_line() {
        let lines = super::lines::<{ super::length(&NAMES) }>(&NAMES);
        assert_eq!(&lines, b"sh\n\nbash\n");
    }
}
