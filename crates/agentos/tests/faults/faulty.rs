//! A filesystem of which one call fails.

use agentos::Errno;
use agentos::vfs::{
    Attr, Blob, DirEntry, Features, Filesystem, FsQuota, Jump, MemoryFs, Mode, NewNode, RenameFlags, SeekTarget,
    SetAttr, StatFs, XattrMode,
};
use agentos_kernel::Result;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::id::{Ino, Pid};
use agentos_kernel::limits::Counter;
use bytes::Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails at once.
    Fails,
    /// It takes its time, and fails.
    Stalls,
    /// The code of the filesystem panics.
    Panics,
}

pub(crate) const FAULTS: [Fault; 3] = [Fault::Fails, Fault::Stalls, Fault::Panics];

/// How long a call stalls.
const STALL: Duration = Duration::from_millis(20);

/// Files in memory, and a fault.
pub(crate) struct FaultyFs {
    inner: Arc<MemoryFs>,
    calls: AtomicUsize,
    plan: Option<(usize, Fault)>,
}

/// It is always now.
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp(1)
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

/// A directory in memory that everybody may write.
fn memory() -> Arc<MemoryFs> {
    let counter = || Counter::new("test", "bytes", u64::MAX, Errno::ENOSPC);
    let quota = FsQuota {
        bytes: counter(),
        inodes: counter(),
    };
    let memory = MemoryFs::new(Arc::new(Now), Arc::new(quota));
    let open = SetAttr {
        mode: Some(Mode::new(0o777)),
        ..SetAttr::default()
    };
    memory.setattr(memory.root(), &open).expect("our directory");
    memory
}

impl FaultyFs {
    /// `plan` is the number of the call that fails, and how.
    pub(crate) fn new(plan: Option<(usize, Fault)>) -> Arc<Self> {
        Arc::new(Self {
            inner: memory(),
            calls: AtomicUsize::new(0),
            plan,
        })
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    fn step(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::AcqRel);
        match self.plan {
            Some((at, fault)) if at == call => match fault {
                Fault::Fails => Err(Errno::EIO.into()),
                Fault::Stalls => {
                    std::thread::sleep(STALL);
                    Err(Errno::EIO.into())
                }
                Fault::Panics => std::panic::resume_unwind(Box::new("a mistake of the host")),
            },
            _ => Ok(()),
        }
    }
}

/// Methods that pass on unless their turn has come.
macro_rules! pass {
    ($(fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $result:ty;)*) => {
        $(fn $name(&self $(, $argument: $kind)*) -> Result<$result> {
            self.step()?;
            self.inner.$name($($argument),*)
        })*
    };
}

impl Filesystem for FaultyFs {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
        // Nobody waits for an answer here, so of the faults only a panic can be seen.
        if self.plan.is_some_and(|(_, fault)| fault == Fault::Panics) {
            let _ = self.step();
        }
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        self.inner.blob(ino)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    pass! {
        fn lookup(&self, dir: Ino, name: &[u8]) -> Attr;
        fn parent(&self, dir: Ino) -> Ino;
        fn getattr(&self, ino: Ino) -> Attr;
        fn setattr(&self, ino: Ino, set: &SetAttr) -> Attr;
        fn readlink(&self, ino: Ino) -> Vec<u8>;
        fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Attr;
        fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Attr;
        fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Attr;
        fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Attr;
        fn create_unnamed(&self, node: &NewNode) -> Attr;
        fn unlink(&self, dir: Ino, name: &[u8]) -> ();
        fn rmdir(&self, dir: Ino, name: &[u8]) -> ();
        fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> ();
        fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> ();
        fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> usize;
        fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> usize;
        fn append(&self, ino: Ino, data: &[u8]) -> (usize, u64);
        fn touch(&self, ino: Ino) -> ();
        fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> u64;
        fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> ();
        fn retain(&self, ino: Ino) -> ();
        fn fsync(&self, ino: Ino, data_only: bool) -> ();
        fn sync(&self) -> ();
        fn statfs(&self) -> StatFs;
        fn getxattr(&self, ino: Ino, name: &[u8]) -> Vec<u8>;
        fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> ();
        fn listxattr(&self, ino: Ino) -> Vec<Vec<u8>>;
        fn removexattr(&self, ino: Ino, name: &[u8]) -> ();
        fn name_of(&self, ino: Ino) -> (Ino, Vec<u8>);
        fn readlink_for(&self, ino: Ino, caller: Pid) -> Vec<u8>;
        fn jump(&self, ino: Ino, caller: Pid) -> Option<Jump>;
        fn generate(&self, ino: Ino, caller: Pid) -> Option<Bytes>;
        fn may_inspect(&self, ino: Ino, caller: Pid) -> ();
    }
}
