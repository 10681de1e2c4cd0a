//! The shell, built for the host, against the host's bash: the same script must print the same and end with the same status.
//!
//! `host/*.txt` hold the scripts, each under a line `### name`. Whether anything came on standard error is compared, what
//! exactly is not. Hosts whose bash is not 5.2 are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[test]
fn scripts_behave_as_in_bash() {
    let Some(bash) = bash() else {
        println!("no bash 5.2 here; nothing was compared");
        return;
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, script) in scripts() {
        count += 1;
        let wanted = run(&bash, &name, &script);
        let found = run(Path::new(env!("CARGO_BIN_EXE_sh")), &name, &script);
        let same = wanted.stdout == found.stdout
            && wanted.status.code() == found.status.code()
            && wanted.stderr.is_empty() == found.stderr.is_empty();
        if !same {
            wrong.push(format!("{name}:\n{}", report(&wanted, &found)));
        }
    }
    assert!(count > 80, "only {count} scripts were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn report(wanted: &Output, found: &Output) -> String {
    let text = |o: &Output| {
        format!(
            "{}\n{}{}",
            o.status,
            String::from_utf8_lossy(&o.stdout),
            String::from_utf8_lossy(&o.stderr)
        )
    };
    format!("--- wanted {}--- found {}", text(wanted), text(found))
}

fn bash() -> Option<PathBuf> {
    let version = Command::new("bash").arg("--version").output().ok()?;
    String::from_utf8_lossy(&version.stdout)
        .contains("version 5.2")
        .then(|| PathBuf::from("bash"))
}

fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for block in text.split("### ").skip(1) {
            let (name, script) = block.split_once('\n').unwrap();
            all.push((name.to_owned(), script.to_owned()));
        }
    }
    all
}

/// Runs a script in a fresh folder, where `bash` and `sh` are the shell under test too.
fn run(shell: &Path, name: &str, script: &str) -> Output {
    let folder = std::env::temp_dir().join(format!("agentos-sh-host-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::create_dir_all(folder.join("work")).unwrap();
    if shell.is_absolute() {
        for link in ["bash", "sh"] {
            std::os::unix::fs::symlink(shell, folder.join("bin").join(link)).unwrap();
        }
    }
    let file = folder.join(format!("{name}.sh"));
    fs::write(&file, script).unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.join("bin").display());
    let output = Command::new("timeout")
        .args([Path::new("20"), shell, &file])
        .current_dir(folder.join("work"))
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/root")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let _ = fs::remove_dir_all(&folder);
    output
}
