//! Documents of a registry, asked for ahead of time by a few threads and once each.

use super::super::bounds::Bounds;
use super::super::error::{Error, Result};
use super::document::Document;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Asks for one document.
type Ask<'a> = dyn Fn(&str) -> Result<Document> + Sync + 'a;

/// Questions that are asked at once.
pub(super) const THREADS: usize = 12;

/// What was asked for and what was answered.
pub(super) struct Documents<'a> {
    ask: &'a Ask<'a>,
    most: u64,
    state: Mutex<State>,
    changed: Condvar,
}

/// What the registry said of a name.
type Answer = Result<Arc<Document>, Arc<Error>>;

#[derive(Default)]
struct State {
    known: HashMap<String, Option<Answer>>,
    waiting: VecDeque<String>,
    ended: bool,
}

impl<'a> Documents<'a> {
    /// Runs `work` while documents are asked for.
    pub(super) fn with<T>(ask: &'a Ask<'a>, bounds: &Bounds, work: impl FnOnce(&Self) -> T) -> T {
        let documents = Self {
            ask,
            most: bounds.packages.saturating_mul(4),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        std::thread::scope(|scope| {
            let _ended = Ended(&documents);
            for _ in 0..THREADS {
                scope.spawn(|| documents.serve());
            }
            work(&documents)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a document will be needed.
    pub(super) fn expect(&self, name: &str) {
        let mut state = self.state();
        // Who names very many packages waits for each.
        if state.known.len() as u64 >= self.most || state.known.contains_key(name) {
            return;
        }
        state.known.insert(name.to_owned(), None);
        state.waiting.push_back(name.to_owned());
        self.changed.notify_all();
    }

    /// A document, as soon as it is there.
    pub(super) fn document(&self, name: &str) -> Answer {
        self.expect(name);
        let mut state = self.state();
        loop {
            match state.known.get(name) {
                Some(Some(found)) => return found.clone(),
                Some(None) => {}
                None => {
                    drop(state);
                    return (self.ask)(name).map(Arc::new).map_err(Arc::new);
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self) {
        let mut state = self.state();
        while !state.ended {
            let Some(name) = state.waiting.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let found = (self.ask)(&name).map(Arc::new).map_err(Arc::new);
            state = self.state();
            state.known.insert(name, Some(found));
            self.changed.notify_all();
        }
    }
}

/// Ends the threads, also where the work panics.
struct Ended<'a, 'b>(&'a Documents<'b>);

impl Drop for Ended<'_, '_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_all();
    }
}
