//! Fingerprints of a file's blocks, by which what has changed is found.
//!
//! Nobody tells what a native program writes, above all through a mapping. So each block is compared with what it was when the
//! filesystem got it. A fingerprint has 128 bits and depends on a key of the process, so that two contents with the same one
//! can be neither met by chance nor made.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// Bytes of a block.
pub(super) const BLOCK: u64 = 16 << 10;

/// Blocks of a file that the filesystem has, by their number. A block that is not here is a hole there.
pub(super) type Prints = HashMap<u64, u128>;

/// Stands for a block that the filesystem has in some state.
pub(super) const UNKNOWN: u128 = 0;

/// The fingerprint of a block.
pub(super) fn print(block: &[u8]) -> u128 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let [mut a, mut b] = *key();
    a ^= (block.len() as u64).wrapping_mul(STEP);
    for pair in block.chunks(16) {
        let mut words = [0; 16];
        words[..pair.len()].copy_from_slice(pair);
        let word = u128::from_le_bytes(words);
        let (x, y) = (word as u64, (word >> 64) as u64);
        let mixed = u128::from(x ^ a) * u128::from(y ^ b);
        // A factor that is zero must not make the other one disappear.
        a = (mixed as u64) ^ y.rotate_left(29).wrapping_add(a.wrapping_mul(STEP));
        b = ((mixed >> 64) as u64) ^ x.rotate_left(17).wrapping_add(b.wrapping_mul(STEP));
    }
    let mixed = u128::from(a ^ STEP) * u128::from(b | 1);
    (u128::from(b ^ (mixed >> 64) as u64) << 64) | u128::from(a ^ mixed as u64)
}

/// What nobody outside can know.
fn key() -> &'static [u64; 2] {
    static KEY: OnceLock<[u64; 2]> = OnceLock::new();
    KEY.get_or_init(|| [1u8, 2].map(|part| RandomState::new().hash_one(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn contents_that_differ_in_one_bit_or_in_length_have_other_prints() {
        let mut seen = HashSet::new();
        let zeros = vec![0u8; 4096];
        for len in [0, 1, 7, 8, 15, 16, 17, 4095, 4096] {
            assert!(seen.insert(print(&zeros[..len])), "{len}");
        }
        for bit in 0..4096 * 8 {
            let mut block = zeros.clone();
            block[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(print(&block)), "{bit}");
        }
        assert_eq!(print(&zeros), print(&zeros));
    }

    #[test]
    fn words_that_change_places_change_the_print() {
        let mut block: Vec<u8> = (0..=255).collect();
        let before = print(&block);
        block.swap(0, 8);
        assert_ne!(print(&block), before);
        block.swap(0, 8);
        let (head, tail) = block.split_at_mut(16);
        head.swap_with_slice(&mut tail[..16]);
        assert_ne!(print(&block), before);
    }
}
