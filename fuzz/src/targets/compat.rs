//! The imports of command packages of another system (`host_process`, `host_user`, `host_fs`), called as the ABI is: in a random
//! order with hostile arguments, between a few calls of preview 1 that make descriptors worth something.

use super::abi;

/// Every import of the layer, as the list of the ABI has them.
const IMPORTS: &str = include_str!("compat.txt");

/// Builds and runs a module.
pub(crate) fn run(bytes: &[u8]) {
    abi::play(IMPORTS, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_that_of_the_layer() {
        // A module that asks for an import that is not there does not start, which `play` takes as a finding.
        run(&[0; 64]);
        run(&(0..=255).collect::<Vec<u8>>());
        let layer = include_str!("../../../crates/wasm/src/compat/mod.rs");
        let defined = |line: &&str| {
            let line = line.trim_start();
            ["wait ", "now ", "own "].iter().any(|kind| line.starts_with(kind))
        };
        let own = IMPORTS.lines().filter(|line| line.starts_with("host_")).count();
        assert_eq!(layer.lines().filter(defined).count(), own);
    }
}
