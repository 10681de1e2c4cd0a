//! What is said where Linux programs do not run, whatever the machine has: the filter, the loader and the layout of what calls
//! take are written for one system on one processor.

use super::{Finding, Probe};
use std::env::consts;
use std::io;

/// The one thing to find.
pub(super) fn findings() -> Probe {
    let other = io::Error::other(format!("this is {} on {}", consts::OS, consts::ARCH));
    let purpose = "the only system that Linux programs run on so far";
    vec![Finding::new("Linux on x86-64", true, purpose, Err(other))].into()
}

/// Nothing helps.
#[cfg(not(jail))]
pub(super) fn advice(_: &str, _: Option<i32>) -> Option<&'static str> {
    None
}

#[cfg(not(jail))]
impl Probe {
    /// Says that they do not.
    pub fn run() -> Self {
        findings()
    }
}

#[cfg(test)]
mod tests {
    use super::findings;
    use std::env::consts;

    #[test]
    fn one_line_says_what_is_needed_and_what_there_is() {
        let line = findings().refusal().unwrap();
        let (system, processor) = (consts::OS, consts::ARCH);
        let wanted = format!(
            "native Linux programs are off on this machine: Linux on x86-64 (the only system that Linux programs run on so far): \
             this is {system} on {processor} (agentos doctor tells more)"
        );
        assert_eq!(line, wanted);
    }
}
