//! Hash maps by inode number.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use agentos_kernel::id::Ino;

/// A map by inode numbers, which the filesystem hands out itself: a guest cannot choose ones that collide.
pub(super) type InoMap<V> = HashMap<Ino, V, BuildHasherDefault<InoHasher>>;

/// Spreads numbers that come in sequence.
#[derive(Default)]
pub(super) struct InoHasher(u64);

impl Hasher for InoHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
