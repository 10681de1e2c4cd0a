//! `cd`, `pwd`, `pushd`, `popd`, `dirs`

use super::{Args, Flags};
use crate::shell::{Exec, Shell};
use crate::sys;
use crate::vars::attr;

/// `cd`
pub fn cd(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let mut physical = sh.opts.physical;
    let mut flags = Flags::new(argv, "LPe@");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('P', _)) => physical = true,
            Ok(('L', _)) => physical = false,
            Ok(_) => {}
            Err(c) => return Ok(sh.usage("cd", &format!("-{c}: invalid option"))),
        }
    }
    let rest = flags.rest();
    if rest.len() > 1 {
        sh.error("cd: too many arguments");
        return Ok(1);
    }
    let (target, mut show) = match rest.first().map(String::as_str) {
        None => match sh.vars.text("HOME") {
            Some(home) => (home.to_owned(), false),
            None => {
                sh.error("cd: HOME not set");
                return Ok(1);
            }
        },
        Some("-") => match sh.vars.text("OLDPWD") {
            Some(old) => (old.to_owned(), true),
            None => {
                sh.error("cd: OLDPWD not set");
                return Ok(1);
            }
        },
        Some(dir) => (dir.to_owned(), false),
    };
    let mut target = target;
    if !target.starts_with(['/', '.'])
        && let Some(found) = cdpath(sh, &target)
    {
        show = true;
        target = found;
    }
    let status = change(sh, &target, physical, "cd")?;
    if status == 0 && show {
        let text = format!("{}\n", present(sh));
        return Ok(sh.print("cd", &text));
    }
    Ok(status)
}

fn cdpath(sh: &Shell, target: &str) -> Option<String> {
    let path = sh.vars.text("CDPATH")?;
    path.split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| format!("{dir}/{target}"))
        .find(|dir| sys::stat(dir, true).is_ok_and(|s| s.is_dir()))
}

/// The present directory as the user came to it.
pub fn present(sh: &Shell) -> String {
    match sh.vars.text("PWD") {
        Some(pwd) => pwd.to_owned(),
        None => sys::getcwd().unwrap_or_default(),
    }
}

/// A path without `.`, `..` and doubled slashes, links not looked at.
fn logical(base: &str, target: &str) -> String {
    let joined = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("{base}/{target}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn change(sh: &mut Shell, target: &str, physical: bool, name: &str) -> Exec {
    let old = present(sh);
    let path = if physical || old.is_empty() {
        target.to_owned()
    } else {
        logical(&old, target)
    };
    let went = sys::chdir(&path).or_else(|error| if path == target { Err(error) } else { sys::chdir(target) });
    if let Err(error) = went {
        sh.error(&format!("{name}: {target}: {}", sys::message(&error)));
        return Ok(1);
    }
    let new = if physical || old.is_empty() {
        sys::getcwd().unwrap_or(path)
    } else {
        path
    };
    set_directory(sh, "OLDPWD", &old)?;
    set_directory(sh, "PWD", &new)?;
    Ok(0)
}

fn set_directory(sh: &mut Shell, name: &str, path: &str) -> Exec<()> {
    sh.set(name, path)?;
    sh.vars.entry(name).attrs |= attr::EXPORT;
    Ok(())
}

/// `pwd`
pub fn pwd(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let mut physical = sh.opts.physical;
    let mut flags = Flags::new(argv, "LP");
    while let Some(flag) = flags.next() {
        match flag {
            Ok((c, _)) => physical = c == 'P',
            Err(c) => return sh.usage("pwd", &format!("-{c}: invalid option")),
        }
    }
    let path = if physical { sys::getcwd() } else { Ok(present(sh)) };
    match path {
        Ok(path) => sh.print("pwd", &format!("{path}\n")),
        Err(error) => {
            sh.error(&format!(
                "pwd: error retrieving current directory: {}",
                sys::message(&error)
            ));
            1
        }
    }
}

/// A directory with the home directory shortened to `~`.
pub fn shortened(sh: &Shell, path: &str) -> String {
    match sh.vars.text("HOME").filter(|h| !h.is_empty() && *h != "/") {
        Some(home) if path == home => "~".to_owned(),
        Some(home) => match path.strip_prefix(home) {
            Some(rest) if rest.starts_with('/') => format!("~{rest}"),
            _ => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

fn stack(sh: &Shell) -> Vec<String> {
    let mut all = vec![present(sh)];
    all.extend(sh.dir_stack.iter().cloned());
    all
}

fn show(sh: &mut Shell, name: &str) -> i32 {
    let all: Vec<String> = stack(sh).iter().map(|d| shortened(sh, d)).collect();
    let text = all.join(" ") + "\n";
    sh.print(name, &text)
}

/// A place in the stack: `+n` from the left, `-n` from the right.
fn place(word: &str, len: usize) -> Option<usize> {
    let n: usize = word.get(1..)?.parse().ok()?;
    match word.as_bytes()[0] {
        b'+' if n < len => Some(n),
        b'-' if n < len => Some(len - 1 - n),
        _ => None,
    }
}

fn is_place(word: &str) -> bool {
    word.len() > 1 && word.starts_with(['+', '-']) && word[1..].bytes().all(|b| b.is_ascii_digit())
}

/// `pushd`
pub fn pushd(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let mut words: Vec<&String> = argv[1..].iter().collect();
    let stay = words.first().is_some_and(|w| *w == "-n");
    if stay {
        words.remove(0);
    }
    let mut all = stack(sh);
    match words.first() {
        None => {
            if all.len() < 2 {
                sh.error("pushd: no other directory");
                return Ok(1);
            }
            all.swap(0, 1);
        }
        Some(word) if is_place(word) => match place(word, all.len()) {
            Some(n) => all.rotate_left(n),
            None => {
                sh.error(&format!("pushd: {word}: directory stack index out of range"));
                return Ok(1);
            }
        },
        Some(word) if stay => {
            sh.dir_stack.insert(0, (*word).clone());
            return Ok(show(sh, "pushd"));
        }
        Some(word) => {
            let status = change(sh, word, false, "pushd")?;
            if status != 0 {
                return Ok(status);
            }
            sh.dir_stack = all;
            return Ok(show(sh, "pushd"));
        }
    }
    let status = change(sh, &all[0], false, "pushd")?;
    if status == 0 {
        sh.dir_stack = all[1..].to_vec();
        return Ok(show(sh, "pushd"));
    }
    Ok(status)
}

/// `popd`
pub fn popd(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let words: Vec<&String> = argv[1..].iter().filter(|w| *w != "-n").collect();
    let stay = words.len() + 1 < argv.len();
    let mut all = stack(sh);
    if all.len() < 2 {
        sh.error("popd: directory stack empty");
        return Ok(1);
    }
    let n = match words.first() {
        None => usize::from(stay),
        Some(word) => match place(word, all.len()).filter(|_| is_place(word)) {
            Some(n) => n,
            None => {
                sh.error(&format!("popd: {word}: directory stack index out of range"));
                return Ok(1);
            }
        },
    };
    all.remove(n);
    if n == 0 {
        let status = change(sh, &all[0], false, "popd")?;
        if status != 0 {
            return Ok(status);
        }
    }
    sh.dir_stack = all[1..].to_vec();
    Ok(show(sh, "popd"))
}

/// `dirs`
pub fn dirs(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut long, mut lines, mut numbered) = (false, false, false);
    let mut chosen = None;
    let all = stack(sh);
    for word in &argv[1..] {
        match word.as_str() {
            "-c" => {
                sh.dir_stack.clear();
                return 0;
            }
            "-l" => long = true,
            "-p" => lines = true,
            "-v" => {
                lines = true;
                numbered = true;
            }
            word if is_place(word) => match place(word, all.len()) {
                Some(n) => chosen = Some(n),
                None => {
                    sh.error(&format!("dirs: {}: directory stack index out of range", &word[1..]));
                    return 1;
                }
            },
            word => return sh.usage("dirs", &format!("{word}: invalid option")),
        }
    }
    let shown: Vec<String> = all
        .iter()
        .map(|d| if long { d.clone() } else { shortened(sh, d) })
        .collect();
    let text = match chosen {
        Some(n) => format!("{}\n", shown[n]),
        None if numbered => shown
            .iter()
            .enumerate()
            .map(|(i, d)| format!("{i:>2}  {d}\n"))
            .collect(),
        None if lines => shown.iter().map(|d| format!("{d}\n")).collect(),
        None => shown.join(" ") + "\n",
    };
    sh.print("dirs", &text)
}
