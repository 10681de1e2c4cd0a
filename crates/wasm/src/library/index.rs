//! What is known about programs, and who waits for more.

use super::code::Code;
use super::disk::Digest;
use super::failure::Failure;
use super::key::Key;
use agentos_kernel::wait::{WaitQueue, Woken};
use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

/// Answers that are remembered.
const REQUESTS_MAX: usize = 1024;

/// Bytes of guests' programs that may wait: they are held in memory until they are compiled.
const WAITING_BYTES: u64 = 512 << 20;

/// Of the programs that may wait, the part that may come from one filesystem.
const FILESYSTEM_SHARE: usize = 4;

#[derive(Default)]
pub(super) struct Index {
    requests: HashMap<Key, Request>,
    codes: HashMap<Digest, Arc<Code>>,
    /// Grows with every use; orders uses.
    time: u64,
    max_idle: u64,
}

enum Request {
    Waiting {
        waiters: Arc<WaitQueue>,
        /// Bytes that a guest makes the executor hold meanwhile; none for bundled programs.
        of_guest: Option<u64>,
    },
    Known {
        answer: Result<Arc<Code>, Failure>,
        used: u64,
    },
}

/// What is known about a request.
pub(super) enum Answer {
    Ready(Arc<Code>),
    Failed(Failure),
    /// Tasks to wake once the index is unlocked.
    Waiting(Woken),
    Unknown,
}

impl Index {
    pub(super) fn new(max_idle: u64) -> Self {
        Self {
            max_idle,
            ..Self::default()
        }
    }

    /// Answers a request, or registers `waker` for the answer.
    pub(super) fn ask(&mut self, key: &Key, waker: Option<&Waker>) -> Answer {
        self.time += 1;
        let answer = match self.requests.get_mut(key) {
            None => return Answer::Unknown,
            Some(Request::Waiting { waiters, .. }) => {
                return Answer::Waiting(waiters.register(waker));
            }
            Some(Request::Known { answer: Ok(code), used }) => {
                *used = self.time;
                code.touch(self.time);
                Answer::Ready(Arc::clone(code))
            }
            Some(Request::Known {
                answer: Err(failure),
                used,
            }) => {
                *used = self.time;
                Answer::Failed(failure.clone())
            }
        };
        let once = matches!(&answer, Answer::Failed(failure) if !failure.is_final());
        if once || !key.lasts() {
            self.requests.remove(key);
        }
        answer
    }

    /// Notes that the answer is being worked on.
    pub(super) fn begin(&mut self, key: &Key, waker: Option<&Waker>, max: usize) -> Result<(), Failure> {
        let of_guest = key.guest_bytes();
        if let Some(bytes) = of_guest {
            self.admit(key, bytes, max)?;
        }
        let waiters = Arc::new(WaitQueue::default());
        // Nobody else is in it yet.
        waiters.register(waker).wake();
        self.requests
            .insert(key.clone(), Request::Waiting { waiters, of_guest });
        Ok(())
    }

    /// Whether one more program of a guest may wait. A filesystem's share keeps one VM from taking all places; a single
    /// program may always wait, however large the VM's limits let it be.
    fn admit(&self, key: &Key, bytes: u64, max: usize) -> Result<(), Failure> {
        let (mut count, mut total, mut of_same) = (1, bytes, 1);
        for (other, request) in &self.requests {
            if let Request::Waiting {
                of_guest: Some(bytes), ..
            } = request
            {
                count += 1;
                total += bytes;
                of_same += usize::from(other.same_filesystem(key));
            }
        }
        let share = (max / FILESYSTEM_SHARE).max(1);
        if count > max || of_same > share {
            return Err(Failure::busy(count, max));
        }
        if count > 1 && total > WAITING_BYTES {
            return Err(Failure::busy_bytes(total, WAITING_BYTES));
        }
        Ok(())
    }

    /// Stores the answer; the returned waiters are to be woken without the lock.
    pub(super) fn finish(&mut self, key: &Key, answer: Result<Arc<Code>, Failure>) -> Option<Arc<WaitQueue>> {
        self.time += 1;
        let known = Request::Known {
            answer,
            used: self.time,
        };
        let waiters = match self.requests.insert(key.clone(), known) {
            Some(Request::Waiting { waiters, .. }) => Some(waiters),
            _ => None,
        };
        if self.requests.len() > REQUESTS_MAX {
            self.forget_oldest_answer();
        }
        waiters
    }

    /// The program with this content.
    pub(super) fn code(&self, digest: &Digest) -> Option<Arc<Code>> {
        self.codes.get(digest).cloned()
    }

    /// Keeps a program, and unloads others that nobody has used for longest.
    pub(super) fn keep(&mut self, digest: Digest, code: &Arc<Code>) {
        self.time += 1;
        code.touch(self.time);
        self.codes.insert(digest, Arc::clone(code));
        let idle = |codes: &HashMap<Digest, Arc<Code>>| {
            codes
                .values()
                .filter(|code| !code.bundled)
                .map(|code| code.size)
                .sum::<u64>()
        };
        while idle(&self.codes) > self.max_idle && self.unload_oldest(code) {}
    }

    /// Unloads the program that was used least recently, but not `keep`.
    fn unload_oldest(&mut self, keep: &Arc<Code>) -> bool {
        let candidates = self
            .codes
            .iter()
            .filter(|(_, code)| !code.bundled && !Arc::ptr_eq(code, keep));
        let Some((digest, oldest)) = candidates
            .min_by_key(|(_, code)| code.used())
            .map(|(d, code)| (*d, Arc::clone(code)))
        else {
            return false;
        };
        self.codes.remove(&digest);
        let runs_oldest = |request: &Request| matches!(request, Request::Known { answer: Ok(code), .. } if Arc::ptr_eq(code, &oldest));
        self.requests.retain(|_, request| !runs_oldest(request));
        true
    }

    fn forget_oldest_answer(&mut self) {
        let known = self.requests.iter().filter_map(|(key, request)| match request {
            Request::Known { used, .. } => Some((*used, key)),
            Request::Waiting { .. } => None,
        });
        if let Some(key) = known.min_by_key(|(used, _)| *used).map(|(_, key)| key.clone()) {
            self.requests.remove(&key);
        }
    }
}
