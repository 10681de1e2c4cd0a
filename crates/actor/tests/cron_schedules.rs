//! Schedules against a corpus of cases, and against another implementation on random expressions.

use agentos_actor::cron::{Schedule, iso};
use chrono::{DateTime, TimeZone as _, Utc};
use proptest::prelude::*;

#[test]
fn the_corpus() {
    let mut failures = Vec::new();
    let mut cases = 0;
    for (number, line) in include_str!("data/cron.txt").lines().enumerate() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        cases += 1;
        if let Err(why) = check(line) {
            failures.push(format!("line {}: {line}\n    {why}", number + 1));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {cases} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(cases > 100);
}

fn check(line: &str) -> Result<(), String> {
    let parts: Vec<&str> = line.split('|').collect();
    let zone = parts[1].trim();
    // Blanks around an expression are part of what is tested; instants have none.
    let schedule = if parts[0].starts_with(' ') {
        parts[0]
    } else {
        parts[0].trim_end()
    };
    let parsed = Schedule::parse(schedule, zone);
    if let Some(reason) = parts[2].trim().strip_prefix('!') {
        return match parsed {
            Err(error) if error.reason.contains(reason.trim()) => Ok(()),
            other => Err(format!("{other:?}")),
        };
    }
    let parsed = parsed.map_err(|error| error.to_string())?;
    let mut after = DateTime::parse_from_rfc3339(parts[2].trim())
        .map_err(|e| e.to_string())?
        .timestamp_millis();
    for expected in parts[3].split_whitespace() {
        let found = parsed.next_after(after);
        let shown = found.map_or_else(|| "-".to_owned(), |at| iso(at).replace(".000Z", "Z"));
        if shown != expected {
            return Err(format!("expected {expected}, got {shown}"));
        }
        after = found.unwrap_or(after);
    }
    Ok(())
}

fn field(first: u32, last: u32) -> impl Strategy<Value = String> {
    let value = first..=last;
    let part = prop_oneof![
        3 => Just("*".to_owned()),
        2 => value.clone().prop_map(|value| value.to_string()),
        1 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1u32..=last).prop_map(|step| format!("*/{step}")),
        1 => (value.clone(), value.clone(), 1..=last).prop_map(|(a, b, n)| format!("{}-{}/{n}", a.min(b), a.max(b))),
        1 => (value.clone(), value).prop_map(|(a, b)| format!("{a},{b}")),
    ];
    part
}

proptest! {
    #[test]
    fn agrees_with_another_implementation_where_clocks_do_not_change(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 6),
        start in 0i64..4_000_000_000,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let other: croner::Cron = text.parse().unwrap();
        let Ok(ours) = Schedule::parse(&text, "UTC") else {
            // Refused because no such day ever comes.
            let last = other.find_next_occurrence(&Utc.timestamp_opt(start, 0).unwrap(), false);
            prop_assert!(last.is_err(), "{text}: {last:?}");
            return Ok(());
        };
        let mut after = start * 1000;
        for _ in 0..5 {
            let from = Utc.timestamp_millis_opt(after).unwrap();
            let theirs = other.find_next_occurrence(&from, false).map(|at| at.timestamp_millis());
            let next = ours.next_after(after);
            prop_assert_eq!(next, theirs.ok(), "{}", text);
            let Some(next) = next else { break };
            after = next;
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}", zone in "[A-Za-z/_]{0,20}", after in any::<i64>()) {
        if let Ok(schedule) = Schedule::parse(&text, &zone) {
            let _ = schedule.next_after(after);
        }
    }

    #[test]
    fn due_times_grow_in_every_zone(
        minute in field(0, 59), hour in field(0, 23), zone in 0usize..600, start in 0i64..4_000_000_000,
    ) {
        let zones = chrono_tz::TZ_VARIANTS;
        let text = format!("{minute} {hour} * * *");
        let schedule = Schedule::parse(&text, zones[zone % zones.len()].name()).unwrap();
        let mut after = start * 1000;
        for _ in 0..200 {
            let next = schedule.next_after(after).unwrap();
            prop_assert!(next > after, "{text} {}", zones[zone % zones.len()].name());
            // At least one a day, or two where clocks change.
            prop_assert!(next - after <= 49 * 3_600_000, "{text} {} {}", zones[zone % zones.len()].name(), iso(after));
            after = next;
        }
    }
}
