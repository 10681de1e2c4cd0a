//! What programs ask the system for: `getconf`, `locale`, `uuidgen`.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, shown};

use crate::system::flags;
use crate::{usage, write};

/// Variables of `getconf` with fixed values.
const VALUES: &[(&str, &str)] = &[
    ("ARG_MAX", "2097152"),
    ("CHAR_BIT", "8"),
    ("CHILD_MAX", "undefined"),
    ("CLK_TCK", "100"),
    ("HOST_NAME_MAX", "64"),
    ("INT_MAX", "2147483647"),
    ("IOV_MAX", "1024"),
    ("LINE_MAX", "2048"),
    ("LINK_MAX", "2147483647"),
    ("LOGIN_NAME_MAX", "256"),
    ("LONG_BIT", "32"),
    ("NAME_MAX", "255"),
    ("NGROUPS_MAX", "65536"),
    ("OPEN_MAX", "1024"),
    ("PAGESIZE", "4096"),
    ("PAGE_SIZE", "4096"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("PATH_MAX", "4096"),
    ("PIPE_BUF", "4096"),
    ("SYMLOOP_MAX", "undefined"),
    ("WORD_BIT", "32"),
    ("_POSIX_VERSION", "200809"),
];

pub(crate) fn getconf(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: getconf [-a] [VARIABLE [PATH]]\nShow configuration values of the system.\n";
    let mut parser = Parser::new(args, &["a", "v=", "help", "version"]);
    let (mut all, mut names) = (false, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("getconf"),
            Ok(Some(Arg::Opt(key, _))) => all |= key == "a",
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("getconf", message, 2),
        }
    }
    let cpus = agentos_guest::sys::cpus().unwrap_or(1).to_string();
    let counted = [
        ("_NPROCESSORS_CONF", cpus.as_str()),
        ("_NPROCESSORS_ONLN", cpus.as_str()),
    ];
    let mut known = VALUES.iter().chain(&counted);
    if all {
        let lines: String = known.map(|(name, value)| format!("{name:<35}{value}\n")).collect();
        return write::all("getconf", lines.as_bytes());
    }
    let Some(name) = names.first().map(|name| shown(name)) else {
        return usage("getconf", "missing operand", 2);
    };
    let plain = name
        .strip_prefix("_POSIX_")
        .or(name.strip_prefix("_SC_"))
        .unwrap_or(&name);
    match known.find(|(known, _)| *known == name || *known == plain) {
        Some((_, value)) => write::all("getconf", format!("{value}\n").as_bytes()),
        None => {
            complain("getconf", format_args!("Unrecognized variable `{name}'"));
            2
        }
    }
}

pub(crate) fn locale(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: locale [-a] [-m] [NAME]...\nShow the locale. There is one: C.UTF-8.\n";
    let specs: &[&str] = &[
        "a,all-locales",
        "m,charmaps",
        "c,category-name",
        "k,keyword-name",
        "help",
        "version",
    ];
    let (flags, names) = match flags("locale", args, specs, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if flags.contains(&"all-locales") {
        return write::all("locale", b"C\nC.UTF-8\nPOSIX\n");
    }
    if flags.contains(&"charmaps") {
        return write::all("locale", b"ANSI_X3.4-1968\nUTF-8\n");
    }
    if names.iter().any(|name| name == "charmap") {
        return write::all("locale", b"UTF-8\n");
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (lang, all) = (variable("LANG"), variable("LC_ALL"));
    let mut text = format!("LANG={lang}\nLANGUAGE={}\n", variable("LANGUAGE"));
    for category in [
        "CTYPE",
        "NUMERIC",
        "TIME",
        "COLLATE",
        "MONETARY",
        "MESSAGES",
        "PAPER",
        "NAME",
        "ADDRESS",
        "TELEPHONE",
        "MEASUREMENT",
        "IDENTIFICATION",
    ] {
        let own = variable(&format!("LC_{category}"));
        // What is not set itself stands in quotes.
        let implied = [all.as_str(), lang.as_str(), "POSIX"]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or("POSIX");
        if own.is_empty() || !all.is_empty() {
            text.push_str(&format!("LC_{category}=\"{implied}\"\n"));
        } else {
            text.push_str(&format!("LC_{category}={own}\n"));
        }
    }
    text.push_str(&format!("LC_ALL={all}\n"));
    write::all("locale", text.as_bytes())
}

pub(crate) fn uuidgen(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: uuidgen [-r]\nMake a random UUID.\n";
    if let Err(status) = flags("uuidgen", args, &["r,random", "t,time", "help", "V,version"], HELP) {
        return status;
    }
    // Each state of the hasher is seeded anew.
    let random = || RandomState::new().hash_one(0_u8);
    let (high, low) = (random() & !0xf000 | 0x4000, random() & !(3 << 62) | 1 << 63);
    let text = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\n",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    write::all("uuidgen", text.as_bytes())
}
