//! What a client asked for, and what of it was acknowledged, between the steps of the disk.

use agentos_store_faults::{Disk, Step};
use std::collections::{BTreeMap, BTreeSet};

/// Something that a client can look up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// The VM itself.
    Vm(&'static str),
    /// A file of a VM.
    File(&'static str, &'static str),
    /// A cron job of a VM.
    Job(&'static str, &'static str),
    /// A token of a VM.
    Preview(&'static str, String),
    /// A value that the keeper was given.
    Kept(&'static str),
}

/// How a subject is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Present,
    Content(Vec<u8>),
    /// A file that a guest was writing: what there is of it by then.
    BeginningOf(Vec<u8>),
}

impl State {
    pub(crate) fn content(text: &str) -> Self {
        Self::Content(text.as_bytes().to_vec())
    }

    /// Whether `found` is this.
    pub(crate) fn admits(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::BeginningOf(whole), Self::Content(found)) => whole.starts_with(found),
            (ours, found) => ours == found,
        }
    }
}

/// What one thing that a client asks for changes. Of several states of one subject the last is the outcome, and the others
/// may be met on the way.
pub(crate) type Facts = Vec<(Subject, State)>;

/// Everything that was asked for, in order.
#[derive(Default)]
pub(crate) struct Ledger {
    asked: Vec<Facts>,
}

/// How each subject may be found after the power was lost.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(crate) BTreeMap<Subject, Vec<State>>);

impl Ledger {
    /// A client asks; the number of the request.
    pub(crate) fn ask(&mut self, disk: &Disk, facts: Facts) -> u64 {
        let number = self.asked.len() as u64;
        self.asked.push(facts);
        disk.mark(number * 2);
        number
    }

    /// The request was answered.
    pub(crate) fn acknowledge(disk: &Disk, number: u64) {
        disk.mark(number * 2 + 1);
    }

    /// What must be found after these steps.
    pub(crate) fn seen(&self, steps: &[Step]) -> Seen {
        let marks: BTreeSet<u64> = steps
            .iter()
            .filter_map(|step| if let Step::Mark(mark) = step { Some(*mark) } else { None })
            .collect();
        let mut seen = Seen::default();
        for (number, facts) in (0_u64..).zip(&self.asked) {
            if !marks.contains(&(number * 2)) {
                continue;
            }
            if marks.contains(&(number * 2 + 1)) {
                // Only the outcome is left: the last state of each subject.
                for (subject, state) in facts {
                    seen.0.insert(subject.clone(), vec![state.clone()]);
                }
            } else {
                for (subject, state) in facts {
                    let states = seen.0.entry(subject.clone()).or_insert_with(|| vec![State::Absent]);
                    states.push(state.clone());
                }
            }
        }
        seen
    }
}

impl Seen {
    /// Whether a subject may be found like this.
    pub(crate) fn admits(&self, subject: &Subject, found: &State) -> bool {
        match self.0.get(subject) {
            Some(states) => states.iter().any(|state| state.admits(found)),
            None => *found == State::Absent,
        }
    }
}
