//! Whether this machine can jail Linux programs, found out by doing each thing once.

use std::fmt;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub feature: &'static str,
    /// Whether Linux programs cannot run without it.
    pub required: bool,
    /// What it is needed for.
    pub purpose: &'static str,
    /// How it went: a detail, or the host's error.
    pub result: Result<String, String>,
}

/// Everything that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Probe {
    /// In the order in which it was tried.
    pub findings: Vec<Finding>,
}

impl Probe {
    /// Why Linux programs cannot run here, in one line; none if they can.
    pub fn refusal(&self) -> Option<String> {
        let missing = self
            .findings
            .iter()
            .find(|finding| finding.required && finding.result.is_err())?;
        let error = missing.result.as_ref().err()?;
        let (feature, purpose) = (missing.feature, missing.purpose);
        Some(format!(
            "native Linux programs are off on this machine: {feature} ({purpose}): {error}"
        ))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.required { "required" } else { "optional" };
        match &self.result {
            Ok(detail) => write!(f, "ok   {} ({kind}; {}): {detail}", self.feature, self.purpose),
            Err(error) => write!(f, "FAIL {} ({kind}; {}): {error}", self.feature, self.purpose),
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
impl Probe {
    /// Tries everything.
    pub fn run() -> Self {
        Self {
            findings: vec![Finding {
                feature: "Linux on x86-64",
                required: true,
                purpose: "the only system that Linux programs run on so far",
                result: Err("this is another one".into()),
            }],
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here {
    use super::{Finding, Probe};
    use crate::job::{ASK, ASK_HELLO};
    use crate::loader::Loader;
    use crate::sys::{self, ADDFD_FLAG_SEND, Listener};
    use crate::table;
    use std::io;
    use std::os::fd::AsFd;
    use std::sync::mpsc::channel;

    impl Probe {
        /// Tries everything. Takes some milliseconds, and leaves nothing behind.
        pub fn run() -> Self {
            let mut probe = Self::default();
            let landlock = sys::landlock_version();
            probe.note(
                "Landlock",
                true,
                "a second wall: no file of the host but the loader",
                landlock.map(|version| format!("version {version}")),
            );
            let memfd = sys::memfd(c"probe", true).map(|_| "ok".to_owned());
            probe.note(
                "memfd with MFD_NOEXEC_SEAL",
                true,
                "files that nobody can execute by their path; Linux 6.3",
                memfd,
            );
            let loader = Loader::install();
            let loader = match loader {
                Ok(loader) => {
                    probe.note("a directory for the loader", true, "executing it", Ok("ok".into()));
                    loader
                }
                Err(error) => {
                    probe.note(
                        "a directory for the loader",
                        true,
                        "a place that allows executing",
                        Err(error),
                    );
                    return probe;
                }
            };
            probe.note(
                "seccomp notifications",
                true,
                "answering system calls; Linux 5.19",
                jail(&loader),
            );
            let pid = sys::pid_fd(std::process::id()).map(|_| "ok".to_owned());
            probe.note("pidfd_open", true, "naming processes without mistake", pid);
            probe
        }

        fn note(&mut self, feature: &'static str, required: bool, purpose: &'static str, result: io::Result<String>) {
            let result = result.map_err(|error| error.to_string());
            self.findings.push(Finding {
                feature,
                required,
                purpose,
                result,
            });
        }
    }

    /// Jails a thread that then ends, and answers one call of it: listener, memory, injected descriptor.
    fn jail(loader: &Loader) -> io::Result<String> {
        let program = table::program();
        let (told, listener) = channel();
        let (answered, answer) = channel();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("agentos-probe".into())
                .spawn_scoped(scope, move || {
                    let mut all = 0u64;
                    let made = confine(loader, &program);
                    let usable = made.is_ok();
                    let _ = told.send(made);
                    if usable {
                        // SAFETY: a call that the supervisor answers; the pointer is to a number of this thread.
                        all = unsafe { libc::syscall(libc::SYS_openat, ASK, ASK_HELLO, &raw const all, 0) }
                            .cast_unsigned();
                    }
                    let _ = answered.send(all);
                })?;
            let listener = listener.recv().map_err(|_| io::Error::other("the thread ended"))??;
            serve(&listener)?;
            let got = answer.recv().map_err(|_| io::Error::other("the thread ended"))?;
            drop(thread);
            match got.cast_signed() {
                fd if fd >= 0 => {
                    // SAFETY: the answer was a new descriptor in this process's table.
                    unsafe { libc::close(i32::try_from(fd).unwrap_or(-1)) };
                    Ok("ok".into())
                }
                _ => Err(io::Error::other("the call was not answered")),
            }
        })
    }

    fn confine(loader: &Loader, program: &[libc::sock_filter]) -> io::Result<Listener> {
        // SAFETY: takes numbers alone; this thread does nothing else afterwards.
        sys::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
        sys::confine_thread(loader.file())?;
        sys::install_filter(program)
    }

    fn serve(listener: &Listener) -> io::Result<()> {
        loop {
            let Some(call) = listener.receive()? else { continue };
            if call.args[0] != ASK {
                listener.answer(call.id, sys::Answer::Errno(libc::ENOSYS));
                continue;
            }
            let mut word = [0; 8];
            let read = sys::read_memory(call.tid, call.args[2], &mut word)
                .and_then(|()| sys::write_memory(call.tid, call.args[2], &word));
            if let Err(error) = read {
                listener.answer(call.id, sys::Answer::Errno(libc::EIO));
                return Err(error);
            }
            let file = sys::memfd(c"probe", true)?;
            return match listener.add(call.id, file.as_fd(), None, true, ADDFD_FLAG_SEND) {
                Ok(_) => Ok(()),
                Err(error) => {
                    listener.answer(call.id, sys::Answer::Errno(libc::EIO));
                    Err(error)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_is_missing_and_why_it_matters() {
        let finding = |required, result: Result<&str, &str>| Finding {
            feature: "a thing",
            required,
            purpose: "doing it",
            result: result.map(str::to_owned).map_err(str::to_owned),
        };
        let probe = |findings| Probe { findings };
        assert_eq!(
            probe(vec![finding(true, Ok("ok")), finding(false, Err("EPERM"))]).refusal(),
            None
        );
        let line = probe(vec![finding(true, Err("Operation not permitted"))]).refusal();
        let wanted = "native Linux programs are off on this machine: a thing (doing it): Operation not permitted";
        assert_eq!(line.as_deref(), Some(wanted));
    }
}
