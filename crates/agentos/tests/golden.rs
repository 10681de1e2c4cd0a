//! The golden cases of the userland's tools, run with the bundled programs inside a VM: the same files that the tools'
//! own tests use (`userland/*/tests/cases`), so that what holds for a tool on the host holds for the artefact.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use agentos::{AgentOs, Limits};
use agentos_golden::{Case, expectation, parse};
use std::path::{Path, PathBuf};

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
            let label = format!("{stem}: {}", case.name);
            let listed = HOST_ONLY.contains(&label.as_str());
            assert_eq!(case.command.contains("python3"), listed, "{label}: see HOST_ONLY");
            if listed {
                println!("{label}: only on a host");
                continue;
            }
            // An empty directory and no processes of an earlier case.
            let vm = empty.create().await.unwrap();
            let output = vm.exec(&case.command).await.unwrap();
            let found = expectation(output.exit_code, &output.stdout);
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

/// Cases that ask Python for a second opinion or for files of its making. A VM has none; the tools' own tests run them.
const HOST_ONLY: &[&str] = &[
    "compress: host formats are read",
    "tar: hostile archives stay inside",
    "tar: pax and ustar from elsewhere",
    "zip: to a pipe",
    "zip: python agrees",
    "zip: hostile names",
    "show: file kinds",
];

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
