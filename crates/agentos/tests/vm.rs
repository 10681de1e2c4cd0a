//! The SDK as its users see it: real VMs, real commands.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Errno, Error, Limits, ListOptions, Mount, Signal, Stream};
use std::time::Duration;

/// A default VM, its programs compiled.
async fn vm() -> AgentOs {
    let vm = AgentOs::create().await.expect("a default VM");
    vm.prepare(|_| {}).await.expect("an engine");
    vm
}

#[tokio::test]
async fn a_command_gives_output_and_status() {
    let vm = vm().await;
    let output = vm.exec("echo out; echo err >&2; exit 3").await.unwrap();
    assert_eq!(
        (output.exit_code, output.stdout_text(), output.stderr_text()),
        (3, "out\n".into(), "err\n".into())
    );
    assert!(!output.timed_out && !output.stdout_truncated && !output.stderr_truncated);
}

#[tokio::test]
async fn standard_input_environment_and_directory_arrive() {
    let vm = AgentOs::builder()
        .env("A", "vm")
        .env("B", "vm")
        .cwd("/tmp")
        .create()
        .await
        .unwrap();
    let output = vm
        .exec("cat; echo $A $B $HOME; pwd")
        .stdin("in\n")
        .env("B", "own")
        .await
        .unwrap();
    assert_eq!(output.stdout_text(), "in\nvm own /home/user\n/tmp\n");
    let output = vm
        .exec("rg -l needle; cat; echo needle > f; rg -l needle")
        .await
        .unwrap();
    assert_eq!(output.stdout_text(), "f\n", "{}", output.stderr_text());
    let output = vm.exec("pwd; id -un").cwd("/usr/bin").await.unwrap();
    assert_eq!(output.stdout_text(), "/usr/bin\nuser\n");
}

#[tokio::test]
async fn arguments_are_not_interpreted() {
    let vm = vm().await;
    let output = vm.exec_argv(["printf", "%s|", "a b", "$HOME", "*", ""]).await.unwrap();
    assert_eq!(output.stdout_text(), "a b|$HOME|*||");
}

#[tokio::test]
async fn a_missing_command_is_named() {
    let vm = vm().await;
    let error = vm.exec_argv(["no-such-command"]).await.unwrap_err();
    assert!(
        matches!(&error, Error::CommandNotFound(name) if name == "no-such-command"),
        "{error}"
    );
    let output = vm.exec("no-such-command").await.unwrap();
    assert_eq!(output.exit_code, 127);
    assert!(
        output.stderr_text().contains("no-such-command: command not found"),
        "{}",
        output.stderr_text()
    );
    let error = AgentOs::builder()
        .software([])
        .create()
        .await
        .unwrap()
        .exec("true")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "command not found: sh");
}

#[tokio::test]
async fn a_file_that_is_no_program_is_refused() {
    let vm = vm().await;
    vm.write_file("/home/user/text", "just text").await.unwrap();
    let error = vm.exec_argv(["/home/user/text"]).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EACCES));
    vm.chmod("/home/user/text", 0o755).await.unwrap();
    let error = vm.exec_argv(["/home/user/text"]).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOEXEC));
}

#[tokio::test]
async fn time_runs_out_for_the_whole_group() {
    let vm = vm().await;
    let command = "echo start; sleep 1000 | cat";
    let mut patience = Duration::from_millis(300);
    let said = loop {
        let output = vm.exec(command).timeout(patience).await.unwrap();
        assert_eq!((output.exit_code, output.timed_out), (124, true));
        // On a busy machine its time may be over before it says anything.
        if !output.stdout.is_empty() || patience > Duration::from_secs(60) {
            break output.stdout_text();
        }
        patience *= 2;
    };
    assert_eq!(said, "start\n");
    let stubborn = vm
        .exec("trap '' TERM; while :; do :; done")
        .timeout(Duration::from_millis(100))
        .await
        .unwrap();
    assert!(stubborn.timed_out);
    assert_eq!(vm.all_processes().await.unwrap(), []);
}

#[tokio::test]
async fn a_dropped_command_is_killed() {
    let vm = vm().await;
    let mut watcher = vm.spawn("sh", ["-c", "echo ready; read line"]).start().await.unwrap();
    watcher.first_output().await.unwrap();
    let running = vm.exec("echo $$ > /tmp/pid; sleep 1000");
    tokio::select! {
        output = running => panic!("ended by itself: {output:?}"),
        () = async { while !vm.exists("/tmp/pid").await.unwrap() { tokio::task::yield_now().await } } => {}
    }
    drop(watcher);
    while !vm
        .all_processes()
        .await
        .unwrap()
        .iter()
        .all(|process| process.exit_code.is_some())
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn output_beyond_the_limit_is_cut_and_said() {
    let mut limits = Limits::default();
    limits.set("maxCapturedOutputBytes", 1000).unwrap();
    let vm = AgentOs::builder().limits(limits).create().await.unwrap();
    let output = vm.exec("yes | head -c 100000; echo end >&2").await.unwrap();
    assert_eq!(
        (output.stdout.len(), output.stdout_truncated, output.stderr_truncated),
        (1000, true, false)
    );
    assert_eq!(output.exit_code, 0);
}

#[tokio::test]
async fn a_process_streams_both_ways() {
    let vm = vm().await;
    let mut process = vm.spawn("tr", ["a-z", "A-Z"]).start().await.unwrap();
    let mut stdin = process.stdin();
    stdin.write_all("hello\n").await.unwrap();
    stdin.close();
    let mut text = Vec::new();
    while let Some(output) = process.next_output().await.unwrap() {
        assert_eq!(output.stream, Stream::Stdout);
        text.extend_from_slice(&output.data);
    }
    assert_eq!((text.as_slice(), process.wait().await.unwrap()), (&b"HELLO\n"[..], 0));
    assert_eq!(stdin.write_all("late").await.unwrap_err().errno(), Some(Errno::EPIPE));
}

#[tokio::test]
async fn signals_end_processes() {
    let vm = vm().await;
    for (signal, code) in [(Signal::Term, 143), (Signal::Kill, 137), (Signal::Int, 130)] {
        let process = vm.spawn("sleep", ["1000"]).start().await.unwrap();
        process.signal(signal).unwrap();
        assert_eq!(process.control().wait().await.unwrap(), code);
        process.signal(signal).unwrap();
    }
}

#[tokio::test]
async fn files_are_written_read_listed_and_removed() {
    let vm = vm().await;
    vm.write_file("/home/user/a", "one").await.unwrap();
    vm.append_file("/home/user/a", " two").await.unwrap();
    assert_eq!(vm.read_text("/home/user/a").await.unwrap(), "one two");
    assert_eq!(&vm.read_file_range("/home/user/a", 4, 100).await.unwrap()[..], b"two");
    let outcomes = vm
        .write_files([("/home/user/x/y/z", "deep"), ("relative", "no"), ("/proc/x", "no")])
        .await;
    let ok: Vec<bool> = outcomes.iter().map(|outcome| outcome.result.is_ok()).collect();
    assert_eq!(ok, [true, false, false]);
    let listed = vm
        .read_dir_recursive("/home/user", ListOptions::default())
        .await
        .unwrap();
    let paths: Vec<&str> = listed.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/home/user/a", "/home/user/x", "/home/user/x/y", "/home/user/x/y/z"]
    );
    assert_eq!(vm.read_dir("/home/user").await.unwrap(), ["a", "x"]);
    vm.rename("/home/user/a", "/home/user/x/b").await.unwrap();
    assert_eq!(
        vm.remove("/home/user/x").await.unwrap_err().errno(),
        Some(Errno::ENOTEMPTY)
    );
    vm.remove_all("/home/user/x").await.unwrap();
    assert!(!vm.exists("/home/user/x").await.unwrap());
    let error = vm.read_file("/home/user/x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "ENOENT: No such file or directory, readFile '/home/user/x'"
    );
    let stat = vm.stat("/home/user").await.unwrap();
    assert_eq!((stat.mode, stat.uid, stat.gid), (0o040_755, 1000, 1000));
}

#[tokio::test]
async fn files_move_across_mounts() {
    let vm = AgentOs::builder()
        .mount(Mount::memory("/scratch"))
        .create()
        .await
        .unwrap();
    vm.exec("mkdir d; echo x > d/f; chmod 640 d/f; ln -s f d/l")
        .await
        .unwrap();
    // The mount belongs to root; the user gets a directory of its own through the shared sticky one.
    let output = vm.exec("stat -c '%a %U' /scratch").await.unwrap();
    assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
    vm.rename("/home/user/d", "/tmp/d").await.unwrap();
    let output = vm
        .exec("stat -c %a /tmp/d/f; readlink /tmp/d/l; cat /tmp/d/l")
        .await
        .unwrap();
    assert_eq!(output.stdout_text(), "640\nf\nx\n");
}

#[tokio::test]
async fn host_directories_are_mounted_read_only_or_read_write() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("file"), "host").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", host.path().join("out")).unwrap();
    let vm = AgentOs::builder()
        .mount(Mount::host_dir(host.path(), "/src").read_only())
        .create()
        .await
        .unwrap();
    assert_eq!(vm.exec("cat /src/file").await.unwrap().stdout_text(), "host");
    // The link leads out of the mount: neither to the host's file nor to the VM's.
    let output = vm.exec("readlink /src/out; cat /src/out").await.unwrap();
    assert_eq!((output.exit_code, output.stdout_text()), (1, "/etc/passwd\n".into()));
    assert!(
        output.stderr_text().contains("Permission denied"),
        "{}",
        output.stderr_text()
    );
    let output = vm.exec("echo x > /src/new").await.unwrap();
    assert!(
        output.stderr_text().contains("Read-only file system"),
        "{}",
        output.stderr_text()
    );
    assert_eq!(
        vm.write_file("/src/file", "x").await.unwrap_err().errno(),
        Some(Errno::EROFS)
    );

    let vm = AgentOs::builder()
        .mount(Mount::host_dir(host.path(), "/src"))
        .create()
        .await
        .unwrap();
    assert_eq!(vm.exec("echo guest > /src/new").await.unwrap().exit_code, 0);
    assert_eq!(std::fs::read_to_string(host.path().join("new")).unwrap(), "guest\n");
    vm.unmount("/src").await.unwrap();
    assert!(vm.read_dir("/src").await.unwrap().is_empty());
}

#[tokio::test]
async fn forks_and_snapshots_go_their_own_ways() {
    let vm = vm().await;
    vm.exec("echo one > file").await.unwrap();
    let snapshot = vm.snapshot().await.unwrap();
    let fork = vm.fork().await.unwrap();
    vm.exec("echo two > file; echo more > extra").await.unwrap();
    fork.exec("rm file").await.unwrap();
    assert_eq!(vm.read_text("/home/user/file").await.unwrap(), "two\n");
    assert!(!fork.exists("/home/user/file").await.unwrap());
    for _ in 0..2 {
        let again = snapshot.create().await.unwrap();
        assert_eq!(again.read_text("/home/user/file").await.unwrap(), "one\n");
        assert!(!again.exists("/home/user/extra").await.unwrap());
        again.exec("echo changed > file").await.unwrap();
    }
}

#[tokio::test]
async fn vms_do_not_see_each_other() {
    let (one, two) = (vm().await, vm().await);
    one.exec("echo secret > /tmp/file").await.unwrap();
    let _held = one.spawn("sleep", ["1000"]).start().await.unwrap();
    assert!(!two.exists("/tmp/file").await.unwrap());
    assert!(!two.exec("ps -ef").await.unwrap().stdout_text().contains("sleep"));
}

#[tokio::test]
async fn a_disposed_vm_runs_nothing() {
    let vm = vm().await;
    let process = vm.spawn("sleep", ["1000"]).start().await.unwrap();
    vm.dispose().await;
    vm.dispose().await;
    assert_eq!(process.control().wait().await.unwrap(), 137);
    assert!(vm.exec("true").await.is_err());
}

#[tokio::test]
async fn many_vms_at_once() {
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            tokio::spawn(async move {
                let vm = AgentOs::create().await.unwrap();
                let output = vm.exec(format!("echo {number} > f; cat f | tr 0-9 a-j")).await.unwrap();
                (number, output.stdout_text())
            })
        })
        .collect();
    for task in tasks {
        let (number, text) = task.await.unwrap();
        let expected: String = format!("{number}\n").replace(|c: char| c.is_ascii_digit(), "");
        assert_eq!(text.len(), number.to_string().len() + expected.len());
    }
}
