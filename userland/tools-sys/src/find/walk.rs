//! Visiting files.
//!
//! The walk keeps its own stack. Entries of a directory come in the order in which the kernel tells them, as GNU has it.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use agentos_tools_base::io::{BLOCK, complain, reason, shown};
use agentos_tools_base::platform::{FileTypeExt, MetadataExt};

use super::expr::{self, Expr, Found, Sink};
use super::parse::{Follow, Plan};
use crate::clock::Zone;
use crate::users::Names;
use crate::write;

/// What evaluation changes.
pub(super) struct State {
    pub(super) quit: bool,
    pub(super) prune: bool,
    pub(super) status: i32,
    pub(super) names: Names,
    pub(super) zone: Zone,
    out: Vec<u8>,
    buffers: Vec<Vec<u8>>,
    files: Vec<File>,
    quiet_races: bool,
    filesystems: RefCell<HashMap<u64, String>>,
    /// Lines are shown at once, because commands write between them or somebody watches.
    prompt: bool,
}

impl State {
    /// The buffer of a sink.
    pub(super) fn sink(&mut self, sink: Sink) -> &mut Vec<u8> {
        match sink {
            Sink::File(at) if at < self.buffers.len() => &mut self.buffers[at],
            _ => &mut self.out,
        }
    }

    /// Writes a sink out when there is enough of it.
    pub(super) fn written(&mut self, sink: Sink) {
        if self.sink(sink).len() >= BLOCK || (self.prompt && matches!(sink, Sink::Standard)) {
            self.flush();
        }
    }

    /// Writes out what is held back.
    pub(super) fn flush(&mut self) {
        if !self.out.is_empty() && write::raw(&self.out).is_err() {
            // Nobody reads any more.
            (self.quit, self.status) = (true, 1);
        }
        self.out.clear();
        for (buffer, file) in self.buffers.iter_mut().zip(&mut self.files) {
            if let Err(error) = file.write_all(buffer) {
                complain("find", format_args!("write error: {}", reason(&error)));
                self.status = 1;
            }
            buffer.clear();
        }
    }

    pub(super) fn complain(&mut self, message: impl std::fmt::Display) {
        self.flush();
        complain("find", message);
        self.status = 1;
    }

    /// `-delete`.
    pub(super) fn delete(&mut self, file: &Found<'_>) -> bool {
        if file.path == Path::new(".") || file.path == Path::new("./") {
            return true;
        }
        let is_dir = fs::symlink_metadata(file.path).is_ok_and(|meta| meta.is_dir());
        let done = if is_dir {
            fs::remove_dir(file.path)
        } else {
            fs::remove_file(file.path)
        };
        match done {
            Ok(()) => true,
            Err(error) if self.quiet_races && error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                self.complain(format_args!(
                    "cannot delete '{}': {}",
                    shown(file.path.as_os_str()),
                    reason(&error)
                ));
                false
            }
        }
    }

    /// Name of the type of a filesystem.
    pub(super) fn filesystem(&self, device: u64, path: &Path) -> String {
        self.filesystems
            .borrow_mut()
            .entry(device)
            .or_insert_with(|| expr::filesystem_of(path))
            .clone()
    }
}

/// Carries a plan out; returns the status.
pub(super) fn run(mut plan: Plan) -> i32 {
    let files = std::mem::take(&mut plan.files);
    let mut state = State {
        quit: false,
        prune: false,
        status: 0,
        names: Names::default(),
        zone: Zone::local(),
        out: Vec::new(),
        buffers: vec![Vec::new(); files.len()],
        files,
        quiet_races: plan.quiet_races,
        filesystems: RefCell::new(HashMap::new()),
        prompt: std::io::IsTerminal::is_terminal(&std::io::stdout()),
    };
    let roots = std::mem::take(&mut plan.roots);
    for root in &roots {
        if state.quit {
            break;
        }
        Walk {
            plan: &plan,
            root: Path::new(root),
            device: None,
            above: Vec::new(),
        }
        .run(&mut state);
    }
    finish(&plan.expr, &mut state);
    state.flush();
    state.status
}

/// Runs the commands that collected files.
fn finish(expr: &Expr, state: &mut State) {
    match expr {
        Expr::Not(inner) => finish(inner, state),
        Expr::And(list) | Expr::Or(list) | Expr::Comma(list) => list.iter().for_each(|expr| finish(expr, state)),
        Expr::Exec(command) => command.finish(state),
        _ => {}
    }
}

struct Walk<'p> {
    plan: &'p Plan,
    root: &'p Path,
    device: Option<u64>,
    /// Directories above the current one, when links are followed.
    above: Vec<(u64, u64)>,
}

/// A directory whose entries are being visited.
struct Level {
    path: PathBuf,
    depth: usize,
    entries: std::vec::IntoIter<(OsString, Option<u8>)>,
    meta: OnceCell<Option<Metadata>>,
}

impl Walk<'_> {
    fn run(&mut self, state: &mut State) {
        let mut stack = Vec::new();
        self.visit(self.root.to_path_buf(), 0, None, &mut stack, state);
        while let Some(level) = stack.last_mut() {
            if state.quit {
                return;
            }
            if let Some((name, kind)) = level.entries.next() {
                let (path, depth) = (crate::files::join(&level.path, &name), level.depth + 1);
                self.visit(path, depth, kind, &mut stack, state);
            } else if let Some(level) = stack.pop() {
                self.above.truncate(stack.len());
                if self.plan.depth_first {
                    self.judge(&level.path, level.depth, Some(b'd'), &level.meta, state);
                }
            }
        }
    }

    fn follows(&self, depth: usize) -> bool {
        match self.plan.follow {
            Follow::Never => false,
            Follow::Roots => depth == 0,
            Follow::Always => true,
        }
    }

    fn look(path: &Path, follow: bool) -> io::Result<Metadata> {
        if follow {
            // A link to nothing is taken as the link that it is.
            fs::metadata(path).or_else(|error| fs::symlink_metadata(path).map_err(|_| error))
        } else {
            fs::symlink_metadata(path)
        }
    }

    fn visit(&mut self, path: PathBuf, depth: usize, kind: Option<u8>, stack: &mut Vec<Level>, state: &mut State) {
        let follow = self.follows(depth);
        let meta = OnceCell::new();
        let kind = kind.filter(|kind| !follow || *kind != b'l');
        // What the directory told is enough, unless the file is a starting point or its device matters.
        let kind = match kind {
            Some(kind) if kind != b'd' || !self.plan.one_filesystem => kind,
            _ => match Self::look(&path, follow) {
                Ok(found) => {
                    let letter = expr::letter(&found);
                    let _ = meta.set(Some(found));
                    letter
                }
                Err(error) => {
                    if !(state.quiet_races && depth > 0 && error.kind() == io::ErrorKind::NotFound) {
                        state.complain(format_args!("'{}': {}", shown(path.as_os_str()), reason(&error)));
                    }
                    return;
                }
            },
        };
        state.prune = false;
        if kind == b'd' && self.plan.follow == Follow::Always && self.loops(&path, &meta, depth, stack.len(), state) {
            return;
        }
        if !self.plan.depth_first || kind != b'd' {
            self.judge(&path, depth, Some(kind), &meta, state);
        }
        if kind == b'd' && !state.prune && !state.quit && depth < self.plan.max {
            self.enter(path, depth, meta, stack, state);
        } else if kind == b'd' && self.plan.depth_first {
            self.judge(&path, depth, Some(kind), &meta, state);
        }
    }

    /// Whether a directory lies above itself, which only followed links can make happen.
    fn loops(
        &mut self,
        path: &Path,
        meta: &OnceCell<Option<Metadata>>,
        depth: usize,
        above: usize,
        state: &mut State,
    ) -> bool {
        let found = meta.get_or_init(|| Self::look(path, self.follows(depth)).ok()).as_ref();
        self.above.truncate(above);
        let looping = found.is_some_and(|found| self.above.contains(&(found.dev(), found.ino())));
        if looping {
            let name = shown(path.as_os_str());
            state.complain(format_args!(
                "File system loop detected; '{name}' is part of the same file system loop as a directory above it."
            ));
        }
        looping
    }

    fn judge(&self, path: &Path, depth: usize, kind: Option<u8>, meta: &OnceCell<Option<Metadata>>, state: &mut State) {
        if depth < self.plan.min || depth > self.plan.max {
            return;
        }
        let follow = self.follows(depth);
        let look = || Self::look(path, follow).ok();
        let file = Found {
            path,
            root: self.root,
            depth,
            meta,
            look: &look,
            follow,
            kind,
        };
        self.plan.expr.eval(&file, state);
    }

    fn enter(
        &mut self,
        path: PathBuf,
        depth: usize,
        meta: OnceCell<Option<Metadata>>,
        stack: &mut Vec<Level>,
        state: &mut State,
    ) {
        let needed = self.plan.one_filesystem || self.plan.follow == Follow::Always;
        let look = || Self::look(&path, self.follows(depth)).ok();
        let found = if needed { meta.get_or_init(look).as_ref() } else { None };
        if let Some(found) = found.filter(|_| self.plan.one_filesystem) {
            let first = *self.device.get_or_insert(found.dev());
            if found.dev() != first {
                return;
            }
        }
        if let Some(found) = found.filter(|_| self.plan.follow == Follow::Always) {
            self.above.truncate(stack.len());
            self.above.push((found.dev(), found.ino()));
        }
        match entries(&path) {
            Ok(entries) => stack.push(Level {
                path,
                depth,
                entries: entries.into_iter(),
                meta,
            }),
            Err(error) => {
                state.complain(format_args!("'{}': {}", shown(path.as_os_str()), reason(&error)));
                if self.plan.depth_first {
                    self.judge(&path, depth, Some(b'd'), &meta, state);
                }
            }
        }
    }
}

/// Names in a directory with the type letters that it tells.
fn entries(path: &Path) -> io::Result<Vec<(OsString, Option<u8>)>> {
    fs::read_dir(path)?
        .map(|entry| {
            let entry = entry?;
            let kind = entry.file_type().ok().map(|kind| {
                if kind.is_dir() {
                    b'd'
                } else if kind.is_symlink() {
                    b'l'
                } else if kind.is_fifo() {
                    b'p'
                } else if kind.is_socket() {
                    b's'
                } else if kind.is_char_device() {
                    b'c'
                } else if kind.is_block_device() {
                    b'b'
                } else {
                    b'f'
                }
            });
            Ok((entry.file_name(), kind))
        })
        .collect()
}
