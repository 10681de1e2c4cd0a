//! Parked processes of Node.js: what they show, whom they serve, and that nothing of one VM is in another's.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::{Executor, ExitStatus, Kernel};
use agentos_linux::{LinuxExecutor, ParkedNode};
use common::{Vm, has};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NODE: &str = "/usr/bin/node";

/// An executor of its own, that parks.
struct Parks {
    executor: Arc<LinuxExecutor>,
    limits: Limits,
}

impl Parks {
    fn new(most: usize) -> Option<Self> {
        let shared = common::executor().filter(|_| has(NODE))?;
        let executor = LinuxExecutor::with_probe(shared.probe().clone());
        let limits = Limits::default();
        let given = limits.clone();
        let base = move |executor: Arc<dyn Executor>| Some(base(executor, given.clone()));
        let executor = executor.on(Arc::new(base));
        executor.park_node(most);
        Some(Self { executor, limits })
    }

    fn vm(&self) -> Vm {
        Vm::with(
            vec![Arc::clone(&self.executor) as Arc<dyn Executor>],
            self.limits.clone(),
        )
    }

    fn stand(&self) -> ParkedNode {
        self.executor.parked_node()
    }

    /// Waits until this many wait for a VM.
    fn wait_for(&self, what: &str, done: impl Fn(ParkedNode) -> bool) {
        let start = Instant::now();
        while !done(self.stand()) {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: {:?}", self.stand());
            std::thread::yield_now();
        }
    }

    /// Has a process be parked for VMs that have none.
    fn warm(&self) {
        let vm = self.vm();
        vm.put("/tmp/warm.js", b"", 0o644);
        vm.run(&["/usr/bin/node", "/tmp/warm.js"]).ok();
        self.wait_for("warm", |stand| stand.waiting > 0);
    }
}

impl Drop for Parks {
    fn drop(&mut self) {
        self.executor.park_node(0);
    }
}

/// The read-only part: what every VM of these tests has.
fn base(executor: Arc<dyn Executor>, limits: Limits) -> Arc<Kernel> {
    let vm = Vm::with(vec![executor], limits);
    let kernel = Arc::clone(&vm.kernel);
    // Its end would be the kernel's.
    std::mem::forget(vm);
    kernel
}

const SHOWS: &str = "
    const { argv, argv0, execArgv, env, title, pid, ppid, execPath } = process;
    console.log(JSON.stringify({ argv, argv0, execArgv, env, title, execPath, cwd: process.cwd(), main: require.main === module,
      cached: Object.keys(require.cache), same: pid === require('fs').readlinkSync('/proc/self') * 1, parent: typeof ppid,
      out: process.stdout.constructor.name, in: process.stdin.constructor.name, uid: process.getuid() }));";

#[test]
fn a_parked_process_is_what_a_fresh_one_would_be() {
    // One for the VM that warms the pool, one for who has none, one for this test's.
    let Some(parks) = Parks::new(3) else { return };
    let fresh = {
        let vm = Vm::new().unwrap();
        vm.put("/tmp/shows.js", SHOWS.as_bytes(), 0o644);
        vm.run(&[NODE, "/tmp/shows.js", "a b", "-c"]).ok()
    };
    parks.warm();
    let vm = parks.vm();
    vm.put("/tmp/shows.js", SHOWS.as_bytes(), 0o644);
    let before = parks.stand();
    assert_eq!(vm.run(&[NODE, "/tmp/shows.js", "a b", "-c"]).ok(), fresh);
    assert_eq!(parks.stand().claimed, before.claimed + 1, "{:?}", parks.stand());
    // Its thread parks the next one itself.
    parks.wait_for("the VM's own", |stand| stand.parked == 3);
    assert_eq!(vm.run(&[NODE, "/tmp/shows.js", "a b", "-c"]).ok(), fresh);
    assert_eq!(parks.stand().claimed, before.claimed + 2, "{:?}", parks.stand());
}

#[test]
fn a_vm_in_which_node_would_have_seen_something_else_gets_a_fresh_process() {
    let Some(parks) = Parks::new(1) else { return };
    parks.warm();
    let vm = parks.vm();
    // Node.js of this VM is configured.
    vm.put("/etc/ld.so.preload", b"", 0o644);
    vm.put("/tmp/a.js", b"console.log(1)", 0o644);
    let before = parks.stand();
    assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
    assert_eq!(parks.stand().claimed, before.claimed);
    assert_eq!(parks.stand().missed, before.missed + 1);
}

#[test]
fn nothing_is_parked_where_the_pool_is_off() {
    let Some(parks) = Parks::new(0) else { return };
    let vm = parks.vm();
    vm.put("/tmp/a.js", b"console.log(1)", 0o644);
    assert_eq!(vm.run(&[NODE, "/tmp/a.js"]).ok(), "1\n");
    assert_eq!(parks.stand(), ParkedNode::default());
}

#[test]
fn a_claimed_process_ends_as_any_other() {
    let Some(parks) = Parks::new(1) else { return };
    parks.warm();
    let vm = parks.vm();
    vm.put(
        "/tmp/throws.js",
        b"process.on('exit', (code) => console.log(code)); throw new Error('x')",
        0o644,
    );
    let ended = vm.run(&[NODE, "/tmp/throws.js"]);
    assert_eq!(parks.stand().claimed, 1);
    assert_eq!((ended.status, ended.out.as_str()), (ExitStatus::Exited(1), "1\n"));
    assert!(
        ended.err.contains("node:internal/main/run_main_module"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("park"), "{}", ended.err);
}
