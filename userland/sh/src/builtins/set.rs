//! `set` and `shopt`

use super::{Args, Flags};
use crate::options::{Options, Shopts};
use crate::shell::{Exec, Shell};
use crate::text;
use crate::vars::{Value, Var};

/// A variable as `set` lists it.
pub fn line(name: &str, var: &Var) -> Option<String> {
    Some(match &var.value {
        Value::Unset => return None,
        Value::Scalar(text) => format!("{name}={}\n", text::quote_if_needed_value(text)),
        _ => {
            let statement = super::declare::statement(name, var, false);
            let at = statement.find('=')?;
            format!("{name}{}\n", &statement[at..])
        }
    })
}

/// All functions as text.
pub fn function_texts(sh: &Shell) -> String {
    let mut names: Vec<&String> = sh.functions.keys().collect();
    names.sort_unstable();
    names
        .iter()
        .filter_map(|n| sh.functions.get(*n))
        .map(|f| crate::print::function(f) + "\n")
        .collect()
}

/// `set`
pub fn set(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    if argv.len() == 1 {
        let mut out = String::new();
        for name in sh.vars.names() {
            if let Some(text) = sh.vars.get(&name).and_then(|v| line(&name, v)) {
                out.push_str(&text);
            }
        }
        if !sh.opts.posix {
            out.push_str(&function_texts(sh));
        }
        return Ok(sh.print("set", &out));
    }
    let mut at = 1;
    while let Some(word) = argv.get(at) {
        match word.as_str() {
            "--" => {
                sh.params = argv[at + 1..].to_vec();
                return Ok(0);
            }
            "-" => {
                sh.opts.xtrace = false;
                sh.opts.verbose = false;
                if at + 1 < argv.len() {
                    sh.params = argv[at + 1..].to_vec();
                }
                return Ok(0);
            }
            _ => {}
        }
        if word.len() < 2 || !word.starts_with(['-', '+']) {
            break;
        }
        let on = word.starts_with('-');
        at += 1;
        for c in word[1..].chars() {
            if c == 'o' {
                let name = argv.get(at).filter(|n| !n.starts_with(['-', '+']) || n.len() < 2);
                match name {
                    None => return Ok(list_options(sh, on)),
                    Some(name) => {
                        at += 1;
                        if !option(sh, name, on) {
                            sh.error(&format!("set: {name}: invalid option name"));
                            return Ok(2);
                        }
                    }
                }
            } else if !letter(sh, c, on) {
                return Ok(sh.usage("set", &format!("{}{c}: invalid option", &word[..1])));
            }
        }
    }
    if at < argv.len() {
        sh.params = argv[at..].to_vec();
    }
    Ok(0)
}

/// Switches an option of `set` by letter.
pub fn letter(sh: &mut Shell, c: char, on: bool) -> bool {
    let Some((name, _)) = Options::NAMES.iter().find(|(_, l)| *l == c && c != ' ') else {
        return false;
    };
    option(sh, name, on)
}

/// Switches an option of `set` by name.
pub fn option(sh: &mut Shell, name: &str, on: bool) -> bool {
    let Some(option) = sh.opts.by_name(name) else {
        return false;
    };
    *option = on;
    match (name, on) {
        ("emacs", true) => sh.opts.vi = false,
        ("vi", true) => sh.opts.emacs = false,
        ("posix", true) => sh.shopts.expand_aliases = true,
        _ => {}
    }
    true
}

fn list_options(sh: &mut Shell, table: bool) -> i32 {
    let out: String = Options::NAMES
        .iter()
        .map(|(name, _)| {
            let on = sh.opts.get(name).unwrap_or(false);
            match (table, on) {
                (true, true) => format!("{name:<15}\ton\n"),
                (true, false) => format!("{name:<15}\toff\n"),
                (false, true) => format!("set -o {name}\n"),
                (false, false) => format!("set +o {name}\n"),
            }
        })
        .collect();
    sh.print("set", &out)
}

/// `shopt`
pub fn shopt(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut set, mut unset, mut quiet, mut print, mut options) = (false, false, false, false, false);
    let mut flags = Flags::new(argv, "supqo");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('s', _)) => set = true,
            Ok(('u', _)) => unset = true,
            Ok(('p', _)) => print = true,
            Ok(('q', _)) => quiet = true,
            Ok(('o', _)) => options = true,
            Ok(_) => {}
            Err(c) => return sh.usage("shopt", &format!("-{c}: invalid option")),
        }
    }
    if set && unset {
        sh.error("shopt: cannot set and unset shell options simultaneously");
        return 1;
    }
    let names = flags.rest();
    if names.is_empty() {
        return shopt_list(sh, set, unset, print, options);
    }
    let mut status = 0;
    let mut out = String::new();
    for name in names {
        let current = if options {
            sh.opts.get(name)
        } else {
            sh.shopts.get(name)
        };
        let Some(current) = current else {
            let kind = if options { "option" } else { "shell option" };
            sh.error(&format!("shopt: {name}: invalid {kind} name"));
            status = 1;
            continue;
        };
        if set || unset {
            if options {
                option(sh, name, set);
            } else if let Some(value) = sh.shopts.by_name(name) {
                *value = set;
            }
        } else {
            status |= i32::from(!current);
            if !quiet {
                out.push_str(&shopt_line(name, current, print, options));
            }
        }
    }
    match sh.print("shopt", &out) {
        0 => status,
        failed => failed,
    }
}

fn shopt_line(name: &str, on: bool, print: bool, options: bool) -> String {
    match (print, options) {
        (true, true) => format!("set {}o {name}\n", if on { '-' } else { '+' }),
        (true, false) => format!("shopt -{} {name}\n", if on { 's' } else { 'u' }),
        _ => format!("{name:<15}\t{}\n", if on { "on" } else { "off" }),
    }
}

fn shopt_list(sh: &mut Shell, set: bool, unset: bool, print: bool, options: bool) -> i32 {
    let names = if options { Options::NAMES } else { Shopts::NAMES };
    let mut out = String::new();
    for (name, _) in names {
        let on = if options {
            sh.opts.get(name)
        } else {
            sh.shopts.get(name)
        }
        .unwrap_or(false);
        if !set && !unset || set && on || unset && !on {
            out.push_str(&shopt_line(name, on, print, options));
        }
    }
    sh.print("shopt", &out)
}
