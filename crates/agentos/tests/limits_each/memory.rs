//! Limits of memory.

use crate::modules::{GROW, HOG};
use crate::tools::{audited, audited_beyond, check, idle, install, limited, run, says, until, used};
use agentos::Errno;

const MIB: u64 = 1 << 20;
/// Sorts more than there is memory for.
const SORT: &str = "head -c 60000000 /dev/zero | tr '\\0' a | sort | wc -c; echo ${PIPESTATUS[2]}";

pub(crate) mod max_wasm_memory_bytes {
    use super::*;

    const FULL: (&str, &str, u64, Errno) = ("resources.maxWasmMemoryBytes", "bytes", 16 * MIB, Errno::ENOMEM);

    pub(crate) async fn program() {
        let vm = limited(&[("maxWasmMemoryBytes", 16 * MIB)]).await;
        let mut events = vm.events();
        let output = vm.exec(SORT).await.unwrap();
        assert_eq!(output.stdout_text(), "0\n2\n");
        says(&output, "out of memory");
        audited_beyond(&mut events, FULL).await;
        let output = vm.exec("x=xxxxxxxx; while :; do x=$x$x; done").await.unwrap();
        assert_ne!(output.exit_code, 0);
        audited_beyond(&mut events, FULL).await;
        assert!(vm.usage().peak_memory_bytes < 64 * MIB);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxWasmMemoryBytes", 16 * MIB)]).await;
        let mut events = vm.events();
        // One page is there from the beginning, so the sixteenth step is refused.
        assert_eq!(run(&vm, "grow.wasm", GROW).await, 15);
        let observed = 16 * MIB + (1 << 16);
        audited(&mut events, (FULL.0, FULL.1, observed, FULL.2, FULL.3)).await;
        let large = r#"(module (memory (export "memory") 512) (func (export "_start")))"#;
        let path = install(&vm, "large.wasm", large).await;
        let error = vm.exec_argv([path]).await.unwrap_err();
        check(error.limit().unwrap(), (FULL.0, FULL.1, 32 * MIB, FULL.2, FULL.3));
        idle(&vm).await;
    }
}

pub(crate) mod max_wasm_stack_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxWasmStackBytes", 64 << 10)]).await;
        // A shell function that calls itself ends its shell, and no other.
        let output = vm.exec("sh -c 'f() { f; }; f'; echo $?").await.unwrap();
        assert_eq!(output.stdout_text(), "139\n", "{}", output.stderr_text());
        assert_eq!(
            vm.exec("f() { [ $1 = 0 ] || f $(($1-1)); }; f 5; echo $?")
                .await
                .unwrap()
                .stdout_text(),
            "0\n"
        );
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxWasmStackBytes", 64 << 10)]).await;
        let deep = |depth: i32| {
            format!(
                r#"(module (memory (export "memory") 1)
                (func $deep (param i32) (result i32) (if (result i32) (local.get 0)
                    (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
                    (else (i32.const 0))))
                (func (export "_start") (drop (call $deep (i32.const {depth})))))"#
            )
        };
        assert_eq!(run(&vm, "deep.wasm", &deep(-1)).await, 139);
        // Within the cap it works; a frame takes 16 bytes at least, so this is the order of what fits.
        assert_eq!(run(&vm, "shallow.wasm", &deep(500)).await, 0);
        assert_eq!(run(&vm, "deeper.wasm", &deep(5000)).await, 139);
        idle(&vm).await;
    }
}

pub(crate) mod max_memory_bytes {
    use super::*;

    const CAP: u64 = 64 * MIB;
    const FULL: (&str, &str, u64, Errno) = ("resources.maxMemoryBytes", "bytes", CAP, Errno::ENOMEM);

    pub(crate) async fn program() {
        let cap = 48 * MIB;
        let vm = limited(&[("maxMemoryBytes", cap), ("maxWasmMemoryBytes", 40 * MIB)]).await;
        let mut events = vm.events();
        // None of them has more than a process may have; all together they have.
        let sort = "head -c 12000000 /dev/zero | tr '\\0' a | sort | wc -c";
        let output = vm
            .exec(format!("for i in 1 2 3 4; do {sort} & done; wait"))
            .await
            .unwrap();
        says(&output, "out of memory");
        audited_beyond(&mut events, (FULL.0, FULL.1, cap, FULL.3)).await;
        assert!(vm.usage().peak_memory_bytes <= cap);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxMemoryBytes", CAP), ("maxWasmMemoryBytes", CAP)]).await;
        let mut events = vm.events();
        // A small program that will want to become a larger one, for which no call can fail any more.
        let large = r#"(module (memory (export "memory") 768) (func (export "_start")))"#;
        install(&vm, "large.wasm", large).await;
        let mut shell = crate::tools::start(&vm, "echo ready; read x; exec ./large.wasm").await;
        shell.first_output().await.unwrap();
        let hog = install(&vm, "hog.wasm", HOG).await;
        let hog = vm.spawn(&hog, [""; 0]).start().await.unwrap();
        until(|| used(&vm, "maxMemoryBytes").observed > CAP - 2 * MIB).await;
        audited_beyond(&mut events, FULL).await;
        // A call that can fail does.
        let error = vm.exec_argv(["./large.wasm"]).await.unwrap_err();
        let limit = error.limit().unwrap();
        check(limit, (FULL.0, FULL.1, limit.observed, CAP, FULL.3));
        // One that cannot costs the largest process its life.
        shell.stdin().write_all("go\n").await.unwrap();
        assert_eq!(hog.control().wait().await.unwrap(), 137);
        let limit = hog.control().limit().expect("the reason");
        check(&limit, (FULL.0, FULL.1, limit.observed, CAP, FULL.3));
        assert_eq!(shell.wait().await.unwrap(), 0);
        drop((hog, shell));
        idle(&vm).await;
    }
}

pub(crate) mod runner_heap_limit_mb {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("runnerHeapLimitMb", 32)]).await;
        let mut events = vm.events();
        let output = vm.exec(SORT).await.unwrap();
        assert_eq!(output.stdout_text(), "0\n137\n");
        audited_beyond(&mut events, ("wasm.runnerHeapLimitMb", "count", 32, Errno::ENOMEM)).await;
        let output = vm.exec("x=xxxxxxxx; while :; do x=$x$x; done").await.unwrap();
        assert_eq!(output.exit_code, 137);
        assert_eq!(output.limit.unwrap().limit, "runnerHeapLimitMb");
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("runnerHeapLimitMb", 32)]).await;
        let path = install(&vm, "grow.wasm", GROW).await;
        let output = vm.exec_argv([path]).await.unwrap();
        assert_eq!(output.exit_code, 137);
        check(
            &output.limit.unwrap(),
            ("wasm.runnerHeapLimitMb", "count", 33, 32, Errno::ENOMEM),
        );
        assert!(vm.usage().peak_memory_bytes <= 33 * MIB);
        idle(&vm).await;
    }
}
