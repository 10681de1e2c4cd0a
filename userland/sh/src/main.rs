//! The shell of agentOS, called as `sh` and `bash`: bash's language on the guest ABI.
//!
//! | module | what |
//! | --- | --- |
//! | `cli` | options, environment, where commands come from |
//! | `parse`, `ast`, `print` | text to syntax tree and back |
//! | `expand`, `pattern`, `regex`, `arith` | words to texts |
//! | `vars`, `assign`, `special`, `options` | variables and options |
//! | `exec`, `jobs`, `traps` | running commands, children, signals |
//! | `builtins` | commands of the shell itself |
//! | `interactive` | line editing, history, completion, prompts |
//! | `sys` | the operating system |
//!
//! Invariants: a subshell is a process (a copy of this one); a program is started directly and never through a copy;
//! the shell waits in the kernel and never polls; nothing is read from standard input that is not used.

mod arith;
mod assign;
mod ast;
mod builtins;
mod cli;
mod clock;
mod exec;
mod expand;
mod interactive;
mod jobs;
mod options;
mod parse;
mod pattern;
mod print;
mod regex;
mod shell;
mod special;
mod sys;
mod text;
mod traps;
mod vars;

agentos_guest::commands_of!(["sh", "bash"]);

fn main() {
    std::process::exit(cli::run());
}
