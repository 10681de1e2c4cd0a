//! `env`, as GNU's.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use agentos_tools_base::cli::{Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, os, reason};
use agentos_tools_base::platform::CommandExt;

use crate::write;

const OPTIONS: &[&str] = &[
    "i,ignore-environment",
    "u,unset=",
    "0,null",
    "C,chdir=",
    "S,split-string=",
    "v,debug",
    "block-signal=?",
    "default-signal=?",
    "ignore-signal=?",
    "list-signal-handling",
    "help",
    "version",
];

/// Status of a failure of `env` itself.
const OWN_FAILURE: i32 = 125;

#[derive(Default)]
struct Plan {
    clear: bool,
    unset: BTreeSet<OsString>,
    end: u8,
    directory: Option<OsString>,
    operands: Vec<OsString>,
}

pub(super) fn env(args: &[OsString]) -> i32 {
    let mut plan = Plan {
        end: b'\n',
        ..Plan::default()
    };
    match read(args.to_vec(), &mut plan) {
        Ok(None) => {}
        Ok(Some(status)) => return status,
        Err(message) => return crate::usage("env", message, OWN_FAILURE),
    }
    let settings = plan
        .operands
        .iter()
        .take_while(|word| bytes_of(word).contains(&b'='))
        .count();
    let command = plan.operands.split_off(settings);
    if command.is_empty() {
        if plan.directory.is_some() {
            return crate::usage("env", "must specify command with --chdir (-C)", OWN_FAILURE);
        }
        return print(&plan);
    }
    if plan.end == 0 {
        return crate::usage("env", "cannot specify --null (-0) with command", OWN_FAILURE);
    }
    run(&plan, &command)
}

fn read(args: Vec<OsString>, plan: &mut Plan) -> Result<Option<i32>, String> {
    let mut parser = Parser::new(args, OPTIONS).in_order();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Opt("ignore-environment", _) => plan.clear = true,
            Arg::Opt("unset", Some(name)) => {
                plan.unset.insert(name);
            }
            Arg::Opt("null", _) => plan.end = 0,
            Arg::Opt("chdir", dir) => plan.directory = dir,
            Arg::Opt("split-string", Some(text)) => {
                let mut words = vec![OsString::from("env")];
                words.extend(split(bytes_of(&text))?);
                words.extend(parser.rest());
                return read(words, plan);
            }
            Arg::Opt("help", _) => {
                let text = "Usage: env [OPTION]... [-] [NAME=VALUE]... [COMMAND [ARG]...]\n\
                            Set each NAME to VALUE in the environment and run COMMAND.\n\n\
                            \x20 -i, --ignore-environment  start with an empty environment\n\
                            \x20 -0, --null                end each output line with NUL, not newline\n\
                            \x20 -u, --unset=NAME          remove variable from the environment\n\
                            \x20 -C, --chdir=DIR           change working directory to DIR\n\
                            \x20 -S, --split-string=S      process and split S into separate arguments\n";
                return Ok(Some(write::all("env", text.as_bytes())));
            }
            Arg::Opt("version", _) => return Ok(Some(agentos_tools_base::cli::version("env"))),
            Arg::Opt(..) => {}
            Arg::Operand(word) if word == "-" && plan.operands.is_empty() => plan.clear = true,
            Arg::Operand(word) => plan.operands.push(word),
        }
    }
    Ok(None)
}

/// The variables that the plan leaves and sets, in their order.
fn variables(plan: &Plan) -> Vec<(OsString, OsString)> {
    let inherited = if plan.clear {
        Vec::new()
    } else {
        std::env::vars_os().collect()
    };
    let mut found: Vec<_> = inherited
        .into_iter()
        .filter(|(name, _)| !plan.unset.contains(name))
        .collect();
    for word in &plan.operands {
        let bytes = bytes_of(word);
        let at = bytes.iter().position(|b| *b == b'=').unwrap_or(bytes.len());
        let (name, value) = (
            os(bytes[..at].to_vec()),
            os(bytes.get(at + 1..).unwrap_or_default().to_vec()),
        );
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => found.push((name, value)),
        }
    }
    found
}

fn print(plan: &Plan) -> i32 {
    let mut out = Vec::new();
    for (name, value) in variables(plan) {
        out.extend_from_slice(bytes_of(&name));
        out.push(b'=');
        out.extend_from_slice(bytes_of(&value));
        out.push(plan.end);
    }
    write::all("env", &out)
}

fn run(plan: &Plan, command: &[OsString]) -> i32 {
    if let Some(dir) = &plan.directory
        && let Err(error) = std::env::set_current_dir(dir)
    {
        complain(
            "env",
            format_args!(
                "cannot change directory to '{}': {}",
                dir.to_string_lossy(),
                reason(&error)
            ),
        );
        return OWN_FAILURE;
    }
    let variables = variables(plan);
    exec("env", command, Some(&variables))
}

/// Becomes `command`, with these variables or the caller's; returns the status that tools give when that fails.
pub(crate) fn exec(tool: &str, command: &[OsString], variables: Option<&[(OsString, OsString)]>) -> i32 {
    let Some((program, arguments)) = command.split_first() else {
        return OWN_FAILURE;
    };
    let mut new = Command::new(program);
    new.args(arguments);
    if let Some(variables) = variables {
        new.env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)));
    }
    let error = new.exec();
    complain(
        tool,
        format_args!("'{}': {}", program.to_string_lossy(), reason(&error)),
    );
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

/// Words of `-S`: blanks separate, quotes hold together, `${NAME}` is a variable.
fn split(text: &[u8]) -> Result<Vec<OsString>, String> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = 0_u8;
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b' ' | b'\t'..=b'\r' if quote == 0 => words.extend(word.take()),
            b'\'' | b'"' if quote == 0 => {
                quote = byte;
                word.get_or_insert_default();
            }
            _ if byte == quote => quote = 0,
            b'#' if quote == 0 && word.is_none() => break,
            b'$' if quote != b'\'' => {
                let (value, after) = variable(rest)?;
                word.get_or_insert_default().extend_from_slice(bytes_of(&value));
                rest = after;
            }
            b'\\' => {
                let Some((&next, after)) = rest.split_first() else {
                    return Err("invalid backslash at end of string in -S".to_owned());
                };
                rest = after;
                match next {
                    b'c' if quote == 0 => break,
                    b'_' if quote == 0 => words.extend(word.take()),
                    _ => word.get_or_insert_default().extend_from_slice(&escaped(next, quote)),
                }
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if quote != 0 {
        return Err("no terminating quote in -S string".to_owned());
    }
    words.extend(word);
    Ok(words.into_iter().map(os).collect())
}

fn escaped(next: u8, quote: u8) -> Vec<u8> {
    if quote == b'\'' && next != b'\'' && next != b'\\' {
        return vec![b'\\', next];
    }
    vec![match next {
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'_' => b' ',
        other => other,
    }]
}

fn variable(text: &[u8]) -> Result<(OsString, &[u8]), String> {
    let wrong = || "only ${VARNAME} expansion is supported".to_owned();
    let inner = text.strip_prefix(b"{").ok_or_else(wrong)?;
    let end = inner.iter().position(|b| *b == b'}').ok_or_else(wrong)?;
    let name = OsStr::to_os_string(&os(inner[..end].to_vec()));
    Ok((std::env::var_os(name).unwrap_or_default(), &inner[end + 1..]))
}
