//! Secrets on the command line: the VM sees a placeholder, and no output ever shows a value.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::Path;
use support::{Ran, agentos};

const VALUE: &str = "hunter2-hunter2-hunter2";

/// Runs with the value in a variable of the host; fails if it shows up.
fn run(args: &[&str]) -> Ran {
    let output = agentos()
        .args(args)
        .env("KEY", VALUE)
        .env("SHORT", "hunter2")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ran = Ran {
        status: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    assert!(!format!("{ran:?}").contains("hunter2"), "{args:?}: {ran:?}");
    ran
}

fn config(folder: &Path, text: &str) -> String {
    let path = folder.join("agentos.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_guest_sees_a_placeholder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), format!("{VALUE}\n")).unwrap();
    let file = format!("KEY={}", folder.path().join("token").display());
    let toml = config(
        folder.path(),
        "[[secrets]]\nname = 'KEY'\nhosts = ['api.example.com']\nheader = 'Authorization'\nfile = 'token'\n",
    );
    let secret = "KEY=api.example.com,*.example.org:443:Authorization";
    for options in [
        &["--secret", secret][..],
        &["--secret", secret, "--secret-file", &file],
        &["--config", &toml],
        &["--config", &toml, "--secret", secret],
    ] {
        let mut args = vec!["run"];
        args.extend(options);
        args.extend([
            "-c",
            "printenv KEY; tail -n 1 /etc/ssl/certs/ca-certificates.crt; cat /proc/self/environ",
        ]);
        let ran = run(&args);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let placeholder = ran.stdout.lines().next().unwrap();
        assert!(
            placeholder.starts_with("agentos-secret-") && placeholder.len() == 47,
            "{ran:?}"
        );
        assert!(ran.stdout.contains("END CERTIFICATE"), "{ran:?}");
    }
}

#[test]
fn what_is_wrong_is_named_and_no_value_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lines"), "hunter2\nhunter2-hunter2").unwrap();
    std::fs::write(folder.path().join("noise.pem"), "hunter2").unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let lines = format!("KEY={}", at("lines"));
    let missing = format!("KEY={}", at("missing"));
    let pem = at("noise.pem");
    for (options, said) in [
        (&["--secret", "KEY"][..], "NAME=HOST"),
        (&["--secret", "NOSUCH=api.example.com"], "no variable \"NOSUCH\""),
        (&["--secret", "KEY=*"], "secrets[0].hosts[0]"),
        (&["--secret", "KEY=api.example.com:Host"], "secrets[0].header"),
        (
            &["--secret", "SHORT=api.example.com"],
            "secrets[0].value: must have 8 to 8192 bytes",
        ),
        (
            &["--secret", "KEY=a.example.com", "--secret", "KEY=b.example.com"],
            "secrets[1].name",
        ),
        (
            &["--secret", "KEY=a.example.com", "--env", "KEY=x"],
            "env has \"KEY\", too",
        ),
        (
            &["--secret", "KEY=a.example.com", "--secret-file", &lines],
            "line break",
        ),
        (&["--secret", "KEY=a.example.com", "--secret-file", &missing], "missing"),
        (&["--secret-file", &lines], "there is no --secret KEY"),
        (&["--proxy", "http://me:hunter2@proxy"], "configuration file"),
        (&["--proxy", "proxy:3128"], "network.proxy: has no scheme"),
        (&["--trust-root", &pem], "holds no certificate"),
    ] {
        let mut args = vec!["run"];
        args.extend(options);
        args.push("true");
        let ran = run(&args);
        assert_eq!(ran.status, Some(64), "{options:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{options:?}: {ran:?}");
    }
    for (text, said) in [
        (
            "[[secrets]]\nname = 'KEY'\n",
            "secrets[0].hosts: must name at least one host",
        ),
        (
            "[[secrets]]\nname = 'KEY'\nhosts = ['a.example.com']\nvalue = 'hunter2'\n",
            "value",
        ),
        (
            "[[secrets]]\nname = 'KEY'\nhosts = ['a.example.com']\nenv = 'A'\nfile = 'b'\n",
            "exclude each other",
        ),
        (
            "[network]\nproxy = 'http://me:hunter2@'\n",
            "network.proxy: has no valid host",
        ),
        ("[network]\nproxy = ['http://me:hunter2@proxy']\n", "proxy"),
    ] {
        let toml = config(folder.path(), text);
        let ran = run(&["run", "--config", &toml, "true"]);
        assert_eq!(ran.status, Some(64), "{text}: {ran:?}");
        assert!(ran.stderr.contains(said), "{text}: {ran:?}");
    }
}
