//! Calls that guests answer themselves, from what the VM's thread has found out before.
//!
//! `realpath` looks at every directory of a path with `readlink`, to be told each time that it is no link, and a compiler asks for
//! hundreds of paths in the same few directories. Each of these questions is a turn of the VM's thread. So a process that asks a lot gets the
//! means to answer them: a *table* of directories, which it can only read, and a few instructions in the place of the system call.
//!
//! ```text
//!   guest                                              VM's thread
//!   readlink: mov eax, 89; syscall   ── 8 times no link ──>  writes `call thunk` over that (Site)
//!   thunk (loader/answers.rs)        ── asks for the table ─> gives a descriptor, which is mapped and closed
//!     path is in the table, and holds:    -EINVAL, no call
//!     anything else:                 ── readlink ──────────>  answers; writes a directory into the table (Table)
//! ```
//!
//! Why that is sound:
//!
//! * **Nothing false is answered.** What is written holds for everybody in the VM (`vfs/walks.rs` of the kernel crate): a directory of the VM's
//!   root, found through directories that everybody may pass and list, with no rules about files. It has the number of changes of before it was found out,
//!   and every change takes the next number before anybody is told that it was done; the table holds that number, and an entry with another
//!   one says nothing. It holds no longer than the kernel believes a way itself, by the processor's counter, where that counts time.
//! * **Nothing else happens differently.** Only a function of the C library that is known byte by byte is changed, of a process with
//!   one thread, which is waiting behind these bytes; in its own memory, not in the file. The thunk reads the path only where the stack is
//!   known to be, so that it cannot fault where the call would have returned `EFAULT`; and keeps what a system call keeps.
//! * **Nobody gains by it.** The table cannot be written by guests, by no mapping and no descriptor; it has names that each of them could list.
//!   What a guest changes in its own code or mapping deceives that guest alone.
//!
//! A copy of a process has what it has; another program starts without. Where anything is doubtful, nothing is changed.

mod site;
mod table;

pub(crate) use site::{Place, WRAPPER_LEN, call_to, is_wrapper, place, thunk};
pub(crate) use table::{Shown, Table, has_room, is_possible};

/// How often a process has to ask, from one place, before it gets the table.
const ENOUGH: u32 = 8;
/// How often it is looked whether a process may have it; then it has none.
const TRIES_MAX: u32 = 32;

/// What is known of where a process asks for links.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// Where the last question came from, and how many in a row did.
    from: u64,
    count: u32,
    tries: u32,
    pub(crate) state: Asking,
    /// Where the thunk and the stack are, once that was looked for.
    pub(crate) place: Option<Place>,
}

/// How a process asks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// By a system call.
    #[default]
    Plainly,
    /// By the thunk, whose calls come from this address.
    ByThunk(u64),
    /// By a system call, for good.
    Forever,
}

/// What to do about a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    /// See whether this process can have the table.
    Look,
    /// It has it, and does not know this directory.
    Tell,
}

impl Asks {
    /// A question came from `from`, and the answer was that it was no link.
    pub(crate) fn note(&mut self, from: u64) -> Step {
        match self.state {
            Asking::ByThunk(thunk) if thunk == from => return Step::Tell,
            Asking::Plainly => {}
            Asking::ByThunk(_) | Asking::Forever => return Step::Nothing,
        }
        self.count = if self.from == from {
            self.count.saturating_add(1)
        } else {
            1
        };
        self.from = from;
        if self.count < ENOUGH {
            return Step::Nothing;
        }
        self.tries += 1;
        if self.tries >= TRIES_MAX {
            self.state = Asking::Forever;
        }
        Step::Look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_looked_at_once_it_asks_a_lot_from_one_place() {
        let mut asks = Asks::default();
        assert!((0..100).all(|turn| asks.note(turn % 2) == Step::Nothing));
        for turn in 1..=ENOUGH {
            let step = asks.note(7);
            assert_eq!(step == Step::Look, turn == ENOUGH);
        }
        assert_eq!(asks.note(7), Step::Look);
        asks.state = Asking::ByThunk(9);
        assert_eq!([asks.note(9), asks.note(7)], [Step::Tell, Step::Nothing]);
    }

    #[test]
    fn it_is_not_looked_at_for_ever() {
        let mut asks = Asks::default();
        let looks = (0..1000).filter(|_| asks.note(7) == Step::Look).count();
        assert_eq!(looks, TRIES_MAX as usize);
        assert_eq!(asks.state, Asking::Forever);
    }
}
