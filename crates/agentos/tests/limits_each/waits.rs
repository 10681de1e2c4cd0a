//! Programs that wait for filesystems which somebody else serves. They are counted for the whole process, so these tests take
//! turns.

use crate::support::lives;
use crate::tools::audited;
use agentos::vfs::outside::Waits;
use agentos::vfs::{Features, Filesystem, Gid, Ino, KernelError, MemoryFs, SetAttr, Timestamp, Uid};
use agentos::{AgentOs, Errno, Limits, Mount, Process, Signal};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

static TURN: Mutex<()> = Mutex::const_new(());

const PATH: &str = "plugins.maxWaitingCalls";

/// Files in memory, of which nothing is told while nobody answers.
struct Served {
    inner: Arc<MemoryFs>,
    waits: Waits,
    answers: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Served {
    fn answered<T>(&self, call: impl FnOnce() -> Result<T, KernelError>) -> Result<T, KernelError> {
        let mut answers = self.answers.subscribe();
        let answer = async {
            let waiting = Waiting::begin(&self.waiting);
            let answered = answers.wait_for(|answers| *answers).await.is_ok();
            drop(waiting);
            answered
        };
        match self.waits.wait(answer)? {
            true => call(),
            false => Err(Errno::EIO.into()),
        }
    }

    /// Waits until as many calls wait.
    async fn waited_for_by(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|waiting| *waiting == count).await.unwrap();
    }
}

/// A call that waits, or has stopped waiting in whatever way.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Filesystem for Served {
    fn kind(&self) -> &'static str {
        "served"
    }

    fn features(&self) -> Features {
        // What it tells is asked for each time.
        Features {
            volatile: true,
            slow: true,
            ..self.inner.features()
        }
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

/// A VM with such a mount and a file in it, which is not answered any more.
async fn served(most: u64) -> (AgentOs, Arc<Served>) {
    let mut limits = Limits::default();
    limits.set(PATH, most).unwrap();
    let inner = MemoryFs::new(agentos::system_clock(), agentos::quota(&Limits::default()));
    let owner = SetAttr {
        uid: Some(Uid::USER),
        gid: Some(Gid::USER),
        ..SetAttr::default()
    };
    inner.setattr(inner.root(), &owner).unwrap();
    let files = Arc::new(Served {
        inner,
        waits: Waits::of(&limits),
        answers: watch::Sender::new(true),
        waiting: watch::Sender::new(0),
    });
    let mount = Mount::filesystem("/served", files.clone());
    let vm = AgentOs::builder().limits(limits).mount(mount).create().await.unwrap();
    vm.as_host().write_file("/served/f", "told\n").await.unwrap();
    files.answers.send_replace(false);
    (vm, files)
}

async fn reader(vm: &AgentOs) -> Process {
    vm.spawn("cat", ["/served/f"]).start().await.unwrap()
}

pub(crate) mod max_waiting_calls {
    use super::*;

    pub(crate) async fn program() {
        let _turn = TURN.lock().await;
        let (vm, files) = served(2).await;
        let mut events = vm.events();
        let mut readers = [reader(&vm).await, reader(&vm).await];
        files.waited_for_by(2).await;
        let refused = vm.exec("cat /served/f").await.unwrap();
        assert_eq!(refused.exit_code, 1);
        let said = refused.stderr_text();
        assert!(said.contains("Resource temporarily unavailable"), "{said}");
        audited(&mut events, (PATH, "count", 3, 2, Errno::EAGAIN)).await;
        files.answers.send_replace(true);
        for reader in &mut readers {
            assert_eq!(reader.wait().await.unwrap(), 0);
        }
        assert_eq!(vm.exec("cat /served/f").await.unwrap().stdout_text(), "told\n");
        lives(&vm).await;
    }

    pub(crate) async fn hostile() {
        let _turn = TURN.lock().await;
        let (vm, files) = served(1).await;
        let mut first = reader(&vm).await;
        files.waited_for_by(1).await;
        // As many as it likes: all but the first are refused, and nobody waits for them.
        let script = "for n in 1 2 3 4 5 6 7 8 9; do cat /served/f & done; wait";
        let refused = vm.exec(script).await.unwrap().stderr_text();
        assert_eq!(
            refused.matches("Resource temporarily unavailable").count(),
            9,
            "{refused}"
        );
        // A program that is killed waits for no answer, and its place is free.
        first.signal(Signal::Kill).unwrap();
        assert_eq!(first.wait().await.unwrap(), 137);
        files.waited_for_by(0).await;
        let mut next = reader(&vm).await;
        files.waited_for_by(1).await;
        files.answers.send_replace(true);
        assert_eq!(next.wait().await.unwrap(), 0);
        lives(&vm).await;
    }
}
