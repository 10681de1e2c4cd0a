//! Limits of descriptors, pipes and terminals.

use crate::modules::{MAKE_PIPE, PIPE, until_it_fails};
use crate::tools::{audited, check, idle, limited, run, says, start, until, used};
use agentos::{Errno, ShellOptions};

pub(crate) mod max_open_fds {
    use super::*;

    const FULL: crate::tools::Expected = ("resources.maxOpenFds", "count", 41, 40, Errno::ENFILE);

    pub(crate) async fn program() {
        let vm = limited(&[("maxOpenFds", 40), ("maxOpenFdsPerProcess", 40), ("maxPipes", 1000)]).await;
        let mut events = vm.events();
        let many = "for i in $(seq 3 30); do eval \"exec $i</etc/passwd\" || exit 9; done; sleep 1000";
        let mut first = start(&vm, many).await;
        let mut second = start(&vm, many).await;
        // Whichever comes later is told.
        let said = tokio::select! {
            said = first.first_output() => said,
            said = second.first_output() => said,
        };
        let said = String::from_utf8_lossy(&said.unwrap().data).into_owned();
        assert!(said.contains("Too many open files in system"), "{said}");
        audited(&mut events, FULL).await;
        used(&vm, "maxOpenFds");
        drop((first, second));
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxOpenFds", 40), ("maxOpenFdsPerProcess", 40), ("maxPipes", 1000)]).await;
        let mut events = vm.events();
        assert_eq!(run(&vm, "open.wasm", &until_it_fails(PIPE, MAKE_PIPE)).await, 41);
        audited(&mut events, FULL).await;
        idle(&vm).await;
    }
}

pub(crate) mod max_open_fds_per_process {
    use super::*;

    const FULL: crate::tools::Expected = ("resources.maxOpenFdsPerProcess", "count", 17, 16, Errno::EMFILE);

    pub(crate) async fn program() {
        let vm = limited(&[("maxOpenFdsPerProcess", 16)]).await;
        let mut events = vm.events();
        let script = "ulimit -n; for i in $(seq 3 40); do eval \"exec $i</dev/null\" || exit 9; done";
        let output = vm.exec(script).await.unwrap();
        assert_ne!(output.exit_code, 0);
        assert_eq!(output.stdout_text(), "16\n");
        says(&output, "No file descriptors available");
        audited(&mut events, FULL).await;
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxOpenFdsPerProcess", 16)]).await;
        let mut events = vm.events();
        let dup = r#"(import "agentos_v1" "fd_dup" (func $dup (param i32 i32 i32 i32) (result i32)))"#;
        let call = "(call $dup (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64))";
        assert_eq!(run(&vm, "dup.wasm", &until_it_fails(dup, call)).await, 33);
        audited(&mut events, FULL).await;
        idle(&vm).await;
    }
}

pub(crate) mod max_pipes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxPipes", 6)]).await;
        let mut events = vm.events();
        // None of them ends, and gives a pipe back, before the last one is there.
        let output = vm.exec(["sleep 1000"; 7].join(" | ")).await.unwrap();
        says(&output, "Resource temporarily unavailable");
        audited(&mut events, ("resources.maxPipes", "count", 7, 6, Errno::EAGAIN)).await;
        let none = limited(&[("maxPipes", 0)]).await;
        let error = none.exec("true").await.unwrap_err();
        check(
            error.limit().unwrap(),
            ("resources.maxPipes", "count", 1, 0, Errno::EAGAIN),
        );
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxPipes", 6)]).await;
        let mut events = vm.events();
        assert_eq!(run(&vm, "pipes.wasm", &until_it_fails(PIPE, MAKE_PIPE)).await, 6);
        audited(&mut events, ("resources.maxPipes", "count", 7, 6, Errno::EAGAIN)).await;
        idle(&vm).await;
    }
}

pub(crate) mod max_ptys {
    use super::*;

    const FULL: crate::tools::Expected = ("resources.maxPtys", "count", 3, 2, Errno::EAGAIN);

    pub(crate) async fn program() {
        let vm = limited(&[("maxPtys", 2)]).await;
        let mut events = vm.events();
        let output = vm
            .exec("exec 5<>/dev/ptmx; exec 6<>/dev/ptmx; exec 7<>/dev/ptmx")
            .await
            .unwrap();
        says(&output, "/dev/ptmx: Resource temporarily unavailable");
        audited(&mut events, FULL).await;
        until(|| used(&vm, "maxPtys").observed == 0).await;
        let held = [
            vm.open_shell(ShellOptions::default()).await.unwrap(),
            vm.open_shell(ShellOptions::default()).await.unwrap(),
        ];
        let error = vm.open_shell(ShellOptions::default()).await.unwrap_err();
        check(error.limit().unwrap(), FULL);
        drop(held);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxPtys", 2)]).await;
        let mut events = vm.events();
        let open = r#"(import "agentos_v1" "tty_open" (func $open (param i32 i32 i32) (result i32)))"#;
        let call = "(call $open (i32.const 0) (i32.const 64) (i32.const 68))";
        assert_eq!(run(&vm, "ptys.wasm", &until_it_fails(open, call)).await, 6);
        audited(&mut events, FULL).await;
        idle(&vm).await;
    }
}
