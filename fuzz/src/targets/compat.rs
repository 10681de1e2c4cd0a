//! The imports of command packages of another system (`host_process`, `host_user`, `host_fs`, `host_tty`, `host_net`), called as
//! the ABI is: in a random order with hostile arguments, between a few calls of preview 1 that make descriptors worth something.
//! The first byte says of which generation the program is.

use super::abi;

/// The imports of the first generation, and those of the later ones, as the list of the ABI has them.
const FIRST: &str = include_str!("compat.txt");
const LATER: &str = include_str!("compat_later.txt");

/// Builds and runs a module.
pub(crate) fn run(bytes: &[u8]) {
    let (generation, rest) = bytes.split_first().unwrap_or((&0, &[]));
    abi::play(if generation & 1 == 0 { FIRST } else { LATER }, rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Names of the other system's calls in a list.
    fn listed(list: &str) -> BTreeSet<&str> {
        let own = list.lines().filter(|line| line.starts_with("host_"));
        own.filter_map(|line| line.split_whitespace().nth(1)).collect()
    }

    #[test]
    fn the_lists_are_those_of_the_layer() {
        // A module that asks for an import that is not there does not start, which `play` takes as a finding.
        for generation in [0, 1] {
            run(&[&[generation], &[0; 64][..]].concat());
            let any: Vec<u8> = std::iter::once(generation).chain(0..=255).collect();
            run(&any);
        }
        let layer = include_str!("../../../crates/wasm/src/compat/mod.rs");
        let defined = |line: &'static str| {
            let line = line.trim_start();
            let kinds = ["wait ", "now ", "own "];
            let name = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
            name.split('(').next()
        };
        let defined: BTreeSet<&str> = layer.lines().filter_map(defined).collect();
        let both: BTreeSet<&str> = listed(FIRST).union(&listed(LATER)).copied().collect();
        assert_eq!(defined, both);
    }
}
