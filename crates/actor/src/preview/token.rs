//! Tokens and their hashes.

use sha2::{Digest as _, Sha256};

use crate::random;

/// Characters of a token.
pub(super) const LENGTH: usize = 32;
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// The greatest multiple of 36 in a byte: bytes from here on would make some characters likelier than others.
const FAIR: u8 = 252;

/// SHA-256 of a token.
pub(super) type Hash = [u8; 32];

/// A new token: 32 characters of `a-z0-9`, about 165 bits.
pub(super) fn generate() -> String {
    let mut token = String::with_capacity(LENGTH);
    while token.len() < LENGTH {
        let fair = random::bytes::<64>().into_iter().filter(|byte| *byte < FAIR);
        token.extend(
            fair.take(LENGTH - token.len())
                .map(|byte| char::from(ALPHABET[usize::from(byte) % 36])),
        );
    }
    token
}

pub(super) fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// Compares without telling by its duration where the first difference is.
pub(super) fn same(a: &Hash, b: &Hash) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// The public id of a token: the first 8 hexadecimal digits of its hash.
pub(super) fn id(hash: &Hash) -> String {
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_of_their_alphabet_and_use_all_of_it() {
        let mut seen = [0_u32; 256];
        for _ in 0..1000 {
            let token = generate();
            assert_eq!(token.len(), LENGTH);
            token.bytes().for_each(|byte| seen[usize::from(byte)] += 1);
        }
        let used: Vec<_> = (0..=255_u8).filter(|byte| seen[usize::from(*byte)] > 0).collect();
        let mut alphabet = ALPHABET.to_vec();
        alphabet.sort_unstable();
        assert_eq!(used, alphabet);
        // 32,000 characters, 889 expected of each; beyond 7 standard deviations something is wrong.
        assert!(
            alphabet
                .iter()
                .all(|byte| (680..1100).contains(&seen[usize::from(*byte)]))
        );
    }

    #[test]
    fn hashes_are_compared_whole() {
        let a = hash("a");
        let mut b = a;
        assert!(same(&a, &b));
        b[31] ^= 1;
        assert!(!same(&a, &b));
        assert_eq!(id(&a), "ca978112");
    }
}
