//! `agentos serve` as a process: what it says, what survives its end, what it refuses.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/server.rs"]
mod server;

use agentos_client::{Client, Value};
use server::{Server, agentos};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

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
async fn two_hundred_vms_in_one_burst() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let client = server.client();
    let burst = (0..200).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let vm = client.vm("vm").get_or_create([number.to_string()]).await?;
            vm.write_file("/home/user/number", number.to_string()).await?;
            vm.exec("cat number").await.map(|output| output.stdout)
        })
    });
    for (number, answer) in burst.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().unwrap(), number.to_string());
    }
    assert!(server.end(rustix::process::Signal::TERM).success());
    let server = Server::start(data.path(), &[]);
    for number in [0, 100, 199] {
        let vm = server
            .client()
            .vm("vm")
            .get_or_create([number.to_string()])
            .await
            .unwrap();
        assert_eq!(vm.read_file("/home/user/number").await.unwrap(), number.to_string());
    }
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

/// A server that is started with this soft and this hard limit of descriptors.
fn limited(data: &Path, limits: &str) -> Server {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("{limits}; exec \"$0\" \"$@\""),
        env!("CARGO_BIN_EXE_agentos"),
    ]);
    Server::run(command, data, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_descriptors_is_told_with_what_raises_the_limit() {
    let data = tempfile::tempdir().unwrap();
    let server = limited(data.path(), "ulimit -n 64");
    let client = server.client();
    let first = client.vm("vm").get_or_create(["first"]).await.unwrap();
    first.write_file("/home/user/a", "kept").await.unwrap();
    let mut refused = None;
    for number in 0..64 {
        let key = number.to_string();
        let written = match client.vm("vm").get_or_create([key.as_str()]).await {
            Ok(vm) => vm.write_file("/home/user/a", "x").await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            refused = Some(error);
            break;
        }
    }
    let Some(agentos_client::Error::Actor(error)) = refused else {
        panic!("64 VMs had room in 64 descriptors, or the server said nothing: {refused:?}");
    };
    assert!(error.is("agentos", "limit_exceeded"), "{error:?}");
    let named = ["hostDescriptors: 65 of 64", "(ulimit -n)"];
    assert!(named.iter().all(|text| error.message.contains(text)), "{error:?}");
    let field = error
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.get("configurationPath"));
    assert_eq!(field.and_then(Value::as_str), Some("ulimit -n"));
    assert_eq!(
        first.read_file("/home/user/a").await.unwrap(),
        "kept",
        "those that are there go on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_limit_of_descriptors_is_raised_for_the_server_alone() {
    let data = tempfile::tempdir().unwrap();
    let server = limited(data.path(), "ulimit -S -n 64");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap();
    let [soft, hard] = *line.split_ascii_whitespace().take(2).collect::<Vec<_>>() else {
        panic!("{line}");
    };
    assert_eq!(soft, hard);
    let client = server.client();
    for number in 0..40 {
        let vm = client.vm("vm").get_or_create([number.to_string()]).await.unwrap();
        assert_eq!(vm.exec("ulimit -n").await.unwrap().stdout, "1024\n");
    }
}
