//! Rules about programs, processes and environments, against shell scripts that try to get around them.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Errno, Policy};
use serde_json::{Value, json};

async fn vm(permissions: Value) -> AgentOs {
    let policy = Policy::from_json(&permissions).expect("a policy");
    AgentOs::builder().permissions(policy).create().await.expect("a VM")
}

fn rules(scope: &str, default: &str, mode: &str, operations: &[&str], patterns: &[&str]) -> Value {
    json!({ scope: { "default": default, "rules": [{ "mode": mode, "operations": operations, "patterns": patterns }] } })
}

/// Each line would remove the file `victim`.
const REMOVALS: &str = r#"
rm victim
/usr/bin/rm victim
/bin/rm victim
/bin/../bin/./rm victim
ln -s /usr/bin/rm rm; ./rm victim
ln -s /usr/bin/rm rm; PATH=.:$PATH rm victim
mkdir bin; ln -s /usr/bin/rm bin/rm; PATH=bin:$PATH rm victim
box rm victim
/usr/bin/box rm victim
tiny rm victim
(exec -a rm ls victim)
(exec -a rm box victim)
(exec -a /usr/bin/rm box victim)
(exec -a box ls rm victim)
(exec -a box box rm victim)
(exec -a rm cat victim)
exec 3</usr/bin/rm; (exec -a rm /proc/self/fd/3 victim)
exec 3</usr/bin/box; (exec -a rm /proc/self/fd/3 victim)
env rm victim
echo victim | xargs rm
find victim -exec rm {} \;
timeout 5 rm victim
nice rm victim
sh -c 'rm victim'
printf '#!/usr/bin/rm\n' > s; chmod +x s; ./s victim
printf '#!/usr/bin/box rm\n' > s; chmod +x s; ./s victim
printf '#!/usr/bin/env rm\n' > s; chmod +x s; ./s victim
exec rm victim
command rm victim
eval 'r''m victim'
rm --help; rm -f victim
"#;

#[tokio::test]
async fn a_program_that_is_denied_runs_under_no_name() {
    for script in REMOVALS.trim().lines() {
        let vm = vm(rules("childProcess", "allow", "deny", &["spawn"], &["rm"])).await;
        vm.write_file("/home/user/victim", "here").await.unwrap();
        let output = vm.exec(script).await.unwrap();
        let left = vm.exists("/home/user/victim").await.unwrap();
        assert!(left, "{script}\n{}{}", output.stdout_text(), output.stderr_text());
    }
}

/// The attempts are real ones: without rules each of them removes the file.
#[tokio::test]
async fn without_rules_every_attempt_succeeds() {
    let mut failed = Vec::new();
    for script in REMOVALS.trim().lines() {
        let vm = vm(json!("default")).await;
        vm.write_file("/home/user/victim", "here").await.unwrap();
        let output = vm.exec(script).await.unwrap();
        if vm.exists("/home/user/victim").await.unwrap() {
            failed.push(format!("{script}\n{}{}", output.stdout_text(), output.stderr_text()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// With a list of what is allowed, a copy or a program of one's own is not allowed either.
const FOREIGN: &str = r#"
cp /usr/bin/rm ./ls2; ./ls2 victim
box rm victim
(exec -a rm ls victim)
rm victim
printf '#!/bin/sh\nexec ls victim' > run; chmod +x run; ./run && echo ran
"#;

#[tokio::test]
async fn only_what_is_listed_runs() {
    let listed = [
        "/usr/bin/sh",
        "/usr/bin/ls",
        "/usr/bin/cp",
        "/usr/bin/cat",
        "/usr/bin/chmod",
    ];
    let vm = vm(rules("childProcess", "deny", "allow", &["spawn"], &listed)).await;
    vm.write_file("/home/user/victim", "here").await.unwrap();
    for script in FOREIGN.trim().lines() {
        let output = vm.exec(script).await.unwrap();
        assert!(!output.stdout_text().contains("ran"), "{script}");
        assert!(vm.exists("/home/user/victim").await.unwrap(), "{script}");
    }
    // A small tool becomes the complete one for what it cannot do itself, and is still the tool that is allowed.
    let output = vm
        .exec("ls --group-directories-first -l -h --color=always victim")
        .await
        .unwrap();
    assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
    // Forks of the shell are no programs.
    let output = vm.exec("(echo a; (echo b)) | cat").await.unwrap();
    assert_eq!(output.stdout_text(), "a\nb\n");
}

#[tokio::test]
async fn a_script_and_its_interpreter_are_two_programs() {
    let script = "printf '#!/bin/sh\\necho ran\\n' > run.sh; chmod +x run.sh; ./run.sh";
    let denied = |patterns: &[&str]| rules("childProcess", "allow", "deny", &["spawn"], patterns);
    let output = vm(denied(&["/home/user/run.sh"])).await.exec(script).await.unwrap();
    assert!(
        !output.stdout_text().contains("ran") && output.exit_code == 126,
        "{}",
        output.stderr_text()
    );
    let vm = vm(denied(&["sh"])).await;
    // The host's own start is bound like any other.
    let error = vm.exec("true").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "EACCES: permission denied, /usr/bin/sh: blocked by childProcess.spawn policy"
    );
    let script = script.replace("./run.sh", "true");
    vm.exec_argv(["bash", "-c", &script]).await.unwrap();
    let error = vm.exec_argv(["./run.sh"]).await.unwrap_err();
    assert_eq!(error.denied().unwrap().resource_text(), "/usr/bin/sh");
    assert_eq!(error.errno(), Some(Errno::EACCES));
}

#[tokio::test]
async fn running_a_program_is_reading_it() {
    let vm = vm(json!({ "fs": { "default": "allow", "rules": [
        { "mode": "deny", "operations": ["read"], "paths": ["/usr/bin/rm"] }] } }))
    .await;
    let output = vm.exec("touch f; rm f; ls f").await.unwrap();
    assert_eq!(
        output.stdout_text().lines().last(),
        Some("f"),
        "{}",
        output.stderr_text()
    );
}

#[tokio::test]
async fn variables_are_filtered_at_the_start_of_every_process() {
    let policy = Policy::from_json(&rules("env", "allow", "deny", &["read"], &["SECRET*", "TOKEN"])).unwrap();
    let builder = AgentOs::builder()
        .permissions(policy)
        .env("SECRET_KEY", "hidden")
        .env("PLAIN", "shown");
    let vm = builder.create().await.unwrap();
    for script in [
        "env",
        "echo $SECRET_KEY $PLAIN",
        "cat /proc/self/environ",
        "TOKEN=hidden env",
        "export SECRET=hidden; env; sh -c 'echo $SECRET'",
        "env SECRET_KEY=hidden env",
    ] {
        let output = vm.exec(script).await.unwrap();
        assert_eq!(output.exit_code, 0, "{script}: {}", output.stderr_text());
        assert!(
            !output.stdout_text().contains("hidden"),
            "{script}: {}",
            output.stdout_text()
        );
    }
    let output = vm
        .exec_argv(["env"])
        .env("TOKEN", "hidden")
        .env("OTHER", "seen")
        .await
        .unwrap();
    assert!(output.stdout_text().contains("OTHER=seen") && !output.stdout_text().contains("hidden"));
}

#[tokio::test]
async fn what_a_guest_changes_for_a_child_can_be_refused() {
    let vm = vm(rules("env", "allow", "deny", &["write"], &["PATH", "LD_*", "NEW"])).await;
    for (script, expected) in [
        (
            "PATH=/tmp /usr/bin/env | grep ^PATH=",
            "PATH=/usr/local/bin:/usr/bin:/bin\n",
        ),
        (
            "export PATH=/usr/bin; env | grep ^PATH=",
            "PATH=/usr/local/bin:/usr/bin:/bin\n",
        ),
        ("env NEW=1 LD_PRELOAD=x FREE=1 env | grep -E 'NEW|LD_|FREE'", "FREE=1\n"),
        (
            "export NEW=1; sh -c 'echo [$NEW]; export NEW=2; env' | grep NEW; echo end",
            "end\n",
        ),
        ("env -i PATH=/tmp /usr/bin/env", "PATH=/usr/local/bin:/usr/bin:/bin\n"),
        ("unset PATH; /usr/bin/env | /usr/bin/grep -c ^PATH=", "0\n"),
    ] {
        let output = vm.exec(script).await.unwrap();
        assert_eq!(output.stdout_text(), expected, "{script}: {}", output.stderr_text());
    }
    // The host sets what it likes.
    let output = vm.exec_argv(["/usr/bin/env"]).env("NEW", "by the host").await.unwrap();
    assert!(output.stdout_text().contains("NEW=by the host"));
}

#[tokio::test]
async fn other_programs_are_not_signalled_and_not_looked_at() {
    let vm = vm(rules("process", "allow", "deny", &["signal", "inspect"], &["sleep"])).await;
    let mut other = vm.spawn("sleep", ["1000"]).start().await.unwrap();
    let pid = other.pid();
    for script in [
        format!("kill {pid}"),
        format!("kill -9 {pid}"),
        format!("kill -0 {pid}"),
        format!("kill -9 -{pid}"),
        format!("cat /proc/{pid}/cmdline"),
        format!("cat /proc/{pid}/status"),
        format!("readlink /proc/{pid}/exe"),
        format!("ls /proc/{pid}/fd/"),
        format!("ls /proc/{pid}/cwd/"),
        format!("cd /proc/{pid} && cat cmdline"),
        format!("stat /proc/{pid}/status"),
        format!("cat /proc/{pid}/task/{pid}/cmdline"),
        format!("renice -n 10 -p {pid}"),
    ] {
        let output = vm.exec(&script).await.unwrap();
        assert_ne!(output.exit_code, 0, "{script}: {}", output.stdout_text());
        assert!(
            !output.stdout_text().contains("1000"),
            "{script}: {}",
            output.stdout_text()
        );
    }
    // One of its own is its own.
    let script = "sleep 1000 & read -r pid rest < /proc/$!/stat && kill $! && wait $!; echo $?";
    assert_eq!(vm.exec(script).await.unwrap().stdout_text(), "143\n");
    // Everything else goes on: a listing leaves out what may not be looked at, and other programs can be signalled.
    let output = vm
        .exec("ps -e; echo; (cat & echo $! > pid; wait) & while ! [ -s pid ]; do :; done; kill $(cat pid)")
        .await
        .unwrap();
    assert!(!output.stdout_text().contains("sleep"), "{}", output.stdout_text());
    // Clients see and signal everything.
    assert!(
        vm.all_processes()
            .await
            .unwrap()
            .iter()
            .any(|process| process.pid == pid)
    );
    other.signal(agentos::Signal::Term).unwrap();
    assert_eq!(other.wait().await.unwrap(), 143);
}

#[tokio::test]
async fn broadcasts_reach_only_whom_they_may() {
    let vm = vm(rules("process", "allow", "deny", &["signal"], &["sleep"])).await;
    let spared = vm.spawn("sleep", ["1000"]).start().await.unwrap();
    let mut hit = vm.spawn("cat", [""; 0]).start().await.unwrap();
    let _open = hit.stdin();
    vm.exec_argv(["sh", "-c", "kill -TERM -1"]).await.unwrap();
    assert_eq!(hit.wait().await.unwrap(), 143);
    assert!(
        vm.all_processes()
            .await
            .unwrap()
            .iter()
            .any(|process| process.pid == spared.pid() && process.exit_code.is_none())
    );
}

#[tokio::test]
async fn whole_scopes_can_be_closed() {
    let closed = vm(json!({ "childProcess": "deny" })).await;
    assert_eq!(closed.exec("true").await.unwrap_err().code(), "EACCES");
    let closed = vm(json!({ "env": "deny" })).await;
    let output = closed.exec("/usr/bin/env; echo done").await.unwrap();
    assert_eq!(output.stdout_text(), "done\n", "{}", output.stderr_text());
    let closed = vm(json!({ "process": "deny" })).await;
    let script =
        "kill $PPID; cat /proc/1/cmdline; sleep 1000 & kill $!; wait $!; echo $?; kill -0 $$ && cat /proc/self/comm";
    let output = closed.exec(script).await.unwrap();
    assert_eq!(output.stdout_text(), "143\ncat\n", "{}", output.stderr_text());
}
