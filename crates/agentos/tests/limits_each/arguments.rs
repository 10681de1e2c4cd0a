//! Limits of what a new program is given: arguments, environment, file actions.

use crate::modules::module_of;
use crate::tools::{audited, audited_beyond, check, idle, limited, run, says};
use agentos::{AgentOs, Errno};

/// A script that becomes itself again with twice as much, until that is refused. Nothing but the refusal ends it.
async fn doubles(vm: &AgentOs, script: &str, start: &str) {
    vm.write_file("/home/user/again.sh", script).await.unwrap();
    let output = vm.exec(start).await.unwrap();
    assert_eq!(output.exit_code, 126, "{}", output.stderr_text());
    says(&output, "Argument list too long");
}

/// A program that spawns `/usr/bin/true` with a list of `count` file actions of which the first has a path of `length` bytes, and
/// exits with the error.
fn spawner(count: u32, length: u32) -> String {
    let imports = r#"(import "agentos_v1" "proc_spawn" (func $spawn (param i32 i32) (result i32)))"#;
    let path = "/usr/bin/true";
    // size, flags, path, argv, env, cwd, actions, group, umask, mask, defaults
    let record = [
        (0, 72),
        (4, 0),
        (8, 4096),
        (12, path.len() as u32),
        (16, 4096),
        (20, path.len() as u32 + 1),
        (40, 8192),
        (44, count),
        // The first action: open `xxx...` as 5.
        (7168 + 1024, 3),
        (7168 + 1028, 5),
        (7168 + 1044, 16384),
        (7168 + 1048, length),
    ];
    let stores: String = record
        .iter()
        .map(|(at, value)| format!("(i32.store (i32.const {at}) (i32.const {value}))"))
        .collect();
    // The other actions close a descriptor that is not there.
    let fill = "(local.set $i (i32.const 1)) (loop $more
        (i32.store (i32.add (i32.const 8192) (i32.mul (local.get $i) (i32.const 28))) (i32.const 1))
        (i32.store (i32.add (i32.const 8196) (i32.mul (local.get $i) (i32.const 28))) (i32.const 77))
        (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200))))";
    let items = format!(r#"(data (i32.const 4096) "{path}\00") (data (i32.const 16384) "/etc/passwd")"#);
    let body = format!("{stores} {fill} (local.set $error (call $spawn (i32.const 0) (i32.const 512)))");
    module_of(imports, &items, "(local $i i32)", &body)
}

pub(crate) mod max_process_argv_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxProcessArgvBytes", 1000)]).await;
        let mut events = vm.events();
        let output = vm.exec("/bin/echo $(seq 1000)").await.unwrap();
        assert_eq!(output.exit_code, 126, "{output:?}");
        says(&output, "Argument list too long");
        let full = ("resources.maxProcessArgvBytes", "bytes", 1000, Errno::E2BIG);
        audited_beyond(&mut events, full).await;
        // One that asks how much there may be gets along with less.
        assert_eq!(
            vm.exec("seq 1000 | xargs -n 20 echo | wc -w")
                .await
                .unwrap()
                .stdout_text()
                .trim(),
            "1000"
        );
        let error = vm.exec_argv(["echo", &"x".repeat(2000)]).await.unwrap_err();
        let observed = 2000 + 4 + 2 * 8;
        check(
            error.limit().unwrap(),
            ("resources.maxProcessArgvBytes", "bytes", observed, 1000, Errno::E2BIG),
        );
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxProcessArgvBytes", 3000)]).await;
        let mut events = vm.events();
        doubles(&vm, "exec sh ./again.sh \"$@\" \"$@\"", "sh ./again.sh aaaaaaaa").await;
        let full = ("resources.maxProcessArgvBytes", "bytes", 3000, Errno::E2BIG);
        let observed = audited_beyond(&mut events, full).await;
        assert!(observed < 8000, "{observed}: it got further than it may");
        idle(&vm).await;
    }
}

pub(crate) mod max_process_env_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxProcessEnvBytes", 2000)]).await;
        let mut events = vm.events();
        let output = vm.exec("export X=$(seq 1000); /bin/true").await.unwrap();
        assert_eq!(output.exit_code, 126, "{output:?}");
        says(&output, "Argument list too long");
        let full = ("resources.maxProcessEnvBytes", "bytes", 2000, Errno::E2BIG);
        audited_beyond(&mut events, full).await;
        let error = vm.exec("true").env("X", "x".repeat(3000)).await.unwrap_err();
        let limit = error.limit().unwrap();
        check(
            limit,
            (
                "resources.maxProcessEnvBytes",
                "bytes",
                limit.observed,
                2000,
                Errno::E2BIG,
            ),
        );
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxProcessEnvBytes", 5000)]).await;
        let mut events = vm.events();
        doubles(&vm, "export X=$X$X; exec sh ./again.sh", "X=aaaaaaaa sh ./again.sh").await;
        let full = ("resources.maxProcessEnvBytes", "bytes", 5000, Errno::E2BIG);
        let observed = audited_beyond(&mut events, full).await;
        assert!(observed < 12_000, "{observed}: it got further than it may");
        idle(&vm).await;
    }
}

pub(crate) mod max_spawn_file_actions {
    use super::*;

    pub(crate) async fn program() {
        // Starting a program for the host takes an action for each of its three streams.
        let vm = limited(&[("maxSpawnFileActions", 2)]).await;
        let mut events = vm.events();
        let full = ("process.maxSpawnFileActions", "count", 3, 2, Errno::E2BIG);
        check(vm.exec("true").await.unwrap_err().limit().unwrap(), full);
        audited(&mut events, full).await;
        // So it does for a tool that starts another and listens to it, which then works with as many as there may be.
        let vm = limited(&[("maxSpawnFileActions", 3)]).await;
        let output = vm
            .exec("printf '!echo hi\\nq\\n' | ed -s; echo a b | xargs -n 1 echo")
            .await
            .unwrap();
        assert_eq!(output.stdout_text(), "hi\na\nb\n", "{}", output.stderr_text());
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxSpawnFileActions", 8)]).await;
        let mut events = vm.events();
        assert_eq!(run(&vm, "eight.wasm", &spawner(8, 11)).await, 0);
        assert_eq!(run(&vm, "nine.wasm", &spawner(9, 11)).await, 1);
        audited(
            &mut events,
            ("process.maxSpawnFileActions", "count", 9, 8, Errno::E2BIG),
        )
        .await;
        // A number that would fill the memory of the host is refused before anything is read.
        assert_eq!(run(&vm, "all.wasm", &spawner(u32::MAX, 11)).await, 1);
        let observed = u64::from(u32::MAX);
        audited(
            &mut events,
            ("process.maxSpawnFileActions", "count", observed, 8, Errno::E2BIG),
        )
        .await;
        idle(&vm).await;
    }
}

pub(crate) mod max_spawn_file_action_bytes {
    use super::*;

    pub(crate) async fn program() {
        // `xargs` opens /dev/null for the program that it starts; one with descriptors of its own has no path to name.
        let vm = limited(&[("maxSpawnFileActionBytes", 8)]).await;
        let mut events = vm.events();
        let output = vm.exec("echo a | xargs echo").await.unwrap();
        assert_eq!(output.exit_code, 126, "{output:?}");
        says(&output, "xargs: echo: Argument list too long");
        audited(
            &mut events,
            ("process.maxSpawnFileActionBytes", "bytes", 9, 8, Errno::E2BIG),
        )
        .await;
        assert_eq!(vm.exec("echo a | cat").await.unwrap().stdout_text(), "a\n");
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxSpawnFileActionBytes", 11)]).await;
        let mut events = vm.events();
        assert_eq!(run(&vm, "eleven.wasm", &spawner(1, 11)).await, 0);
        assert_eq!(run(&vm, "twelve.wasm", &spawner(1, 12)).await, 1);
        audited(
            &mut events,
            ("process.maxSpawnFileActionBytes", "bytes", 12, 11, Errno::E2BIG),
        )
        .await;
        assert_eq!(run(&vm, "all.wasm", &spawner(1, u32::MAX)).await, 1);
        let observed = u64::from(u32::MAX);
        audited(
            &mut events,
            ("process.maxSpawnFileActionBytes", "bytes", observed, 11, Errno::E2BIG),
        )
        .await;
        idle(&vm).await;
    }
}
