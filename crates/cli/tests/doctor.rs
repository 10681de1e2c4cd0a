//! `agentos doctor` as a user meets it.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::run;

#[test]
fn the_status_says_what_the_report_says() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let ran = run(&["doctor", "--json", "--data", data.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let works = report["works"].as_bool().unwrap();
    assert_eq!(ran.status, Some(i32::from(!works)), "{ran:?}");
    let names: Vec<_> = report["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| &section["name"])
        .collect();
    assert_eq!(
        names,
        [
            "Linux programs",
            "WebAssembly programs",
            "This machine",
            "Data directory"
        ]
    );
    let checks = |index: usize| report["sections"][index]["checks"].as_array().unwrap().len();
    assert!((0..4).all(|index| checks(index) > 0), "{report}");
    assert_eq!(report["sections"][1]["works"], true, "{report}");
}

#[test]
fn people_read_one_line_for_each_thing() {
    let ran = run(&["doctor"]);
    let works = ran.status == Some(0);
    assert!(ran.stdout.starts_with("Linux programs: "), "{ran:?}");
    assert_eq!(
        ran.stdout
            .ends_with("Everything that VMs need works on this machine.\n"),
        works,
        "{ran:?}"
    );
    assert!(ran.stdout.contains("engine: ok"), "{ran:?}");
}
