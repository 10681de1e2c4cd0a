//! `rm`: removes entries, and trees with `-r`.
//!
//! The walk keeps its own stack, so that a deep tree does not exhaust the program's.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, reason, shown};
use agentos_tools_base::platform::FileTypeExt;

use crate::{access, usage, write};

const OPTIONS: &[&str] = &[
    "f,force",
    "i",
    "I",
    "interactive=?",
    "one-file-system",
    "no-preserve-root",
    "preserve-root=?",
    "r,R,recursive",
    "d,dir",
    "v,verbose",
    "help",
    "version",
];

const HELP: &str = "Usage: rm [OPTION]... [FILE]...
Remove (unlink) the FILE(s).

  -f, --force           ignore nonexistent files and arguments, never prompt
  -i                    prompt before every removal
  -I                    prompt once before removing more than three files, or when removing recursively
  -r, -R, --recursive   remove directories and their contents recursively
  -d, --dir             remove empty directories
  -v, --verbose         explain what is being done
      --preserve-root   do not remove '/' (default)
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Never,
    Protected,
    Once,
    Always,
}

struct Options {
    force: bool,
    recursive: bool,
    empty: bool,
    verbose: bool,
    root: bool,
    ask: Ask,
    terminal: bool,
}

pub(crate) fn rm(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        force: false,
        recursive: false,
        empty: false,
        verbose: false,
        root: false,
        ask: Ask::Protected,
        terminal: false,
    };
    let mut names = Vec::new();
    let mut parser = Parser::new(args, OPTIONS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("rm"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.set(key, value.as_deref()) {
                    return usage("rm", message, 1);
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("rm", message, 1),
        }
    }
    if names.is_empty() {
        return if options.force {
            0
        } else {
            usage("rm", "missing operand", 1)
        };
    }
    if options.ask == Ask::Once && (options.recursive || names.len() > 3) {
        let how = if options.recursive { " recursively" } else { "" };
        let plural = if names.len() == 1 { "argument" } else { "arguments" };
        if !confirmed(&format!("remove {} {plural}{how}?", names.len())) {
            return 0;
        }
    }
    options.terminal = io::stdin().is_terminal();
    let mut status = 0;
    for name in &names {
        status |= i32::from(!options.operand(name));
    }
    status
}

fn confirmed(question: &str) -> bool {
    let _ = write!(io::stderr(), "rm: {question} ");
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    answer.trim_start().starts_with(['y', 'Y'])
}

impl Options {
    fn set(&mut self, key: &str, value: Option<&OsStr>) -> Result<(), String> {
        match key {
            "force" => (self.force, self.ask) = (true, Ask::Never),
            "i" => (self.force, self.ask) = (false, Ask::Always),
            "I" => (self.force, self.ask) = (false, Ask::Once),
            "interactive" => {
                self.ask = match value.map(OsStr::to_string_lossy).as_deref() {
                    None | Some("always" | "yes") => Ask::Always,
                    Some("once") => Ask::Once,
                    Some("never" | "no" | "none") => Ask::Never,
                    Some(other) => return Err(format!("invalid argument '{other}' for '--interactive'")),
                };
            }
            "recursive" => self.recursive = true,
            "dir" => self.empty = true,
            "verbose" => self.verbose = true,
            "no-preserve-root" => self.root = true,
            _ => {}
        }
        Ok(())
    }

    /// Removes what an operand names; false after a complaint.
    fn operand(&self, name: &OsStr) -> bool {
        let bytes = bytes_of(name);
        let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        let last = bytes[..end].rsplit(|b| *b == b'/').next().unwrap_or_default();
        if self.recursive && (last == b"." || last == b"..") {
            let text = format!("refusing to remove '.' or '..' directory: skipping '{}'", shown(name));
            complain("rm", text);
            return false;
        }
        let path = Path::new(name);
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) if self.force && is_absent(&error) => return true,
            Err(error) => return refused(path, &error),
        };
        if self.recursive && meta.is_dir() && !self.root && fs::canonicalize(path).is_ok_and(|p| p == Path::new("/")) {
            complain("rm", "it is dangerous to operate recursively on '/'");
            complain("rm", "use --no-preserve-root to override this failsafe");
            return false;
        }
        if !meta.is_dir() {
            return self.file(path, &meta);
        }
        if self.recursive {
            return self.tree(path);
        }
        if self.empty {
            return self.directory(path);
        }
        complain("rm", format_args!("cannot remove '{}': Is a directory", shown(name)));
        false
    }

    fn agrees(&self, path: &Path, what: &str, protected: bool) -> bool {
        let asks = self.ask == Ask::Always || (self.ask == Ask::Protected && protected && self.terminal);
        let guarded = if protected { "write-protected " } else { "" };
        !asks || confirmed(&format!("remove {guarded}{what} '{}'?", shown(path.as_os_str())))
    }

    fn file(&self, path: &Path, meta: &Metadata) -> bool {
        let protected = !meta.is_symlink() && self.ask != Ask::Never && !access::may(path, access::WRITE);
        if !self.agrees(path, kind(meta), protected) {
            return true;
        }
        match fs::remove_file(path) {
            Ok(()) => self.tell("removed", path),
            Err(error) if self.force && is_absent(&error) => true,
            Err(error) => refused(path, &error),
        }
    }

    fn directory(&self, path: &Path) -> bool {
        if !self.agrees(path, "directory", false) {
            return true;
        }
        match fs::remove_dir(path) {
            Ok(()) => self.tell("removed directory", path),
            Err(error) => refused(path, &error),
        }
    }

    /// Removes a directory and what is in it, deepest first.
    fn tree(&self, root: &Path) -> bool {
        let mut clean = true;
        let mut stack: Vec<(PathBuf, Vec<PathBuf>)> = Vec::new();
        if !self.enter(root, &mut stack) {
            return false;
        }
        while let Some((dir, entries)) = stack.last_mut() {
            let Some(path) = entries.pop() else {
                let dir = dir.clone();
                stack.pop();
                clean &= self.directory(&dir);
                continue;
            };
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => clean &= self.enter(&path, &mut stack),
                Ok(meta) => clean &= self.file(&path, &meta),
                Err(error) if self.force && is_absent(&error) => {}
                Err(error) => clean &= refused(&path, &error),
            }
        }
        clean
    }

    fn enter(&self, dir: &Path, stack: &mut Vec<(PathBuf, Vec<PathBuf>)>) -> bool {
        let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect() };
        match list() {
            Ok(entries) => {
                let question = format!("descend into directory '{}'?", shown(dir.as_os_str()));
                if self.ask != Ask::Always || entries.is_empty() || confirmed(&question) {
                    stack.push((dir.to_path_buf(), entries));
                }
                true
            }
            // An empty directory can go even if it cannot be read.
            Err(_) if fs::remove_dir(dir).is_ok() => self.tell("removed directory", dir),
            Err(error) => refused(dir, &error),
        }
    }

    fn tell(&self, what: &str, path: &Path) -> bool {
        if self.verbose {
            let _ = write::raw(format!("{what} '{}'\n", shown(path.as_os_str())).as_bytes());
        }
        true
    }
}

fn kind(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_char_device() {
        "character special file"
    } else if kind.is_block_device() {
        "block special file"
    } else if meta.len() == 0 {
        "regular empty file"
    } else {
        "regular file"
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn refused(path: &Path, error: &io::Error) -> bool {
    complain(
        "rm",
        format_args!("cannot remove '{}': {}", shown(path.as_os_str()), reason(error)),
    );
    false
}
