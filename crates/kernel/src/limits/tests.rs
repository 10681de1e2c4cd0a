use super::*;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

fn texts(value: &Value) -> Vec<String> {
    let problems = Limits::from_json(value).unwrap_err().0;
    problems.iter().map(ToString::to_string).collect()
}

fn only(value: &Value) -> String {
    let mut texts = texts(value);
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.remove(0)
}

#[test]
fn the_documented_example_is_accepted() {
    let value = json!({ "resources": {
        "cpuCount": 1, "maxProcesses": 64, "maxFilesystemBytes": 536_870_912, "maxWasmMemoryBytes": 268_435_456,
    }});
    let limits = Limits::from_json(&value).unwrap();
    let chosen = (
        limits.cpu_count,
        limits.max_processes,
        limits.max_filesystem_bytes,
        limits.max_wasm_memory_bytes,
    );
    assert_eq!(chosen, (1, 64, 512 * MIB, 256 * MIB));
    let mut other = Limits::default();
    other.set("maxProcesses", 64).unwrap();
    other.set_text("resources.maxFilesystemBytes", "512MiB").unwrap();
    other
        .set_text("limits.resources.maxWasmMemoryBytes", "268435456")
        .unwrap();
    other.settle().unwrap();
    assert_eq!(limits, other);
    assert_eq!(Limits::from_json(&json!({})).unwrap(), Limits::default());
}

#[test]
fn unknown_names_are_refused_with_a_hint() {
    let text = |group: &str, name: &str| only(&json!({ group: { name: 1 } }));
    for (group, name, message) in [
        (
            "resources",
            "maxProceses",
            "limits.resources.maxProceses: unknown field (did you mean maxProcesses?)",
        ),
        (
            "resources",
            "maxMemoryMb",
            "limits.resources.maxMemoryMb: unknown field (did you mean maxMemoryBytes?)",
        ),
        (
            "resources",
            "maxCpuPercent",
            "limits.resources.maxCpuPercent: unknown field (did you mean cpuCount?)",
        ),
        (
            "process",
            "maxProcesses",
            "limits.process.maxProcesses: unknown field (did you mean limits.resources.maxProcesses?)",
        ),
        (
            "resources",
            "cpuTimeLimitMs",
            "limits.resources.cpuTimeLimitMs: unknown field (did you mean limits.process.maxCpuTimeMs?)",
        ),
        ("resources", "flavour", "limits.resources.flavour: unknown field"),
        (
            "resource",
            "maxProcesses",
            "limits.resource: unknown field (did you mean resources?)",
        ),
        (
            "acp",
            "maxReadLineByte",
            "limits.acp.maxReadLineByte: unknown field (did you mean maxReadLineBytes?)",
        ),
        ("agents", "maxReadLineBytes", "limits.agents: unknown field"),
        ("jsRuntime", "v8HeapLimitMb", "limits.jsRuntime: unknown field"),
    ] {
        assert_eq!(text(group, name), message);
    }
    assert_eq!(
        only(&json!({ "maxProcesses": 64 })),
        "limits.maxProcesses: unknown field (did you mean limits.resources.maxProcesses?)"
    );
}

#[test]
fn only_whole_numbers_are_accepted() {
    let text = |value: Value| only(&json!({ "resources": { "maxProcesses": value } }));
    let path = "limits.resources.maxProcesses";
    let range = |given: &str| format!("{path}: must be an integer between 1 and 65536, got {given}");
    for (value, given) in [
        (json!(-1), "-1"),
        (json!(0), "0"),
        (json!(65_537), "65537"),
        (json!(1.5), "1.5"),
        (json!(1e300), "1e+300"),
        (json!(9_007_199_254_740_992_u64), "9007199254740992"),
        (json!(u64::MAX), "18446744073709551615"),
    ] {
        assert_eq!(text(value), range(given));
    }
    let kind = |given: &str| format!("{path}: must be an integer, got {given}");
    for (value, given) in [
        (json!("64"), "string \"64\""),
        (json!("64\n"), "string \"64\\n\""),
        (json!(true), "boolean true"),
        (json!(null), "null"),
        (json!([64]), "array"),
        (json!({}), "object"),
    ] {
        assert_eq!(text(value), kind(given));
    }
    assert_eq!(
        Limits::from_json(&json!({ "resources": { "maxProcesses": 64.0 } }))
            .unwrap()
            .max_processes,
        64
    );
    assert_eq!(
        only(&json!({ "resources": null })),
        "limits.resources: must be an object, got null"
    );
    assert_eq!(only(&json!([])), "limits: must be an object, got array");
}

#[test]
fn every_problem_is_found() {
    let value = json!({
        "resources": { "maxProceses": 1, "maxPipes": -1, "maxOpenFds": 512, "maxOpenFdsPerProcess": 1024 },
        "proces": {}, "wasm": { "maxModuleFileBytes": "1" },
    });
    let mut texts = texts(&value);
    texts.sort();
    assert_eq!(
        texts,
        [
            "limits.proces: unknown field (did you mean process?)",
            "limits.resources.maxOpenFdsPerProcess (1024) must not exceed maxOpenFds (512)",
            "limits.resources.maxPipes: must be an integer between 0 and 2147483647, got -1",
            "limits.resources.maxProceses: unknown field (did you mean maxProcesses?)",
            "limits.wasm.maxModuleFileBytes: must be an integer, got string \"1\"",
        ]
    );
}

#[test]
fn a_default_gives_way_to_a_choice() {
    let settled = |value: Value| Limits::from_json(&value);
    let limits = settled(json!({ "resources": { "maxOpenFds": 512, "maxMemoryBytes": 64 * MIB } })).unwrap();
    assert_eq!(
        (limits.max_open_fds_per_process, limits.max_wasm_memory_bytes),
        (512, 64 * MIB)
    );
    // Chosen, although it is what would have been without.
    let chosen = json!({ "resources": { "maxOpenFds": 512, "maxOpenFdsPerProcess": 1024 } });
    assert!(matches!(
        settled(chosen).unwrap_err().0[..],
        [InvalidLimit::Conflict { .. }]
    ));
    let beyond = json!({ "resources": { "maxOpenFdsPerProcess": 8192 } });
    assert_eq!(
        only(&beyond),
        "limits.resources.maxOpenFdsPerProcess (8192) must not exceed maxOpenFds (4096)"
    );
}

#[test]
fn text_may_have_units_where_people_write_it() {
    let value = json!({ "resources": { "maxFilesystemBytes": "512MiB", "maxProcesses": "64" } });
    let mut draft = LimitsDraft::default();
    let limits = draft.json_with_units(&value).text("maxPipes", "7").finish().unwrap();
    assert_eq!(
        (limits.max_filesystem_bytes, limits.max_processes, limits.max_pipes),
        (512 * MIB, 64, 7)
    );
    let error = draft
        .text("maxProcesses", "64KiB")
        .text("maxFilesystemBytes", "1 apple")
        .finish()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "limits.resources.maxProcesses: must be an integer between 1 and 65536, got \"64KiB\"\n\
         limits.resources.maxFilesystemBytes: must be an integer between 1 and 1099511627776, got \"1 apple\""
    );
}

#[test]
fn zero_is_none_or_off_as_the_table_says() {
    let value = json!({ "resources": { "maxPipes": 0, "maxBlockingReadMs": 0 }, "process": { "maxCpuTimeMs": 0 } });
    let limits = Limits::from_json(&value).unwrap();
    assert_eq!(
        (limits.max_pipes, limits.max_blocking_read_ms, limits.max_cpu_time_ms),
        (0, 0, 0)
    );
    for field in Limits::FIELDS {
        let off = field.zero == Zero::Off;
        assert!(!off || field.min == 0 || field.default == 0, "{}", field.path);
        if field.default != 0 || field.min == 0 {
            assert!((field.min..=field.max).contains(&field.default), "{}", field.path);
        }
    }
    let mut limits = Limits::default();
    limits.settle().unwrap();
    limits.max_processes = 0;
    assert!(limits.settle().is_err());
}

#[test]
fn the_table_is_sound() {
    for (index, field) in Limits::FIELDS.iter().enumerate() {
        assert!(index < 128, "the set of given fields is full");
        assert!(
            !Limits::FIELDS[..index]
                .iter()
                .any(|other| other.path == field.path || other.name() == field.name())
        );
        assert_eq!(Limits::default().get(field.path), Some(field.default));
        assert!(matches!(field.unit(), "count" | "bytes" | "ms" | "entries"));
    }
}
