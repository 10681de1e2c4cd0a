//! Wrong input is named, says what is accepted, and starts nothing.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use support::run;

/// Arguments, exit status, and words that the message must hold.
const CASES: &[(&[&str], i32, &[&str])] = &[
    (&["run"], 64, &["COMMAND", "-c SCRIPT"]),
    (&["runn", "true"], 64, &["runn", "'run'"]),
    (&["run", "--mout", "/tmp:/x", "true"], 64, &["--mout", "--mount"]),
    (&["run", "--mount", "/src", "true"], 64, &["HOST:GUEST"]),
    (&["run", "--mount", "/:src", "true"], 64, &["absolute", "src"]),
    (
        &["run", "--mount", "/no/such/folder:/src", "true"],
        64,
        &["/no/such/folder", "must exist"],
    ),
    (
        &["run", "--mount", "/etc/passwd:/src", "true"],
        64,
        &["/etc/passwd", "not a directory"],
    ),
    (
        &["run", "--mount", "/:/proc", "true"],
        64,
        &["/proc", "belongs to the VM"],
    ),
    (&["run", "--mount", "/:/a/../b", "true"], 64, &["/a/../b", "normalized"]),
    (
        &["run", "--mount", "/tmp:/x", "--mount", "/tmp:/x", "true"],
        64,
        &["/x", "same guest path"],
    ),
    (&["run", "--env", "A", "true"], 64, &["NAME=VALUE", "A"]),
    (&["run", "--cwd", "src", "true"], 64, &["absolute", "src"]),
    (
        &["run", "--limit", "maxProceses=1", "true"],
        64,
        &["maxProceses", "did you mean maxProcesses"],
    ),
    (
        &["run", "--limit", "maxProcesses=-1", "true"],
        64,
        &["maxProcesses", "between 1 and 65536", "-1"],
    ),
    (
        &["run", "--limit", "maxProcesses=many", "true"],
        64,
        &["maxProcesses", "many"],
    ),
    (&["run", "--limit", "maxProcesses", "true"], 64, &["NAME=VALUE"]),
    (
        &[
            "run",
            "--limit",
            "maxOpenFds=8",
            "--limit",
            "maxOpenFdsPerProcess=9",
            "true",
        ],
        64,
        &["maxOpenFdsPerProcess (9)"],
    ),
    (&["run", "--timeout", "soon", "true"], 64, &["soon", "500ms"]),
    (
        &["run", "--config", "/no/such/file.toml", "true"],
        64,
        &["/no/such/file.toml"],
    ),
    (
        &["run", "--permissions", "lokced", "true"],
        64,
        &["lokced", "default, locked, a JSON object, or a JSON or TOML file"],
    ),
    (
        &[
            "run",
            "--permissions",
            r#"{"fs":{"rules":[{"mode":"ask"}]},"netwrk":"deny"}"#,
            "true",
        ],
        64,
        &[
            "permissions policy: fs.rules[0].mode must be \"allow\" or \"deny\", got \"ask\"",
            "netwrk is an unknown scope (did you mean network?)",
        ],
    ),
    (
        &["run", "--permissions", r#"{"fs":"deny","fs":"allow"}"#, "true"],
        64,
        &["\"fs\" stands twice"],
    ),
    (
        &["policy", "check", "--permissions", r#"{"env":{"rules":[]}}"#],
        64,
        &["env.rules must not be empty"],
    ),
    (
        &["policy", "explain", "fs", "wirte", "/a"],
        64,
        &["unknown operation \"wirte\" of fs (did you mean write?)"],
    ),
    (
        &["policy", "explain", "fs", "read", "a"],
        64,
        &["absolute path", "\"a\""],
    ),
    (
        &["policy", "explain", "network", "http", "https://example.com"],
        64,
        &["tcp://example.com:443"],
    ),
    (&["policy", "explain", "network", "http", "example.com"], 64, &["port"]),
    (&["policy", "explain", "fs", "read"], 64, &["RESOURCE"]),
    (&["run", "-c", "true", "false"], 64, &["-c"]),
    (&["bench", "exec_ecko"], 64, &["exec_ecko", "did you mean exec_echo"]),
    (
        &["run", "--cwd", "/no/such/place", "true"],
        64,
        &["/no/such/place", "ENOENT"],
    ),
];

#[test]
fn wrong_words_are_named() {
    for (args, status, words) in CASES {
        let ran = run(args);
        assert_eq!(ran.status, Some(*status), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
        for word in *words {
            assert!(
                ran.stderr.contains(word),
                "{args:?} does not say {word:?}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn wrong_configuration_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vm.toml");
    for (text, word) in [
        ("mount = []", "mount"),
        ("[limits.resources]\nmaxProceses = 1", "did you mean maxProcesses"),
        (
            "[limits.resource]\nmaxProcesses = 1",
            "limits.resource: unknown field (did you mean resources?)",
        ),
        ("timeout = 'soon'", "soon"),
        ("cwd = 'relative'", "relative"),
        ("permissions = 'open'", "permissions must be \"default\", \"locked\""),
        ("[permissions]\nnetwrk = 'deny'", "did you mean network"),
        (
            "[permissions.fs]\nrules = [{ mode = 'deny', paths = ['a'] }]",
            "fs.rules[0].paths[0]",
        ),
        ("[[mounts]]\nhost = 'missing'\nguest = '/x'", "missing"),
        ("not toml", "vm.toml"),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = run(&["run", "--config", file.to_str().unwrap(), "true"]);
        assert_eq!(ran.status, Some(64), "{text}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{text}: {}", ran.stderr);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for args in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let ran = run(args);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(!ran.stdout.is_empty());
    }
}
