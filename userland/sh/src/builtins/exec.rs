//! `exec`

use super::{Args, Flags};
use crate::shell::{Exec, Flow, Shell};

/// Runs it where its redirections are not to stay (`command exec`).
pub fn plain(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    run(sh, argv)
}

/// Runs it, its redirections being in force.
pub fn run(sh: &mut Shell, argv: &[String]) -> Exec {
    let (mut clear, mut login, mut name) = (false, false, None);
    let mut flags = Flags::new(argv, "cla:");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('c', _)) => clear = true,
            Ok(('l', _)) => login = true,
            Ok(('a', text)) => name = text.map(str::to_owned),
            Ok(_) => {}
            Err(c) => return Ok(sh.usage("exec", &format!("-{c}: invalid option"))),
        }
    }
    let rest = flags.rest();
    let Some(program) = rest.first() else { return Ok(0) };
    let arg0 = match (name, login) {
        (Some(name), true) => Some(format!("-{name}")),
        (None, true) => Some(format!("-{program}")),
        (name, false) => name,
    };
    sh.status = sh.exec_program(rest, arg0.as_deref(), !clear);
    if sh.interactive || sh.shopts.execfail {
        return Ok(sh.status);
    }
    Err(Flow::Exit)
}
