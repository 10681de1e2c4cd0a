//! Running a case on the host.

use super::outcome::{Outcome, file};
use super::{Case, FOLDERS, environment};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs it in a folder of its own.
pub(crate) fn run(case: &Case) -> Outcome {
    let world = tempfile::tempdir().unwrap();
    for folder in FOLDERS {
        std::fs::create_dir(world.path().join(folder)).unwrap();
    }
    let program = world.path().join("case").join(&case.file);
    std::fs::write(&program, &case.content).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let root = world.path().to_str().unwrap();
    let mut command = match case.interpreter {
        Some(interpreter) => {
            let mut command = Command::new(interpreter);
            command.arg(&program);
            command
        }
        None => Command::new(&program),
    };
    command
        .env_clear()
        .envs(environment(root))
        .current_dir(world.path().join("work"))
        .stdin(Stdio::null());
    let output = loop {
        match command.output() {
            // Another thread's child still holds the file that was just written.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            done => break done.unwrap(),
        }
    };
    let mut files = BTreeMap::new();
    list(&world.path().join("work"), "", &mut files);
    let outcome = Outcome {
        status: output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        files,
    };
    outcome.neutral(root)
}

fn list(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let attributes = std::fs::symlink_metadata(entry.path()).unwrap();
        let mode = attributes.permissions().mode();
        let text = if attributes.is_symlink() {
            format!("link {}", std::fs::read_link(entry.path()).unwrap().display())
        } else if attributes.is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
            format!("directory {:o}", mode & 0o777)
        } else if attributes.is_file() {
            file(mode, &std::fs::read(entry.path()).unwrap())
        } else {
            "other".to_owned()
        };
        files.insert(name, text);
    }
}

/// Compiles a program of C or Rust into one that needs no library.
pub(crate) fn compile(source: &Path) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut compiler = if source.extension().unwrap() == "rs" {
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--edition",
            "2024",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "opt-level=1",
        ]);
        rustc
    } else {
        let mut cc = Command::new("cc");
        cc.args(["-w", "-static", "-O1", "-pthread"]);
        cc
    };
    let done = compiler.arg(source).arg("-o").arg(&program).output().ok()?;
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", source.display());
    Some(std::fs::read(program).unwrap())
}
