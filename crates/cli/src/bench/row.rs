//! Samples, percentiles and how they are printed.

use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// One result.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    samples: Vec<f64>,
    baseline: Option<(&'static str, f64)>,
    goal: Option<Goal>,
    /// Why there are no samples.
    note: Option<String>,
}

/// What SPECIFICATION.md promises of a p50.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, p50: f64) -> bool {
        match self {
            Self::AtMost(most) => p50 <= most,
            Self::AtLeast(least) => p50 >= least,
        }
    }

    fn to_json(self) -> Value {
        match self {
            Self::AtMost(most) => json!({ "atMost": round(most) }),
            Self::AtLeast(least) => json!({ "atLeast": round(least) }),
        }
    }
}

impl Row {
    /// A row of times.
    pub(crate) fn times(name: &'static str, samples: &[Duration]) -> Self {
        Self::new(
            name,
            "us",
            samples.iter().map(|time| time.as_secs_f64() * 1e6).collect(),
        )
    }

    /// A row of any unit.
    pub(crate) fn new(name: &'static str, unit: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self {
            name,
            unit,
            samples,
            baseline: None,
            goal: None,
            note: None,
        }
    }

    /// A row of something that was not measured, and why.
    pub(crate) fn not_run(name: &'static str, unit: &'static str, why: impl Into<String>) -> Self {
        let mut row = Self::new(name, unit, Vec::new());
        // One line, whatever a program said.
        row.note = Some(why.into().split_whitespace().collect::<Vec<_>>().join(" "));
        row
    }

    /// Names what the host needed for the same work.
    pub(crate) fn against(self, name: &'static str, times: &[Duration]) -> Self {
        self.against_row(&Self::times(name, times))
    }

    /// The same, for any unit; a row without samples is no baseline.
    pub(crate) fn against_row(mut self, row: &Self) -> Self {
        if !row.samples.is_empty() {
            self.baseline = Some((row.name, row.percentile(50.0)));
        }
        self
    }

    /// The largest p50 that SPECIFICATION.md allows.
    pub(crate) fn goal(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtMost(goal));
        self
    }

    /// The smallest p50 that SPECIFICATION.md allows.
    pub(crate) fn goal_at_least(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtLeast(goal));
        self
    }

    /// `goal` times what the host needed.
    pub(crate) fn goal_ratio(self, goal: f64) -> Self {
        match self.baseline {
            Some((_, baseline)) => self.goal(goal * baseline),
            None => self,
        }
    }

    /// Nearest-rank percentile; NaN without samples.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.samples.len() as f64).ceil() as usize;
        self.samples
            .get(rank.clamp(1, self.samples.len().max(1)) - 1)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Whether the p50 is what it shall be; `None` without a goal or a measurement.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let goal = self.goal.filter(|_| !self.samples.is_empty())?;
        Some(goal.is_met(self.percentile(50.0)))
    }

    fn to_json(&self) -> Value {
        let p50 = self.percentile(50.0);
        // What was not measured is null: NaN is not JSON.
        json!({
            "name": self.name,
            "unit": self.unit,
            "p50": round(p50),
            "p95": round(self.percentile(95.0)),
            "samples": self.samples.len(),
            "baseline": self.baseline.map(|(name, baseline)| json!({ "name": name, "p50": round(baseline) })),
            "ratio": self.baseline.map(|(_, baseline)| round(p50 / baseline)),
            "goal": self.goal.map(Goal::to_json),
            "met": self.is_met(),
            "notRun": self.note,
        })
    }

    /// One line of the table.
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(note) = &self.note {
            return writeln!(f, "{:<24}  not run: {note}", self.name);
        }
        let (p50, p95) = (self.percentile(50.0), self.percentile(95.0));
        let samples = self.samples.len();
        write!(
            f,
            "{:<24}{p50:>14.1}{p95:>14.1} {:<6}{samples:>8}",
            self.name, self.unit
        )?;
        match self.baseline {
            Some((name, baseline)) => write!(f, "  {name:<28}{baseline:>12.1}{:>8.2}", p50 / baseline)?,
            None => write!(f, "{:50}", "")?,
        }
        let verdict = if self.is_met() == Some(true) { "met" } else { "MISSED" };
        match self.goal {
            Some(Goal::AtMost(goal)) => writeln!(f, "  {goal:.0}, {verdict}"),
            Some(Goal::AtLeast(goal)) => writeln!(f, "  at least {goal:.0}, {verdict}"),
            None => writeln!(f),
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// All results of a run.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// The documented JSON shape.
    pub(crate) fn to_json(&self, machine: &Value) -> Value {
        json!({ "machine": machine, "results": self.rows.iter().map(Row::to_json).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24}{:>14}{:>14} {:<6}{:>8}  {:<28}{:>12}{:>8}  goal",
            "measurement", "p50", "p95", "unit", "samples", "baseline", "p50", "ratio"
        )?;
        self.rows.iter().try_for_each(|row| row.line(f))
    }
}

/// A measurement of something that did not work would be worthless.
pub(crate) fn check(output: &agentos::ExecOutput, script: &str) -> Result<(), crate::error::Error> {
    if output.exit_code == 0 {
        return Ok(());
    }
    let message = format!(
        "bench: {script:?} exited with {}: {}",
        output.exit_code,
        output.stderr_text()
    );
    Err(crate::error::Error::Usage(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let row = Row::new("x", "us", (1..=100).rev().map(f64::from).collect());
        assert_eq!(
            (row.percentile(50.0), row.percentile(95.0), row.percentile(99.0)),
            (50.0, 95.0, 99.0)
        );
        assert_eq!(Row::new("x", "us", vec![7.0]).percentile(50.0), 7.0);
        assert!(Row::new("x", "us", Vec::new()).percentile(50.0).is_nan());
    }

    #[test]
    fn json_has_the_documented_shape() {
        let row = Row::times("exec_echo", &[Duration::from_micros(100)]).against("bash", &[Duration::from_micros(400)]);
        let value = Table { rows: vec![row] }.to_json(&json!({}));
        assert_eq!(value["results"][0]["ratio"], 0.25);
        assert_eq!(value["results"][0]["baseline"]["name"], "bash");
        let alone = Table {
            rows: vec![Row::new("slope", "bytes", vec![0.0])],
        }
        .to_json(&json!({}));
        assert!(alone["results"][0]["baseline"].is_null());
    }

    #[test]
    fn goals_are_flagged_both_ways() {
        let rate = |p50| Row::new("rate", "1/s", vec![p50]).goal_at_least(100.0);
        let time = |p50| Row::new("time", "us", vec![p50]).goal(100.0);
        let met: Vec<_> = [rate(99.0), rate(100.0), time(100.0), time(101.0)]
            .iter()
            .map(Row::is_met)
            .collect();
        assert_eq!(met, [Some(false), Some(true), Some(true), Some(false)]);
        let table = Table {
            rows: vec![rate(99.0), time(100.0), Row::new("plain", "us", vec![1.0])],
        };
        let text = table.to_string();
        assert!(
            text.contains("at least 100, MISSED") && text.contains("  100, met"),
            "{text}"
        );
        let json = table.to_json(&json!({}));
        assert_eq!(json["results"][0]["goal"]["atLeast"], 100.0);
        assert_eq!(json["results"][0]["met"], false);
        assert!(json["results"][2]["met"].is_null());
    }

    #[test]
    fn what_was_not_run_says_why_and_meets_nothing() {
        let row = Row::not_run("compared", "us", "npm:\n  not found").goal(1.0);
        assert_eq!(row.is_met(), None);
        let table = Table { rows: vec![row] };
        assert!(table.to_string().contains("not run: npm: not found"), "{table}");
        let value = &table.to_json(&json!({}))["results"][0];
        assert!(value["p50"].is_null() && value["notRun"] == "npm: not found", "{value}");
    }
}
