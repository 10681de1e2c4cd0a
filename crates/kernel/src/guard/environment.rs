//! The environment that a new program is handed.
//!
//! `env.write` is about what a guest process adds or changes for a child: the child gets the value that the parent itself was
//! started with instead, or none. `env.read` is about every process at its start, whoever started it. Neither is an error, but
//! each variable that is taken away is a denial like any other and recorded once the program starts: by its name, never by its
//! value. A guest chooses the number of variables, so that no step looks through all of them for each.

use super::Guard;
use crate::id::Pid;
use crate::policy::{Denied, Operation, Scope};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What remains of an environment, and what was taken out of it.
#[derive(Debug)]
pub(crate) struct Handed<'a> {
    /// The variables that the program gets, as `NAME=value`.
    pub env: Cow<'a, [Vec<u8>]>,
    denied: Vec<Denied>,
}

impl Guard {
    /// What remains of the environment that is wanted for a program. `parent` is what the process that starts it was given
    /// itself; none if the host starts it. Records nothing: a start may be tried more than once.
    pub(crate) fn environment<'a>(&self, wanted: &'a [Vec<u8>], parent: Option<&[Vec<u8>]>) -> Handed<'a> {
        let mut denied = Vec::new();
        if self.is_open(Scope::Env) {
            let env = Cow::Borrowed(wanted);
            return Handed { env, denied };
        }
        let parent = parent.map(Given::new);
        let mut handed = Vec::with_capacity(wanted.len());
        // A second value of the same name must not be the way around the first, whichever the program looks at.
        let mut seen = HashSet::with_capacity(wanted.len());
        for entry in wanted {
            let name = name_of(entry);
            let mut kept = Some(entry);
            if let Some(parent) = parent.as_ref().filter(|parent| !parent.entries.contains(entry))
                && let Err(refused) = self.policy.check(Operation::EnvWrite, name)
            {
                denied.push(refused);
                kept = parent.by_name.get(name).copied();
            }
            let Some(kept) = kept.filter(|kept| seen.insert(kept.as_slice())) else {
                continue;
            };
            match self.policy.check(Operation::EnvRead, name) {
                Ok(()) => handed.push(kept.clone()),
                Err(refused) => denied.push(refused),
            }
        }
        let env = Cow::Owned(handed);
        Handed { env, denied }
    }

    /// Records what was taken out of the environment of a program that process `pid` (0: a client) starts.
    pub(crate) fn record_environment(&self, handed: &mut Handed<'_>, pid: Pid) {
        for denied in handed.denied.drain(..) {
            let _recorded = self.refuse(denied, pid);
        }
    }
}

/// What a process was given at its own start.
struct Given<'a> {
    entries: HashSet<&'a Vec<u8>>,
    /// The first entry of each name.
    by_name: HashMap<&'a [u8], &'a Vec<u8>>,
}

impl<'a> Given<'a> {
    fn new(entries: &'a [Vec<u8>]) -> Self {
        let mut by_name = HashMap::with_capacity(entries.len());
        for entry in entries {
            by_name.entry(name_of(entry)).or_insert(entry);
        }
        let entries = entries.iter().collect();
        Self { entries, by_name }
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
        assert_eq!(*guard.environment(&wanted, None).env, *expected);
        assert_eq!(*guard.environment(&wanted, Some(&wanted)).env, *expected);
    }

    #[test]
    fn a_change_that_is_refused_keeps_the_earlier_value() {
        let guard = guard(&json!({ "default": "allow", "rules": [
            { "mode": "deny", "operations": ["write"], "patterns": ["PATH", "NEW"] } ] }));
        let parent = strings(&["PATH=/bin", "HOME=/"]);
        let changed = strings(&["PATH=/evil", "HOME=/tmp", "NEW=1"]);
        assert_eq!(
            *guard.environment(&changed, Some(&parent)).env,
            *strings(&["PATH=/bin", "HOME=/tmp"])
        );
        // The host is not a guest process.
        assert_eq!(*guard.environment(&changed, None).env, *changed);
        // Leaving a variable out is neither adding nor changing it.
        assert!(guard.environment(&[], Some(&parent)).env.is_empty());
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
                *guard.environment(&strings(wanted), Some(&parent)).env,
                *parent,
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn what_is_taken_away_is_known_by_name() {
        let guard = guard(&json!({ "default": "allow", "rules": [
            { "mode": "deny", "operations": ["read"], "patterns": ["SECRET"] },
            { "mode": "deny", "operations": ["write"], "patterns": ["PATH", "SECRET"] } ] }));
        let parent = strings(&["PATH=/bin", "SECRET=old"]);
        let wanted = strings(&["PATH=/evil", "SECRET=new", "HOME=/"]);
        let handed = guard.environment(&wanted, Some(&parent));
        let told = handed.denied.iter().map(|denied| {
            let name = String::from_utf8_lossy(&denied.resource).into_owned();
            (denied.operation, name)
        });
        let path = (Operation::EnvWrite, "PATH".to_owned());
        let secret = |operation| (operation, "SECRET".to_owned());
        let expected = [path, secret(Operation::EnvWrite), secret(Operation::EnvRead)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert_eq!(*handed.env, *strings(&["PATH=/bin", "HOME=/"]));
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
