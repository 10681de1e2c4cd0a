//! Finding programs: `PATH`, permissions, `#!`, formats, sizes.

use crate::harness::{Outcome, Vm};
use agentos_kernel::id::Pid;
use agentos_kernel::process::{Dir, ExitStatus, FileAction, SpawnRequest, WaitEvent};
use agentos_kernel::vfs::Mode;
use agentos_kernel::{Errno, Error, Result};
use std::task::Poll;

fn spawn(vm: &Vm, request: SpawnRequest) -> Result<Pid> {
    let Poll::Ready(result) = vm.kernel.spawn(&vm.kernel.init(), &request, None) else {
        panic!("pending")
    };
    result.map(|process| process.pid())
}

fn refusal(vm: &Vm, path: &str) -> Error {
    let request = SpawnRequest {
        search_path: false,
        ..Vm::request(&[path])
    };
    spawn(vm, request).unwrap_err()
}

/// A program that says its arguments.
fn with_args(vm: &Vm) {
    vm.program("args", |sys| async move {
        let args: Vec<String> = sys
            .argv()
            .iter()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        sys.say(&args.join("|")).await;
        0
    });
}

fn say(vm: &Vm, argv: &[&str]) -> String {
    let (out, action) = vm.output(1);
    vm.start_with(SpawnRequest {
        actions: vec![action],
        ..Vm::request(argv)
    });
    vm.executor.run();
    crate::harness::drain(&out)
}

#[test]
fn scripts_run_their_interpreter_with_one_argument() {
    let vm = Vm::new();
    with_args(&vm);
    vm.file("/bin/plain", b"#!/bin/args\n", 0o755);
    vm.file("/bin/option", b"#! /bin/args  -e  x \nrest", 0o755);
    vm.file("/bin/nested", b"#!/bin/option", 0o755);
    assert_eq!(say(&vm, &["plain", "a", "b"]), "/bin/args|/bin/plain|a|b");
    assert_eq!(say(&vm, &["option", "a"]), "/bin/args|-e  x|/bin/option|a");
    assert_eq!(say(&vm, &["nested", "a"]), "/bin/args|-e  x|/bin/option|/bin/nested|a");
    for level in 1..=6 {
        let below = if level == 1 {
            "args".to_owned()
        } else {
            format!("level{}", level - 1)
        };
        vm.file(
            &format!("/bin/level{level}"),
            format!("#!/bin/{below}\n").as_bytes(),
            0o755,
        );
    }
    assert!(say(&vm, &["level5"]).starts_with("/bin/args|/bin/level1|"));
    assert_eq!(refusal(&vm, "/bin/level6"), Errno::ELOOP);
    vm.file("/bin/lost", b"#!/bin/missing\n", 0o755);
    assert_eq!(refusal(&vm, "/bin/lost"), Errno::ENOENT);
    vm.assert_idle();
}

#[test]
fn what_cannot_run_says_why() {
    let vm = Vm::new();
    vm.file("/bin/elf", b"\x7fELF....", 0o755);
    vm.file("/bin/text", b"hello", 0o755);
    vm.file("/bin/empty", b"", 0o755);
    vm.file("/bin/unknown", b"test:unknown", 0o755);
    vm.file("/bin/noexec", b"test:x", 0o644);
    assert_eq!(refusal(&vm, "/bin/elf"), Errno::ENOEXEC);
    assert_eq!(
        refusal(&vm, "/bin/elf").to_string(),
        "/bin/elf is a native Linux program, which this VM cannot run"
    );
    assert!(refusal(&vm, "/bin/text").to_string().contains("is not a program"));
    assert_eq!(refusal(&vm, "/bin/empty"), Errno::ENOEXEC);
    assert_eq!(refusal(&vm, "/bin/unknown").to_string(), "no test program unknown");
    assert_eq!(refusal(&vm, "/bin/noexec"), Errno::EACCES);
    assert_eq!(refusal(&vm, "/bin"), Errno::EACCES);
    assert_eq!(refusal(&vm, "/bin/elf/x"), Errno::ENOTDIR);
    assert_eq!(refusal(&vm, ""), Errno::ENOENT);
    vm.assert_idle();
}

#[test]
fn commands_are_looked_up_in_the_new_environment() {
    let vm = Vm::new();
    with_args(&vm);
    vm.file("/tmp/args", b"not executable", 0o644);
    vm.file("/tmp/only", b"not executable", 0o644);
    let with_path = |path: &str, name: &str| {
        let env = vec![format!("PATH={path}").into_bytes()];
        spawn(
            &vm,
            SpawnRequest {
                env,
                ..Vm::request(&[name])
            },
        )
    };
    with_path("/nowhere:/etc/passwd:/tmp:/bin", "args").unwrap();
    assert_eq!(with_path("/tmp:/bin", "only").unwrap_err(), Errno::EACCES);
    assert_eq!(with_path("/tmp", "missing").unwrap_err(), Errno::ENOENT);
    assert_eq!(with_path("/bin", "./args").unwrap_err(), Errno::ENOENT);
    spawn(
        &vm,
        SpawnRequest {
            env: vec![],
            ..Vm::request(&["args"])
        },
    )
    .unwrap();
    let here = SpawnRequest {
        env: vec![b"PATH=".to_vec()],
        cwd: Some(b"/bin".to_vec()),
        ..Vm::request(&["args"])
    };
    spawn(&vm, here).unwrap();
    vm.executor.run();
    vm.assert_idle();
}

#[test]
fn sizes_are_limited_to_the_byte() {
    let vm = Vm::with(|limits| {
        limits.max_process_argv_bytes = 20;
        limits.max_process_env_bytes = 30;
        limits.max_spawn_file_actions = 2;
        limits.max_spawn_file_action_bytes = 10;
    });
    with_args(&vm);
    // "args" and its pointer are 12 bytes.
    spawn(&vm, Vm::request(&["args", ""])).unwrap();
    let error = spawn(&vm, Vm::request(&["args", "x"])).unwrap_err();
    let limit = error.limit().unwrap();
    assert_eq!(
        (limit.limit, limit.observed, limit.errno),
        ("maxProcessArgvBytes", 21, Errno::E2BIG)
    );
    let env = |bytes: usize| SpawnRequest {
        env: vec![vec![b'x'; bytes - 8]],
        path: b"/bin/args".to_vec(),
        ..Vm::request(&["args"])
    };
    spawn(&vm, env(30)).unwrap();
    assert_eq!(
        spawn(&vm, env(31)).unwrap_err().limit().unwrap().limit,
        "maxProcessEnvBytes"
    );
    let actions = |actions: Vec<FileAction>| SpawnRequest {
        actions,
        ..Vm::request(&["args"])
    };
    let chdir = |path: &str| FileAction::Chdir(path.as_bytes().to_vec());
    spawn(&vm, actions(vec![chdir("/tmp"), chdir("//////")])).unwrap();
    let error = spawn(&vm, actions(vec![chdir("/"), chdir("/"), chdir("/")])).unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxSpawnFileActions");
    let error = spawn(&vm, actions(vec![chdir("/tmp"), chdir("///////")])).unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxSpawnFileActionBytes");
    vm.executor.run();
    vm.assert_idle();
}

#[test]
fn file_actions_run_in_order_in_the_childs_directory() {
    let vm = Vm::new();
    vm.program("child", |sys| async move {
        assert_eq!(sys.getcwd().unwrap(), b"/tmp/inner");
        sys.say("written").await;
        u32::from(sys.umask(None) != Mode::new(0o77))
    });
    vm.check(|sys| async move {
        sys.mkdir(Dir::Cwd, b"/tmp/inner", Mode::new(0o777)).unwrap();
        let how = agentos_kernel::process::OpenHow {
            options: agentos_kernel::vfs::OpenOptions {
                write: true,
                create: true,
                mode: Mode::new(0o666),
                ..Default::default()
            },
            ..Default::default()
        };
        let open = |path: &str| FileAction::Open {
            fd: agentos_kernel::id::Fd(1),
            path: path.into(),
            how,
        };
        let request = SpawnRequest {
            credentials: None,
            cwd: Some(b"/tmp".to_vec()),
            umask: Some(Mode::new(0o77)),
            actions: vec![open("outer"), FileAction::Chdir(b"inner".to_vec()), open("file")],
            ..Vm::request(&["child"])
        };
        let pid = sys.spawn(&request).await.unwrap();
        assert_eq!(sys.reap(pid).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        assert_eq!(sys.cat("/tmp/inner/file").await.unwrap(), "written");
        assert_eq!(sys.cat("/tmp/outer").await.unwrap(), "");
        let stat = sys.stat(Dir::Cwd, b"/tmp/inner/file", Default::default()).unwrap();
        assert_eq!(stat.attr.mode, Mode::new(0o600));
        let relative = SpawnRequest {
            path: b"child".to_vec(),
            search_path: false,
            actions: vec![
                FileAction::Chdir(b"/bin".to_vec()),
                open("/tmp/ignored"),
                FileAction::Chdir(b"/tmp/inner".to_vec()),
            ],
            ..request.clone()
        };
        assert_eq!(sys.spawn(&relative).await.unwrap_err(), Errno::ENOENT);
        sys.symlink(b"/bin/child", Dir::Cwd, b"/tmp/inner/child").unwrap();
        let pid = sys.spawn(&relative).await.unwrap();
        assert_eq!(sys.reap(pid).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        let request = SpawnRequest {
            actions: vec![FileAction::Chdir(b"/bin/child".to_vec())],
            ..request
        };
        assert_eq!(sys.spawn(&request).await.unwrap_err(), Errno::ENOTDIR);
        let request = SpawnRequest {
            actions: vec![],
            credentials: Some(agentos_kernel::cred::Credentials::root()),
            ..request
        };
        assert_eq!(sys.spawn(&request).await.unwrap_err(), Errno::EPERM);
    });
    vm.assert_idle();
}

#[test]
fn exec_of_a_script_keeps_the_pid_and_the_children() {
    let vm = Vm::new();
    vm.program("interpreter", |sys| async move {
        assert_eq!(
            sys.argv(),
            [b"/bin/interpreter".to_vec(), b"/bin/script".to_vec(), b"x".to_vec()]
        );
        assert_eq!(sys.name(), b"script");
        let waited = sys.waitpid(-1, Default::default()).await.unwrap().unwrap();
        assert_eq!(waited.event, WaitEvent::Ended(ExitStatus::Exited(9)));
        0
    });
    vm.file("/bin/script", b"#!/bin/interpreter\n", 0o755);
    vm.program_raw("first", |sys| async move {
        sys.fork(|_| async { 9 }).unwrap();
        Outcome::Exec(sys.exec(&["script", "x"]).await.unwrap())
    });
    assert_eq!(vm.status(&["first"]), ExitStatus::Exited(0));
    vm.assert_idle();
}

/// What the host's kernel makes of a script's first line: `echo` as the interpreter says its arguments.
fn host_says(dir: &std::path::Path, at: usize, line: &[u8]) -> Option<Vec<u8>> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(format!("script{at}"));
    std::fs::write(&path, line).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = std::process::Command::new(&path).arg("arg").output().ok()?;
    let name = path.to_string_lossy().into_owned();
    let text = String::from_utf8(output.stdout)
        .unwrap()
        .trim_end_matches('\n')
        .replace(&name, "SCRIPT");
    Some(text.into_bytes())
}

#[test]
fn first_lines_mean_what_they_mean_to_the_hosts_kernel() {
    if !std::path::Path::new("/bin/echo").exists() {
        return;
    }
    let vm = Vm::new();
    vm.program("echo", |sys| async move {
        let args: Vec<String> = sys
            .argv()
            .iter()
            .skip(1)
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        sys.say(&args.join(" ")).await;
        0
    });
    let dir = tempfile::tempdir().unwrap();
    let long = [b"#!/bin/echo ".as_slice(), &[b'x'; 300], b"\n"].concat();
    let far = [b"#!".as_slice(), &[b'/'; 300], b"bin/echo\n"].concat();
    let lines: &[&[u8]] = &[
        b"#!/bin/echo\n",
        b"#!/bin/echo",
        b"#! \t /bin/echo\n",
        b"#!/bin/echo one two  three  \n",
        b"#!/bin/echo\tone\n",
        b"#!/bin/echo  \n",
        b"#!\n",
        b"#! ",
        b"#!/bin/missing\n",
        b"#!/bin\n",
        &long,
        &far,
    ];
    for (at, line) in lines.iter().enumerate() {
        vm.file("/bin/script", line, 0o755);
        let (out, action) = vm.output(1);
        let request = SpawnRequest {
            actions: vec![action],
            ..Vm::request(&["/bin/script", "arg"])
        };
        let ours = spawn(&vm, request).ok().map(|_| {
            vm.executor.run();
            crate::harness::drain(&out)
                .replace("/bin/script", "SCRIPT")
                .into_bytes()
        });
        let shown = String::from_utf8_lossy(line);
        assert_eq!(ours, host_says(dir.path(), at, line), "{shown}");
    }
}
