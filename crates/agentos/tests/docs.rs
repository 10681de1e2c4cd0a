//! What the guides say about limits is what the code does.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::Limits;

#[test]
fn every_limit_is_documented_with_its_default() {
    let guide = include_str!("../../../docs/limits.md");
    let row = |field: &agentos::LimitField| {
        let path = field.path.trim_start_matches("limits.");
        guide
            .lines()
            .find(|line| line.starts_with(&format!("| `{path}` |")))
            .map(str::to_owned)
    };
    for field in Limits::FIELDS {
        let row = row(field).unwrap_or_else(|| panic!("{} is not in docs/limits.md", field.path));
        let cell = row.split('|').nth(2).unwrap_or_default().trim().to_owned();
        assert_eq!(parse(&cell), field.default, "{}: the guide says {cell}", field.path);
    }
    let documented = guide.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        documented,
        Limits::FIELDS.len(),
        "the guide has a row for a limit that does not exist"
    );
}

fn parse(cell: &str) -> u64 {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let number: u64 = number.replace(',', "").parse().expect("a number");
    number
        << match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => 0,
        }
}
