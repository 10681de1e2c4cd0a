//! File work by the host itself, which the policy does not bind.

use super::{DirectoryEntry, ListOptions, Stat};
use crate::error::Result;
use crate::mount::Mount;
use crate::vm::AgentOs;
use bytes::Bytes;

/// The files of a VM for its host: as the VM's user, but without the permission policy. Made by [`AgentOs::as_host`], for
/// seeding files that guests and clients may not change, and for looking at what they may not read. Never hand it to a client.
#[derive(Debug, Clone)]
pub struct HostFiles(AgentOs);

impl AgentOs {
    /// Trusted access to files and mounts, without the permission policy.
    ///
    /// ```no_run
    /// # async fn example(vm: agentos::AgentOs) -> Result<(), agentos::Error> {
    /// vm.as_host().write_file("/home/user/instructions.md", "Read only.").await?;
    /// # Ok(()) }
    /// ```
    pub fn as_host(&self) -> HostFiles {
        HostFiles(Self {
            trusted: true,
            ..self.clone()
        })
    }
}

impl HostFiles {
    /// A handle of the VM whose file and mount calls are not under the policy; what it starts is, as ever.
    pub fn handle(&self) -> AgentOs {
        self.0.clone()
    }
}

/// The same calls, one by one.
macro_rules! same {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl HostFiles {
            $(
                #[doc = concat!("As [`AgentOs::", stringify!($name), "`].")]
                pub async fn $name(&self, $($argument: $kind),*) -> Result<$result> {
                    self.0.$name($($argument),*).await
                }
            )*
        }
    };
}

same! {
    read_file(path: impl AsRef<str>) -> Bytes;
    read_text(path: impl AsRef<str>) -> String;
    write_file(path: impl AsRef<str>, content: impl AsRef<[u8]>) -> ();
    write_file_owned(path: impl AsRef<str>, content: impl Into<Bytes>) -> ();
    append_file(path: impl AsRef<str>, content: impl AsRef<[u8]>) -> ();
    stat(path: impl AsRef<str>) -> Stat;
    lstat(path: impl AsRef<str>) -> Stat;
    exists(path: impl AsRef<str>) -> bool;
    read_dir(path: impl AsRef<str>) -> Vec<String>;
    read_dir_recursive(path: impl AsRef<str>, options: ListOptions) -> Vec<DirectoryEntry>;
    mkdir(path: impl AsRef<str>) -> ();
    mkdir_all(path: impl AsRef<str>) -> ();
    rename(from: impl AsRef<str>, to: impl AsRef<str>) -> ();
    remove(path: impl AsRef<str>) -> ();
    remove_all(path: impl AsRef<str>) -> ();
    symlink(target: impl AsRef<str>, path: impl AsRef<str>) -> ();
    read_link(path: impl AsRef<str>) -> String;
    chmod(path: impl AsRef<str>, mode: u32) -> ();
    mount(mount: Mount) -> ();
    unmount(guest: &str) -> ();
}
