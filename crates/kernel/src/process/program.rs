//! From a path to a program that is ready to run: `PATH`, permissions, `#!`, and which executor knows the format.
//!
//! The policy is asked about the program and about each interpreter, by the real path of its file. A program of several
//! commands (the bundled ones are) is asked about as the command that it is going to be, which its arguments decide: what
//! runs as `rm` is `rm`, whatever file it was started from.

use super::executor::Program;
use super::kernel::Kernel;
use super::request::SpawnRequest;
use crate::errno::Errno;
use crate::error::{Error, LimitExceeded, Result};
use crate::fd::{IoResult, OpenFile};
use crate::policy::{Operation, Scope, Tier};
use crate::vfs::{Access, FileType, FsContext, InodeHandle, Location, Object, access};
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

/// A program that is ready, with the arguments that it gets.
pub(super) struct Loaded {
    pub(super) program: Box<dyn Program>,
    pub(super) argv: Vec<Vec<u8>>,
    /// Path at which the file was found; of a script, the script's.
    pub(super) path: Vec<u8>,
    pub(super) exe: Location,
    /// What the policy knows it by, where there are rules.
    pub(super) known_as: Option<Box<[u8]>>,
    /// The narrowest tier of it and of its interpreters.
    pub(super) tier: Tier,
}

/// What the policy knows a program by, where it has rules about programs.
type KnownAs = Option<Box<[u8]>>;

/// Where commands are looked up without a `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
/// Bytes at the start of a file that decide what it is.
const HEAD: usize = 256;
/// Longest `#!` line, both characters included, as in Linux.
const LINE: usize = 255;
/// Most interpreters behind one another.
const NESTING: usize = 5;

impl Kernel {
    /// Finds and loads the program of a request, in the environment that it is going to have.
    pub(super) fn load(
        &self,
        cx: &FsContext<'_>,
        request: &SpawnRequest,
        env: &[Vec<u8>],
        waker: Option<&Waker>,
    ) -> IoResult<Loaded> {
        let (path, location, mut known_as) = self.find_program(cx, request, env)?;
        let mut tier = tier_of(&location);
        let mut argv = request.argv.clone();
        let mut file = InodeHandle::new(location.clone());
        let mut file_path = path.clone();
        for _ in 0..=NESTING {
            let mut buf = [0; HEAD];
            let head = read_head(&file, &mut buf)?;
            let Some(line) = head.strip_prefix(b"#!") else {
                let program = ready!(self.load_binary(&file, &file_path, head, waker))?;
                let exe = file.location().clone();
                return Poll::Ready(Ok(Loaded {
                    program,
                    argv,
                    path,
                    exe,
                    known_as,
                    tier,
                }));
            };
            if request.vanishes {
                return Poll::Ready(Err(Errno::ENOENT.into()));
            }
            let (interpreter, argument) = shebang(line.get(..LINE - 2).unwrap_or(line), head.len() > LINE)?;
            let rest = argv.drain(..).skip(1);
            let front = [interpreter.to_vec()]
                .into_iter()
                .chain(argument.map(<[u8]>::to_vec))
                .chain([file_path]);
            argv = front.chain(rest.collect::<Vec<_>>()).collect();
            self.check_size(&argv, ARGV, self.limits.max_process_argv_bytes)?;
            file_path = interpreter.to_vec();
            let (location, interpreter) = self.executable(cx, &file_path, &argv)?;
            tier = tier.max(tier_of(&location));
            (file, known_as) = (InodeHandle::new(location), interpreter);
        }
        let message = "too many interpreters behind one another".into();
        Poll::Ready(Err(Error::NotExecutable {
            errno: Errno::ELOOP,
            message,
        }))
    }

    fn load_binary(
        &self,
        file: &InodeHandle,
        path: &[u8],
        head: &[u8],
        waker: Option<&Waker>,
    ) -> IoResult<Box<dyn Program>> {
        match self.executors.iter().find(|executor| executor.accepts(head)) {
            Some(executor) => executor.load(self, file, waker),
            None => Poll::Ready(Err(unknown_format(path, head))),
        }
    }

    fn find_program(
        &self,
        cx: &FsContext<'_>,
        request: &SpawnRequest,
        env: &[Vec<u8>],
    ) -> Result<(Vec<u8>, Location, KnownAs)> {
        let name = &request.path;
        let found = |path: Vec<u8>, (location, known_as)| (path, location, known_as);
        if !request.search_path || name.contains(&b'/') {
            return Ok(found(name.clone(), self.executable(cx, name, &request.argv)?));
        }
        if name.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let path = env.iter().find_map(|var| var.strip_prefix(b"PATH="));
        let mut refused = None;
        for dir in path.unwrap_or(DEFAULT_PATH).split(|byte| *byte == b':') {
            // An empty entry is the working directory.
            let mut candidate = if dir.is_empty() { b".".to_vec() } else { dir.to_vec() };
            if candidate.last() != Some(&b'/') {
                candidate.push(b'/');
            }
            candidate.extend_from_slice(name);
            match self.executable(cx, &candidate, &request.argv) {
                Ok(file) => return Ok(found(candidate, file)),
                Err(error) if error == Errno::EACCES => refused = Some(error),
                Err(error) if [Errno::ENOENT, Errno::ENOTDIR, Errno::ENAMETOOLONG].contains(&error.errno()) => {}
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| Errno::ENOENT.into()))
    }

    /// The regular file at `path`, which the caller may execute with these arguments.
    fn executable(&self, cx: &FsContext<'_>, path: &[u8], argv: &[Vec<u8>]) -> Result<(Location, KnownAs)> {
        let (location, attr) = match self.vfs().find_program(cx, path)? {
            Ok(found) => found,
            Err(object) => return Ok((self.unnamed(cx, &object)?, None)),
        };
        if location.kind() != FileType::Regular {
            return Err(Errno::EACCES.into());
        }
        access::check(cx.cred, &attr, Access::EXEC)?;
        let known_as = self.known_as(&location, argv)?;
        if let Some(program) = &known_as {
            self.guard.check(Operation::Spawn, program, cx.caller)?;
        }
        Ok((location, known_as))
    }

    /// What is to run of an object that has no path. Where there are rules about programs nobody can say which of them hold for it, so
    /// none of them allows it.
    fn unnamed(&self, cx: &FsContext<'_>, object: &Object) -> Result<Location> {
        let Ok(file) = Arc::clone(&object.handle).downcast::<OpenFile>() else {
            return Err(Errno::EACCES.into());
        };
        access::check(cx.cred, &object.stat.attr, Access::EXEC)?;
        if !self.lets_all_programs() {
            return Err(Errno::EACCES.into());
        }
        let program = file.object().map(|object| object.program()).transpose()?.flatten();
        program.ok_or_else(|| Errno::EACCES.into())
    }

    fn lets_all_programs(&self) -> bool {
        self.guard.is_open(Scope::ChildProcess) && self.guard.is_open(Scope::Process)
    }

    /// What the policy knows a program by; nothing where it has no rules about programs.
    fn known_as(&self, location: &Location, argv: &[Vec<u8>]) -> Result<KnownAs> {
        if self.lets_all_programs() {
            return Ok(None);
        }
        let mut path = self.vfs().real_path(location)?.ok_or(Errno::ENOENT)?;
        let blob = location.filesystem().blob(location.ino());
        if let Some(command) = blob.as_ref().and_then(|blob| blob.command(argv)) {
            let folder = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            path.truncate(folder);
            path.extend_from_slice(command);
        }
        Ok(Some(path.into()))
    }

    /// Refuses arguments or an environment that is too large.
    pub(super) fn check_size(&self, strings: &[Vec<u8>], path: &'static str, capacity: u64) -> Result<()> {
        // Each string also costs its pointer.
        let size: usize = strings.iter().map(|string| string.len() + 8).sum();
        if size as u64 <= capacity {
            return Ok(());
        }
        Err(LimitExceeded::new(path, "bytes", size as u64, capacity, "exec", Errno::E2BIG).into())
    }
}

/// The tier that a program's file is marked with.
fn tier_of(location: &Location) -> Tier {
    match location.filesystem().getxattr(location.ino(), Tier::ATTRIBUTE) {
        Ok(mark) => Tier::of_mark(&mark),
        Err(_) => Tier::Full,
    }
}

/// The field that bounds arguments.
pub(super) const ARGV: &str = "limits.resources.maxProcessArgvBytes";
/// The field that bounds the environment.
pub(super) const ENV: &str = "limits.resources.maxProcessEnvBytes";

fn read_head<'a>(file: &InodeHandle, buf: &'a mut [u8; HEAD]) -> Result<&'a [u8]> {
    let len = match file.blob() {
        Some(blob) => {
            let head = blob.head();
            let len = head.len().min(HEAD);
            buf[..len].copy_from_slice(&head[..len]);
            len
        }
        None => file.read_at(0, buf)?.min(HEAD),
    };
    Ok(&buf[..len])
}

/// Interpreter and its one optional argument from what follows `#!`; `cut` if the line may go on beyond what was read.
fn shebang(line: &[u8], cut: bool) -> Result<(&[u8], Option<&[u8]>)> {
    let end = line.iter().position(|byte| *byte == b'\n');
    let text = line.get(..end.unwrap_or(line.len())).unwrap_or(line).trim_ascii_start();
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0);
    let split = text.iter().position(blank);
    let (interpreter, rest) = text.split_at(split.unwrap_or(text.len()));
    if interpreter.is_empty() {
        return Err(Error::not_executable("the #! line names no interpreter"));
    }
    if cut && end.is_none() && split.is_none() {
        return Err(Error::not_executable("the #! line is too long"));
    }
    let argument = rest.trim_ascii();
    Ok((interpreter, (!argument.is_empty()).then_some(argument)))
}

fn unknown_format(path: &[u8], head: &[u8]) -> Error {
    let path = String::from_utf8_lossy(path);
    let what = if head.starts_with(b"\x7fELF") {
        "is a native Linux program, which this VM cannot run"
    } else if head.starts_with(b"\0asm") {
        "is a WebAssembly module, which this VM cannot run"
    } else {
        "is not a program: no known format, and no #! line"
    };
    Error::not_executable(format!("{path} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreter_lines_are_read_as_linux_reads_them() {
        let read = |line: &'static [u8]| shebang(line, false).map(|(path, arg)| (path, arg.unwrap_or(b"-")));
        assert_eq!(read(b"/bin/sh\nrest"), Ok((&b"/bin/sh"[..], &b"-"[..])));
        assert_eq!(read(b" \t/bin/env  sh -e \n"), Ok((&b"/bin/env"[..], &b"sh -e"[..])));
        assert_eq!(read(b"\n").unwrap_err(), Errno::ENOEXEC);
        assert_eq!(shebang(&[b'x'; LINE - 2], true).unwrap_err(), Errno::ENOEXEC);
    }
}
