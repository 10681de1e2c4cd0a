//! Warnings before a limit is reached.

/// Usage of a stock has reached 80 % of its cap (limits.md section 2). The next warning for the same limit comes only after
/// usage has fallen below 50 %.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitWarning {
    /// Field name, for example `maxProcesses`.
    pub limit: &'static str,
    /// Group of the field, for example `resources`.
    pub category: &'static str,
    /// Usage that led to the warning.
    pub observed: u64,
    /// The cap in force.
    pub capacity: u64,
    /// `observed` in hundredths of `capacity`, rounded down.
    pub fill_percent: u64,
    /// The same for people, with where the cap is raised.
    pub message: String,
}

impl LimitWarning {
    /// A warning for the limit with this configuration path, which counts `noun`.
    pub fn new(path: &'static str, noun: &'static str, observed: u64, capacity: u64) -> Self {
        let mut parts = path.rsplit('.');
        let limit = parts.next().unwrap_or(path);
        let category = parts.next().unwrap_or_default();
        let fill_percent = percent(observed, capacity);
        Self {
            limit,
            category,
            observed,
            capacity,
            fill_percent,
            message: format!(
                "limit nearly reached: {limit}: {observed} of {capacity} {noun}, {fill_percent} % ({path})"
            ),
        }
    }
}

fn percent(observed: u64, capacity: u64) -> u64 {
    let percent = u128::from(observed) * 100 / u128::from(capacity.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_what_and_where() {
        let warning = LimitWarning::new("limits.resources.maxProcesses", "processes", 52, 64);
        assert_eq!(
            (warning.limit, warning.category, warning.fill_percent),
            ("maxProcesses", "resources", 81)
        );
        assert_eq!(
            warning.message,
            "limit nearly reached: maxProcesses: 52 of 64 processes, 81 % (limits.resources.maxProcesses)"
        );
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }
}
