//! `--image` and `agentos image`.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::{Ran, agentos, run};
use tempfile::TempDir;

/// A package of npm, packed by the host's tar.
fn package(dir: &TempDir) -> String {
    let folder = dir.path().join("package");
    std::fs::create_dir(&folder).unwrap();
    let manifest = r#"{"name": "hello", "version": "1.0.0", "bin": "cli.sh", "dependencies": {"other": "1"}}"#;
    std::fs::write(folder.join("package.json"), manifest).unwrap();
    std::fs::write(folder.join("cli.sh"), "#!/opt/agentos/bin/sh\necho hello $1\n").unwrap();
    let archive = dir.path().join("hello.tgz");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(dir.path())
        .arg("-czf")
        .arg(&archive)
        .arg("package")
        .status();
    assert!(tar.unwrap().success());
    archive.display().to_string()
}

/// Runs the command with its unpacked archives in a directory of the test.
fn own(dir: &Path, args: &[&str]) -> Ran {
    // The compiled programs stay where they are: only images are elsewhere.
    let output = agentos()
        .args(args)
        .env("AGENTOS_IMAGE_CACHE", dir.join("cache"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = text(&output.stderr);
    Ran {
        status: output.status.code(),
        stdout: text(&output.stdout),
        stderr: lines
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("agentos: compiling"))
            .collect(),
    }
}

#[test]
fn packages_are_built_inspected_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let package = package(&dir);
    for (format, name) in [("tar", "image.tar"), ("oci", "layout")] {
        let output = dir.path().join(name).display().to_string();
        let args = [
            "image", "build", "--npm", &package, "--format", format, "-o", &output, "--json",
        ];
        let built = own(dir.path(), &args);
        assert_eq!(built.status, Some(0), "{}", built.stderr);
        let value: Value = serde_json::from_str(&built.stdout).unwrap();
        assert_eq!(value["packages"][0], "hello 1.0.0");
        assert!(value["warnings"][0].as_str().unwrap().contains("depends on other"));
        let shown = own(dir.path(), &["image", "inspect", &output, "--json"]);
        let value: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert!(value["layers"][0]["entries"].as_u64().unwrap() > 5, "{value}");
        assert!(
            own(dir.path(), &["image", "inspect", &output])
                .stdout
                .contains("entries")
        );
        let ran = own(dir.path(), &["run", "--image", &output, "hello", "you"]);
        assert_eq!((ran.status, &*ran.stdout), (Some(0), "hello you\n"), "{}", ran.stderr);
    }
}

#[test]
fn images_are_stacked_and_configured() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("one", "1"), ("two", "2")] {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join("both"), text).unwrap();
        std::fs::write(dir.path().join(name).join(name), text).unwrap();
    }
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (one, two) = (one.display().to_string(), two.display().to_string());
    let script = "cat /both /one /two";
    assert_eq!(
        run(&["run", "--image", &one, "--image", &two, "-c", script]).stdout,
        "112"
    );
    assert_eq!(
        run(&["run", "--image", &two, "--image", &one, "-c", script]).stdout,
        "212"
    );
    let config = dir.path().join("agentos.toml");
    std::fs::write(&config, "image = ['one']\ntools = 'image'\n").unwrap();
    let config = config.display().to_string();
    let ran = run(&[
        "run",
        "--config",
        &config,
        "--image",
        &two,
        "-c",
        "cat /both; echo $PATH",
    ]);
    assert!(
        ran.stdout.starts_with("2/usr/local/sbin:") && ran.stdout.ends_with(":/opt/agentos/bin\n"),
        "{ran:?}"
    );
}

#[test]
fn what_is_no_image_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.tar");
    std::fs::write(&broken, [b'x'; 1024]).unwrap();
    let broken = broken.display().to_string();
    for (args, said) in [
        (&["run", "--image", "/no/such", "true"][..], "/no/such"),
        (&["run", "--image", "/", "true"], "`host`"),
        (
            &["run", "--image", "/dev/null", "true"],
            "neither a directory nor an archive",
        ),
        (&["run", "--image", &broken, "true"], "wrong checksum"),
        (&["image", "inspect", &broken], "broken.tar"),
        (&["image", "build", "-o", "/no/such/x"], "--deb FILE"),
        (
            &["image", "build", "--deb", &broken, "-o", "/no/such/x"],
            "is no ar archive",
        ),
        (&["run", "--tools", "mine", "true"], "expected bundled or image"),
    ] {
        let ran = own(dir.path(), args);
        assert_eq!(ran.status, Some(64), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
}
