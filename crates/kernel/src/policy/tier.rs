//! What a program may do at most, whatever the policy says: the tier that its package gives it.
//!
//! A tier is a mark on the file of a program ([`Tier::ATTRIBUTE`]), which the store sets and no guest can take away. It narrows
//! what the policy allows and never widens it. A process has the narrowest of the tiers of its program and of the interpreters
//! of it, and so have its copies; as only the widest tier may start programs, no process gets a wider one than it had.

use super::operation::{Operation, Scope};

/// A tier, the widest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Tier {
    /// Whatever the policy allows.
    #[default]
    Full,
    /// Files; no programs, no network, no signals to others.
    ReadWrite,
    /// The same, and files are only read.
    ReadOnly,
    /// The same, and only files in the working directory and below are read.
    Isolated,
}

impl Tier {
    /// All of them, the widest first.
    pub const ALL: [Self; 4] = [Self::Full, Self::ReadWrite, Self::ReadOnly, Self::Isolated];
    /// The extended attribute of a program's file that holds the name of its tier.
    pub const ATTRIBUTE: &'static [u8] = b"trusted.agentos.tier";

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadWrite => "readWrite",
            Self::ReadOnly => "readOnly",
            Self::Isolated => "isolated",
        }
    }

    /// The tier of a name, also where it is written with a hyphen.
    pub fn parse(name: &str) -> Option<Self> {
        let hyphened = |tier: &Self| match tier {
            Self::ReadWrite => name == "read-write",
            Self::ReadOnly => name == "read-only",
            Self::Full | Self::Isolated => false,
        };
        Self::ALL.into_iter().find(|tier| tier.name() == name || hyphened(tier))
    }

    /// What the mark on a file says. One that cannot be read is the narrowest.
    pub fn of_mark(mark: &[u8]) -> Self {
        let name = core::str::from_utf8(mark).ok();
        name.and_then(Self::parse).unwrap_or(Self::Isolated)
    }

    /// Whether it leaves an operation to the policy. Where it depends on the path, that is asked for besides.
    pub fn allows(self, operation: Operation) -> bool {
        match operation.scope() {
            _ if self == Self::Full => true,
            Scope::ChildProcess | Scope::Network | Scope::Process | Scope::Tool => false,
            Scope::Env => true,
            Scope::Fs if self == Self::ReadWrite => operation != Operation::FsMountSensitive,
            Scope::Fs => matches!(
                operation,
                Operation::FsRead | Operation::FsStat | Operation::FsReaddir | Operation::FsReadlink
            ),
        }
    }

    /// What decided, in the text of a refusal.
    pub(crate) fn rule(self) -> String {
        format!("software.tier.{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_allows_less_than_the_one_before() {
        for pair in Tier::ALL.windows(2) {
            for operation in Operation::ALL {
                assert!(
                    pair[0].allows(*operation) || !pair[1].allows(*operation),
                    "{operation:?}"
                );
            }
            assert!(pair[0] < pair[1]);
        }
        assert!(Operation::ALL.iter().all(|operation| Tier::Full.allows(*operation)));
        assert!(!Tier::ReadWrite.allows(Operation::Spawn) && Tier::ReadWrite.allows(Operation::FsRm));
        assert!(!Tier::ReadOnly.allows(Operation::FsChmod) && Tier::ReadOnly.allows(Operation::FsReaddir));
    }

    #[test]
    fn marks_that_say_nothing_known_are_the_narrowest() {
        assert_eq!(Tier::of_mark(b"read-only"), Tier::ReadOnly);
        assert_eq!(Tier::of_mark(b"readWrite"), Tier::ReadWrite);
        for mark in [&b""[..], b"FULL", b"full ", b"\xff"] {
            assert_eq!(Tier::of_mark(mark), Tier::Isolated);
        }
    }
}
