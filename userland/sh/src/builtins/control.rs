//! Builtins that direct the flow of commands.

use std::rc::Rc;

use super::Args;
use crate::parse;
use crate::shell::{Call, Exec, Flow, Shell};
use crate::{sys, text};

/// `true`, `:`
pub fn yes(_: &mut Shell, _: &[String], _: &Args<'_>) -> i32 {
    0
}

/// `false`
pub fn no(_: &mut Shell, _: &[String], _: &Args<'_>) -> i32 {
    1
}

fn loop_count(sh: &mut Shell, argv: &[String]) -> Exec<Option<u32>> {
    if sh.loops == 0 {
        sh.error(&format!(
            "{}: only meaningful in a `for', `while', or `until' loop",
            argv[0]
        ));
        return Ok(None);
    }
    let Some(word) = argv.get(1).filter(|w| *w != "--") else {
        return Ok(Some(1));
    };
    match word.parse::<i64>() {
        Ok(n) if n > 0 => Ok(Some(u32::try_from(n).unwrap_or(u32::MAX).min(sh.loops))),
        Ok(n) => {
            sh.error(&format!("{}: {n}: loop count out of range", argv[0]));
            sh.status = 1;
            Err(Flow::Break(sh.loops))
        }
        Err(_) => {
            let message = format!("{}: {word}: numeric argument required", argv[0]);
            Err(sh.fatal(128, &message))
        }
    }
}

/// `break`
pub fn break_(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    match loop_count(sh, argv)? {
        Some(n) => {
            sh.status = 0;
            Err(Flow::Break(n))
        }
        None => Ok(0),
    }
}

/// `continue`
pub fn continue_(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    match loop_count(sh, argv)? {
        Some(n) => {
            sh.status = 0;
            Err(Flow::Continue(n))
        }
        None => Ok(0),
    }
}

/// The status that `exit` and `return` are given.
fn status_argument(sh: &mut Shell, argv: &[String]) -> i32 {
    match argv.get(1).filter(|w| *w != "--").or_else(|| argv.get(2)) {
        None => sh.status,
        Some(word) => match word.trim().parse::<i64>() {
            Ok(n) => (n & 0xff) as i32,
            Err(_) => {
                sh.error(&format!("{}: {word}: numeric argument required", argv[0]));
                2
            }
        },
    }
}

/// `exit`
pub fn exit(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let status = status_argument(sh, argv);
    if argv.len() > 2 && argv[1] != "--" {
        sh.error(&format!("{}: too many arguments", argv[0]));
        sh.status = 1;
        return Err(Flow::Abort);
    }
    sh.status = status;
    Err(Flow::Exit)
}

/// `return`
pub fn return_(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    if sh.calls.is_empty() {
        sh.error("return: can only `return' from a function or sourced script");
        return Ok(2);
    }
    sh.status = status_argument(sh, argv);
    Err(Flow::Return)
}

/// `eval`
pub fn eval(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let words = match argv.get(1).map(String::as_str) {
        Some("--") => &argv[2..],
        _ => &argv[1..],
    };
    let text = words.join(" ");
    sh.status = 0;
    sh.run_text(&text)
}

/// `.`, `source`
pub fn source(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let at = if argv.get(1).is_some_and(|w| w == "--") { 2 } else { 1 };
    let Some(name) = argv.get(at) else {
        return Ok(sh.usage(&argv[0], "filename argument required"));
    };
    let path = source_path(sh, name);
    let read = sys::open(
        &path,
        sys::Open {
            read: true,
            ..Default::default()
        },
        0,
    )
    .and_then(|fd| {
        let is_dir = sys::fstat(fd).is_ok_and(|s| s.is_dir());
        let bytes = if is_dir {
            Err(std::io::ErrorKind::IsADirectory.into())
        } else {
            sys::read_to_end(fd)
        };
        sys::close(fd);
        bytes
    });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
            sh.error(&format!("{}: {name}: is a directory", argv[0]));
            return Ok(1);
        }
        Err(error) => {
            sh.error(&format!("{name}: {}", sys::message(&error)));
            return Ok(1);
        }
    };
    let words = &argv[at + 1..];
    run_file(sh, &path, text::decode(bytes), words)
}

fn source_path(sh: &Shell, name: &str) -> String {
    if name.contains('/') || !sh.shopts.sourcepath {
        return name.to_owned();
    }
    let path = sh.vars.text("PATH").unwrap_or_default();
    path.split(':')
        .map(|dir| {
            if dir.is_empty() {
                name.to_owned()
            } else {
                format!("{dir}/{name}")
            }
        })
        .find(|file| sys::stat(file, true).is_ok_and(|s| s.is_file()))
        .unwrap_or_else(|| name.to_owned())
}

/// Runs a file's text as `source` does.
pub fn run_file(sh: &mut Shell, path: &str, text: String, words: &[String]) -> Exec {
    let params = if words.is_empty() {
        None
    } else {
        Some(std::mem::replace(&mut sh.params, words.to_vec()))
    };
    let source: Rc<str> = Rc::from(path);
    let before = std::mem::replace(&mut sh.source, Rc::clone(&source));
    let line = sh.line;
    sh.calls.push(Call {
        name: "source".to_owned(),
        source,
        line,
        function: false,
    });
    let result = sh.in_text(|sh| run_text(sh, text));
    if sh.traps.has_return() {
        sh.run_return_trap()?;
    }
    sh.calls.pop();
    sh.source = before;
    sh.line = line;
    if let Some(params) = params {
        sh.params = params;
    }
    match result {
        Err(Flow::Return) => Ok(sh.status),
        other => other,
    }
}

fn run_text(sh: &mut Shell, text: String) -> Exec {
    let mut input = parse::Input::whole(text, 1);
    sh.status = 0;
    loop {
        let mut more = |_| Ok(None);
        let syntax = sh.syntax();
        match parse::Parser::new(&mut input, &mut more, syntax).next() {
            Ok(None) => return Ok(sh.status),
            Ok(Some(list)) => match sh.run_list(&list, false) {
                Err(Flow::Abort) if !sh.interactive => {}
                Err(flow) => return Err(flow),
                Ok(_) => {}
            },
            Err(parse::Error::Syntax(line, message) | parse::Error::Eof(line, message)) => {
                sh.error_at(line, &message);
                sh.status = 2;
                return Ok(2);
            }
            Err(parse::Error::Interrupted) => return Ok(130),
        }
    }
}

/// `shift`
pub fn shift(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let n = match argv.get(1) {
        None => 1,
        Some(word) => match word.parse::<i64>() {
            Ok(n) => n,
            Err(_) => {
                sh.error(&format!("shift: {word}: numeric argument required"));
                return 1;
            }
        },
    };
    match usize::try_from(n) {
        Ok(n) if n <= sh.params.len() => {
            sh.params.drain(..n);
            0
        }
        Ok(_) => {
            if sh.shopts.shift_verbose {
                sh.error(&format!("shift: {n}: shift count out of range"));
            }
            1
        }
        Err(_) => {
            sh.error(&format!("shift: {n}: shift count out of range"));
            1
        }
    }
}

/// `let`
pub fn let_(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    if argv.len() < 2 {
        sh.error("let: expression expected");
        return Ok(1);
    }
    let mut value = 0;
    for word in &argv[1..] {
        match sh.arith_text(word) {
            Ok(n) => value = n,
            Err(_) => return Ok(1),
        }
    }
    Ok(i32::from(value == 0))
}

/// `caller`
pub fn caller(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let n: usize = match argv.get(1) {
        None => 0,
        Some(word) => match word.parse() {
            Ok(n) => n,
            Err(_) => return sh.usage("caller", &format!("{word}: invalid number")),
        },
    };
    let calls = sh.calls.len();
    let Some(call) = calls.checked_sub(n + 1).and_then(|i| sh.calls.get(i)) else {
        return 1;
    };
    let line = call.line;
    let outer = calls.checked_sub(n + 2).and_then(|i| sh.calls.get(i));
    let source = outer.map_or(if sh.command_string { "NULL" } else { &sh.arg0 }, |c| &c.source);
    let text = match argv.get(1) {
        None => format!("{line} {source}\n"),
        Some(_) => match outer {
            Some(outer) => format!("{line} {} {source}\n", outer.name),
            None if sh.command_string => return 1,
            None => format!("{line} main {source}\n"),
        },
    };
    sh.print("caller", &text)
}
