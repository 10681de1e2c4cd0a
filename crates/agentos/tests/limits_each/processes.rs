//! Limits of processes.

use crate::modules::until_it_fails;
use crate::tools::{audited, check, idle, limited, run, says, used};
use agentos::Errno;

pub(crate) mod max_processes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxProcesses", 8), ("maxPipes", 1000)]).await;
        let mut events = vm.events();
        let full = ("resources.maxProcesses", "count", 9, 8, Errno::EAGAIN);
        let output = vm
            .exec("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo $?")
            .await
            .unwrap();
        says(&output, "esource temporarily unavailable");
        audited(&mut events, full).await;
        used(&vm, "maxProcesses");
        idle(&vm).await;
        let mut held = Vec::new();
        let error = loop {
            match vm.spawn("sleep", ["1000"]).start().await {
                Ok(process) => held.push(process),
                Err(error) => break error,
            }
        };
        assert_eq!((held.len() as u64, used(&vm, "maxProcesses").observed), (8, 8));
        check(error.limit().unwrap(), full);
        drop(held);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxProcesses", 8)]).await;
        let mut events = vm.events();
        let imports = r#"(import "agentos_v1" "proc_clone" (func $clone (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))"#;
        let child = r#"(func (export "agentos_clone_entry") (param i32) (result i32)
            (loop $l (drop (call $yield)) (br $l)) (i32.const 0))"#;
        let body = "(loop $more (br_if $more (i32.eqz (local.tee $error
            (call $clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))))))";
        let bomb = crate::modules::module_of(imports, child, "", body);
        assert_eq!(run(&vm, "bomb.wasm", &bomb).await, 6);
        audited(&mut events, ("resources.maxProcesses", "count", 9, 8, Errno::EAGAIN)).await;
        used(&vm, "maxProcesses");
        idle(&vm).await;
    }
}

pub(crate) mod max_retained_exited {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxRetainedExited", 3)]).await;
        for status in 1..=5 {
            assert_eq!(vm.exec(format!("exit {status}")).await.unwrap().exit_code, status);
        }
        // The latest are remembered with their ends.
        let statuses: Vec<_> = vm.exited_processes().iter().map(|ended| ended.exit_code).collect();
        assert_eq!(statuses, [3, 4, 5]);
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxRetainedExited", 3)]).await;
        // Orphans of a storm are children of init at their end; what they are called is cut.
        let name = "x".repeat(60_000);
        let storm = format!("for i in $(seq 300); do (sh -c 'exit 7' {name} &) ; done; sleep 0.1");
        vm.exec(storm).await.unwrap();
        idle(&vm).await;
        let kept = vm.exited_processes();
        assert_eq!(kept.len(), 3);
        assert!(kept.iter().all(|ended| ended.command.len() <= 256), "{kept:?}");
        // Threads that end at once are no processes that are remembered for long either.
        let quick = until_it_fails(
            r#"(import "agentos_v1" "proc_getpgid" (func $group (param i32 i32) (result i32)))"#,
            "(call $group (i32.const 99999) (i32.const 64))",
        );
        assert_eq!(run(&vm, "quick.wasm", &quick).await, 71);
        assert_eq!(vm.exited_processes().len(), 3);
    }
}
