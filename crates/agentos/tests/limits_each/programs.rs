//! Limits of program files and of compiling ahead.

use crate::modules::NOTHING;
use crate::tools::{audited_beyond, check, install, limited, run, says};
use agentos::{AgentOs, Errno, Limits};

pub(crate) mod max_module_file_bytes {
    use super::*;

    pub(crate) async fn program() {
        // The bundled programs fit; one of them that was blown up does not.
        let cap = 32 << 20;
        let vm = limited(&[("maxModuleFileBytes", cap)]).await;
        let mut events = vm.events();
        let script = "cp /bin/sh big; head -c 33000000 /dev/zero >> big; ./big -c 'echo no'";
        let output = vm.exec(script).await.unwrap();
        assert_eq!(output.exit_code, 126);
        says(&output, "./big: cannot execute binary file: Exec format error");
        audited_beyond(&mut events, ("wasm.maxModuleFileBytes", "bytes", cap, Errno::ENOEXEC)).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxModuleFileBytes", 1000)]).await;
        let fill = "x".repeat(2000);
        let module =
            format!(r#"(module (memory (export "memory") 1) (data (i32.const 0) "{fill}") (func (export "_start")))"#);
        let path = install(&vm, "large.wasm", &module).await;
        let mut events = vm.events();
        let error = vm.exec_argv([path]).await.unwrap_err();
        let limit = error.limit().unwrap();
        check(
            limit,
            ("wasm.maxModuleFileBytes", "bytes", limit.observed, 1000, Errno::ENOEXEC),
        );
        assert!((2000..2200).contains(&limit.observed), "{limit}");
        audited_beyond(&mut events, ("wasm.maxModuleFileBytes", "bytes", 1000, Errno::ENOEXEC)).await;
        assert_eq!(run(&vm, "small.wasm", NOTHING).await, 0);
    }
}

pub(crate) mod prewarm_timeout_ms {
    use super::*;
    use agentos::Preparation;

    /// A VM that prepares for a millisecond at most, with an engine of its own that has compiled nothing yet.
    async fn impatient(cache: &tempfile::TempDir) -> (AgentOs, Preparation) {
        let mut limits = Limits::default();
        limits.set("prewarmTimeoutMs", 1).unwrap();
        let builder = AgentOs::builder().limits(limits);
        let builder = builder.cache_dir(Some(cache.path().to_owned()));
        let vm = builder.create().await.unwrap();
        let mut last = None;
        vm.prepare(|now| last = Some(now.clone())).await.unwrap();
        (vm, last.unwrap())
    }

    pub(crate) async fn program() {
        let cache = tempfile::tempdir().unwrap();
        let (vm, last) = impatient(&cache).await;
        assert!(last.done < last.total, "{last:?}: it did not end in time");
        // A program that was not compiled in that time is when it is run.
        assert_eq!(vm.exec("echo here").await.unwrap().stdout_text(), "here\n");
    }

    pub(crate) async fn hostile() {
        // A guest's own module is no part of it, however long it takes to compile.
        let cache = tempfile::tempdir().unwrap();
        let (vm, last) = impatient(&cache).await;
        assert!(last.done < last.total, "{last:?}: it did not end in time");
        let functions = "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))".repeat(2000);
        let module = format!(r#"(module (memory (export "memory") 1) {functions} (func (export "_start")))"#);
        assert_eq!(run(&vm, "long.wasm", &module).await, 0);
    }
}
