//! What stands for a secret in the guest: a recognisable prefix and 128 random bits.

use agentos_kernel::clock::Entropy;
use core::fmt;

/// The beginning of every placeholder.
pub const PLACEHOLDER_PREFIX: &str = "agentos-secret-";

/// Random bytes.
const RANDOM: usize = 16;

/// Characters after the prefix.
pub(super) const DIGITS: usize = RANDOM * 2;

/// A placeholder. It is no secret: the guest has it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Placeholder(Box<str>);

impl Placeholder {
    pub(super) fn random(entropy: &dyn Entropy) -> Self {
        let mut random = [0; RANDOM];
        entropy.fill(&mut random);
        let mut text = String::with_capacity(PLACEHOLDER_PREFIX.len() + DIGITS);
        text.push_str(PLACEHOLDER_PREFIX);
        for byte in random {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text.into())
    }

    /// The text that the guest has in its environment.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What tells it from other placeholders.
    pub(super) fn digits(&self) -> &[u8] {
        self.0.as_bytes().get(PLACEHOLDER_PREFIX.len()..).unwrap_or_default()
    }
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
