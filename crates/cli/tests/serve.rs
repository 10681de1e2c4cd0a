//! `agentos serve` as a process: what it says, what survives its end, what it refuses.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos_client::{Client, Value};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A server of this test.
struct Server {
    child: Child,
    url: String,
}

fn agentos() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentos"));
    for variable in ["AGENTOS_HOST", "AGENTOS_PORT", "AGENTOS_DATA_DIR", "AGENTOS_TOKEN"] {
        command.env_remove(variable);
    }
    command
}

impl Server {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = agentos()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let url = line.trim().rsplit(' ').next().expect("a URL").to_owned();
        assert!(line.starts_with("agentos is listening on http://127.0.0.1:"), "{line}");
        Self { child, url }
    }

    fn client(&self) -> Client {
        Client::new(&self.url).expect("a URL")
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    fn end(mut self, signal: rustix::process::Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().expect("a status")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program says that does not serve.
fn refused(command: &mut Command) -> (i32, String) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut said)
        .expect("text");
    (child.wait().expect("a status").code().expect("no signal"), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let data = tempfile::tempdir().unwrap();
    for round in 0..5_u32 {
        let server = Server::start(data.path(), &[]);
        let vm = server.client().vm("vm").get_or_create(["k"]).await.unwrap();
        for before in 0..round {
            for n in 0..20 {
                let content = vm.read_file(format!("/home/user/{before}-{n}")).await.unwrap();
                assert_eq!(content, format!("{before} {n}").repeat(500), "{before}-{n}");
            }
        }
        let writes = (0..20).map(|n| {
            let vm = vm.clone();
            tokio::spawn(async move {
                let content = format!("{round} {n}").repeat(500);
                vm.write_file(format!("/home/user/{round}-{n}"), content).await.unwrap();
            })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap();
        }
        vm.call(
            "scheduleCron",
            &[Value::object([
                ("id", Value::from(format!("j{round}"))),
                ("schedule", Value::from("0 0 1 1 *")),
                ("action", Value::object([("type", "exec"), ("command", "true")])),
            ])],
        )
        .await
        .unwrap();
        let jobs = vm.call("listCronJobs", &[]).await.unwrap();
        assert_eq!(jobs.as_array().unwrap().len(), round as usize + 1);
        server.end(rustix::process::Signal::KILL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_end_puts_vms_to_sleep() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let vm = server.client().vm("vm").get_or_create(["k"]).await.unwrap();
    vm.exec("echo kept > /home/user/a; trap 'echo asked > /home/user/b; exit' TERM")
        .await
        .unwrap();
    assert!(server.end(rustix::process::Signal::TERM).success());
    let server = Server::start(data.path(), &[]);
    let vm = server.client().vm("vm").get_or_create(["k"]).await.unwrap();
    // A guest's write without fsync is stored at sleep.
    assert_eq!(vm.read_file("/home/user/a").await.unwrap(), "kept\n");
    // A second signal does not wait for what does not end.
    vm.call(
        "spawn",
        &[
            "sh".into(),
            vec!["-c", "trap '' TERM; while :; do sleep 1; done"].into(),
        ],
    )
    .await
    .unwrap();
    server.signal(rustix::process::Signal::TERM);
    assert!(server.end(rustix::process::Signal::INT).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_takes_over_without_refusing_anybody() {
    let data = tempfile::tempdir().unwrap();
    let mut first = Server::start(data.path(), &[]);
    let client = first.client();
    let vm = client.vm("vm").get_or_create(["k"]).await.unwrap();
    vm.write_file("/home/user/a", "1").await.unwrap();
    let folder = data.path().to_owned();
    let second = tokio::task::spawn_blocking(move || Server::start(&folder, &["--take-over"]))
        .await
        .unwrap();
    assert_eq!(second.url, first.url);
    assert!(first.child.wait().unwrap().success());
    assert_eq!(vm.read_file("/home/user/a").await.unwrap(), "1");
}

#[test]
fn one_process_has_a_data_directory() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let mut second = agentos();
    second
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path());
    let (status, said) = refused(&mut second);
    assert_ne!(status, 0);
    assert!(
        said.contains("in use") && said.contains(&server.child.id().to_string()),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("token");
    std::fs::write(&file, "a-long-random-word\n").unwrap();
    let server = Server::start(&data.path().join("data"), &["--token-file", file.to_str().unwrap()]);
    let refused = server.client().vm("vm").get_or_create(["k"]).await.unwrap_err();
    assert_eq!(refused.code(), Some("unauthorized"), "{refused}");
    let client = Client::builder(&server.url)
        .token("a-long-random-word")
        .build()
        .unwrap();
    let vm = client.vm("vm").get_or_create(["k"]).await.unwrap();
    assert!(vm.exists("/home/user").await.unwrap());
}

#[test]
fn an_open_address_needs_somebody_who_asks() {
    let data = tempfile::tempdir().unwrap();
    let mut open = agentos();
    open.args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(data.path());
    let (status, said) = refused(&mut open);
    assert_eq!(status, 64, "{said}");
    assert!(
        said.contains("refusing to listen on 0.0.0.0:") && said.contains("\"vm\" has no onBeforeConnect"),
        "{said}"
    );
}

#[test]
fn a_configuration_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agentos.toml");
    std::fs::write(
        &file,
        "[vms.box]\npersist = 'all'\n[vms.box.limits.resources]\nmaxProcesses = 64\n",
    )
    .unwrap();
    let check = |json: bool| {
        let mut command = agentos();
        command
            .args(["config", "check"])
            .arg(&file)
            .args(json.then_some("--json"));
        command.output().expect("it runs")
    };
    assert!(check(false).status.success());
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&check(true).stdout).unwrap(),
        serde_json::json!({ "valid": true, "definitions": ["box"] })
    );
    std::fs::write(&file, "tokn = 'hunter2'\n[vms.box]\npersits = []\n").unwrap();
    let wrong = check(false);
    assert_eq!(wrong.status.code(), Some(64));
    let said = String::from_utf8(wrong.stderr).unwrap();
    for expected in [
        "tokn: unknown key (did you mean token?)",
        "vms.box.persits: unknown key (did you mean persist?)",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    assert!(!said.contains("hunter2"));
    let mut serve = agentos();
    serve.args(["serve", "--config"]).arg(&file);
    assert_eq!(refused(&mut serve).0, 64);
}
