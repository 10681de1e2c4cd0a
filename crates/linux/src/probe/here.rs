//! Trying everything, from what needs nothing to what needs all before it.

use super::{Finding, Probe, feature, guest, host};
use crate::loader::Loader;
use crate::sys::{self, Listener};
use crate::table;
use crate::walls::Cgroup;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;

impl Probe {
    /// Tries everything. Takes some tens of milliseconds, and leaves nothing behind.
    pub fn run() -> Self {
        Self::keeping(&Cgroup::Auto).0
    }

    /// The same, with the loader that it was tried with where guests can be started: to give it back and install another takes as long as all else.
    pub(crate) fn keeping(cgroup: &Cgroup) -> (Self, Option<Arc<Loader>>) {
        let mut probe = Self::default();
        let loader = match probe.basics() {
            true => probe.place(cgroup),
            false => None,
        };
        if let Some(loader) = &loader
            && probe.walls(loader)
        {
            guest::try_one(&mut probe, loader);
        }
        probe.groups(cgroup, loader.as_deref());
        host::optional(&mut probe);
        let loader = loader.filter(|_| probe.refusal().is_none());
        (probe, loader)
    }

    /// Adds what came of trying `feature`, and says whether it works.
    pub(super) fn note(
        &mut self,
        feature: &'static str,
        required: bool,
        purpose: &'static str,
        result: io::Result<String>,
    ) -> bool {
        let works = result.is_ok();
        self.findings.push(Finding::new(feature, required, purpose, result));
        works
    }

    /// What needs no other process.
    fn basics(&mut self) -> bool {
        let landlock = sys::landlock_version().map(|version| match version {
            6.. => format!("version {version}"),
            4.. => format!("version {version}, which knows nothing of signals and abstract sockets"),
            _ => format!("version {version}, which knows nothing of TCP, signals and abstract sockets"),
        });
        let purpose = "a second wall: no file of the host but the loader; Linux 5.13";
        let landlock = self.note(feature::LANDLOCK, true, purpose, landlock);
        let memfd = sys::memfd(c"probe", true).map(|_| "ok".to_owned());
        let purpose = "files that nobody can execute by their path; Linux 6.3";
        let memfd = self.note(feature::MEMFD, true, purpose, memfd);
        let pid = sys::pid_fd(std::process::id()).map(|_| "ok".to_owned());
        let pid = self.note(feature::PIDFD, true, "naming processes without mistake; Linux 5.3", pid);
        landlock && memfd && pid
    }

    fn place(&mut self, cgroup: &Cgroup) -> Option<Arc<Loader>> {
        let installed = Loader::install(cgroup);
        let result = installed.as_ref().map(|loader| loader.place().display().to_string());
        let copied = |error: &io::Error| match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(error.to_string()),
        };
        let purpose = "a place that allows executing the one program that the host sees";
        self.note(feature::PLACE, true, purpose, result.map_err(copied));
        let loader = installed.ok()?;
        let guarded = match loader.is_guarded() {
            true => Ok("ok".to_owned()),
            false => Err(io::Error::other("it ended")),
        };
        let purpose = "ending every guest when this process ends";
        self.note(feature::GUARDIAN, true, purpose, guarded)
            .then(|| Arc::new(loader))
    }

    /// What became of control groups, which were tried with the loader.
    fn groups(&mut self, cgroup: &Cgroup, loader: Option<&Loader>) {
        let found = match loader {
            Some(loader) => loader.walls_found(),
            None => Err(io::Error::other("not tried, as Linux programs do not run")),
        };
        let found = found.map(|found| found.unwrap_or_else(|| "off, as it was said".to_owned()));
        let purpose =
            "a further wall: limits of memory, threads and processor time that the host enforces for a whole VM";
        self.note(feature::CGROUP, cgroup.is_required(), purpose, found);
    }

    /// What a thread puts on itself before it makes guests.
    fn walls(&mut self, loader: &Loader) -> bool {
        let confined = on_a_thread(|| sys::confine_thread(loader.file()).map(|()| "ok".to_owned()));
        let purpose = "putting the second wall up";
        let confined = self.note(feature::CONFINE, true, purpose, confined);
        let with = |flags| {
            let program = table::program();
            on_a_thread(move || sys::install_filter_with(&program, flags).map(|_: Listener| "ok".to_owned()))
        };
        let listener = self.note(
            feature::LISTENER,
            true,
            "answering system calls; Linux 5.0, and no other supervisor around",
            with(sys::NEW_LISTENER),
        );
        let purpose = "calls that signals do not repeat; Linux 5.19";
        let killable = listener
            && self.note(
                feature::KILLABLE,
                true,
                purpose,
                with(sys::NEW_LISTENER | sys::WAIT_KILLABLE_RECV),
            );
        confined && killable
    }
}

/// Runs `work` on a thread of its own, which can give up privileges and then ends.
fn on_a_thread(work: impl FnOnce() -> io::Result<String> + Send) -> io::Result<String> {
    let (told, heard) = channel();
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("agentos-probe".into())
            .spawn_scoped(scope, move || {
                let result = sys::no_new_privileges().and_then(|()| work());
                let _ = told.send(result);
            })?;
        heard.recv().map_err(|_| io::Error::other("the thread ended"))?
    })
}
