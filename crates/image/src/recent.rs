//! What was used lately: open files and listings, so many and no more.

use agentos_kernel::id::Ino;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The last values that were used, by inode number. What is evicted lives on with those who still have it.
pub(crate) struct Recent<V> {
    capacity: usize,
    kept: Mutex<Kept<V>>,
}

struct Kept<V> {
    values: HashMap<Ino, Slot<V>>,
    /// In the order in which they are considered for eviction.
    queue: VecDeque<Ino>,
}

struct Slot<V> {
    value: Arc<V>,
    /// Used since it was last considered.
    used: bool,
}

impl<V> Recent<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            kept: Mutex::new(Kept {
                values: HashMap::new(),
                queue: VecDeque::new(),
            }),
        }
    }

    pub(crate) fn get(&self, ino: Ino) -> Option<Arc<V>> {
        let mut kept = self.kept.lock();
        let slot = kept.values.get_mut(&ino)?;
        slot.used = true;
        Some(Arc::clone(&slot.value))
    }

    /// The value that is kept, or the one that is made now and kept from now on.
    pub(crate) fn get_or_make<E>(&self, ino: Ino, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some(value) = self.get(ino) {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        self.put(ino, Arc::clone(&value));
        Ok(value)
    }

    /// Keeps a value, in place of the one before and of one that was not used lately.
    pub(crate) fn put(&self, ino: Ino, value: Arc<V>) {
        let evicted = {
            let mut kept = self.kept.lock();
            let slot = Slot { value, used: false };
            let replaced = kept.values.insert(ino, slot).map(|slot| slot.value);
            if replaced.is_none() {
                kept.queue.push_back(ino);
            }
            let spare = kept.queue.len() > self.capacity;
            replaced.or_else(|| spare.then(|| kept.evict()).flatten())
        };
        // Closing a file takes time that nobody has to wait for with the lock.
        drop(evicted);
    }
}

impl<V> Kept<V> {
    fn evict(&mut self) -> Option<Arc<V>> {
        for _ in 0..=self.queue.len() {
            let ino = self.queue.pop_front()?;
            match self.values.get_mut(&ino) {
                Some(slot) if slot.used => {
                    slot.used = false;
                    self.queue.push_back(ino);
                }
                _ => return self.values.remove(&ino).map(|slot| slot.value),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_stays_and_no_more_than_fits() {
        let recent = Recent::new(3);
        for ino in 1..=3 {
            recent.put(Ino(ino), Arc::new(ino));
        }
        assert_eq!(recent.get(Ino(1)).as_deref(), Some(&1));
        recent.put(Ino(4), Arc::new(4));
        assert_eq!(recent.get(Ino(1)).as_deref(), Some(&1));
        assert!(recent.get(Ino(2)).is_none());
        for ino in 5..100 {
            recent.put(Ino(ino), Arc::new(ino));
        }
        let kept = (1..100).filter(|ino| recent.get(Ino(*ino)).is_some()).count();
        assert_eq!(kept, 3);
    }

    #[test]
    fn a_new_value_replaces_the_old_one() {
        let recent = Recent::new(2);
        recent.put(Ino(1), Arc::new("old"));
        recent.put(Ino(1), Arc::new("new"));
        assert_eq!(recent.get(Ino(1)).as_deref(), Some(&"new"));
    }
}
