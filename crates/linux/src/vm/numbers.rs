//! Maps by the host's numbers of processes and threads.
//!
//! Each call of a guest looks several times for whom it is, so the hash is a multiplication. The host gives the numbers out one after
//! the other: a guest can neither choose ones that meet in one place nor have more of them than it may have processes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by such numbers.
pub(crate) type Numbers<V> = HashMap<u32, V, BuildHasherDefault<Spread>>;

/// Spreads numbers that follow one another.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_that_follow_one_another_are_spread() {
        let hash = |number: u32| {
            let mut spread = Spread::default();
            spread.write_u32(number);
            spread.finish()
        };
        // By what tables look at: the lowest bits, and the highest.
        let (low, high): (HashSet<u64>, HashSet<u64>) = (4096..4352).map(|at| (hash(at) & 255, hash(at) >> 57)).unzip();
        assert!(low.len() > 128 && high.len() > 100, "{} {}", low.len(), high.len());
        let mut map = Numbers::default();
        map.extend((0..1000).map(|number| (number, number)));
        assert!((0..1000).all(|number| map.get(&number) == Some(&number)));
    }
}
