//! Waiting for what is outside of every VM.
//!
//! A filesystem that somebody else serves (functions of a script, a service on the network) blocks the thread that asks it, and
//! that is usually the thread of a guest. Its answer may depend on other guests: a driver that runs a command in the same VM, or
//! one that reads the files of a VM whose own driver reads those of the next. If such a wait kept the CPU of its VM, nobody could
//! ever answer it.
//!
//! So whoever blocks says so with [`wait`], and an executor says once for each of its threads, with [`watch`], what is to happen
//! meanwhile: it lends the CPU and the thread's place to others. On threads that nobody watches nothing happens.

use std::cell::RefCell;
use std::rc::Rc;

/// Told of the waits of one thread.
pub trait Watcher {
    /// The thread is about to wait.
    fn begins(&self);
    /// It goes on.
    fn ends(&self);
}

thread_local! {
    static WATCHER: RefCell<Option<Rc<dyn Watcher>>> = const { RefCell::new(None) };
}

/// Tells `watcher` of all waits of this thread from now on.
pub fn watch(watcher: Rc<dyn Watcher>) {
    WATCHER.set(Some(watcher));
}

/// Does something that blocks until something outside answers. A wait within a wait is a part of it.
pub fn wait<T>(work: impl FnOnce() -> T) -> T {
    let _waiting = WATCHER.take().map(Waiting::begin);
    work()
}

/// A wait under way; also one that panics ends.
struct Waiting(Rc<dyn Watcher>);

impl Waiting {
    fn begin(watcher: Rc<dyn Watcher>) -> Self {
        watcher.begins();
        Self(watcher)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.ends();
        WATCHER.set(Some(Rc::clone(&self.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counts(RefCell<Vec<&'static str>>);

    impl Watcher for Counts {
        fn begins(&self) {
            self.0.borrow_mut().push("begins");
        }

        fn ends(&self) {
            self.0.borrow_mut().push("ends");
        }
    }

    #[test]
    fn a_wait_is_told_once_however_it_ends() {
        let counts = Rc::new(Counts::default());
        assert_eq!(wait(|| 1), 1, "nobody watches");
        watch(Rc::clone(&counts) as Rc<dyn Watcher>);
        assert_eq!(wait(|| wait(|| 2)), 2);
        assert_eq!(counts.0.take(), ["begins", "ends"]);
        let panicked = std::panic::catch_unwind(|| wait(|| -> u8 { std::panic::resume_unwind(Box::new("a mistake")) }));
        assert!(panicked.is_err());
        assert_eq!(wait(|| 3), 3);
        assert_eq!(counts.0.take(), ["begins", "ends", "begins", "ends"]);
    }
}
