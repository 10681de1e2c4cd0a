//! Running a case in a VM.

use super::outcome::{Outcome, file};
use super::{Case, FOLDERS, PATH, TIMEOUT, environment};
use agentos::{AgentOs, EntryKind, Limits, ListOptions};
use std::collections::BTreeMap;

/// The folder that stands for the world of a case.
const ROOT: &str = "/tmp/box";

/// Whether this machine can run programs of Linux in VMs; says why not.
pub(crate) async fn runs_linux_programs() -> bool {
    let vm = AgentOs::builder().image("host").create().await.unwrap();
    match vm.exec_argv(["/usr/bin/true"]).await {
        Ok(output) if output.exit_code == 0 => true,
        other => {
            println!("SKIPPED: no program of Linux runs here: {other:?}");
            false
        }
    }
}

/// Runs it in a VM of its own.
pub(crate) async fn run(case: &Case, interpreter: Option<&str>) -> Outcome {
    // The host compares what all programs of its user have on their way between sockets with the sender's limit of
    // descriptors, and others may have much there.
    let mut limits = Limits::default();
    limits.set("maxOpenFdsPerProcess", 4096).unwrap();
    let vm = AgentOs::builder().image("host").limits(limits).create().await.unwrap();
    vm.mkdir(ROOT).await.unwrap();
    for folder in FOLDERS {
        vm.mkdir(format!("{ROOT}/{folder}")).await.unwrap();
    }
    let program = format!("{ROOT}/case/{}", case.file);
    vm.write_file(&program, &case.content).await.unwrap();
    vm.chmod(&program, 0o755).await.unwrap();
    let argv = interpreter.into_iter().chain([program.as_str()]);
    let mut command = vm.exec_argv(argv).cwd(format!("{ROOT}/work")).timeout(TIMEOUT);
    for (name, value) in environment(ROOT) {
        command = command.env(name, value);
    }
    if case.mixed {
        command = command.env("PATH", format!("/opt/agentos/bin:{PATH}"));
    }
    let output = command.await.unwrap();
    let outcome = Outcome {
        status: output.exit_code,
        stdout: output.stdout_text(),
        stderr: output.stderr_text(),
        files: files(&vm).await,
    };
    vm.dispose().await;
    outcome.neutral(ROOT)
}

async fn files(vm: &AgentOs) -> BTreeMap<String, String> {
    let work = format!("{ROOT}/work");
    let listed = vm.read_dir_recursive(&work, ListOptions::default()).await.unwrap();
    let mut files = BTreeMap::new();
    for entry in listed {
        let mode = vm.lstat(&entry.path).await.unwrap().mode;
        let text = match entry.kind {
            EntryKind::File => match vm.read_file(&entry.path).await {
                Ok(content) => file(mode, &content),
                Err(error) => error.to_string(),
            },
            EntryKind::Directory => format!("directory {:o}", mode & 0o777),
            EntryKind::Symlink => format!("link {}", vm.read_link(&entry.path).await.unwrap()),
            _ => "other".to_owned(),
        };
        files.insert(entry.path[work.len() + 1..].to_owned(), text);
    }
    files
}
