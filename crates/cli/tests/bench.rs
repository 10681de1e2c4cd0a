//! `agentos bench` yields every promised result in the documented shape.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::run;

const PROMISED: &[&str] = &[
    "vm_create",
    "exec_echo",
    "pipeline3",
    "spawn50",
    "file_write_1k",
    "file_read_1k",
    "find_5000",
    "grep_10mb",
    "idle_vm_bytes",
    "blocked_process_bytes",
    "burst200_p99",
    "lifecycle_slope_bytes",
    "neighbour_echo_p99",
    "serve_http",
    "serve_ws",
    "serve_rate",
    "serve_http_apart",
    "serve_ws_apart",
    "serve_wake",
    "serve_wake_read",
    "serve_write_4k",
    "serve_write_rate",
    "serve_events_p99",
    "serve_sleeping_bytes",
];

#[test]
fn every_result_has_its_shape() {
    // What comes from npm is no part of the build.
    let ran = run(&["bench", "--quick", "--json", "--no-npm"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert!(
        value["machine"]["cpus"].as_u64().is_some_and(|cpus| cpus > 0),
        "{}",
        value["machine"]
    );
    let results = value["results"].as_array().expect("an array");
    for name in PROMISED {
        assert!(results.iter().any(|row| row["name"] == *name), "{name} is missing");
    }
    for row in results {
        if row["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("serve_rivetkit_"))
        {
            assert!(row["p50"].is_null() && row["notRun"] == "--no-npm was given", "{row}");
            continue;
        }
        assert!(row["notRun"].is_null(), "{row}");
        assert_eq!(row["goal"].is_object(), row["met"].is_boolean(), "{row}");
        let number = |field: &str| row[field].as_f64().is_some_and(f64::is_finite);
        assert!(number("p50") && number("p95"), "{row}");
        assert!(row["samples"].as_u64().is_some_and(|samples| samples > 0), "{row}");
        assert!(
            matches!(row["unit"].as_str(), Some("us" | "ns" | "bytes" | "1/s" | "%")),
            "{row}"
        );
        if row["baseline"].is_null() {
            assert!(row["ratio"].is_null(), "{row}");
        } else {
            assert!(
                row["baseline"]["name"].is_string() && row["baseline"]["p50"].is_number(),
                "{row}"
            );
            assert!(number("ratio"), "{row}");
        }
    }
}

#[test]
fn one_result_can_be_asked_for() {
    let ran = run(&["bench", "--quick", "--json", "vm_create"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    let names: Vec<&str> = value["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    assert_eq!(names, ["vm_create"]);
    let text = run(&["bench", "--quick", "vm_create"]).stdout;
    assert!(
        text.contains("vm_create") && text.contains("bash -c :") && text.contains("goal"),
        "{text}"
    );
}
