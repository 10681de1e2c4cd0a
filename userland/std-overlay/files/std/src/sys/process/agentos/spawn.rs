//! Turning a command into one request to the kernel.

use super::abi::{self, SpawnAction, SpawnReq};
use super::{Command, Process, Stdio};
use crate::ffi::OsStr;
use crate::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use crate::os::wasi::ffi::OsStrExt;
use crate::process::StdioPipes;
use crate::sys::pipe::{self, Pipe};
use crate::{env, io};

const DEV_NULL: &str = "/dev/null";

impl Command {
    pub fn spawn(&mut self, default: Stdio, needs_stdin: bool) -> io::Result<(Process, StdioPipes)> {
        let mut streams = Streams::default();
        // A child whose output is collected and that was given no input reads nothing rather than ours.
        let stdin_default = if needs_stdin { &default } else { &Stdio::Null };
        let pipes = StdioPipes {
            stdin: streams.add(0, self.stdin.as_ref().unwrap_or(stdin_default))?,
            stdout: streams.add(1, self.stdout.as_ref().unwrap_or(&default))?,
            stderr: streams.add(2, self.stderr.as_ref().unwrap_or(&default))?,
        };
        let strings = Strings::of(self)?;
        let mut pid = 0;
        let req = self.request(&strings, &streams);
        // SAFETY: everything that the request points to lives until after the call.
        abi::check(unsafe { abi::proc_spawn(&req, &mut pid) })?;
        Ok((Process { pid, status: None }, pipes))
    }

    /// Becomes the program; returns only on failure.
    pub fn exec(&mut self, default: Stdio) -> io::Error {
        match self.try_exec(&default) {
            Err(error) => error,
            Ok(never) => never,
        }
    }

    fn try_exec(&mut self, default: &Stdio) -> io::Result<!> {
        let mut streams = Streams::default();
        streams.add(0, self.stdin.as_ref().unwrap_or(default))?;
        streams.add(1, self.stdout.as_ref().unwrap_or(default))?;
        streams.add(2, self.stderr.as_ref().unwrap_or(default))?;
        let strings = Strings::of(self)?;
        let req = self.request(&strings, &streams);
        // SAFETY: everything that the request points to lives until after the call.
        abi::check(unsafe { abi::proc_exec(&req) })?;
        unreachable!("a successful exec does not return")
    }

    fn request(&self, strings: &Strings<'_>, streams: &Streams) -> SpawnReq {
        let mut flags = abi::SEARCH_PATH;
        if self.pgroup.is_some() {
            flags |= abi::SETPGROUP;
        }
        if self.setsid {
            flags |= abi::SETSID;
        }
        let cwd = strings.cwd.unwrap_or_default();
        SpawnReq {
            size: size_of::<SpawnReq>() as u32,
            flags,
            path: address(strings.path),
            path_len: strings.path.len() as u32,
            argv: address(&strings.argv),
            argv_len: strings.argv.len() as u32,
            env: address(&strings.env),
            env_len: strings.env.len() as u32,
            cwd: address(cwd),
            cwd_len: cwd.len() as u32,
            actions: streams.actions.as_ptr().addr() as u32,
            action_count: streams.actions.len() as u32,
            pgroup: self.pgroup.unwrap_or(0),
            umask: 0,
            sigmask: 0,
            sigdefault: 0,
        }
    }
}

fn address(bytes: &[u8]) -> u32 {
    bytes.as_ptr().addr() as u32
}

/// The strings of a request, in the kernel's form: one NUL after each.
struct Strings<'a> {
    path: &'a [u8],
    argv: Vec<u8>,
    env: Vec<u8>,
    cwd: Option<&'a [u8]>,
}

impl<'a> Strings<'a> {
    fn of(command: &'a Command) -> io::Result<Strings<'a>> {
        let mut argv = Vec::new();
        for arg in &command.args {
            push(&mut argv, &[arg])?;
        }
        let mut env = Vec::new();
        match command.env.capture_if_changed() {
            Some(vars) => {
                for (name, value) in &vars {
                    push(&mut env, &[name, OsStr::new("="), value])?;
                }
            }
            None => {
                for (name, value) in env::vars_os() {
                    push(&mut env, &[&name, OsStr::new("="), &value])?;
                }
            }
        }
        Ok(Strings {
            path: without_nul(&command.program)?,
            argv,
            env,
            cwd: command.cwd.as_deref().map(without_nul).transpose()?,
        })
    }
}

fn push(list: &mut Vec<u8>, parts: &[&OsStr]) -> io::Result<()> {
    for part in parts {
        list.extend_from_slice(without_nul(part)?);
    }
    list.push(0);
    Ok(())
}

fn without_nul(string: &OsStr) -> io::Result<&[u8]> {
    let bytes = string.as_bytes();
    if bytes.contains(&0) {
        return Err(io::const_error!(io::ErrorKind::InvalidInput, "nul byte found in provided data"));
    }
    Ok(bytes)
}

/// The actions that give a child its standard streams, and the descriptors that must live until it has them.
#[derive(Default)]
struct Streams {
    actions: Vec<SpawnAction>,
    held: Vec<OwnedFd>,
}

impl Streams {
    /// Adds stream `fd`; returns our end if it is a new pipe.
    fn add(&mut self, fd: u32, stdio: &Stdio) -> io::Result<Option<Pipe>> {
        match stdio {
            Stdio::Inherit => {}
            Stdio::Null => self.actions.push(SpawnAction {
                op: abi::ACTION_OPEN,
                fd,
                src: 0,
                oflags: if fd == 0 { abi::OPEN_READ } else { abi::OPEN_WRITE },
                mode: 0,
                path: address(DEV_NULL.as_bytes()),
                path_len: DEV_NULL.len() as u32,
            }),
            Stdio::MakePipe => {
                let (read, write) = pipe::pipe()?;
                let (ours, theirs) = if fd == 0 { (write, read) } else { (read, write) };
                self.copy(fd, theirs.as_raw_fd() as u32);
                self.held.push(crate::sys::IntoInner::into_inner(theirs));
                return Ok(Some(ours));
            }
            Stdio::Fd(source) => self.copy_of(fd, source.as_raw_fd() as u32)?,
            Stdio::Own(source) => self.copy_of(fd, *source)?,
        }
        Ok(None)
    }

    /// A source among the standard streams is moved away first, since an earlier action may have replaced it.
    fn copy_of(&mut self, fd: u32, source: u32) -> io::Result<()> {
        if source > 2 || source == fd {
            self.copy(fd, source);
            return Ok(());
        }
        // SAFETY: only borrowed for the call; a closed descriptor is the kernel's EBADF.
        let moved = pipe::duplicate(unsafe { BorrowedFd::borrow_raw(source as i32) })?;
        self.copy(fd, moved.as_raw_fd() as u32);
        self.held.push(moved);
        Ok(())
    }

    fn copy(&mut self, fd: u32, src: u32) {
        self.actions.push(SpawnAction { op: abi::ACTION_DUP2, fd, src, oflags: 0, mode: 0, path: 0, path_len: 0 });
    }
}
