//! Start-up: options, environment, and where the commands come from.

use std::rc::Rc;

use crate::ast::Command;
use crate::builtins::read::line_of;
use crate::builtins::set;
use crate::interactive::{self, Startup};
use crate::parse::{self, Input, Parser};
use crate::shell::{BASH_VERSION, Flow, Shell};
use crate::vars::{Value, Var, attr};
use crate::{sys, text};

/// What the command line asks for.
#[derive(Debug, Default)]
struct Request {
    command: bool,
    stdin: bool,
    interactive: bool,
    startup: Startup,
}

/// Runs the shell; its exit status.
pub fn run() -> i32 {
    sys::start();
    let mut args: Vec<String> = std::env::args_os().map(text::from_os).collect();
    if args.is_empty() {
        args.push("sh".to_owned());
    }
    let mut sh = Shell::new(args[0].clone());
    let mut request = Request::default();
    request.startup.login = args[0].starts_with('-');
    import_environment(&mut sh);
    let rest = match options(&mut sh, &args, &mut request) {
        Ok(at) => &args[at..],
        Err(status) => return status,
    };
    sh.shopts.login_shell = request.startup.login;
    if request.command {
        return run_string(&mut sh, rest, &request);
    }
    if !request.stdin && !rest.is_empty() {
        sh.params = rest[1..].to_vec();
        sh.arg0.clone_from(&rest[0]);
        return run_script(&mut sh, &request);
    }
    sh.params = rest.to_vec();
    sh.from_stdin = true;
    if request.interactive || sys::is_tty(0) && sys::is_tty(2) {
        sh.interactive = true;
        interactive::run(&mut sh, &request.startup);
        sh.run_exit_trap();
        return sh.status;
    }
    start_plain(&mut sh, &request);
    run_input(&mut sh, &mut Input::lines(), true)
}

/// Reads options; where the words after them begin.
fn options(sh: &mut Shell, args: &[String], request: &mut Request) -> Result<usize, i32> {
    let mut at = 1;
    while let Some(word) = args.get(at) {
        match word.as_str() {
            "--" | "-" => return Ok(at + 1),
            "--norc" => request.startup.no_rc = true,
            "--noprofile" => request.startup.no_profile = true,
            "--login" => request.startup.login = true,
            "--posix" => {
                set::option(sh, "posix", true);
            }
            "--verbose" => sh.opts.verbose = true,
            "--noediting" | "--restricted" | "--debugger" => {}
            "--rcfile" | "--init-file" => {
                at += 1;
                request.startup.rc_file = args.get(at).cloned();
            }
            "--version" => {
                let text = format!(
                    "agentOS sh, the language of GNU bash, version {BASH_VERSION} (wasm32-agentos-linux-gnu)\n"
                );
                let _ = sh.write(&text);
                return Err(0);
            }
            "--help" => {
                let _ = sh.write("Usage: sh [long option] [option] ...\n       sh [option] script-file ...\nOptions: -c string, -s, -i, -l, and those of `set'; `help' lists the builtins.\n");
                return Err(0);
            }
            _ if word.starts_with("--") => {
                sh.error(&format!("{word}: invalid option"));
                return Err(2);
            }
            _ if word.len() > 1 && word.starts_with(['-', '+']) => letters(sh, args, &mut at, request)?,
            _ => return Ok(at),
        }
        at += 1;
    }
    Ok(at)
}

fn letters(sh: &mut Shell, args: &[String], at: &mut usize, request: &mut Request) -> Result<(), i32> {
    let word = args[*at].clone();
    let on = word.starts_with('-');
    for c in word[1..].chars() {
        let fits = match c {
            'c' => {
                request.command = true;
                true
            }
            's' => {
                request.stdin = true;
                true
            }
            'i' => {
                request.interactive = true;
                true
            }
            'l' => {
                request.startup.login = true;
                true
            }
            'o' | 'O' => {
                *at += 1;
                let name = args.get(*at).map_or("", String::as_str);
                if c == 'o' {
                    set::option(sh, name, on)
                } else {
                    sh.shopts.by_name(name).map(|option| *option = on).is_some()
                }
            }
            c => set::letter(sh, c, on),
        };
        if !fits {
            sh.error(&format!("{}{c}: invalid option", &word[..1]));
            return Err(2);
        }
    }
    Ok(())
}

/// Takes the environment over as variables.
fn import_environment(sh: &mut Shell) {
    for (name, value) in std::env::vars_os() {
        let (name, value) = (text::from_os(name), text::from_os(value));
        if let Some(function) = name.strip_prefix("BASH_FUNC_").and_then(|n| n.strip_suffix("%%")) {
            import_function(sh, function, &value);
            continue;
        }
        if !text::is_name(&name) || matches!(name.as_str(), "SHELLOPTS" | "BASHOPTS" | "_") {
            continue;
        }
        sh.vars.insert(
            &name,
            Var {
                value: Value::Scalar(value),
                attrs: attr::EXPORT,
            },
        );
    }
    // These never come from outside.
    sh.vars.insert("IFS", Var::scalar(" \t\n"));
    sh.vars.insert("OPTIND", Var::scalar("1"));
    sh.vars.insert("PS4", Var::scalar("+ "));
    let level: i64 = sh.vars.text("SHLVL").and_then(|t| t.parse().ok()).unwrap_or(0);
    let mut exported = Var::scalar((level + 1).to_string());
    exported.attrs = attr::EXPORT;
    sh.vars.insert("SHLVL", exported);
    import_directory(sh);
    sh.last_arg.clone_from(&sh.arg0);
}

/// Takes a function over from the environment. Nothing is run: the text must be one definition and nothing else.
fn import_function(sh: &mut Shell, name: &str, value: &str) {
    let text = format!("{name} {value}");
    let Ok(list) = parse::program(&text, sh.syntax()) else {
        return;
    };
    let [item] = list.items.as_slice() else { return };
    let ([Command::Function(function)], []) = (item.and_or.first.stages.as_slice(), item.and_or.rest.as_slice()) else {
        return;
    };
    if function.name != name || !item.is_plain() {
        return;
    }
    sh.functions.insert(name.to_owned(), Rc::clone(function));
    sh.function_attrs.insert(name.to_owned(), attr::EXPORT);
    let mut var = Var::scalar(value);
    var.attrs = attr::EXPORT;
    sh.vars.insert(&format!("BASH_FUNC_{name}%%"), var);
}

/// `PWD`: what the environment says, if it is true.
fn import_directory(sh: &mut Shell) {
    let real = sys::getcwd().unwrap_or_default();
    let claimed = sh.vars.text("PWD").map(str::to_owned);
    let kept = claimed.filter(|pwd| {
        *pwd == real
            || pwd.starts_with('/') && {
                let here = sys::stat(".", true).ok();
                let there = sys::stat(pwd, true).ok();
                matches!((here, there), (Some(a), Some(b)) if a.dev == b.dev && a.ino == b.ino)
            }
    });
    let mut pwd = Var::scalar(kept.unwrap_or(real));
    pwd.attrs = attr::EXPORT;
    sh.vars.insert("PWD", pwd);
}

/// Start-up files of a shell that is not interactive.
fn start_plain(sh: &mut Shell, request: &Request) {
    if request.startup.login {
        interactive::start(sh, &request.startup);
    } else if let Some(file) = sh.vars.text("BASH_ENV").map(str::to_owned) {
        let file = sh.expand_value(&file);
        interactive::source_if_there(sh, &file);
    }
}

/// `-c string [name [argument...]]`
fn run_string(sh: &mut Shell, rest: &[String], request: &Request) -> i32 {
    let Some(command) = rest.first() else {
        sh.error("-c: option requires an argument");
        return 2;
    };
    sh.command_string = true;
    if let Some(name) = rest.get(1) {
        sh.arg0.clone_from(name);
        sh.params = rest[2..].to_vec();
    }
    sh.interactive = request.interactive;
    if request.interactive {
        sh.shopts.expand_aliases = true;
        interactive::start(sh, &request.startup);
    } else {
        start_plain(sh, request);
    }
    run_input(sh, &mut Input::whole(command.clone(), 1), false)
}

/// A script file, named by `$0`.
fn run_script(sh: &mut Shell, request: &Request) -> i32 {
    let path = script_path(sh);
    let name = sh.arg0.clone();
    let shell = std::env::args().next().unwrap_or_default();
    let complain = |message: &str| {
        let line = format!("{shell}: {name}: {message}\n");
        let _ = sys::write_all(2, &text::encode(&line));
    };
    let fd = match sys::open(
        &path,
        sys::Open {
            read: true,
            ..Default::default()
        },
        0,
    ) {
        Ok(fd) => fd,
        Err(error) => {
            complain(&sys::message(&error));
            return if error.kind() == std::io::ErrorKind::NotFound {
                127
            } else {
                126
            };
        }
    };
    if sys::fstat(fd).is_ok_and(|s| s.is_dir()) {
        complain("Is a directory");
        return 126;
    }
    let bytes = sys::read_to_end(fd).unwrap_or_default();
    sys::close(fd);
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    if first.iter().take(80).any(|b| *b == 0) {
        complain("cannot execute binary file");
        return 126;
    }
    sh.source = Rc::from(name.as_str());
    start_plain(sh, request);
    run_input(sh, &mut Input::whole(text::decode(bytes), 1), false)
}

fn script_path(sh: &Shell) -> String {
    let name = &sh.arg0;
    if name.contains('/') || sys::stat(name, true).is_ok() {
        return name.clone();
    }
    match sh.search_path(name) {
        crate::exec::Lookup::Found(path) => path,
        _ => name.clone(),
    }
}

/// Runs commands of an input to its end; the exit status.
fn run_input(sh: &mut Shell, input: &mut Input, by_lines: bool) -> i32 {
    loop {
        let syntax = sh.syntax();
        let mut more = |_| Ok(if by_lines { line_of(0) } else { None });
        let parsed = Parser::new(input, &mut more, syntax).next();
        match parsed {
            Ok(None) => break,
            Ok(Some(list)) => {
                if sh.opts.verbose {
                    let _ = sys::write_all(2, &text::encode(input.consumed()));
                }
                let tail = !by_lines && input.is_spent();
                match sh.run_list(&list, tail) {
                    Ok(_) => {}
                    Err(Flow::Abort | Flow::Break(_) | Flow::Continue(_)) => {}
                    Err(_) => break,
                }
            }
            Err(parse::Error::Syntax(line, message) | parse::Error::Eof(line, message)) => {
                let prefix = if sh.command_string { "-c: " } else { "" };
                let name = sh.arg0.clone();
                let text = format!("{name}: {prefix}line {line}: {message}\n");
                let _ = sys::write_all(2, &text::encode(&text));
                sh.status = 2;
                break;
            }
            Err(parse::Error::Interrupted) => {
                sh.status = 130;
                break;
            }
        }
    }
    sh.run_exit_trap();
    sh.status
}
