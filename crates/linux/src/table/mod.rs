//! The one table of system calls: what happens to each, from which filter, dispatch and documentation are made.
//!
//! A call that is not here fails with `ENOSYS`, in every variant: nothing new reaches the host because the host learnt it.

mod filter;
mod rows;

pub(crate) use filter::program;
pub(crate) use rows::{TABLE, handler};

use crate::calls::Handler;

/// What happens to a system call.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    /// The supervisor answers it.
    Emulate(Handler),
    /// The host does it: it touches only what the guest has already.
    Allow,
    /// Decided by the values of arguments.
    Arguments(Rule, Option<Handler>),
    /// Nothing happens, and the guest is told that it worked.
    Pretend,
    /// Refused with this error.
    Deny(i32),
}

/// What the values of arguments decide. Everything here is in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// No namespaces, no sibling of the supervisor.
    Clone,
    /// The spawner makes a guest in a control group, about which the supervisor is asked; it does not exist for others.
    IntoGroup,
    /// The low 32 bits of an argument are among these, else an error.
    Among(usize, &'static [u32], i32),
    /// As [`Among`](Self::Among), with values that the supervisor answers in between.
    AmongOrAsk(usize, &'static [u32], &'static [u32], i32),
    /// None of these bits is set in an argument, else an error.
    Without(usize, u32, i32),
    /// The masked argument is among these, else an error.
    Masked(usize, u32, &'static [u32], i32),
    /// The first argument is zero, or the supervisor is asked.
    SelfOrAsk,
    /// Without some flags in the second argument named; the host does it if the first, an address, is null, else the supervisor.
    Address(usize, usize, u32, i32),
    /// None of these bits is set in an argument, else an error; the supervisor answers.
    WithoutThenAsk(usize, u32, i32),
    /// A handler for the ends of children is set, about which the supervisor is asked; of all else it is not.
    ChildHandler,
    /// `socketpair` of streams or sequences between guests.
    SocketPair,
    /// Any of these bits in an argument: the supervisor is asked; without them the host goes on.
    BitsOrAsk(usize, u32),
    /// `mmap` of a file's own bytes, of which the supervisor has to know.
    MapShared,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) number: i64,
    pub(crate) class: Class,
}

impl Row {
    /// What the documentation says.
    pub(crate) fn fate(&self) -> String {
        match self.class {
            Class::Emulate(_) => "answered by the VM's kernel".into(),
            Class::Allow => "runs on the host".into(),
            // Guests do not have it.
            Class::Arguments(Rule::IntoGroup, _) => format!("refused with error {}", libc::ENOSYS),
            Class::Arguments(_, None) => "runs on the host if its arguments are among those known".into(),
            Class::Arguments(_, Some(_)) => {
                "by its arguments: runs on the host, is answered by the VM's kernel, or is refused".into()
            }
            Class::Pretend => "does nothing and succeeds".into(),
            Class::Deny(errno) => format!("refused with error {errno}"),
        }
    }
}

/// The table as documentation: one line a call, by name.
pub fn documentation() -> String {
    let mut rows: Vec<&Row> = TABLE.iter().collect();
    rows.sort_by_key(|row| row.name);
    let mut text = String::from("| System call | What happens |\n| --- | --- |\n");
    for row in rows {
        text.push_str(&format!("| `{}` | {} |\n", row.name, row.fate()));
    }
    text
}
