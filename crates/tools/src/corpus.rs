//! The cases in `cases/`: a tool, command lines with the input or the refusal that they lead to, and the tool's help.
//!
//! A line `$ ...` is a command line, with single quotes as in a shell; the line below it is the input, or `! ` and the message.
//! `AGENTOS_BLESS=1` writes what is found.

use crate::kit::{Tool, ToolKit};
use crate::kits::{CheckedTool, Kits};
use crate::{flags, help};
use agentos_kernel::limits::Limits;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[test]
fn every_case_is_as_it_is_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 6, "{paths:?}");
    paths.iter().for_each(|path| check(path));
}

fn check(path: &Path) {
    let written = std::fs::read_to_string(path).unwrap();
    let parts: Vec<&str> = written.split("\n== ").collect();
    let [tool, lines, _help] = parts.as_slice() else {
        panic!("{}: three parts", path.display())
    };
    let kits = kits(tool.strip_prefix("== tool\n").unwrap());
    let (kit, checked) = (&kits.kits[0], &kits.kits[0].tools[0]);
    let mut found = format!("{tool}\n== flags\n");
    for line in lines
        .lines()
        .filter(|line| line.starts_with("$ ") || line.starts_with("# ") || *line == "$")
    {
        found.push_str(line);
        found.push('\n');
        if let Some(args) = line.strip_prefix('$') {
            found.push_str(&outcome(checked, args));
            found.push('\n');
        }
    }
    found.push_str("\n== help\n");
    found.push_str(&help::tool(kit, checked));
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        return std::fs::write(path, found).unwrap();
    }
    assert_eq!(written, found, "{} differs; AGENTOS_BLESS=1 writes it", path.display());
}

/// The tool `case` of the kit `test`.
fn kits(description: &str) -> Kits {
    let described: Value = serde_json::from_str(description).unwrap();
    let mut tool = Tool::raw(described["inputSchema"].clone(), |_, _| unreachable!("only described"));
    tool = tool.description(described["description"].as_str().unwrap_or_default());
    for example in described["examples"].as_array().into_iter().flatten() {
        tool = tool.example(example["description"].as_str().unwrap(), example["input"].clone());
    }
    Kits::new(vec![ToolKit::new("test", "").tool("case", tool)], &Limits::default()).unwrap()
}

fn outcome(tool: &CheckedTool, line: &str) -> String {
    let words = words(line);
    let args: Vec<&str> = words.iter().map(String::as_str).collect();
    let read = flags::read(tool.fields(), &args).map(Value::Object);
    match read.and_then(|input| tool.check(&input).map(|()| input)) {
        Ok(input) => input.to_string(),
        Err(message) => format!("! {message}"),
    }
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for char in line.chars() {
        match char {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}
