//! `ping`: says why it cannot be had, and what can.

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, shown};
use std::ffi::OsString;

const SPECS: &[&str] = &[
    "c,=",
    "i,=",
    "w,=",
    "W,=",
    "s,=",
    "n,",
    "q,",
    "4,",
    "6,",
    "help",
    "V,version",
];

const HELP: &str = "\
Usage: ping HOST
There are no raw sockets here, so nothing can be pinged: use `nc -zv HOST PORT` to see whether a host answers.
";

/// The applet.
pub fn ping(args: Vec<OsString>) -> i32 {
    let mut parser = Parser::new(args, SPECS);
    let mut host = "HOST".to_owned();
    loop {
        match parser.next() {
            Err(message) => {
                complain("ping", message);
                return 2;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => host = shown(&word),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("ping"),
            Ok(Some(Arg::Opt(..))) => {}
        }
    }
    complain(
        "ping",
        format_args!("raw sockets do not exist in this VM (Operation not permitted); try: nc -zv {host} 443"),
    );
    2
}
