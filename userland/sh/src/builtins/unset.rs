//! `unset`

use super::{Args, Flags};
use crate::assign::split_subscript;
use crate::shell::{Exec, Shell};
use crate::text::is_name;

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut functions, mut variables, mut reference) = (false, false, false);
    let mut flags = Flags::new(argv, "fvn");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('f', _)) => functions = true,
            Ok(('v', _)) => variables = true,
            Ok(('n', _)) => reference = true,
            Ok(_) => {}
            Err(c) => return Ok(sh.usage("unset", &format!("-{c}: invalid option"))),
        }
    }
    let mut status = 0;
    for name in flags.rest() {
        if functions {
            sh.functions.remove(name);
            continue;
        }
        if reference {
            sh.vars.unset(name);
            continue;
        }
        if let Some((base, index)) = split_subscript(name) {
            status |= unset_element(sh, base, index)?;
            continue;
        }
        if !is_name(name) {
            if !variables && sh.functions.remove(name).is_some() {
                continue;
            }
            sh.error(&format!("unset: `{name}': not a valid identifier"));
            status = 1;
            continue;
        }
        if !variables && sh.variable(name).is_none() && sh.vars.get(name).is_none() {
            sh.functions.remove(name);
            continue;
        }
        if sh.unset_variable(name, None).is_err() {
            status = 1;
        }
    }
    Ok(status)
}

fn unset_element(sh: &mut Shell, base: &str, index: &str) -> Exec {
    if matches!(index, "@" | "*")
        && !sh
            .variable(base)
            .is_some_and(|v| matches!(v.value, crate::vars::Value::Assoc(_)))
    {
        return Ok(i32::from(sh.unset_variable(base, None).is_err()));
    }
    let key = sh.key_of_text(base, index)?;
    Ok(i32::from(sh.unset_variable(base, Some(&key)).is_err()))
}
