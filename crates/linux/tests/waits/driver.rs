//! A guest that waits for a filesystem which somebody else serves.

use super::common::{Vm, wait};
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::Ino;
use agentos_kernel::limits::Limits;
use agentos_kernel::outside::Waits;
use agentos_kernel::process::{ExitStatus, Signal};
use agentos_kernel::vfs::{Filesystem, MountOptions};
use parking_lot::Mutex;
use std::future::pending;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Longer than anything here takes.
const FAR: Duration = Duration::from_secs(120);

/// A filesystem that tells of a call and never answers it, while there is somebody to tell.
struct Silent {
    inner: Arc<dyn Filesystem>,
    told: Mutex<Option<Sender<()>>>,
    waits: Waits,
}

impl Silent {
    fn answered<T>(&self, call: impl FnOnce() -> agentos_kernel::Result<T>) -> agentos_kernel::Result<T> {
        let told = self.told.lock().clone();
        if let Some(told) = told {
            told.send(()).unwrap();
            self.waits.wait(pending::<()>())?;
        }
        call()
    }
}

impl Filesystem for Silent {
    fn kind(&self) -> &'static str {
        "silent"
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    agentos_kernel::pass_filesystem_calls!(answered);
}

#[test]
fn one_that_is_killed_ends_at_once_and_lets_the_others_go_on() {
    let Some(vm) = Vm::new() else { return };
    vm.root_dir("driver");
    let silent = Arc::new(Silent {
        inner: vm.root.clone(),
        told: Mutex::new(None),
        waits: Waits::of(&Limits::default()),
    });
    let mounted = vm
        .kernel
        .vfs()
        .mount(b"/driver", silent.clone(), MountOptions::default());
    mounted.unwrap();
    vm.put("/tmp/file", b"text", 0o644);
    let read = ["/usr/bin/cat", "/driver/tmp/file"];
    assert_eq!(vm.run(&read).ok(), "text");
    let (told, asked) = channel();
    *silent.told.lock() = Some(told);
    let (_from, to) = vm.pipe();
    let reader = vm.spawn(&read, &[(1, &to), (2, &to)]).unwrap();
    asked.recv_timeout(FAR).unwrap();
    assert_eq!(reader.exit_status(), None);
    silent.told.lock().take();
    vm.kernel
        .init()
        .kill(reader.pid().0.cast_signed(), Signal::KILL)
        .unwrap();
    let (ended, end) = channel();
    std::thread::spawn(move || ended.send(wait(&reader)));
    assert_eq!(end.recv_timeout(FAR).unwrap(), ExitStatus::Signaled(Signal::KILL));
    assert_eq!(vm.run(&read).ok(), "text");
}
