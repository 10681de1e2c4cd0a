//! Identifiers and units. Each is its own type, so that a pid cannot be passed where a group is meant.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A process, or the process group or session that it leads.
    Pid(u32)
}
id! {
    /// A descriptor number in one process.
    Fd(u32)
}
id! {
    /// An inode number, unique within its filesystem.
    Ino(u64)
}
id! {
    /// A filesystem instance, the `st_dev` of its files.
    DeviceId(u64)
}
id! {
    /// A user.
    Uid(u32)
}
id! {
    /// A group.
    Gid(u32)
}

impl Pid {
    /// The first process of a VM: reaps orphans, cannot be killed by guests.
    pub const INIT: Self = Self(1);
}

impl Uid {
    /// The superuser.
    pub const ROOT: Self = Self(0);
    /// The default user of a VM (lifecycle.md section 1).
    pub const USER: Self = Self(1000);
}

impl Gid {
    /// The superuser's group.
    pub const ROOT: Self = Self(0);
    /// The default user's group.
    pub const USER: Self = Self(1000);
}
