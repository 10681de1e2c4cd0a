//! Files that Linux programs write in a durable home: there after sleep, and after the server was killed what they made durable.

use crate::support::{Client, text};
use agentos::{Image, ImageSource};
use agentos_server::{Registry, VmDefinition, VmOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A registry whose VMs run programs of this machine; none where it has none, which is said.
fn registry(directory: &Path) -> Option<Registry> {
    let missing = ["/usr/bin/python3", "/usr/bin/git"]
        .into_iter()
        .find(|path| !Path::new(path).exists());
    if let Some(path) = missing {
        eprintln!("SKIPPED: no {path}");
        return None;
    }
    let image = Image::open(&ImageSource::Host).expect("the machine's own programs");
    let options = VmOptions::new().image(image);
    let definition = VmDefinition::builder().options(options).build().expect("a definition");
    let builder = Registry::builder().vm("vm", definition).data_dir(directory);
    Some(builder.build().expect("a registry"))
}

/// Whether the machine can jail programs; says so if not.
async fn can(vm: &Client) -> bool {
    let done = text(&vm.ok("exec", ("/usr/bin/git --version",)).await);
    if done["exitCode"] != 0 {
        eprintln!("SKIPPED: {done}");
    }
    done["exitCode"] == 0
}

/// Runs a program and gives what it wrote.
async fn run(vm: &Client, script: &str) -> String {
    let done = text(&vm.ok("exec", (script,)).await);
    assert_eq!(done["exitCode"], 0, "{done}");
    done["stdout"].as_str().unwrap_or_default().to_owned()
}

const WRITE: &str = r#"cat > /tmp/w.py <<'END'
import sqlite3, os
db = sqlite3.connect("/home/user/x.db")
db.execute("pragma journal_mode=wal")
db.execute("pragma synchronous=full")
db.execute("create table if not exists t(a)")
for i in range(50):
    with db:
        db.execute("insert into t values(?)", (i,))
with open("/home/user/plain", "w") as f:
    f.write("plain" * 1000)
    f.flush()
    os.fsync(f.fileno())
END
/usr/bin/python3 /tmp/w.py"#;

const READ: &str = r#"cat > /tmp/r.py <<'END'
import sqlite3
db = sqlite3.connect("/home/user/x.db")
print(db.execute("pragma integrity_check").fetchone()[0], db.execute("select count(*) from t").fetchone()[0])
print(open("/home/user/plain").read() == "plain" * 1000)
END
/usr/bin/python3 /tmp/r.py"#;

#[tokio::test]
async fn what_linux_programs_write_survives_sleep() {
    let directory = tempfile::tempdir().unwrap();
    let Some(registry) = registry(directory.path()) else {
        return;
    };
    let vm = Client::of(registry).await;
    if !can(&vm).await {
        return;
    }
    run(&vm, WRITE).await;
    let git = "export GIT_CONFIG_NOSYSTEM=1 HOME=/home/user; cd /home/user && /usr/bin/git init -q r && cd r && \
               /usr/bin/git config user.email a@b && /usr/bin/git config user.name a && seq 500 > f && \
               /usr/bin/git add f && /usr/bin/git commit -qm one && ln f hard && chmod 755 f";
    run(&vm, git).await;
    for _ in 0..2 {
        vm.ok("sleepVm", ()).await;
        assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
        assert_eq!(run(&vm, READ).await, "ok 50\nTrue\n");
        let git = "export GIT_CONFIG_NOSYSTEM=1 HOME=/home/user; cd /home/user/r && /usr/bin/git fsck --no-progress && \
                   /usr/bin/git log --format=%s && /usr/bin/git status --short && tail -n 1 hard";
        assert_eq!(run(&vm, git).await, "one\n M f\n?? hard\n500\n");
    }
}

/// Set in the server that is killed.
const VICTIM: &str = "AGENTOS_TEST_LINUX_FILES";

#[tokio::test]
async fn what_was_durable_is_there_after_the_server_was_killed() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        let vm = Client::of(registry(Path::new(&directory)).expect("a registry")).await;
        match can(&vm).await {
            true => drop(run(&vm, WRITE).await),
            false => println!("impossible"),
        }
        println!("durable");
        return std::future::pending::<()>().await;
    }
    let directory = tempfile::tempdir().unwrap();
    if registry(directory.path()).is_none() {
        return;
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["what_was_durable_is_there_after_the_server_was_killed", "--nocapture"])
        .env(VICTIM, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.ends_with("durable"))
        .collect();
    server.kill().unwrap();
    server.wait().unwrap();
    if said.iter().any(|line| line.ends_with("impossible")) {
        return;
    }
    let vm = Client::of(registry(directory.path()).unwrap()).await;
    assert_eq!(run(&vm, READ).await, "ok 50\nTrue\n");
}
