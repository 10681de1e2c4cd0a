//! `agentos policy`, and policies on the way into a VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use support::run;

const WORKSPACE: &str = r#"{"fs":{"default":"allow","rules":[{"mode":"deny","operations":["write","rm"],"paths":["/etc/**"]}]},
    "childProcess":{"default":"allow","rules":[{"mode":"deny","patterns":["curl"]}]}}"#;

/// Permissions, question, exit status, answer for people, answer for programs.
const EXPLAINED: &[(&str, &[&str], i32, &str, &str)] = &[
    (
        "default",
        &["fs", "read", "/etc/passwd"],
        0,
        "allow /etc/passwd: profile:default\n",
        r#"{"decision":"allow","resource":"/etc/passwd","rule":"profile:default"}"#,
    ),
    (
        "locked",
        &["network", "dns", "dns://Example.com."],
        77,
        "deny dns://example.com: profile:locked\n",
        r#"{"decision":"deny","resource":"dns://example.com","rule":"profile:locked"}"#,
    ),
    (
        WORKSPACE,
        &["fs", "write", "/etc/passwd"],
        77,
        "deny /etc/passwd: permissions.fs.rules[0] (/etc/**)\n",
        r#"{"decision":"deny","pattern":"/etc/**","resource":"/etc/passwd","rule":"permissions.fs.rules[0]"}"#,
    ),
    (
        WORKSPACE,
        &["fs", "read", "/etc/passwd"],
        0,
        "allow /etc/passwd: fs.default\n",
        r#"{"decision":"allow","resource":"/etc/passwd","rule":"fs.default"}"#,
    ),
    (
        "default",
        &["network", "fetch", "tcp://0xa9fea9fe:80"],
        77,
        "allow tcp://169.254.169.254:80: profile:default\ndeny 169.254.169.254: egress guard (metadata, 169.254.169.254/32)\n",
        r#"{"decision":"allow","guard":{"address":"169.254.169.254","decision":"deny","label":"metadata","range":"169.254.169.254/32"},"resource":"tcp://169.254.169.254:80","rule":"profile:default"}"#,
    ),
    (
        r#"{"network":{"rules":[{"mode":"allow","patterns":["*.example.com:443"]}]}}"#,
        &["network", "http", "tcp://api.example.com:443", "tcp://1.1.1.1:443"],
        0,
        "allow tcp://api.example.com:443: permissions.network.rules[0] (*.example.com:443)\nallow 1.1.1.1: egress guard\n",
        r#"{"decision":"allow","guard":{"address":"1.1.1.1","decision":"allow"},"pattern":"*.example.com:443","resource":"tcp://api.example.com:443","rule":"permissions.network.rules[0]"}"#,
    ),
    (
        r#"{"network":{"rules":[{"mode":"deny","patterns":["localhost:22"]}]}}"#,
        &["network", "listen", "tcp://0.0.0.0:8080"],
        0,
        "allow tcp://127.0.0.1:8080: implied\n",
        r#"{"decision":"allow","resource":"tcp://127.0.0.1:8080","rule":"implied"}"#,
    ),
];

#[test]
fn an_explanation_names_the_rule_and_exits_as_the_request_would_end() {
    for (permissions, question, status, words, json) in EXPLAINED {
        let ask = |more: &[&str]| {
            let head = ["policy", "explain", "--permissions", permissions];
            let args: Vec<&str> = head.iter().chain(*question).chain(more).copied().collect();
            run(&args)
        };
        let ran = ask(&[]);
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(*status), *words),
            "{question:?}: {}",
            ran.stderr
        );
        let ran = ask(&["--json"]);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(ran.stdout.lines().count(), 1, "{question:?}");
        assert_eq!(
            (ran.status, value(&ran.stdout)),
            (Some(*status), value(json)),
            "{question:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_policy_comes_from_the_command_line_a_file_or_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("policy.json"), "{\"env\": \"deny\"}\n").unwrap();
    std::fs::write(path("policy.toml"), "env = 'deny'\n").unwrap();
    std::fs::write(path("vm.toml"), "[permissions]\nenv = 'deny'\n").unwrap();
    for source in [
        ["--permissions", &path("policy.json")],
        ["--permissions", &path("policy.toml")],
        ["--permissions", "{\"env\": \"deny\"}"],
        ["--config", &path("vm.toml")],
    ] {
        let ran = run(&["policy", "explain", source[0], source[1], "env", "read", "PATH"]);
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(77), "deny PATH: permissions.env\n"),
            "{source:?}"
        );
        let ran = run(&["policy", "check", source[0], source[1]]);
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(0), "the policy is valid\n"),
            "{source:?}"
        );
    }
    let both = [
        "policy",
        "explain",
        "--config",
        &path("vm.toml"),
        "--permissions",
        "default",
        "env",
        "read",
        "PATH",
    ];
    assert_eq!(run(&both).stdout, "allow PATH: profile:default\n");
}

#[test]
fn a_vm_runs_under_its_policy() {
    let script = "echo x > /etc/new; echo $?; cat /etc/hostname";
    let ran = run(&["run", "--permissions", WORKSPACE, "-c", script]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (Some(0), "1\nagent-os\n"),
        "{}",
        ran.stderr
    );
    let denied = r#"{"childProcess":{"default":"allow","rules":[{"mode":"deny","patterns":["cat"]}]}}"#;
    let ran = run(&["run", "--permissions", denied, "-c", "cat /etc/hostname; echo $?"]);
    assert_eq!(ran.stdout, "126\n", "{}", ran.stderr);
}
