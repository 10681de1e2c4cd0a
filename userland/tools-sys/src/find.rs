//! `find`.
//!
//! ```text
//! parse    the command line becomes an expression
//! expr     the expression and its evaluation
//! walk     visiting files in order, pruning, loops
//! print    -printf and -ls
//! run      -exec and its kin
//! ```

mod expr;
mod parse;
mod print;
mod run;
mod walk;

use std::ffi::OsString;

use agentos_tools_base::io::complain;

/// `find`.
pub(crate) fn find(args: Vec<OsString>) -> i32 {
    match parse::parse(args) {
        Ok(Some(plan)) => walk::run(plan),
        Ok(None) => 0,
        Err(message) => {
            complain("find", message);
            1
        }
    }
}
