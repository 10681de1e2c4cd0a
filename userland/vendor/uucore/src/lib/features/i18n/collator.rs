//! Collation: by bytes, as in C.UTF-8.

use std::cmp::Ordering;

/// Kept for callers of the original.
#[derive(Debug, Clone, Copy)]
pub enum AlternateHandling {
    Shifted,
}

/// Kept for callers of the original; no option changes anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct CollatorOptions {
    pub alternate_handling: Option<AlternateHandling>,
}

/// Nothing to initialise; false, as for an existing collator.
pub fn try_init_collator(_options: CollatorOptions) -> bool {
    false
}

/// Whether strings compare otherwise than by bytes: never.
pub fn should_use_locale_collation() -> bool {
    false
}

/// Nothing to initialise; false: bytes are compared.
pub fn init_locale_collation() -> bool {
    false
}

/// The key by which a string sorts: itself.
pub fn compute_sort_key_utf8(input: &[u8], key: &mut Vec<u8>) {
    key.extend_from_slice(input);
}

/// Compares by bytes.
pub fn locale_cmp(left: &[u8], right: &[u8]) -> Ordering {
    left.cmp(right)
}
