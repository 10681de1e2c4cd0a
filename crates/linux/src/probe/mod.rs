//! Whether this machine can jail Linux programs, found out by doing each thing once.
//!
//! A version number or a configuration file says little: containers, sandboxes and other supervisors forbid single calls. So each
//! feature is used as the executor will use it: a filter is installed, a guest is started, its memory is read and changed, a descriptor
//! is put into its table. Nothing of that is left behind.

// Tests look at what is said elsewhere, too.
#[cfg(any(not(jail), test))]
mod elsewhere;
#[cfg(jail)]
mod feature;
#[cfg(jail)]
mod guest;
#[cfg(jail)]
mod here;
#[cfg(jail)]
mod host;

#[cfg(not(jail))]
use elsewhere::advice;
#[cfg(jail)]
use feature::advice;
use std::fmt;
use std::io;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub feature: &'static str,
    /// Whether Linux programs cannot run without it.
    pub required: bool,
    /// What it is needed for.
    pub purpose: &'static str,
    /// How it went: a detail, or the host's error.
    pub result: Result<String, String>,
    /// The host's error number, if it gave one.
    pub errno: Option<i32>,
    /// What most likely causes the failure, and what helps.
    pub advice: Option<&'static str>,
}

impl Finding {
    /// What came of trying `feature`.
    pub fn new(feature: &'static str, required: bool, purpose: &'static str, result: io::Result<String>) -> Self {
        let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
        Self {
            feature,
            required,
            purpose,
            advice: result.as_ref().err().and_then(|_| advice(feature, errno)),
            result: result.map_err(|error| error.to_string()),
            errno,
        }
    }
}

/// Everything that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Probe {
    /// In the order in which it was tried. What comes after a required thing that failed may not have been tried.
    pub findings: Vec<Finding>,
}

impl From<Vec<Finding>> for Probe {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings }
    }
}

impl Probe {
    /// Why Linux programs cannot run here, in one line; none if they can.
    pub fn refusal(&self) -> Option<String> {
        let missing = self
            .findings
            .iter()
            .find(|finding| finding.required && finding.result.is_err())?;
        let error = missing.result.as_ref().err()?;
        let (feature, purpose) = (missing.feature, missing.purpose);
        let advice = missing.advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        Some(format!(
            "native Linux programs are off on this machine: {feature} ({purpose}): {error}{advice} (agentos doctor tells more)"
        ))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.required { "required" } else { "optional" };
        match &self.result {
            Ok(detail) => write!(f, "ok   {} ({kind}; {}): {detail}", self.feature, self.purpose),
            Err(error) => write!(f, "FAIL {} ({kind}; {}): {error}", self.feature, self.purpose),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_is_missing_and_why_it_matters() {
        let finding = |required, result| Finding::new("a thing", required, "doing it", result);
        let denied = || Err(io::Error::other("not here"));
        let probe = |findings: Vec<Finding>| Probe::from(findings);
        let works = || Ok("ok".to_owned());
        assert_eq!(
            probe(vec![finding(true, works()), finding(false, denied())]).refusal(),
            None
        );
        let line = probe(vec![finding(true, denied())]).refusal();
        let wanted =
            "native Linux programs are off on this machine: a thing (doing it): not here (agentos doctor tells more)";
        assert_eq!(line.as_deref(), Some(wanted));
    }

    #[cfg(jail)]
    #[test]
    fn a_known_cause_is_told() {
        let busy = io::Error::from_raw_os_error(libc::EBUSY);
        let finding = Finding::new(feature::LISTENER, true, "answering", Err(busy));
        assert_eq!(finding.errno, Some(libc::EBUSY));
        assert!(
            finding
                .advice
                .is_some_and(|advice| advice.contains("another supervisor"))
        );
        let old = Finding::new(
            feature::LISTENER,
            true,
            "",
            Err(io::Error::from_raw_os_error(libc::EINVAL)),
        );
        assert!(old.advice.is_some_and(|advice| advice.contains("gVisor")));
        assert_eq!(
            Finding::new(feature::LISTENER, true, "", Ok(String::new())).advice,
            None
        );
    }
}
