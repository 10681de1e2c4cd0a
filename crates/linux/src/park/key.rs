//! Which starts of a program a parked process can serve, and which parked process.
//!
//! Node.js reads some variables once, at its start, and shows some of what it was started with for ever. Those make the key: a parked
//! process serves only who would have started it the same way. What is read later is set at the claim. What is not known to be
//! either makes the start an ordinary one.

use super::{Base, Pool, Preload};
use crate::program::Loaded;
use crate::sys;
use agentos_kernel::cred::Credentials;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Process, SigSet};
use agentos_kernel::tty::{Master, Slave};
use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// A file of the host, and which state of it.
pub(crate) type FileId = (u64, u64, i64, (i64, i64), (i64, i64));

/// Which file a descriptor is.
pub(crate) fn file_id(file: BorrowedFd<'_>) -> Option<FileId> {
    let stat = sys::stat_fd(file, c"").ok()?;
    Some((
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        (stat.st_mtime, stat.st_mtime_nsec),
        (stat.st_ctime, stat.st_ctime_nsec),
    ))
}

/// What a parked process was started as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The name that it was called by, which it shows for ever.
    pub(crate) called: Vec<u8>,
    /// Path of the program in the VM.
    pub(crate) path: Vec<u8>,
    /// Its short name.
    pub(crate) name: Vec<u8>,
    /// Variables that count at the start.
    pub(crate) env: Vec<Vec<u8>>,
    /// What it has loaded, and where it was then.
    pub(crate) preload: Option<(Preload, Vec<u8>)>,
    pub(crate) credentials: Credentials,
    /// The program, and what interprets it.
    pub(crate) files: [Option<FileId>; 2],
    /// Memory and processors of the VM, after which Node.js chooses sizes.
    pub(crate) memory: u64,
    pub(crate) processors: u64,
}

/// A start that a parked process may serve.
pub(crate) struct Invocation {
    pub(crate) key: Arc<Key>,
    pub(crate) base: Base,
    pub(crate) pool: Arc<Pool>,
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// The key of a start; none if it has to be an ordinary one.
    pub(crate) fn of(loaded: &Loaded, process: &Process, preloads: &[Preload]) -> Option<Self> {
        let image = process.image();
        let path = loaded.path_of(process)?;
        let called = image.argv.first()?;
        if !is_named_node(&path) || !is_named_node(called) || !is_plain(called) || !takes_script(&image.argv) {
            return None;
        }
        let preload = preload(process, &image.argv, &image.env, preloads);
        let env = boot_variables(&image.env, preload.is_some())?;
        let (ignored, _) = process.dispositions();
        if ignored != SigSet::EMPTY || process.sig_mask(None) != SigSet::EMPTY || !has_plain_descriptors(process) {
            return None;
        }
        let limits = process.kernel().limits();
        Some(Self {
            called: called.clone(),
            path,
            name: image.name.clone(),
            env,
            preload,
            credentials: Credentials::clone(&process.cred()),
            files: files(loaded)?,
            memory: limits.max_memory_bytes,
            processors: limits.cpu_count,
        })
    }
}

impl Key {
    /// Whether the variables that a parked process has asked for are the same for a process that claims it.
    pub(crate) fn agrees(&self, names: &[Vec<u8>], process: &Process) -> bool {
        let image = process.image();
        names
            .iter()
            .all(|name| value(&self.env, name) == value(&image.env, name))
    }
}

fn value<'a>(env: &'a [Vec<u8>], name: &[u8]) -> Option<&'a [u8]> {
    env.iter()
        .find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
}

/// What may have been loaded for a start, and the working directory; none where nothing was named for its script.
fn preload(process: &Process, argv: &[Vec<u8>], env: &[Vec<u8>], preloads: &[Preload]) -> Option<(Preload, Vec<u8>)> {
    if preloads.is_empty() || !is_colourless(argv, env) {
        return None;
    }
    let cx = process.cx().ok()?;
    let vfs = process.kernel().vfs();
    let (script, _) = vfs.resolve_program(&cx.fs(), argv.get(1)?).ok()?;
    let script = vfs.path_of(&cx.fs(), &script).ok()?;
    let found = preloads.iter().find(|known| known.script.as_bytes() == script)?;
    let cwd = process.getcwd().ok()?;
    is_plain(&cwd).then(|| (found.clone(), cwd))
}

/// What modules ask for that cannot be compared by name: options about colours anywhere on the command line, variables that begin with `DEBUG`.
fn is_colourless(argv: &[Vec<u8>], env: &[Vec<u8>]) -> bool {
    let has_colour = |arg: &Vec<u8>| arg.windows(5).any(|part| part.eq_ignore_ascii_case(b"color"));
    let is_debug = |variable: &Vec<u8>| {
        variable
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"debug"))
    };
    !argv.iter().skip(2).any(has_colour) && !env.iter().any(is_debug)
}

/// The files of a program; none if the host does not tell.
pub(crate) fn files(loaded: &Loaded) -> Option<[Option<FileId>; 2]> {
    let program = file_id(loaded.program.file.as_fd())?;
    let interpreter = match &loaded.interpreter {
        Some(image) => Some(file_id(image.file.as_fd())?),
        None => None,
    };
    Some([Some(program), interpreter])
}

fn is_named_node(path: &[u8]) -> bool {
    path.rsplit(|byte| *byte == b'/').next() == Some(b"node")
}

/// `node SCRIPT ARGUMENT...`: what begins with a dash, or is no text, changes how Node.js starts.
fn takes_script(argv: &[Vec<u8>]) -> bool {
    let Some(script) = argv.get(1) else { return false };
    let is_text = |text: &Vec<u8>| std::str::from_utf8(text).is_ok();
    !script.is_empty() && script.first() != Some(&b'-') && script != b"inspect" && argv.iter().all(is_text)
}

/// Names, and beginnings of names, of variables that something in the process may read at its start.
const DOUBTFUL: &[&str] = &[
    "NODE_",
    "UV_",
    "V8_",
    "OPENSSL_",
    "SSL_",
    "LD_",
    "MALLOC_",
    "GLIBC_",
    "GCONV_",
    "ICU_",
    "LOCPATH",
    "NLSPATH",
    "TZDIR",
    "WATCH_REPORT_DEPENDENCIES",
    "AGENTOS_PARK",
];
/// Those that are read at the start and are in the key.
const AT_START: &[&str] = &["HOME", "LANG", "LANGUAGE", "TZ", "FORCE_COLOR", "NO_COLOR"];
/// Those that modules ask for at their start, and that are in the key of a process that has loaded some.
const AT_LOADING: &[&str] = &["PATH", "USER", "LOGNAME", "SHELL", "TERM", "NODE_ENV"];
/// Those that look doubtful and are not.
const HARMLESS: &[&str] = &["NODE_ENV"];

/// The variables that count at the start; none if one of all is doubtful.
fn boot_variables(env: &[Vec<u8>], with_modules: bool) -> Option<Vec<Vec<u8>>> {
    let mut names: Vec<&str> = Vec::with_capacity(env.len());
    let mut found = Vec::new();
    for variable in env {
        let (name, value) = std::str::from_utf8(variable).ok()?.split_once('=')?;
        let is_doubtful = DOUBTFUL.iter().any(|start| name.starts_with(start)) && !HARMLESS.contains(&name);
        if name.is_empty() || is_doubtful || names.contains(&name) {
            return None;
        }
        names.push(name);
        let counts = AT_START.contains(&name) || name.starts_with("LC_");
        if counts || with_modules && AT_LOADING.contains(&name) {
            if !is_plain(value.as_bytes()) {
                return None;
            }
            found.push(variable.clone());
        }
    }
    found.sort_unstable();
    Some(found)
}

/// What may be a part of a key: short, and nothing that could be anybody's secret.
fn is_plain(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/:@+,-".contains(byte);
    text.len() <= 128 && text.iter().all(plain)
}

/// Whether a process has descriptors 0, 1 and 2 and no others, and none is a terminal, whose state Node.js remembers at its start.
fn has_plain_descriptors(process: &Process) -> bool {
    let is_terminal = |file: &OpenFile| file.object_as::<Slave>().is_some() || file.object_as::<Master>().is_some();
    let is_plain = |fd: Fd| {
        process
            .file(fd)
            .is_ok_and(|file| !is_terminal(&file) && !file.access().is_empty())
    };
    process.descriptors() == [Fd(0), Fd(1), Fd(2)] && [Fd(0), Fd(1), Fd(2)].into_iter().all(is_plain)
}

/// What the claim tells the process, as JSON.
pub(crate) fn claim(argv: &[Vec<u8>], env: &[Vec<u8>], pid: u32) -> Option<Vec<u8>> {
    let mut text = format!("{{\"pid\":{pid},\"args\":[");
    for (at, arg) in argv.iter().skip(1).enumerate() {
        text.push_str(if at == 0 { "" } else { "," });
        quote(&mut text, std::str::from_utf8(arg).ok()?);
    }
    text.push_str("],\"env\":[");
    for (at, variable) in env.iter().enumerate() {
        let (name, value) = std::str::from_utf8(variable).ok()?.split_once('=')?;
        text.push_str(if at == 0 { "[" } else { ",[" });
        quote(&mut text, name);
        text.push(',');
        quote(&mut text, value);
        text.push(']');
    }
    text.push_str("]}");
    Some(text.into_bytes())
}

/// Appends a string of JSON.
fn quote(to: &mut String, text: &str) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                to.push('\\');
                to.push(character);
            }
            '\0'..='\x1f' => {
                let _ = write!(to, "\\u{:04x}", u32::from(character));
            }
            _ => to.push(character),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn scripts_without_options_are_served_and_nothing_else() {
        assert!(takes_script(&strings(&["node", "a.js", "-x"])));
        for argv in [
            &["node"][..],
            &["node", "-"],
            &["node", "-e", "1"],
            &["node", "--test"],
            &["node", ""],
            &["node", "inspect", "a.js"],
        ] {
            assert!(!takes_script(&strings(argv)), "{argv:?}");
        }
        assert!(!takes_script(&[b"node".to_vec(), b"\xff".to_vec()]));
        assert!(is_named_node(b"/usr/bin/node") && is_named_node(b"node"));
        assert!(!is_named_node(b"/usr/bin/nodejs") && !is_named_node(b"/node/x"));
    }

    #[test]
    fn variables_that_count_at_the_start_are_in_the_key() {
        let found = boot_variables(
            &strings(&["PATH=/bin", "TZ=UTC", "HOME=/home/user", "A=b=c", "NODE_ENV=test"]),
            false,
        );
        assert_eq!(found.unwrap(), strings(&["HOME=/home/user", "TZ=UTC"]));
        for env in [
            &["NODE_OPTIONS=--title=x"][..],
            &["LD_PRELOAD=/x.so"],
            &["UV_THREADPOOL_SIZE=1"],
            &["A=1", "A=2"],
            &["no variable"],
            &["=x"],
            &["LANG=a secret; rather long"],
            &["AGENTOS_PARK=/dev/agentos-parked"],
        ] {
            assert_eq!(boot_variables(&strings(env), true), None, "{env:?}");
        }
    }

    #[test]
    fn what_a_process_has_asked_for_is_in_the_path_that_it_waits_at() {
        use crate::park::{asked_for, is_wait_path};
        assert!(is_wait_path(b"/dev/agentos-parked") && is_wait_path(b"/dev/agentos-parked/A"));
        assert!(!is_wait_path(b"/dev/agentos-parkedA") && !is_wait_path(b"/dev/agentos-park"));
        assert!(asked_for(b"/dev/agentos-parked").is_empty());
        assert_eq!(asked_for(b"/dev/agentos-parked/A:B::C"), strings(&["A", "B", "C"]));
        assert_eq!(value(&strings(&["AB=1", "A=2=3"]), b"A"), Some(&b"2=3"[..]));
        assert_eq!(value(&strings(&["AB=1"]), b"A"), None);
    }

    #[test]
    fn options_about_colours_and_variables_for_debugging_are_loaded_for_nobody() {
        assert!(is_colourless(
            &strings(&["node", "color.js", "-x"]),
            &strings(&["A=debug"])
        ));
        assert!(!is_colourless(&strings(&["node", "a.js", "--no-COLOR"]), &[]));
        assert!(!is_colourless(&strings(&["node", "a.js"]), &strings(&["debug_fd=1"])));
    }

    #[test]
    fn a_claim_is_json_whatever_is_in_it() {
        let argv = strings(&["node", "a\"b\\c\n.js", "é"]);
        let told = claim(&argv, &strings(&["A=x=\u{1}"]), 7).unwrap();
        let expected = "{\"pid\":7,\"args\":[\"a\\\"b\\\\c\\u000a.js\",\"é\"],\"env\":[[\"A\",\"x=\\u0001\"]]}";
        assert_eq!(String::from_utf8(told).unwrap(), expected);
    }
}
