//! What a policy can speak about: scopes and their operations.

use core::fmt;

/// One of the six parts of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Files, by real path.
    Fs,
    /// Connections, datagrams, lookups and listeners, by `scheme://host:port`.
    Network,
    /// Programs that are started, by real path.
    ChildProcess,
    /// Other processes that are looked at or signalled, by the real path of their program.
    Process,
    /// Environment variables, by name.
    Env,
    /// Host tools, by `kit:tool`.
    Tool,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $scope:ident, $name:literal;)*) => {
        /// What a guest or a client wants to do; each operation belongs to one [`Scope`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation { $($(#[$doc])* $variant,)* }

        impl Operation {
            /// Every operation, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The scope to which the operation belongs.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)* }
            }

            /// The name within its scope, for example `create_dir`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

operations! {
    /// Open for reading, execute, map.
    FsRead = Fs, "read";
    /// Open for writing, create, append, make a node or a hard link.
    FsWrite = Fs, "write";
    /// Look at attributes.
    FsStat = Fs, "stat";
    /// List a directory.
    FsReaddir = Fs, "readdir";
    /// Make a directory.
    FsCreateDir = Fs, "create_dir";
    /// Remove a file or a directory.
    FsRm = Fs, "rm";
    /// Rename; asked for both paths.
    FsRename = Fs, "rename";
    /// Make a symbolic link.
    FsSymlink = Fs, "symlink";
    /// Read a symbolic link.
    FsReadlink = Fs, "readlink";
    /// Change mode, owner, times or extended attributes.
    FsChmod = Fs, "chmod";
    /// Cut or extend a file.
    FsTruncate = Fs, "truncate";
    /// Mount over a protected path.
    FsMountSensitive = Fs, "mount_sensitive";
    /// Outgoing stream connection; the same operation as [`NetworkHttp`](Self::NetworkHttp) under another name.
    NetworkFetch = Network, "fetch";
    /// Outgoing stream connection, whatever program makes it.
    NetworkHttp = Network, "http";
    /// Outgoing datagram.
    NetworkUdp = Network, "udp";
    /// Name resolution.
    NetworkDns = Network, "dns";
    /// A listener on the VM's own loopback.
    NetworkListen = Network, "listen";
    /// Start a program.
    Spawn = ChildProcess, "spawn";
    /// Look at another process.
    Inspect = Process, "inspect";
    /// Send a signal to another process.
    Signal = Process, "signal";
    /// Hand a variable to a process at its start.
    EnvRead = Env, "read";
    /// Add or change a variable for a child.
    EnvWrite = Env, "write";
    /// Call a host tool.
    Invoke = Tool, "invoke";
}

impl Scope {
    /// Every scope, in the order of the specification.
    pub const ALL: &[Self] = &[
        Self::Fs,
        Self::Network,
        Self::ChildProcess,
        Self::Process,
        Self::Env,
        Self::Tool,
    ];

    /// The name in a configuration, for example `childProcess`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fs => "fs",
            Self::Network => "network",
            Self::ChildProcess => "childProcess",
            Self::Process => "process",
            Self::Env => "env",
            Self::Tool => "tool",
        }
    }

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }

    /// The operations of the scope, in the order of the specification.
    pub fn operations(self) -> impl Iterator<Item = Operation> {
        Operation::ALL
            .iter()
            .copied()
            .filter(move |operation| operation.scope() == self)
    }

    /// The field of a rule that holds this scope's patterns: `paths` or `patterns`.
    pub const fn pattern_field(self) -> &'static str {
        match self {
            Self::Fs => "paths",
            _ => "patterns",
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Operation {
    /// The operation of this name in a scope.
    pub fn parse(scope: Scope, name: &str) -> Option<Self> {
        scope.operations().find(|operation| operation.name() == name)
    }

    /// The operation under which decisions are made and reported: `fetch` is `http`.
    pub const fn canonical(self) -> Self {
        match self {
            Self::NetworkFetch => Self::NetworkHttp,
            other => other,
        }
    }

    pub(super) const fn bit(self) -> u32 {
        1 << self.canonical() as u32
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Operation {
    /// `scope.operation`, for example `network.http`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.scope(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for &operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.scope(), operation.name()), Some(operation));
            assert_eq!(Scope::parse(operation.scope().name()), Some(operation.scope()));
        }
        assert_eq!(Operation::parse(Scope::Env, "read"), Some(Operation::EnvRead));
        assert_eq!(Operation::parse(Scope::Env, "stat"), None);
        assert_eq!(Operation::FsCreateDir.to_string(), "fs.create_dir");
    }

    #[test]
    fn one_destination_has_one_operation() {
        assert_eq!(Operation::NetworkFetch.bit(), Operation::NetworkHttp.bit());
    }
}
