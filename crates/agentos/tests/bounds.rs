//! Every constant that bounds what a guest can make grow is in the table of fixed bounds, or is a limit.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A constant whose name says that it bounds something.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    file: String,
    name: String,
    value: String,
    meaning: String,
}

/// `docs/bounds.md` names the constants of the kernel and the engine whose names end in `_MAX`, `CAPACITY` or `BUFFER`.
/// `AGENTOS_BLESS=1` writes it.
#[test]
fn every_fixed_bound_is_documented() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("docs/bounds.md");
    let mut bounds = BTreeSet::new();
    for part in ["crates/kernel/src", "crates/wasm/src"] {
        collect(&root, &root.join(part), &mut bounds);
    }
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        let rows: String = bounds.iter().map(row).collect();
        return std::fs::write(path, format!("{HEAD}{rows}")).expect("a place to write to");
    }
    let table = std::fs::read_to_string(path).expect("the table");
    for bound in &bounds {
        let cells = format!("| `{}` | `{}` |", bound.file, bound.name);
        assert!(
            table.contains(&cells),
            "docs/bounds.md lacks {cells} AGENTOS_BLESS=1 writes it"
        );
    }
}

const HEAD: &str = "# Fixed bounds\n\nWhat is bounded besides the configurable [limits](limits.md), by the constants of the kernel \
    and of the WebAssembly\nexecutor. `AGENTOS_BLESS=1 cargo test --release -p agentos --test bounds` writes this table, and the \
    test fails when a\nconstant is missing.\n\n| file | constant | value | bounds |\n| --- | --- | --- | --- |\n";

fn row(bound: &Bound) -> String {
    format!(
        "| `{}` | `{}` | `{}` | {} |\n",
        bound.file, bound.name, bound.value, bound.meaning
    )
}

fn collect(root: &Path, folder: &Path, bounds: &mut BTreeSet<Bound>) {
    for entry in std::fs::read_dir(folder).expect("our sources") {
        let path = entry.expect("a name").path();
        if path.is_dir() {
            collect(root, &path, bounds);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            let file = path
                .strip_prefix(root.join("crates"))
                .expect("below")
                .display()
                .to_string();
            scan(&file, &text, bounds);
        }
    }
}

fn scan(file: &str, text: &str, bounds: &mut BTreeSet<Bound>) {
    let mut meaning = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            if !meaning.is_empty() {
                meaning.push(' ');
            }
            meaning.push_str(more.trim());
            continue;
        }
        if let Some(bound) = constant(file, line, &meaning) {
            bounds.insert(bound);
        }
        meaning.clear();
    }
}

fn constant(file: &str, line: &str, meaning: &str) -> Option<Bound> {
    let (before, rest) = line.split_once("const ")?;
    if !(before.is_empty() || before.starts_with("pub")) {
        return None;
    }
    let (name, rest) = rest.split_once(':')?;
    let (kind, value) = rest.split_once('=')?;
    let is_number = matches!(kind.trim(), "usize" | "u64" | "u32" | "u16" | "u8");
    let is_bound = ["_MAX", "CAPACITY", "BUFFER"].iter().any(|end| name.ends_with(end));
    (is_number && is_bound).then(|| Bound {
        file: file.to_owned(),
        name: name.to_owned(),
        value: value.trim().trim_end_matches(';').to_owned(),
        meaning: meaning.replace('|', "\\|").replace(['[', ']'], ""),
    })
}
