//! The environment that a new program is handed.
//!
//! `env.write` is about what a guest process adds or changes for a child: the child gets the value that the parent itself was
//! started with instead, or none. `env.read` is about every process at its start, whoever started it. Neither is an error.

use super::Guard;
use crate::policy::{Operation, Scope};
use std::borrow::Cow;

impl Guard {
    /// What remains of the environment that is wanted for a program. `parent` is what the process that starts it was given
    /// itself; none if the host starts it.
    pub(crate) fn environment<'a>(&self, wanted: &'a [Vec<u8>], parent: Option<&[Vec<u8>]>) -> Cow<'a, [Vec<u8>]> {
        if self.is_open(Scope::Env) {
            return Cow::Borrowed(wanted);
        }
        let mut handed: Vec<Vec<u8>> = Vec::with_capacity(wanted.len());
        for entry in wanted {
            let name = name_of(entry);
            let kept = match parent {
                Some(parent) if !parent.contains(entry) && !self.allows(Operation::EnvWrite, name) => {
                    parent.iter().find(|earlier| name_of(earlier) == name)
                }
                _ => Some(entry),
            };
            let Some(kept) = kept.filter(|_| self.allows(Operation::EnvRead, name)) else {
                continue;
            };
            // A second value of the same name must not be the way around the first, whichever the program looks at.
            if !handed.contains(kept) {
                handed.push(kept.clone());
            }
        }
        Cow::Owned(handed)
    }
}

/// Name of a variable: what stands before the first `=` that is not the first byte.
fn name_of(entry: &[u8]) -> &[u8] {
    let equals = entry.iter().skip(1).position(|byte| *byte == b'=');
    equals.and_then(|at| entry.get(..=at)).unwrap_or(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Instant, Timestamp};
    use crate::events::{Audit, Ignore};
    use crate::policy::Policy;
    use core::task::Waker;
    use serde_json::json;
    use std::sync::Arc;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn instant(&self) -> Instant {
            Instant(0)
        }

        fn wake_at(&self, _: Instant, _: &Waker) {}
    }

    fn guard(env: &serde_json::Value) -> Arc<Guard> {
        let audit = Audit::new(Arc::new(Still), Arc::new(Ignore));
        Guard::new(Arc::new(Policy::from_json(&json!({ "env": env })).unwrap()), &audit)
    }

    fn strings(all: &[&str]) -> Vec<Vec<u8>> {
        all.iter().map(|one| one.as_bytes().to_vec()).collect()
    }

    #[test]
    fn reading_is_filtered_for_everybody() {
        let guard = guard(&json!({ "default": "allow", "rules": [
            { "mode": "deny", "operations": ["read"], "patterns": ["SECRET*"] } ] }));
        let wanted = strings(&["A=1", "SECRET_KEY=x", "SECRET=y", "B=SECRET=z"]);
        let expected = strings(&["A=1", "B=SECRET=z"]);
        assert_eq!(*guard.environment(&wanted, None), *expected);
        assert_eq!(*guard.environment(&wanted, Some(&wanted)), *expected);
    }

    #[test]
    fn a_change_that_is_refused_keeps_the_earlier_value() {
        let guard = guard(&json!({ "default": "allow", "rules": [
            { "mode": "deny", "operations": ["write"], "patterns": ["PATH", "NEW"] } ] }));
        let parent = strings(&["PATH=/bin", "HOME=/"]);
        let changed = strings(&["PATH=/evil", "HOME=/tmp", "NEW=1"]);
        assert_eq!(
            *guard.environment(&changed, Some(&parent)),
            *strings(&["PATH=/bin", "HOME=/tmp"])
        );
        // The host is not a guest process.
        assert_eq!(*guard.environment(&changed, None), *changed);
        // Leaving a variable out is neither adding nor changing it.
        assert!(guard.environment(&[], Some(&parent)).is_empty());
    }

    #[test]
    fn a_second_entry_of_a_name_is_no_way_around() {
        let guard = guard(&json!({ "default": "allow", "rules": [
            { "mode": "deny", "operations": ["write"], "patterns": ["PATH"] } ] }));
        let parent = strings(&["PATH=/bin"]);
        for wanted in [
            &["PATH=/bin", "PATH=/evil"],
            &["PATH=/evil", "PATH=/bin"],
            &["PATH=/evil", "PATH="],
        ] {
            assert_eq!(
                *guard.environment(&strings(wanted), Some(&parent)),
                *parent,
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn names_are_what_programs_look_for() {
        assert_eq!(name_of(b"A=B=C"), b"A");
        assert_eq!(name_of(b"A"), b"A");
        assert_eq!(name_of(b"=C:=x"), b"=C:");
        assert_eq!(name_of(b""), b"");
        assert_eq!(name_of(b"A="), b"A");
    }
}
