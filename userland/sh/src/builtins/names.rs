//! `type`, `command`, `builtin`, `hash`, `enable`

use super::{Args, Flags, NAMES};
use crate::exec::Lookup;
use crate::shell::{Exec, Shell};

/// Words of the grammar.
pub const KEYWORDS: &[&str] = &[
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "select", "while", "until", "do", "done", "in",
    "function", "time", "{", "}", "!", "[[", "]]", "coproc",
];

/// What a name is as a command.
enum Kind {
    Alias(String),
    Keyword,
    Function,
    Builtin,
    File(String),
}

impl Kind {
    fn word(&self) -> &'static str {
        match self {
            Self::Alias(_) => "alias",
            Self::Keyword => "keyword",
            Self::Function => "function",
            Self::Builtin => "builtin",
            Self::File(_) => "file",
        }
    }
}

fn kinds(sh: &mut Shell, name: &str, all: bool, functions: bool) -> Vec<Kind> {
    let mut found = Vec::new();
    if let Some(text) = sh.aliases.get(name).filter(|_| sh.shopts.expand_aliases) {
        found.push(Kind::Alias(text.clone()));
    }
    if KEYWORDS.contains(&name) {
        found.push(Kind::Keyword);
    }
    if functions && sh.functions.contains_key(name) {
        found.push(Kind::Function);
    }
    if sh.is_builtin(name) {
        found.push(Kind::Builtin);
    }
    found.extend(files(sh, name, all).into_iter().map(Kind::File));
    if !all {
        found.truncate(1);
    }
    found
}

fn files(sh: &mut Shell, name: &str, all: bool) -> Vec<String> {
    let executable =
        |file: &str| crate::sys::stat(file, true).is_ok_and(|s| !s.is_dir()) && crate::sys::access(file, 1);
    if name.contains('/') {
        return if executable(name) {
            vec![name.to_owned()]
        } else {
            Vec::new()
        };
    }
    if !all {
        return match sh.search_path(name) {
            Lookup::Found(path) => vec![path],
            _ => Vec::new(),
        };
    }
    let path = sh.vars.text("PATH").unwrap_or_default();
    path.split(':')
        .map(|dir| format!("{dir}/{name}"))
        .filter(|file| executable(file))
        .collect()
}

fn describe(sh: &Shell, name: &str, kind: &Kind, hashed: bool) -> String {
    match kind {
        Kind::Alias(text) => format!("{name} is aliased to `{text}'\n"),
        Kind::Keyword => format!("{name} is a shell keyword\n"),
        Kind::Function => {
            let text = sh
                .functions
                .get(name)
                .map(|f| crate::print::function(f))
                .unwrap_or_default();
            format!("{name} is a function\n{text}\n")
        }
        Kind::Builtin => format!("{name} is a shell builtin\n"),
        Kind::File(path) if hashed => format!("{name} is hashed ({path})\n"),
        Kind::File(path) => format!("{name} is {path}\n"),
    }
}

/// `type`
pub fn type_(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut all, mut word, mut path, mut force, mut functions) = (false, false, false, false, true);
    let mut flags = Flags::new(argv, "afptP");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('a', _)) => all = true,
            Ok(('t', _)) => word = true,
            Ok(('p', _)) => path = true,
            Ok(('P', _)) => force = true,
            Ok(('f', _)) => functions = false,
            Ok(_) => {}
            Err(c) => return sh.usage("type", &format!("-{c}: invalid option")),
        }
    }
    let mut status = 0;
    let mut out = String::new();
    for name in flags.rest() {
        let found = if force {
            files(sh, name, all).into_iter().map(Kind::File).collect()
        } else {
            kinds(sh, name, all, functions)
        };
        if found.is_empty() {
            if !word && !path && !force {
                sh.error(&format!("type: {name}: not found"));
            }
            status = 1;
        }
        for kind in found {
            match &kind {
                _ if word => out.push_str(&format!("{}\n", kind.word())),
                Kind::File(file) if path || force => out.push_str(&format!("{file}\n")),
                _ if path => {}
                _ => {
                    let hashed = !all && sh.hash.contains_key(name);
                    out.push_str(&describe(sh, name, &kind, hashed));
                }
            }
        }
    }
    match sh.print("type", &out) {
        0 => status,
        failed => failed,
    }
}

/// `command`
pub fn command(sh: &mut Shell, argv: &[String], args: &Args<'_>) -> Exec {
    let (mut short, mut long, mut default) = (false, false, false);
    let mut flags = Flags::new(argv, "pvV");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('v', _)) => short = true,
            Ok(('V', _)) => long = true,
            Ok(_) => default = true,
            Err(c) => return Ok(sh.usage("command", &format!("-{c}: invalid option"))),
        }
    }
    if short || long {
        return Ok(describe_all(sh, flags.rest(), long));
    }
    let at = flags.index();
    let Some(name) = argv.get(at) else { return Ok(0) };
    let words = &argv[at..];
    if let Some(builtin) = sh.builtin(name) {
        let args = Args {
            assigns: args
                .assigns
                .iter()
                .filter(|(i, _)| *i >= at)
                .map(|(i, a)| (i - at, *a))
                .collect(),
        };
        return builtin(sh, words, &args);
    }
    if default && let Lookup::Found(path) = Shell::search_default(name) {
        sh.hash.insert(name.clone(), (path, 0));
    }
    sh.run_words(words)
}

fn describe_all(sh: &mut Shell, names: &[String], long: bool) -> i32 {
    let mut status = 1;
    let mut out = String::new();
    for name in names {
        let Some(kind) = kinds(sh, name, false, true).pop() else {
            if long {
                sh.error(&format!("command: {name}: not found"));
            }
            continue;
        };
        status = 0;
        if long {
            out.push_str(&describe(sh, name, &kind, false));
            continue;
        }
        match kind {
            Kind::Alias(text) => out.push_str(&format!("alias {name}={}\n", crate::text::quote_single(&text))),
            Kind::File(path) => out.push_str(&format!("{path}\n")),
            _ => out.push_str(&format!("{name}\n")),
        }
    }
    match sh.print("command", &out) {
        0 => status,
        failed => failed,
    }
}

/// `builtin`
pub fn builtin(sh: &mut Shell, argv: &[String], args: &Args<'_>) -> Exec {
    let at = if argv.get(1).is_some_and(|w| w == "--") { 2 } else { 1 };
    let Some(name) = argv.get(at) else { return Ok(0) };
    let Some(builtin) = sh.builtin(name) else {
        sh.error(&format!("builtin: {name}: not a shell builtin"));
        return Ok(1);
    };
    let args = Args {
        assigns: args
            .assigns
            .iter()
            .filter(|(i, _)| *i >= at)
            .map(|(i, a)| (i - at, *a))
            .collect(),
    };
    builtin(sh, &argv[at..], &args)
}

/// `hash`
pub fn hash(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut forget, mut list, mut print, mut path) = (false, false, false, None);
    let mut flags = Flags::new(argv, "rldtp:");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('r', _)) => {
                sh.hash.clear();
                if argv.len() == 2 {
                    return 0;
                }
            }
            Ok(('d', _)) => forget = true,
            Ok(('l', _)) => list = true,
            Ok(('t', _)) => print = true,
            Ok((_, file)) => path = file.map(str::to_owned),
            Err(c) => return sh.usage("hash", &format!("-{c}: invalid option")),
        }
    }
    let names = flags.rest();
    if names.is_empty() {
        return hash_list(sh, list);
    }
    let mut status = 0;
    let mut out = String::new();
    for name in names {
        if let Some(path) = &path {
            sh.hash.insert(name.clone(), (path.clone(), 0));
            continue;
        }
        if forget || print {
            match sh.hash.get(name) {
                Some((path, _)) if print && names.len() > 1 => out.push_str(&format!("{name}\t{path}\n")),
                Some((path, _)) if print => out.push_str(&format!("{path}\n")),
                Some(_) => drop(sh.hash.remove(name)),
                None => {
                    sh.error(&format!("hash: {name}: not found"));
                    status = 1;
                }
            }
            continue;
        }
        if sh.is_builtin(name) || sh.functions.contains_key(name) {
            continue;
        }
        match sh.search_path(name) {
            Lookup::Found(path) => drop(sh.hash.insert(name.clone(), (path, 0))),
            _ => {
                sh.error(&format!("hash: {name}: not found"));
                status = 1;
            }
        }
    }
    match sh.print("hash", &out) {
        0 => status,
        failed => failed,
    }
}

fn hash_list(sh: &mut Shell, reusable: bool) -> i32 {
    let mut all: Vec<_> = sh.hash.iter().map(|(n, (p, h))| (n.clone(), p.clone(), *h)).collect();
    all.sort_unstable();
    if all.is_empty() {
        return sh.print("hash", "hash: hash table empty\n");
    }
    let mut out = String::new();
    if !reusable {
        out.push_str("hits\tcommand\n");
    }
    for (name, path, hits) in all {
        out.push_str(&if reusable {
            format!("builtin hash -p {path} {name}\n")
        } else {
            format!("{hits:>4}\t{path}\n")
        });
    }
    sh.print("hash", &out)
}

/// `enable`
pub fn enable(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut off, mut all) = (false, false);
    let mut flags = Flags::new(argv, "anps");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('n', _)) => off = true,
            Ok(('a', _)) => all = true,
            Ok(_) => {}
            Err(c) => return sh.usage("enable", &format!("-{c}: invalid option")),
        }
    }
    if flags.rest().is_empty() {
        let mut out = String::new();
        for name in NAMES {
            let on = sh.is_builtin(name);
            if all || on != off {
                out.push_str(&if on {
                    format!("enable {name}\n")
                } else {
                    format!("enable -n {name}\n")
                });
            }
        }
        return sh.print("enable", &out);
    }
    let mut status = 0;
    for name in flags.rest() {
        if !NAMES.contains(&name.as_str()) {
            sh.error(&format!("enable: {name}: not a shell builtin"));
            status = 1;
            continue;
        }
        sh.disabled.retain(|d| d != name);
        if off {
            sh.disabled.push(name.clone());
        }
    }
    status
}
