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

/// Where it is looked, and whether each bound there has to say what happens when it is reached ("...; then ...").
const PARTS: [(&str, bool); 3] = [
    ("crates/kernel/src", false),
    ("crates/wasm/src", false),
    ("crates/linux/src", true),
];

/// `docs/bounds.md` names the constants of the kernel and the executors whose names end in `_MAX`, `CAPACITY` or `BUFFER`.
/// `AGENTOS_BLESS=1` writes it.
#[test]
fn every_fixed_bound_is_documented() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("docs/bounds.md");
    let mut bounds = BTreeSet::new();
    for (part, tells) in PARTS {
        let mut found = BTreeSet::new();
        collect(&root, &root.join(part), &mut found);
        assert!(!found.is_empty(), "{part} has no bounds");
        let silent = found.iter().find(|bound| bound.effect().is_empty());
        if let (true, Some(bound)) = (tells, silent) {
            panic!("{}: {} does not say what happens then", bound.file, bound.name);
        }
        bounds.append(&mut found);
    }
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        let rows: String = bounds.iter().map(row).collect();
        return std::fs::write(path, format!("{HEAD}{rows}")).expect("a place to write to");
    }
    let table = std::fs::read_to_string(path).expect("the table");
    for cells in bounds.iter().map(row) {
        assert!(
            table.contains(&cells),
            "docs/bounds.md lacks {cells} AGENTOS_BLESS=1 writes it"
        );
    }
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, bounds.len(), "docs/bounds.md has rows of what is no more");
}

const HEAD: &str = "# Fixed bounds\n\nWhat is bounded besides the configurable [limits](limits.md), by the constants of the kernel, \
    of the WebAssembly executor\nand of the executor of Linux programs. `AGENTOS_BLESS=1 cargo test --release -p agentos --test bounds` \
    writes this table, and the test\nfails when a constant is missing or another one than before.\n\n\
    | file | constant | value | bounds | when it is reached |\n| --- | --- | --- | --- | --- |\n";

impl Bound {
    /// What it bounds.
    fn subject(&self) -> &str {
        self.meaning
            .split_once(THEN)
            .map_or(&self.meaning, |(subject, _)| subject)
    }

    /// What happens when it is reached.
    fn effect(&self) -> &str {
        self.meaning.split_once(THEN).map_or("", |(_, effect)| effect)
    }
}

const THEN: &str = "; then ";

fn row(bound: &Bound) -> String {
    let (subject, effect) = (bound.subject(), bound.effect());
    let subject = subject.trim_end_matches('.');
    format!(
        "| `{}` | `{}` | `{}` | {subject} | {} |\n",
        bound.file,
        bound.name,
        bound.value,
        effect.trim_end_matches('.')
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
    let is_number = matches!(kind.trim(), "usize" | "u64" | "u32" | "u16" | "u8" | "Duration");
    let is_bound = ["_MAX", "CAPACITY", "BUFFER"].iter().any(|end| name.ends_with(end));
    (is_number && is_bound).then(|| Bound {
        file: file.to_owned(),
        name: name.to_owned(),
        value: value.trim().trim_end_matches(';').to_owned(),
        meaning: meaning.replace('|', "\\|").replace(['[', ']'], ""),
    })
}
