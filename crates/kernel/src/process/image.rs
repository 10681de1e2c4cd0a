//! The program that a process runs, as others see it.

use super::program::Loaded;
use crate::policy::Tier;

/// Name, arguments and environment of a running program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Image {
    /// Last component of the program's path, at most 15 bytes (`/proc/<pid>/comm`).
    pub name: Vec<u8>,
    /// Arguments.
    pub argv: Vec<Vec<u8>>,
    /// Environment.
    pub env: Vec<Vec<u8>>,
    /// What the policy knows the program by: the real path of its file as it was started. Only where there are rules about
    /// programs or processes.
    pub(crate) program: Option<Box<[u8]>>,
    /// What it may do at most.
    pub(crate) tier: Tier,
}

/// Longest process name in bytes, as in Linux.
pub(super) const NAME_MAX: usize = 15;

impl Image {
    pub(super) fn new(loaded: &mut Loaded, env: Vec<Vec<u8>>) -> Self {
        Self {
            name: short_name(&loaded.path),
            argv: core::mem::take(&mut loaded.argv),
            env,
            program: loaded.known_as.take(),
            tier: loaded.tier,
        }
    }

    /// What init looks like.
    pub(super) fn init() -> Self {
        Self {
            name: b"init".to_vec(),
            argv: vec![b"init".to_vec()],
            env: Vec::new(),
            program: None,
            tier: Tier::Full,
        }
    }
}

/// Last component of a path, shortened.
pub(super) fn short_name(path: &[u8]) -> Vec<u8> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    short(name)
}

/// A name cut to its longest length.
pub(super) fn short(name: &[u8]) -> Vec<u8> {
    name.get(..NAME_MAX).unwrap_or(name).to_vec()
}
