//! What the guides say about limits is what the code does.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{LimitField, LimitZero, Limits};
use std::path::PathBuf;

/// The table in the guide is the table in the code. `AGENTOS_BLESS=1` writes it.
#[test]
fn every_limit_is_documented() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
    let guide = std::fs::read_to_string(&path).expect("the guide");
    let is_row = |line: &&str| line.starts_with("| `");
    let wanted: Vec<String> = Limits::FIELDS.iter().map(row).collect();
    let found: Vec<&str> = guide.lines().filter(is_row).collect();
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        let (before, after) = (
            guide
                .split_inclusive('\n')
                .take_while(|line| !line.starts_with("| `"))
                .collect::<String>(),
            guide
                .split_inclusive('\n')
                .skip_while(|line| !line.starts_with("| `"))
                .skip_while(|line| line.starts_with("| `")),
        );
        let text = before + &wanted.join("\n") + "\n" + &after.collect::<String>();
        return std::fs::write(path, text).expect("a place to write to");
    }
    for (wanted, found) in wanted.iter().zip(&found) {
        assert_eq!(
            wanted, found,
            "docs/limits.md differs from the table of limits; AGENTOS_BLESS=1 writes it"
        );
    }
    assert_eq!(wanted.len(), found.len(), "docs/limits.md has rows too many or too few");
}

fn row(field: &LimitField) -> String {
    let path = field.path.trim_start_matches("limits.");
    let default = match (field.default, field.zero) {
        (0, LimitZero::Off) => "off".to_owned(),
        (value, _) => amount(value, field.noun),
    };
    let range = format!("{} to {}", field.min, amount(field.max, field.noun));
    let warns = if field.warns { "yes" } else { "" };
    let off = if field.zero == LimitZero::Off && field.min == 0 {
        " 0 is off."
    } else {
        ""
    };
    format!(
        "| `{path}` | {default} | {} | {range} | {warns} | {}{off} | {} |",
        field.noun, field.meaning, field.breach
    )
}

/// A value as people write it.
fn amount(value: u64, noun: &str) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units
        .into_iter()
        .find(|(size, _)| noun == "bytes" && value >= *size && value.is_multiple_of(*size));
    match unit {
        Some((size, unit)) => format!("{} {unit}", value / size),
        None => grouped(value),
    }
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
