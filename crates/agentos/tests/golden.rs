//! The golden cases of the userland's tools, run with the bundled programs inside a VM: the same files that the tools'
//! own tests use (`userland/*/tests/cases`), so that what holds for a tool on the host holds for the artefact.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Limits};
use std::path::{Path, PathBuf};

struct Case {
    name: String,
    command: String,
    expected: Vec<u8>,
}

#[tokio::test]
async fn the_bundled_tools_do_what_their_cases_say() {
    let mut failed = Vec::new();
    let mut passed = 0;
    for file in case_files() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // As much as the hungriest compressor wants.
        let mut limits = Limits::default();
        limits.max_wasm_memory_bytes = 1 << 30;
        limits.max_memory_bytes = 4 << 30;
        let base = AgentOs::builder()
            .limits(limits)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .cwd("/tmp/work")
            .create()
            .await
            .unwrap();
        // Some cases measure time against `sleep`; a program that is compiled first would lose that race.
        base.prepare(|_| {}).await.unwrap();
        base.mkdir("/tmp/work").await.unwrap();
        let empty = base.snapshot().await.unwrap();
        for case in parse(&std::fs::read(&file).unwrap()) {
            if case.command.contains("python3") {
                continue;
            }
            // An empty directory and no processes of an earlier case.
            let vm = empty.create().await.unwrap();
            let output = vm.exec(&case.command).await.unwrap();
            let mut found = format!("--- status {}\n", output.exit_code).into_bytes();
            found.extend_from_slice(&output.stdout);
            if !found.ends_with(b"\n") {
                found.extend_from_slice(b"\\ no newline\n");
            }
            let label = format!("{stem}: {}", case.name);
            let differs = DIFFERENT.iter().find(|(known, _)| *known == label);
            match (found == case.expected, differs) {
                (true, None) => passed += 1,
                (true, Some(_)) => failed.push(format!("{label}: passes, but stands among the differences\n")),
                (false, Some(_)) => {}
                (false, None) => failed.push(describe(&label, &case, &found, &output)),
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} passed, {} failed:\n{}",
        passed,
        failed.len(),
        failed.join("\n")
    );
    assert!(passed > 50, "only {passed} cases were found");
}

/// Cases that a VM answers in another way than a tool on the host, with the reason. A listed case that passes fails, too.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "tar: verbose listing",
        "names the user and group of the host that recorded it",
    ),
    ("sed: brackets", "recorded by a shell whose echo reads backslashes"),
    (
        "show: file formats",
        "recorded by a shell whose printf knows no \\x, and looks at a program that is a link here",
    ),
];

fn describe(label: &str, case: &Case, found: &[u8], output: &agentos::ExecOutput) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{label}\n$ {}\nexpected:\n{}found:\n{}{}",
        case.command,
        text(&case.expected),
        text(found),
        output.stderr_text()
    )
}

fn case_files() -> Vec<PathBuf> {
    let userland = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../userland");
    let mut files = Vec::new();
    for tool in std::fs::read_dir(userland).unwrap() {
        let Ok(cases) = std::fs::read_dir(tool.unwrap().path().join("tests/cases")) else {
            continue;
        };
        files.extend(
            cases
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "txt")),
        );
    }
    files.sort();
    files
}

fn parse(text: &[u8]) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_command = false;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"### ") {
            let name = String::from_utf8_lossy(name).trim_end().to_owned();
            cases.push(Case {
                name,
                command: String::new(),
                expected: Vec::new(),
            });
            in_command = true;
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        in_command &= !line.starts_with(b"--- status ");
        if in_command {
            case.command.push_str(&String::from_utf8_lossy(line));
        } else {
            case.expected.extend_from_slice(line);
        }
    }
    for case in &mut cases {
        case.command = case.command.trim_end().to_owned();
    }
    cases
}
