//! What the machine is: `uname`, `arch`, `nproc`, `hostname`, `hostid`, `sync`, `sysctl`, `mount`, `umount`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use agentos_guest::sys::{self, Uname};
use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, reason, shown};

use crate::{statfs, usage, write};

/// Reads options without arguments and operands.
pub(crate) fn flags(
    tool: &str,
    args: Vec<OsString>,
    specs: &'static [&'static str],
    help: &str,
) -> Result<(Vec<&'static str>, Vec<OsString>), i32> {
    let mut parser = Parser::new(args, specs);
    let (mut flags, mut names) = (Vec::new(), Vec::new());
    loop {
        match parser.next() {
            Ok(None) => return Ok((flags, names)),
            Ok(Some(Arg::Opt("help", _))) => return Err(cli::help(help)),
            Ok(Some(Arg::Opt("version", _))) => return Err(cli::version(tool)),
            Ok(Some(Arg::Opt(key, _))) => flags.push(key),
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Err(usage(tool, message, 1)),
        }
    }
}

fn extra(tool: &str, names: &[OsString]) -> Option<i32> {
    names
        .first()
        .map(|name| usage(tool, format_args!("extra operand '{}'", shown(name)), 1))
}

fn field(which: Uname) -> String {
    sys::uname(which)
        .map(|text| shown(&text))
        .unwrap_or_else(|_| "unknown".to_owned())
}

pub(crate) fn uname(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: uname [OPTION]...
Print certain system information. With no OPTION, same as -s.

  -a, --all                print all information
  -s, --kernel-name        print the kernel name
  -n, --nodename           print the network node hostname
  -r, --kernel-release     print the kernel release
  -v, --kernel-version     print the kernel version
  -m, --machine            print the machine hardware name
  -p, --processor          print the processor type
  -i, --hardware-platform  print the hardware platform
  -o, --operating-system   print the operating system
";
    const SPECS: &[&str] = &[
        "a,all",
        "s,sysname,kernel-name",
        "n,nodename",
        "r,release,kernel-release",
        "v,kernel-version",
        "m,machine",
        "p,processor",
        "i,hardware-platform",
        "o,operating-system",
        "help",
        "version",
    ];
    let (mut flags, names) = match flags("uname", args, SPECS, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if let Some(status) = extra("uname", &names) {
        return status;
    }
    if flags.is_empty() {
        flags.push("kernel-name");
    }
    let all = flags.contains(&"all");
    let parts = [
        ("kernel-name", field(Uname::Sysname), true),
        ("nodename", field(Uname::Nodename), true),
        ("kernel-release", field(Uname::Release), true),
        ("kernel-version", field(Uname::Version), true),
        ("machine", field(Uname::Machine), true),
        // Unknown to Linux too, so that -a leaves them out.
        ("processor", "unknown".to_owned(), false),
        ("hardware-platform", "unknown".to_owned(), false),
        ("operating-system", "GNU/Linux".to_owned(), true),
    ];
    let shown: Vec<&str> = parts
        .iter()
        .filter(|(name, _, known)| flags.contains(name) || (all && *known))
        .map(|(_, text, _)| text.as_str())
        .collect();
    write::all("uname", format!("{}\n", shown.join(" ")).as_bytes())
}

pub(crate) fn arch(args: Vec<OsString>) -> i32 {
    match flags(
        "arch",
        args,
        &["help", "version"],
        "Usage: arch\nPrint machine architecture.\n",
    ) {
        Ok((_, names)) => extra("arch", &names)
            .unwrap_or_else(|| write::all("arch", format!("{}\n", field(Uname::Machine)).as_bytes())),
        Err(status) => status,
    }
}

pub(crate) fn nproc(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: nproc [--all] [--ignore=N]\nPrint the number of processing units available.\n";
    let mut parser = Parser::new(args, &["all", "ignore=", "help", "version"]);
    let (mut all, mut ignored) = (false, 0_u32);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("nproc"),
            Ok(Some(Arg::Opt("ignore", Some(text)))) => match shown(&text).parse() {
                Ok(number) => ignored = number,
                Err(_) => {
                    complain("nproc", format_args!("invalid number: '{}'", shown(&text)));
                    return 1;
                }
            },
            Ok(Some(Arg::Opt(..))) => all = true,
            Ok(Some(Arg::Operand(name))) => return usage("nproc", format_args!("extra operand '{}'", shown(&name)), 1),
            Err(message) => return usage("nproc", message, 1),
        }
    }
    let told = || {
        std::env::var("OMP_NUM_THREADS")
            .ok()?
            .split(',')
            .next()?
            .trim()
            .parse::<u32>()
            .ok()
            .filter(|n| *n > 0)
    };
    let cpus = told().filter(|_| !all).unwrap_or_else(|| sys::cpus().unwrap_or(1));
    write::all("nproc", format!("{}\n", cpus.saturating_sub(ignored).max(1)).as_bytes())
}

pub(crate) fn hostname(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: hostname [-s|-f|-d|-i|-I] [NAME]\nShow or set the system's host name.\n";
    const SPECS: &[&str] = &[
        "s,short",
        "f,fqdn,long",
        "d,domain",
        "i,ip-address",
        "I,all-ip-addresses",
        "A,all-fqdns",
        "a,alias",
        "help",
        "V,version",
    ];
    let (flags, names) = match flags("hostname", args, SPECS, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if let Some(name) = names.first() {
        return match sys::set_hostname(name) {
            Ok(()) => 0,
            Err(error) => {
                complain(
                    "hostname",
                    format_args!("you must be root to change the host name: {}", reason(&error)),
                );
                1
            }
        };
    }
    let name = field(Uname::Nodename);
    let (short, domain) = name.split_once('.').unwrap_or((&name, ""));
    let text = match flags.last() {
        Some(&"short") => short.to_owned(),
        Some(&"domain") => domain.to_owned(),
        Some(&("ip-address" | "all-ip-addresses")) => "127.0.0.1".to_owned(),
        Some(&"alias") => String::new(),
        _ => name.clone(),
    };
    write::all("hostname", format!("{text}\n").as_bytes())
}

pub(crate) fn hostid(args: Vec<OsString>) -> i32 {
    match flags(
        "hostid",
        args,
        &["help", "version"],
        "Usage: hostid\nPrint the numeric identifier of the host.\n",
    ) {
        // What glibc makes of 127.0.0.1.
        Ok((_, names)) => extra("hostid", &names).unwrap_or_else(|| write::all("hostid", b"007f0100\n")),
        Err(status) => status,
    }
}

pub(crate) fn sync(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: sync [-d] [-f] [FILE]...\nSynchronize cached writes to persistent storage.\n";
    let (flags, names) = match flags("sync", args, &["d,data", "f,file-system", "help", "version"], HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if flags.contains(&"data") && flags.contains(&"file-system") {
        complain("sync", "cannot specify both --data and --file-system");
        return 1;
    }
    let mut status = 0;
    for name in &names {
        let done = fs::File::open(name).and_then(|file| file.sync_all());
        if let Err(error) = done {
            complain(
                "sync",
                format_args!("error syncing '{}': {}", shown(name), reason(&error)),
            );
            status = 1;
        }
    }
    if names.is_empty() {
        let _ = agentos_guest::fs::sync();
    }
    status
}

/// Where the kernel's settings are.
const SETTINGS: &str = "/proc/sys";

pub(crate) fn sysctl(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: sysctl [-neqaNw] [VARIABLE[=VALUE]]...\nShow or set parameters of the kernel.\n";
    const SPECS: &[&str] = &[
        "n,values",
        "N,names",
        "e,ignore",
        "q,quiet",
        "a,A,X,all",
        "w,write",
        "b,binary",
        "p",
        "help",
        "V,version",
    ];
    let (flags, names) = match flags("sysctl", args, SPECS, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let all = flags.contains(&"all");
    let files = if all { settings(Path::new(SETTINGS)) } else { Vec::new() };
    if names.is_empty() && !all {
        return usage("sysctl", "no variables specified", 1);
    }
    let mut status = 0;
    for file in files {
        let name = file
            .strip_prefix(SETTINGS)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('/', ".");
        status |= show(&name, &file, &flags);
    }
    for name in names {
        let text = shown(&name);
        let (key, value) = text
            .split_once('=')
            .map_or((text.as_str(), None), |(key, value)| (key.trim(), Some(value.trim())));
        let file = Path::new(SETTINGS).join(key.replace('.', "/"));
        if let Some(value) = value
            && let Err(error) = fs::write(&file, format!("{value}\n"))
        {
            complain("sysctl", format_args!("setting key \"{key}\": {}", reason(&error)));
            status = 1;
            continue;
        }
        if !(value.is_some() && flags.contains(&"quiet")) {
            status |= show(key, &file, &flags);
        }
    }
    status
}

fn show(name: &str, file: &Path, flags: &[&str]) -> i32 {
    let value = match fs::read_to_string(file) {
        Ok(value) => value,
        Err(_) if flags.contains(&"ignore") => return 0,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            complain(
                "sysctl",
                format_args!("cannot stat {}: {}", file.display(), reason(&error)),
            );
            return 255;
        }
        Err(error) => {
            complain("sysctl", format_args!("reading key \"{name}\": {}", reason(&error)));
            return 1;
        }
    };
    let value = value.trim_end();
    let line = if flags.contains(&"names") {
        format!("{name}\n")
    } else if flags.contains(&"values") {
        format!("{value}\n")
    } else {
        format!("{name} = {value}\n")
    };
    write::all("sysctl", line.as_bytes())
}

fn settings(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    crate::walk::tree(dir, |step| {
        if let crate::walk::Step::File(path, _) = step {
            found.push(path.to_path_buf());
        }
    });
    found
}

pub(crate) fn mount(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: mount [-l] [-t TYPE]\nList what is mounted. Mounting is up to the machine's owner.\n";
    let mut parser = Parser::new(
        args,
        &["l,show-labels", "t,types=", "o,options=", "a,all", "help", "V,version"],
    );
    let (mut kinds, mut names): (Option<String>, Vec<OsString>) = (None, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("mount"),
            Ok(Some(Arg::Opt("types", value))) => kinds = value.as_deref().map(shown),
            Ok(Some(Arg::Opt(..))) => {}
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("mount", message, 1),
        }
    }
    if let Some(name) = names.last() {
        complain(
            "mount",
            format_args!("{}: must be superuser to use mount.", shown(name)),
        );
        return 32;
    }
    let mut out = Vec::new();
    for mount in statfs::mounts() {
        if kinds
            .as_ref()
            .is_some_and(|kinds| !kinds.split(',').any(|kind| kind == mount.kind))
        {
            continue;
        }
        out.extend_from_slice(format!("{} on ", mount.source).as_bytes());
        out.extend_from_slice(bytes_of(mount.point.as_os_str()));
        out.extend_from_slice(format!(" type {} ({})\n", mount.kind, mount.options).as_bytes());
    }
    write::all("mount", &out)
}

pub(crate) fn umount(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: umount DIRECTORY...\nUnmounting is up to the machine's owner.\n";
    let (_, names) = match flags(
        "umount",
        args,
        &["f,force", "l,lazy", "a,all", "help", "V,version"],
        HELP,
    ) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let Some(name) = names.first() else {
        return usage("umount", "bad usage", 1);
    };
    let mounted = statfs::mounts()
        .iter()
        .any(|mount| mount.point.as_os_str() == OsStr::new(name));
    let why = if mounted {
        "must be superuser to unmount."
    } else {
        "not mounted."
    };
    complain("umount", format_args!("{}: {why}", shown(name)));
    32
}
