//! What a program is to be started with.

use super::super::env::{CommandEnv, CommandEnvs};
use crate::ffi::{OsStr, OsString};
use crate::os::fd::{FromRawFd, OwnedFd};
use crate::path::Path;
use crate::sys::fd::FileDesc;
use crate::sys::fs::File;
use crate::sys::{FromInner, IntoInner};
use crate::{fmt, io};

pub struct Command {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: CommandEnv,
    pub(super) cwd: Option<OsString>,
    pub(super) stdin: Option<Stdio>,
    pub(super) stdout: Option<Stdio>,
    pub(super) stderr: Option<Stdio>,
    pub(super) pgroup: Option<i32>,
    pub(super) setsid: bool,
}

/// Where a standard stream of the child comes from.
#[derive(Debug)]
pub enum Stdio {
    Inherit,
    Null,
    MakePipe,
    Fd(FileDesc),
    /// A standard stream of this process, which stays open here.
    Own(u32),
}

impl Command {
    pub fn new(program: &OsStr) -> Command {
        Command {
            program: program.to_owned(),
            args: vec![program.to_owned()],
            env: CommandEnv::default(),
            cwd: None,
            stdin: None,
            stdout: None,
            stderr: None,
            pgroup: None,
            setsid: false,
        }
    }

    pub fn arg(&mut self, arg: &OsStr) {
        self.args.push(arg.to_owned());
    }

    pub fn set_arg_0(&mut self, arg: &OsStr) {
        self.args[0] = arg.to_owned();
    }

    pub fn env_mut(&mut self) -> &mut CommandEnv {
        &mut self.env
    }

    pub fn cwd(&mut self, dir: &OsStr) {
        self.cwd = Some(dir.to_owned());
    }

    pub fn stdin(&mut self, stdin: Stdio) {
        self.stdin = Some(stdin);
    }

    pub fn stdout(&mut self, stdout: Stdio) {
        self.stdout = Some(stdout);
    }

    pub fn stderr(&mut self, stderr: Stdio) {
        self.stderr = Some(stderr);
    }

    pub fn pgroup(&mut self, pgroup: i32) {
        self.pgroup = Some(pgroup);
    }

    pub fn setsid(&mut self, setsid: bool) {
        self.setsid = setsid;
    }

    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    pub fn get_args(&self) -> CommandArgs<'_> {
        let mut iter = self.args.iter();
        iter.next();
        CommandArgs { iter }
    }

    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.env.iter()
    }

    pub fn get_env_clear(&self) -> bool {
        self.env.does_clear()
    }

    pub fn get_current_dir(&self) -> Option<&Path> {
        self.cwd.as_deref().map(Path::new)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("Command")
                .field("program", &self.program)
                .field("args", &self.args)
                .field("env", &self.env)
                .field("cwd", &self.cwd)
                .field("stdin", &self.stdin)
                .field("stdout", &self.stdout)
                .field("stderr", &self.stderr)
                .field("pgroup", &self.pgroup)
                .field("setsid", &self.setsid)
                .finish();
        }
        if let Some(dir) = &self.cwd {
            write!(f, "cd {dir:?} && ")?;
        }
        if self.env.does_clear() {
            f.write_str("env -i ")?;
        }
        for (name, value) in self.get_envs() {
            if let Some(value) = value {
                write!(f, "{}={value:?} ", name.to_string_lossy())?;
            }
        }
        if self.program != self.args[0] {
            write!(f, "[{:?}] ", self.program)?;
        }
        write!(f, "{:?}", self.args[0])?;
        for arg in self.get_args() {
            write!(f, " {arg:?}")?;
        }
        Ok(())
    }
}

impl From<FileDesc> for Stdio {
    fn from(fd: FileDesc) -> Stdio {
        Stdio::Fd(fd)
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        Stdio::Fd(file.into_inner())
    }
}

impl FromInner<OwnedFd> for Stdio {
    fn from_inner(fd: OwnedFd) -> Stdio {
        Stdio::Fd(FileDesc::from_inner(fd))
    }
}

impl From<io::Stdout> for Stdio {
    fn from(_: io::Stdout) -> Stdio {
        Stdio::Own(1)
    }
}

impl From<io::Stderr> for Stdio {
    fn from(_: io::Stderr) -> Stdio {
        Stdio::Own(2)
    }
}

impl Stdio {
    /// # Safety
    ///
    /// As for [`FromRawFd::from_raw_fd`].
    pub unsafe fn from_raw_fd(fd: i32) -> Stdio {
        // SAFETY: the caller's promise.
        Stdio::Fd(unsafe { FileDesc::from_raw_fd(fd) })
    }
}

pub struct CommandArgs<'a> {
    iter: crate::slice::Iter<'a, OsString>,
}

impl<'a> Iterator for CommandArgs<'a> {
    type Item = &'a OsStr;

    fn next(&mut self) -> Option<&'a OsStr> {
        self.iter.next().map(OsString::as_os_str)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<'a> ExactSizeIterator for CommandArgs<'a> {
    fn len(&self) -> usize {
        self.iter.len()
    }

    fn is_empty(&self) -> bool {
        self.iter.is_empty()
    }
}

impl<'a> fmt::Debug for CommandArgs<'a> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter.clone()).finish()
    }
}
