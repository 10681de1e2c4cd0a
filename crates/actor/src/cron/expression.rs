//! Cron expressions of five fields: minute, hour, day of month, month, day of week.
//!
//! A field is `*`, a value, a range `a-b`, any of these with a step `/n`, or a list of them. Months and days of the week have
//! English names of three letters; Sunday is 0 and 7. Nothing else is understood, and nothing is guessed: what cannot be read
//! is refused with the name of the field.

/// Longest expression, in bytes.
const MAX_BYTES: usize = 256;

/// A parsed expression: which values each field admits, one bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both day fields are restricted: then a day needs to match only one of them.
    either_day: bool,
}

impl Expression {
    /// Reads an expression; the error says what is wrong where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("longer than {MAX_BYTES} bytes"));
        }
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(format!(
                "expected 5 fields (minute hour day month weekday), got {}",
                parts.len()
            ));
        };
        let weekdays = WEEKDAY.parse(weekday)?;
        Ok(Self {
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day: day != "*" && weekday != "*",
        })
    }

    /// Whether runs may happen on a day. `weekday` counts from Sunday, 0.
    pub(super) fn has_day(&self, month: u32, day: u32, weekday: u32) -> bool {
        let (day, weekday) = (has(self.days, day), has(self.weekdays, weekday));
        has(self.months, month)
            && if self.either_day {
                day || weekday
            } else {
                day && weekday
            }
    }

    /// The times of a day on which runs happen, from `hour`:`minute` on.
    pub(super) fn times_from(&self, hour: u32, minute: u32) -> impl Iterator<Item = (u32, u32)> {
        (hour..24).filter(|hour| has(self.hours, *hour)).flat_map(move |found| {
            let first = if found == hour { minute } else { 0 };
            (first..60)
                .filter(|minute| has(self.minutes, *minute))
                .map(move |minute| (found, minute))
        })
    }
}

fn has(bits: u64, value: u32) -> bool {
    bits >> value & 1 == 1
}

/// What one field may hold.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// Names of values from `first` on; names of weekdays count from 0.
    names: &'static [&'static str],
}

const MINUTE: Field = Field {
    name: "minute",
    first: 0,
    last: 59,
    names: &[],
};
const HOUR: Field = Field {
    name: "hour",
    first: 0,
    last: 23,
    names: &[],
};
const DAY: Field = Field {
    name: "day of month",
    first: 1,
    last: 31,
    names: &[],
};
const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    first: 0,
    last: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Field {
    fn parse(&self, text: &str) -> Result<u64, String> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= self.part(part).map_err(|why| format!("{}: {why}", self.name))?;
        }
        Ok(bits)
    }

    /// One element of a list.
    fn part(&self, text: &str) -> Result<u64, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (
                range,
                Some(number(step).filter(|step| *step > 0).ok_or_else(|| bad(text))?),
            ),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last.min(self.first + self.values() - 1)),
            Some((first, last)) => {
                let (first, last) = (self.value(first, text)?, self.value(last, text)?);
                // A week may be written to end on Sunday.
                if last == 0 && first > 0 && self.last == 7 {
                    (first, 7)
                } else {
                    (first, last)
                }
            }
            None => {
                let value = self.value(range, text)?;
                // A step without an end runs to the end of the field.
                (
                    value,
                    if step.is_some() {
                        self.last.min(self.first + self.values() - 1).max(value)
                    } else {
                        value
                    },
                )
            }
        };
        if first > last {
            return Err(format!("{text:?} begins after its end"));
        }
        let step = step.unwrap_or(1);
        Ok((first..=last)
            .step_by(step as usize)
            .fold(0, |bits, value| bits | 1 << value))
    }

    /// How many different values there are; Sunday counts once.
    fn values(&self) -> u32 {
        if self.last == 7 { 7 } else { self.last - self.first + 1 }
    }

    fn value(&self, text: &str, part: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let base = if self.last == 7 { 0 } else { self.first };
        let value = match named.and_then(|index| u32::try_from(index).ok()) {
            Some(index) => base + index,
            None => number(text).ok_or_else(|| bad(part))?,
        };
        if (self.first..=self.last).contains(&value) {
            return Ok(value);
        }
        Err(format!("{value} is not in {}-{}", self.first, self.last))
    }
}

/// A plain decimal number; no sign, at most three digits.
fn number(text: &str) -> Option<u32> {
    let plain = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn bad(part: &str) -> String {
    format!("cannot read {part:?}")
}
