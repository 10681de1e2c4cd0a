//! On which processor the VM's thread and those who call wake each other.
//!
//! The host has a flag for that (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`, Linux 6.6; `kernel/seccomp.c`), at which it looks anew whenever it
//! wakes somebody, so that it may change between any two calls. While it is set, a call wakes the thread that waits in the
//! receiving on the processor of the caller, and an answer wakes the caller on the processor of who answers: the scheduler takes
//! the processor that it is on (`WF_CURRENT_CPU`) and weighs nothing. While it is not, both are placed like everything that wakes:
//! where they were, or where nothing runs.
//!
//! *One caller* wants it set. It stands still while its call is answered, so its processor is free for just that time, and nobody has to
//! be roused on another, which takes many times as long as the call. The same holds for several whose calls do not meet: the
//! thread comes to each of them and leaves it where it is.
//!
//! *Calls that meet* draw callers to one processor. One that comes while the thread works for somebody else waits until that is
//! done; then the thread takes it without having slept, still on the processor of the caller before. The answer would bring
//! the second caller there, too, beside the first, and its own processor would have nothing to do until the host balances the
//! load, which it does some hundred times a second at most. Two that compute for a tenth of a millisecond between their calls meet more
//! often than that, so they would share one processor most of the time.
//!
//! So the thread looks whether a call waits already before it takes the next, and whoever has waited is answered without the flag.
//! That is a matter of each call alone: nothing is counted or guessed, and nothing lasts longer than what it is about. The host
//! brings such a caller back to its own processor, which has slept since, while the thread goes on with the calls of others.
//!
//! To look is a call of the host's for each call of a guest's, so it is done only once calls have come from different threads, and until
//! the same thread has made [`LOOKS`] in a row. Programs that take turns (a shell and each that it starts, a compiler and its passes) call from
//! different threads all the time and may seldom meet: where [`QUIET`] looks in a row have found nobody, only every [`SAMPLE`]th call is looked
//! at until one does. Guests that have one processor are never looked at: they have nowhere else to be.
//!
//! What a guest makes of this is the speed of its own VM. The flag is the VM's own, and so is the thread that answers, which is one
//! wherever it wakes; what is kept of guests is two numbers.

use crate::sys::{self, Listener};

/// Calls in a row of one thread after which it is no longer looked whether others wait.
const LOOKS: u32 = 32;
/// Looks in a row that found nobody waiting, after which it is seldom looked.
const QUIET: u32 = 128;
/// One of so many calls is looked at then.
const SAMPLE: u32 = 4;

/// Decides where who wakes.
#[derive(Debug)]
pub(super) struct Wakes {
    /// Whether there is anything to decide: guests have several processors, and the host knows the flag.
    decides: bool,
    /// Whether the flag is set.
    is_set: bool,
    /// The thread that called last.
    last: u32,
    /// How many more calls of its to look at.
    looks: u32,
    /// Looks in a row that found nobody.
    alone: u32,
    /// Calls of guests, round and round.
    calls: u32,
}

impl Wakes {
    /// For guests that use at most so many processors.
    pub(super) fn new(listener: &Listener, processors: u64) -> Self {
        // Not every host knows this; nothing depends on it.
        let is_known = sys::wake_here(listener, true).is_ok();
        Self::with(is_known && processors.min(sys::processors()) > 1)
    }

    fn with(decides: bool) -> Self {
        Self {
            decides,
            is_set: true,
            last: 0,
            looks: 0,
            alone: 0,
            calls: 0,
        }
    }

    /// Whether to look if a call waits before the next is taken.
    pub(super) fn looks(&self) -> bool {
        self.looks > 0 && (self.alone < QUIET || self.calls.is_multiple_of(SAMPLE))
    }

    /// Has the next caller, which waits already or does not, wake where it is to, and this thread until then.
    pub(super) fn place(&mut self, listener: &Listener, waits: bool) {
        self.found(waits);
        let here = self.is_here(waits);
        // What a signal interrupts is tried again at the next call.
        if here != self.is_set && sys::wake_here(listener, here).is_ok() {
            self.is_set = here;
        }
    }

    /// What came of looking, if it was looked.
    fn found(&mut self, waits: bool) {
        if waits {
            self.alone = 0;
        } else if self.looks() {
            self.alone = self.alone.saturating_add(1);
        }
    }

    /// Whether the flag is to be set for the next call.
    fn is_here(&self, waits: bool) -> bool {
        !(self.decides && waits)
    }

    /// A thread of a guest has called.
    pub(super) fn called(&mut self, tid: u32) {
        if !self.decides {
            return;
        }
        self.looks = match self.last == tid {
            true => self.looks.saturating_sub(1),
            false => LOOKS,
        };
        self.last = tid;
        self.calls = self.calls.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call of this thread, which waited or not: whether that was looked at, and whether the flag was set.
    fn call(wakes: &mut Wakes, tid: u32, waited: bool) -> (bool, bool) {
        let looked = wakes.looks();
        wakes.found(looked && waited);
        let here = wakes.is_here(looked && waited);
        wakes.called(tid);
        (looked, here)
    }

    #[test]
    fn with_one_processor_nothing_is_looked_at_and_nothing_changes() {
        let mut wakes = Wakes::with(false);
        for tid in [1, 2, 3].repeat(100) {
            assert_eq!(call(&mut wakes, tid, true), (false, true));
        }
        // That a call waits is known for other reasons, too.
        assert!(wakes.is_here(true));
    }

    #[test]
    fn a_single_caller_is_looked_at_for_a_while_and_then_no_more() {
        let mut wakes = Wakes::with(true);
        let looked = (0..1000).filter(|_| call(&mut wakes, 7, false).0).count();
        assert_eq!(looked, LOOKS as usize);
        // Another one makes it worth a look again, and so does the return of the first.
        assert_eq!(call(&mut wakes, 8, false), (false, true));
        let looked = (0..1000).filter(|_| call(&mut wakes, 7, false).0).count();
        assert_eq!(looked, 1 + LOOKS as usize);
    }

    #[test]
    fn callers_in_turn_that_do_not_meet_are_looked_at_and_followed() {
        let mut wakes = Wakes::with(true);
        call(&mut wakes, 1, false);
        for tid in [2, 2, 1].repeat(QUIET as usize / 3) {
            assert_eq!(call(&mut wakes, tid, false), (true, true));
        }
    }

    #[test]
    fn callers_in_turn_that_never_meet_are_seldom_looked_at_until_two_do() {
        let mut wakes = Wakes::with(true);
        let looked = |wakes: &mut Wakes, times: u32, waited: bool| {
            (0..times).filter(|turn| call(wakes, turn % 2 + 1, waited).0).count() as u32
        };
        assert_eq!(looked(&mut wakes, QUIET + 1, false), QUIET);
        assert_eq!(looked(&mut wakes, 1000 * SAMPLE, false), 1000);
        // Somebody waits: that is found by the next sample, and all are looked at again.
        assert_eq!(looked(&mut wakes, SAMPLE + QUIET, true), QUIET + 1);
        assert_eq!(looked(&mut wakes, QUIET, false), QUIET);
        assert_eq!(looked(&mut wakes, 1000 * SAMPLE, false), 1000);
    }

    #[test]
    fn who_has_waited_is_left_where_it_is_and_the_next_is_followed_again() {
        let mut wakes = Wakes::with(true);
        call(&mut wakes, 1, false);
        for waited in [true, false, false, true, true, false].repeat(50) {
            assert_eq!(call(&mut wakes, 2, waited), (true, !waited));
            call(&mut wakes, 1, false);
        }
    }

    #[test]
    fn the_flag_is_changed_where_it_differs_and_where_the_host_knows_it() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let filtered = move || {
            let allow = libc::sock_filter {
                code: 0x06,
                jt: 0,
                jf: 0,
                k: libc::SECCOMP_RET_ALLOW,
            };
            let made = sys::no_new_privileges().and_then(|()| sys::install_filter(&[allow]));
            sender.send(made).unwrap();
        };
        let thread = std::thread::spawn(filtered);
        // A host that cannot make one has no guests either.
        let Ok(listener) = receiver.recv().unwrap() else { return };
        let is_known = sys::wake_here(&listener, true).is_ok();
        let mut wakes = Wakes::new(&listener, 1);
        wakes.place(&listener, true);
        assert!(wakes.is_set && !wakes.decides);
        let mut wakes = Wakes::new(&listener, u64::MAX);
        assert_eq!(wakes.decides, is_known && sys::processors() > 1);
        for waits in [true, true, false, false, true] {
            wakes.place(&listener, waits);
            assert_eq!(wakes.is_set, !(wakes.decides && waits));
        }
        thread.join().unwrap();
        // Nobody is left to call; the flag can be set all the same.
        wakes.place(&listener, false);
        assert!(wakes.is_set);
    }
}
