//! All patterns of a scope as one automaton.
//!
//! A scope may hold 256 rules of 128 patterns. Asking them one after the other would cost every `open` of a guest many
//! microseconds, so they are compiled into one automaton that reads the resource once, whatever their number, and ends in
//! a state that lists the patterns that match. Its states are made when they are first reached and live in a cache of
//! bounded size: a guest that tries ever new names makes it start over, not grow.

use core::fmt;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

type NewCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Matches a resource, from begin to end, against many regular expressions at once.
pub(super) struct Matcher {
    dfa: Arc<DFA>,
    caches: Pool<Cache, NewCache>,
}

/// The automaton stopped early. It is configured never to; whoever asked must refuse.
#[derive(Debug, Clone, Copy)]
pub(super) struct GaveUp;

impl Matcher {
    /// Compiles expressions; each is known by its position. The error is a reason for people.
    pub(super) fn new(expressions: &[String]) -> Result<Self, String> {
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder()
            .configure(config)
            .build_from_nfa(nfa(expressions)?)
            .map_err(|error| error.to_string())?;
        let dfa = Arc::new(dfa);
        let cached = Arc::clone(&dfa);
        let new: NewCache = Box::new(move || cached.create_cache());
        Ok(Self {
            dfa,
            caches: Pool::new(new),
        })
    }

    /// Calls `found` with the position of every expression that matches all of `text`, in no particular order.
    pub(super) fn each(&self, text: &[u8], found: impl FnMut(usize)) -> Result<(), GaveUp> {
        let mut cache = self.caches.get();
        self.walk(&mut cache, text, found).ok_or(GaveUp)
    }

    fn walk(&self, cache: &mut Cache, text: &[u8], mut found: impl FnMut(usize)) -> Option<()> {
        let input = Input::new(text).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_forward(cache, &input).ok()?;
        for &byte in text {
            state = self.dfa.next_state(cache, state, byte).ok()?;
            if state.is_dead() {
                return Some(());
            }
        }
        // Matches are reported one step late, so the end of the text is a step of its own.
        state = self.dfa.next_eoi_state(cache, state).ok()?;
        if state.is_match() {
            for index in 0..self.dfa.match_len(cache, state) {
                found(self.dfa.match_pattern(cache, state, index).as_usize());
            }
        }
        Some(())
    }
}

fn nfa(expressions: &[String]) -> Result<NFA, String> {
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(NFA_BYTES_MAX));
    thompson::Compiler::new()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(config)
        .build_many(expressions)
        .map_err(|error| error.to_string())
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("patterns", &self.dfa.pattern_len())
            .finish_non_exhaustive()
    }
}

/// Room for the states of one thread's walks. A few hundred bytes are used by a small policy.
const CACHE_BYTES: usize = 1 << 20;
/// The compiled form of 256 KiB of patterns stays below this.
const NFA_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(matcher: &Matcher, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        matcher.each(text.as_bytes(), |index| found.push(index)).unwrap();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_expression_that_matches_is_found() {
        let matcher = Matcher::new(&["a.*".into(), "ab".into(), "".into(), ".*b".into(), "a".into()]).unwrap();
        assert_eq!(matches(&matcher, "ab"), [0, 1, 3]);
        assert_eq!(matches(&matcher, "a"), [0, 4]);
        assert_eq!(matches(&matcher, ""), [2]);
        assert_eq!(matches(&matcher, "abc"), [0]);
        assert!(matches(&matcher, "x").is_empty());
    }
}
