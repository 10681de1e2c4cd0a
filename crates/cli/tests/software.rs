//! `agentos software` and `--software`, with a store of the test's own.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::agentos;

/// Runs the command with a store in this directory: its status and what it printed.
fn own(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let store = dir.join("store");
    let output = agentos().args(args).env("AGENTOS_STORE", store).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An archive with one command.
fn archive(dir: &Path) -> String {
    let bin = dir.join("tree/usr/local/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("greet"), "#!/bin/sh\necho hello $1\n").unwrap();
    let archive = dir.join("greet.tar");
    let tar = Command::new("tar")
        .args(["--mode=0755", "-C"])
        .arg(dir.join("tree"))
        .arg("-cf")
        .arg(&archive)
        .arg("usr")
        .status();
    assert!(tar.unwrap().success());
    format!("tar:{}", archive.display())
}

#[test]
fn software_is_added_listed_run_verified_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let spec = archive(dir.path());
    let (status, out, _) = own(dir.path(), &["software", "add", &spec, "--json"]);
    assert_eq!(status, Some(0));
    let added: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&added[0]["name"], &added[0]["commands"][0]),
        (&"greet".into(), &"greet".into())
    );
    let (_, out, _) = own(dir.path(), &["software", "list"]);
    assert!(out.starts_with("greet\t") && out.contains(&spec), "{out}");
    let (status, out, error) = own(dir.path(), &["run", "--software", &spec, "greet", "you"]);
    assert_eq!((status, out.as_str()), (Some(0), "hello you\n"), "{error}");
    let (status, out, _) = own(dir.path(), &["software", "verify"]);
    assert_eq!((status, out.as_str()), (Some(0), "greet\tok\n"));
    assert_eq!(own(dir.path(), &["software", "remove", "greet"]).0, Some(0));
    assert_eq!(own(dir.path(), &["software", "list"]).1, "");
}

#[test]
fn a_configuration_names_software_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let file = dir.path().join("agentos.toml");
    std::fs::write(&file, "software = ['tar:greet.tar']\n").unwrap();
    let (status, out, error) = own(dir.path(), &["run", "--config", file.to_str().unwrap(), "greet"]);
    assert_eq!((status, out.as_str()), (Some(0), "hello\n"), "{error}");
    std::fs::write(&file, "software = ['rg']\n").unwrap();
    let (status, _, error) = own(dir.path(), &["run", "--config", file.to_str().unwrap(), "greet"]);
    assert_eq!(status, Some(64));
    assert!(error.contains("\"rg\"") && error.contains("npm:NAME"), "{error}");
}

#[test]
fn what_cannot_be_added_is_named_with_what_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (status, _, error) = own(dir.path(), &["software", "add", "pie"]);
    assert!(error.contains("did you mean pi?"), "{error}");
    // The command line is wrong, as every other one that cannot be read.
    assert_eq!(status, Some(64));
    let (status, _, error) = own(dir.path(), &["software", "remove", "nothing"]);
    assert_eq!(status, Some(64));
    assert!(error.contains("not in the store"), "{error}");
    let (status, _, error) = own(dir.path(), &["software", "add", "wasm:/no/such.wasm"]);
    assert_eq!(status, Some(64));
    assert!(error.contains("/no/such.wasm"), "{error}");
}

#[test]
fn scripts_are_allowed_for_one_package_of_npm() {
    let dir = tempfile::tempdir().unwrap();
    let spec = archive(dir.path());
    for (args, says) in [
        (vec!["--allow-scripts", "a", spec.as_str()], "one package of npm"),
        (vec!["--allow-scripts", "a", "npm:a", "npm:b"], "one package of npm"),
        (vec!["--allow-scripts-network", "a.example", "npm:a"], "--allow-scripts"),
        (
            vec!["--allow-scripts", "a", "--allow-scripts-network", "[", "npm:a"],
            "network",
        ),
    ] {
        let (status, _, error) = own(dir.path(), &[["software", "add"].as_slice(), args.as_slice()].concat());
        assert!(
            status == Some(64) && error.contains(says),
            "{args:?}: {status:?} {error}"
        );
    }
}
