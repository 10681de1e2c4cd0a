//! The tables of time zones against those they were made from. The module is private, so it is compiled into this test.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used)]

#[path = "../src/cron/zones/mod.rs"]
mod zones;

use chrono::{DateTime, MappedLocalTime, Offset as _, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use std::collections::BTreeMap;

use zones::{DATA, MOST_OFFSET, OFFSET_BIAS, OFFSET_BITS, Zone};

/// Before the first change of any zone.
const FROM: i64 = -5_000_000_000;
/// After the last one that is in the tables.
const UNTIL: i64 = 4_400_000_000;
/// No clocks change twice in so many seconds.
const STEP: usize = 12 * 3600;

fn offset(zone: Tz, instant: i64) -> i64 {
    let instant = DateTime::from_timestamp(instant, 0).unwrap().naive_utc();
    zone.offset_from_utc_datetime(&instant).fix().local_minus_utc().into()
}

/// From when on which offset holds.
fn changes(zone: Tz) -> Vec<(i64, i64)> {
    let mut now = offset(zone, FROM);
    let mut found = vec![(FROM, now)];
    let mut before = FROM;
    for after in (FROM..UNTIL).step_by(STEP).skip(1) {
        let next = offset(zone, after);
        if next != now {
            let (mut low, mut high) = (before, after);
            while high - low > 1 {
                let middle = low.midpoint(high);
                match offset(zone, middle) == now {
                    true => low = middle,
                    false => high = middle,
                }
            }
            found.push((high, next));
            now = next;
        }
        before = after;
    }
    found
}

/// The bytes of `zones.bin`.
fn made() -> Vec<u8> {
    let mut tables: Vec<Vec<(i64, i64)>> = Vec::new();
    let mut zones = BTreeMap::new();
    for zone in TZ_VARIANTS {
        let table = changes(zone);
        let number = tables.iter().position(|known| *known == table).unwrap_or_else(|| {
            tables.push(table);
            tables.len() - 1
        });
        zones.insert(zone.name(), number);
    }
    let half = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut bytes = [half(zones.len()), half(tables.len())].concat();
    let mut name_at = 4 + zones.len() * 8 + (tables.len() + 1) * 4;
    for (name, table) in &zones {
        bytes.extend(word(name_at));
        bytes.extend(half(name.len()));
        bytes.extend(half(*table));
        name_at += name.len();
    }
    let mut entries = 0;
    bytes.extend(word(0));
    for table in &tables {
        entries += table.len();
        bytes.extend(word(entries));
    }
    zones.keys().for_each(|name| bytes.extend(name.as_bytes()));
    for (from, offset) in tables.iter().flatten() {
        bytes.extend(((from << OFFSET_BITS) + offset + OFFSET_BIAS).to_le_bytes());
    }
    bytes
}

/// `AGENTOS_BLESS=1 cargo test --release -p agentos-actor --test zones` writes the tables.
#[test]
fn the_tables_are_those_they_were_made_from() {
    let made = made();
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cron/zones/zones.bin");
        std::fs::write(path, made).unwrap();
    } else {
        assert!(made == DATA, "zones.bin differs; AGENTOS_BLESS=1 writes it");
    }
}

/// The first instant of a local time as the other implementation has it.
fn theirs(zone: Tz, local: i64) -> Option<i64> {
    let local = DateTime::from_timestamp(local, 0).unwrap().naive_utc();
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(found) | MappedLocalTime::Ambiguous(found, _) => Some(found.timestamp()),
        MappedLocalTime::None => None,
    }
}

#[test]
fn around_every_change_of_every_zone_instants_and_local_times_agree() {
    let mut seen = 0;
    for zone in TZ_VARIANTS {
        let ours = Zone::named(zone.name()).unwrap();
        for number in 0..ours.count {
            let (at, after) = match number {
                0 => (FROM, ours.entry(0).1),
                _ => ours.entry(number),
            };
            for instant in [at - 1, at, at + 1] {
                assert_eq!(ours.offset_at(instant), offset(zone, instant), "{zone} {instant}");
            }
            let before = ours.entry(number.saturating_sub(1)).1;
            for local in [before, after]
                .into_iter()
                .flat_map(|offset| [-1, 0, 1].map(|near| at + offset + near))
            {
                assert_eq!(ours.first_instant_of(local), theirs(zone, local), "{zone} {local}");
            }
            assert!(after.abs() < MOST_OFFSET);
            seen += 1;
        }
    }
    assert!(seen > 20_000, "{seen}");
}

#[test]
fn names_are_exact() {
    for name in [
        "",
        "utc",
        "Europe/Berlim",
        "Europe/Berli",
        "Europe/Berlin ",
        "Zulu\0",
        "\u{7f}",
        "A",
    ] {
        assert_eq!(Zone::named(name), None, "{name:?}");
        assert!(name.parse::<Tz>().is_err());
    }
    assert_eq!(Zone::named("UTC").unwrap().offset_at(0), Zone::UTC.offset_at(0));
    assert_eq!(
        Zone::named("Asia/Kathmandu").unwrap().offset_at(1_000_000_000),
        5 * 3600 + 45 * 60
    );
}

#[test]
fn the_ends_of_time_have_offsets() {
    let zone = Zone::named("America/New_York").unwrap();
    assert_eq!(zone.offset_at(i64::MIN), -17_762);
    assert_eq!(zone.offset_at(i64::MAX), -18_000);
    for local in [i64::MIN, i64::MAX] {
        assert_eq!(zone.first_instant_of(local).is_some(), local < 0);
        assert_eq!(Zone::UTC.first_instant_of(local), Some(local));
    }
}

proptest! {
    #[test]
    fn at_any_time_both_agree(zone in 0..TZ_VARIANTS.len(), instant in -8_000_000_000_i64..16_000_000_000) {
        let theirs_zone = TZ_VARIANTS[zone];
        let ours = Zone::named(theirs_zone.name()).unwrap();
        prop_assert_eq!(ours.offset_at(instant), offset(theirs_zone, instant));
        prop_assert_eq!(ours.first_instant_of(instant), theirs(theirs_zone, instant));
    }
}
