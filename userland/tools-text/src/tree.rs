//! `tree`: directories as a drawing.

use crate::cli::{self, Arg, Parser};
use crate::glob::{self, Flags};
use crate::io::{bytes_of, complain, shown, stdout};
use crate::platform::{FileTypeExt, MetadataExt, PermissionsExt};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

const SPECS: &[&str] = &[
    "a",
    "d",
    "f",
    "i",
    "l",
    "L=",
    "p",
    "s",
    "h",
    "D",
    "F",
    "P=",
    "I=",
    "r",
    "t",
    "U",
    "v",
    "c",
    "n",
    "C",
    "q",
    "N",
    "Q",
    "u",
    "g",
    "x",
    "J",
    "o=",
    "noreport",
    "dirsfirst",
    "filesfirst",
    "prune",
    "gitignore",
    "ignore-case",
    "matchdirs",
    "du",
    "si",
    "charset=",
    "filelimit=",
    "sort=",
    "nolinks",
    "help",
    "version",
    "inodes",
    "device",
    "timefmt=",
    "A",
    "S",
    "X",
    "H=",
    "T=",
    "R",
];

const HELP: &str = "\
usage: tree [-adfilpshDFrtUvCJ] [-L level] [-P pattern] [-I pattern] [-o filename]
            [--dirsfirst] [--prune] [--noreport] [--gitignore] [directory ...]

  -a, -d, -l     all files, directories only, follow symbolic links
  -f, -i, -L N   full paths, no indentation lines, descend N levels
  -P PAT, -I PAT only, or without, what matches the pattern
  -p, -s, -h, -D, -u, -g, -F  permissions, sizes, readable sizes, dates, owners, groups, types
  -r, -t, -v, -U reverse, by time, by version, unsorted
  -C, -n, -J, -o FILE  colours, none, JSON, output to a file
";

/// Deepest nesting followed.
const DEPTH_LIMIT: usize = 1000;

#[derive(Default)]
struct Options {
    all: bool,
    dirs_only: bool,
    full: bool,
    flat: bool,
    follow: bool,
    level: Option<usize>,
    mode: bool,
    size: bool,
    human: bool,
    date: bool,
    user: bool,
    group: bool,
    kinds: bool,
    quote: bool,
    only: Vec<Vec<u8>>,
    without: Vec<Vec<u8>>,
    fold_case: bool,
    reverse: bool,
    by_time: bool,
    unsorted: bool,
    dirs_first: bool,
    files_first: bool,
    prune: bool,
    no_report: bool,
    color: bool,
    json: bool,
    gitignore: bool,
    limit: Option<usize>,
}

#[derive(Default)]
struct Counts {
    dirs: usize,
    files: usize,
    failed: bool,
}

/// The applet.
pub fn tree(args: Vec<OsString>) -> i32 {
    let mut o = Options::default();
    let mut color = io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    let mut roots = Vec::new();
    let mut output = None;
    let mut parser = Parser::new(args, SPECS);
    loop {
        let (key, value) = match parser.next() {
            Err(message) => {
                complain("tree", message);
                eprint!("{HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(root))) => {
                roots.push(root);
                continue;
            }
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("tree"),
            Ok(Some(Arg::Opt(key, value))) => (key, value.unwrap_or_default()),
        };
        match key {
            "C" => color = true,
            "n" => color = false,
            "o" => output = Some(value),
            "L" => match shown(&value).parse() {
                Ok(level) if level > 0 => o.level = Some(level),
                _ => {
                    complain("tree", "Invalid level, must be greater than 0.");
                    return 1;
                }
            },
            _ => o.apply(key, &value),
        }
    }
    o.color = color && output.is_none();
    if roots.is_empty() {
        roots.push(".".into());
    }
    let mut sink: Box<dyn Write> = match &output {
        None => Box::new(stdout()),
        Some(name) => match fs::File::create(name) {
            Ok(file) => Box::new(io::BufWriter::new(file)),
            Err(_) => {
                complain("tree", format_args!("invalid filename '{}'", shown(name)));
                return 1;
            }
        },
    };
    let mut counts = Counts::default();
    let outcome = if o.json {
        json(&o, &roots, &mut counts, &mut sink)
    } else {
        draw(&o, &roots, &mut counts, &mut sink)
    };
    match outcome.and_then(|()| sink.flush()) {
        Ok(()) => {
            if counts.failed {
                2
            } else {
                0
            }
        }
        Err(_) => 1,
    }
}

impl Options {
    fn apply(&mut self, key: &str, value: &OsStr) {
        let patterns = || {
            bytes_of(value)
                .split(|&b| b == b'|')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        match key {
            "a" => self.all = true,
            "d" => self.dirs_only = true,
            "f" => self.full = true,
            "i" => self.flat = true,
            "l" => self.follow = true,
            "p" => self.mode = true,
            "s" => self.size = true,
            "h" | "si" => (self.size, self.human) = (true, true),
            "D" => self.date = true,
            "u" => self.user = true,
            "g" => self.group = true,
            "F" => self.kinds = true,
            "Q" => self.quote = true,
            "P" => self.only.extend(patterns()),
            "I" => self.without.extend(patterns()),
            "ignore-case" => self.fold_case = true,
            "r" => self.reverse = true,
            "t" | "c" => self.by_time = true,
            "U" => self.unsorted = true,
            "dirsfirst" => self.dirs_first = true,
            "filesfirst" => self.files_first = true,
            "prune" => self.prune = true,
            "noreport" => self.no_report = true,
            "J" => self.json = true,
            "gitignore" => self.gitignore = true,
            "filelimit" => self.limit = value.to_str().and_then(|text| text.parse().ok()),
            _ => {}
        }
    }

    fn matches(&self, patterns: &[Vec<u8>], name: &[u8]) -> bool {
        let flags = Flags {
            pathname: true,
            fold_case: self.fold_case,
        };
        patterns.iter().any(|pattern| glob::matches(pattern, name, flags))
    }
}

/// An entry of a directory.
struct Node {
    name: OsString,
    path: PathBuf,
    meta: Option<Metadata>,
    /// A directory that is gone into.
    dir: bool,
    link: Option<PathBuf>,
}

fn entries(o: &Options, folder: &Path, ignored: &mut Vec<ignore::gitignore::Gitignore>) -> Option<Vec<Node>> {
    let mut out = Vec::new();
    if o.gitignore {
        let file = folder.join(".gitignore");
        if file.is_file() {
            ignored.push(ignore::gitignore::Gitignore::new(file).0);
        }
    }
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name();
        let bytes = bytes_of(&name);
        if (!o.all && bytes.starts_with(b".")) || o.matches(&o.without, bytes) {
            continue;
        }
        let path = entry.path();
        let meta = fs::symlink_metadata(&path).ok();
        let is_link = meta.as_ref().is_some_and(Metadata::is_symlink);
        let link = if is_link { fs::read_link(&path).ok() } else { None };
        let points_to_dir = is_link && fs::metadata(&path).is_ok_and(|found| found.is_dir());
        let real_dir = meta.as_ref().is_some_and(Metadata::is_dir);
        let dir = real_dir || (points_to_dir && o.follow);
        if o.dirs_only && !real_dir && !points_to_dir {
            continue;
        }
        if !o.only.is_empty() && !real_dir && !points_to_dir && !o.matches(&o.only, bytes) {
            continue;
        }
        if ignored.iter().any(|rules| rules.matched(&path, real_dir).is_ignore()) {
            continue;
        }
        out.push(Node {
            name,
            path,
            meta,
            dir,
            link,
        });
    }
    sort(o, &mut out);
    Some(out)
}

fn sort(o: &Options, nodes: &mut [Node]) {
    if o.unsorted {
        return;
    }
    // As a locale would: case counts last.
    let key = |node: &Node| (shown(&node.name).to_lowercase(), node.name.clone());
    if o.by_time {
        nodes.sort_by_cached_key(|node| (node.meta.as_ref().and_then(|meta| meta.modified().ok()), key(node)));
    } else {
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
    }
    if o.reverse {
        nodes.reverse();
    }
    if o.dirs_first {
        nodes.sort_by_key(|node| !node.dir);
    } else if o.files_first {
        nodes.sort_by_key(|node| node.dir);
    }
}

/// Whether a directory has anything to show below it.
fn has_contents(o: &Options, folder: &Path, depth: usize, ignored: &mut Vec<ignore::gitignore::Gitignore>) -> bool {
    let Some(nodes) = entries(o, folder, &mut ignored.clone()) else {
        return false;
    };
    nodes
        .iter()
        .any(|node| !node.dir || (depth < DEPTH_LIMIT && has_contents(o, &node.path, depth + 1, ignored)))
}

fn draw(o: &Options, roots: &[OsString], counts: &mut Counts, out: &mut dyn Write) -> io::Result<()> {
    for root in roots {
        let path = PathBuf::from(root);
        if !path.is_dir() {
            writeln!(out, "{}  [error opening dir]", shown(root))?;
            counts.failed = true;
            continue;
        }
        let name = paint(o, &shown(root), fs::metadata(&path).ok().as_ref(), false);
        let mark = if o.kinds && !shown(root).ends_with('/') {
            "/"
        } else {
            ""
        };
        writeln!(out, "{}{name}{mark}", details(o, fs::metadata(&path).ok().as_ref()))?;
        counts.dirs += 1;
        folder(o, &path, "", 1, counts, &mut Vec::new(), out)?;
    }
    if o.no_report {
        return Ok(());
    }
    let plural = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let dirs = plural(counts.dirs, "directory", "directories");
    if o.dirs_only {
        writeln!(out, "\n{dirs}")
    } else {
        writeln!(out, "\n{dirs}, {}", plural(counts.files, "file", "files"))
    }
}

fn folder(
    o: &Options,
    path: &Path,
    prefix: &str,
    depth: usize,
    counts: &mut Counts,
    ignored: &mut Vec<ignore::gitignore::Gitignore>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let known = ignored.len();
    let Some(mut nodes) = entries(o, path, ignored) else {
        counts.failed = true;
        return Ok(());
    };
    if o.prune {
        nodes.retain(|node| !node.dir || has_contents(o, &node.path, depth, ignored));
    }
    let count = nodes.len();
    if o.limit.is_some_and(|limit| count > limit) {
        ignored.truncate(known);
        return Ok(());
    }
    for (index, node) in nodes.iter().enumerate() {
        let last = index + 1 == count;
        let branch = if o.flat {
            ""
        } else if last {
            "└── "
        } else {
            "├── "
        };
        let lead = if o.flat { "" } else { prefix };
        let name = if o.full {
            shown(node.path.as_os_str())
        } else {
            shown(&node.name)
        };
        let quoted = if o.quote { format!("\"{name}\"") } else { name };
        let mut line = format!(
            "{lead}{branch}{}{}",
            details(o, node.meta.as_ref()),
            paint(o, &quoted, node.meta.as_ref(), node.link.is_some())
        );
        if let Some(target) = &node.link {
            line.push_str(&format!(" -> {}", target.display()));
        }
        if o.kinds {
            line.push_str(kind_mark(node));
        }
        writeln!(out, "{line}")?;
        let is_dir = node.dir || node.link.is_some() && fs::metadata(&node.path).is_ok_and(|found| found.is_dir());
        if is_dir {
            counts.dirs += 1
        } else {
            counts.files += 1
        }
        if node.dir && o.level.is_none_or(|level| depth < level) && depth < DEPTH_LIMIT {
            let deeper = format!("{prefix}{}", if last { "    " } else { "│\u{a0}\u{a0} " });
            if node.link.is_some() && loops(&node.path) {
                continue;
            }
            folder(o, &node.path, &deeper, depth + 1, counts, ignored, out)?;
        }
    }
    ignored.truncate(known);
    Ok(())
}

/// Whether a link leads back to a directory above it.
fn loops(path: &Path) -> bool {
    let (Ok(target), Some(parent)) = (fs::canonicalize(path), path.parent()) else {
        return true;
    };
    fs::canonicalize(parent).is_ok_and(|parent| parent.starts_with(&target))
}

fn kind_mark(node: &Node) -> &'static str {
    match &node.meta {
        Some(meta) if meta.is_dir() => "/",
        Some(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => "*",
        Some(meta) if meta.file_type().is_fifo() => "|",
        Some(meta) if meta.file_type().is_socket() => "=",
        _ => "",
    }
}

fn paint(o: &Options, name: &str, meta: Option<&Metadata>, link: bool) -> String {
    if !o.color {
        return name.to_owned();
    }
    let color = match meta {
        _ if link => "01;36",
        Some(meta) if meta.is_dir() => "01;34",
        Some(meta) if meta.permissions().mode() & 0o111 != 0 => "01;32",
        _ => return name.to_owned(),
    };
    format!("\x1b[{color}m{name}\x1b[0m")
}

/// The part in brackets.
fn details(o: &Options, meta: Option<&Metadata>) -> String {
    let Some(meta) = meta.filter(|_| o.mode || o.size || o.date || o.user || o.group) else {
        return String::new();
    };
    let mut parts = Vec::new();
    if o.mode {
        parts.push(mode_text(meta));
    }
    if o.user {
        parts.push(format!("{:<8}", meta.uid()));
    }
    if o.group {
        parts.push(format!("{:<8}", meta.gid()));
    }
    if o.size {
        parts.push(if o.human {
            format!("{:>4}", human(meta.len()))
        } else {
            format!("{:>11}", meta.len())
        });
    }
    if o.date {
        let passed = meta
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let seconds = passed.map_or(0, |passed| passed.as_secs() as i64);
        let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |now| now.as_secs() as i64);
        let recent = (now - seconds).abs() < 15_778_476;
        parts.push(
            time.format(if recent { "%b %e %H:%M" } else { "%b %e  %Y" })
                .to_string(),
        );
    }
    format!("[{}]  ", parts.join(" "))
}

fn mode_text(meta: &Metadata) -> String {
    let kind = meta.file_type();
    let letter = if kind.is_dir() {
        'd'
    } else if kind.is_symlink() {
        'l'
    } else if kind.is_fifo() {
        'p'
    } else if kind.is_socket() {
        's'
    } else if kind.is_char_device() {
        'c'
    } else if kind.is_block_device() {
        'b'
    } else {
        '-'
    };
    let mode = meta.permissions().mode();
    let bits = "rwxrwxrwx"
        .chars()
        .enumerate()
        .map(|(at, c)| if mode & (0o400 >> at) == 0 { '-' } else { c });
    std::iter::once(letter).chain(bits).collect()
}

fn human(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["", "K", "M", "G", "T"] {
        if value < 1024.0 {
            return if unit.is_empty() || value >= 10.0 {
                format!("{value:.0}{unit}")
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.0}P")
}

fn json(o: &Options, roots: &[OsString], counts: &mut Counts, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "[")?;
    for (index, root) in roots.iter().enumerate() {
        let path = PathBuf::from(root);
        write!(
            out,
            "{}\n  {{\"type\":\"directory\",\"name\":{},\"contents\":[",
            if index > 0 { "," } else { "" },
            quoted(&shown(root))
        )?;
        counts.dirs += 1;
        json_folder(o, &path, 1, counts, &mut Vec::new(), out)?;
        write!(out, "\n  ]}}")?;
    }
    if !o.no_report {
        write!(
            out,
            "\n,\n  {{\"type\":\"report\",\"directories\":{},\"files\":{}}}",
            counts.dirs, counts.files
        )?;
    }
    writeln!(out, "\n]")
}

fn json_folder(
    o: &Options,
    path: &Path,
    depth: usize,
    counts: &mut Counts,
    ignored: &mut Vec<ignore::gitignore::Gitignore>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let known = ignored.len();
    let nodes = entries(o, path, ignored).unwrap_or_default();
    let count = nodes.len();
    for (index, node) in nodes.iter().enumerate() {
        let name = if o.full {
            shown(node.path.as_os_str())
        } else {
            shown(&node.name)
        };
        let kind = if node.link.is_some() {
            "link"
        } else if node.dir {
            "directory"
        } else {
            "file"
        };
        write!(
            out,
            "\n{}{{\"type\":\"{kind}\",\"name\":{}",
            "  ".repeat(depth + 1),
            quoted(&name)
        )?;
        if let Some(target) = &node.link {
            write!(out, ",\"target\":{}", quoted(&target.display().to_string()))?;
        }
        if o.size {
            write!(out, ",\"size\":{}", node.meta.as_ref().map_or(0, Metadata::len))?;
        }
        if node.dir {
            counts.dirs += 1
        } else {
            counts.files += 1
        }
        if node.dir {
            write!(out, ",\"contents\":[")?;
            if o.level.is_none_or(|level| depth < level) && depth < DEPTH_LIMIT && node.link.is_none() {
                json_folder(o, &node.path, depth + 1, counts, ignored, out)?;
            }
            write!(out, "\n{}]", "  ".repeat(depth + 1))?;
        }
        write!(out, "}}{}", if index + 1 < count { "," } else { "" })?;
    }
    ignored.truncate(known);
    Ok(())
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out + "\""
}
