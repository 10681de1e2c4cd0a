//! What of agentOS works on this machine, and why something does not.
//!
//! Everything is found out by doing it once, as the product does it: see [`agentos_linux::Probe`] for Linux programs. Nothing is left
//! behind but the engine of WebAssembly programs, which the process's next VM uses.

mod machine;

use crate::engine;
use agentos_linux::{Cgroup, Finding, LinuxExecutor, Probe};
use agentos_software::Userland;
use std::path::Path;

/// How something that was tried stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckState {
    /// It works.
    Works,
    /// It is not there or low; what depends on it is slower, smaller or less walled in, and works.
    Limited,
    /// It is not there, and something does not work without it.
    Fails,
}

impl CheckState {
    /// One word, as it is printed and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Works => "ok",
            Self::Limited => "limited",
            Self::Fails => "failed",
        }
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What it is.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// What was found, or the host's error.
    pub detail: String,
    /// What it is needed for.
    pub purpose: String,
    /// The host's error number, if it gave one.
    pub errno: Option<i32>,
    /// What helps, where that is known.
    pub advice: Option<String>,
}

impl Check {
    /// Something that works.
    pub fn works(name: impl Into<String>, purpose: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: CheckState::Works,
            detail: detail.into(),
            purpose: purpose.into(),
            errno: None,
            advice: None,
        }
    }

    /// The same, standing otherwise.
    #[must_use]
    pub fn state(mut self, state: CheckState) -> Self {
        self.state = state;
        self
    }

    /// The same with what helps.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What an attempt came to; a failure stands as `otherwise`.
    pub fn attempt(
        name: impl Into<String>,
        purpose: impl Into<String>,
        otherwise: CheckState,
        result: std::io::Result<String>,
    ) -> Self {
        let check = Self::works(name, purpose, "");
        match result {
            Ok(detail) => Self { detail, ..check },
            Err(error) => Self {
                detail: error.to_string(),
                errno: error.raw_os_error(),
                state: otherwise,
                ..check
            },
        }
    }
}

impl From<&Finding> for Check {
    fn from(finding: &Finding) -> Self {
        let (state, detail) = match &finding.result {
            Ok(detail) => (CheckState::Works, detail.clone()),
            Err(error) if finding.required => (CheckState::Fails, error.clone()),
            Err(error) => (CheckState::Limited, error.clone()),
        };
        Self {
            name: finding.feature.to_owned(),
            state,
            detail,
            purpose: finding.purpose.to_owned(),
            errno: finding.errno,
            advice: finding.advice.map(str::to_owned),
        }
    }
}

/// What belongs together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// What it is about.
    pub name: &'static str,
    /// What was tried, in that order.
    pub checks: Vec<Check>,
}

impl Section {
    /// A section with these checks.
    pub fn new(name: &'static str, checks: Vec<Check>) -> Self {
        Self { name, checks }
    }

    /// Whether nothing in it has failed.
    pub fn works(&self) -> bool {
        self.checks.iter().all(|check| check.state != CheckState::Fails)
    }
}

/// The state of the whole machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Linux programs, WebAssembly programs, the machine; and what the caller adds.
    pub sections: Vec<Section>,
}

/// Name of the section about Linux programs.
const LINUX: &str = "Linux programs";

impl Diagnosis {
    /// Tries everything. Takes some tens of milliseconds.
    pub fn run() -> Self {
        Self::run_with(&Cgroup::Auto)
    }

    /// The same with control groups of VMs with Linux programs made in a certain place.
    pub fn run_with(cgroup: &Cgroup) -> Self {
        let executor = LinuxExecutor::new();
        // One that has done nothing yet takes any.
        let _ = executor.set_cgroup(cgroup.clone());
        Self::with(executor.probe(), engine::default_cache_dir().as_deref())
    }

    /// As [`run`](Self::run), with a given outcome of the probe of Linux programs, and this cache directory.
    pub fn with(probe: &Probe, cache_dir: Option<&Path>) -> Self {
        Self {
            sections: vec![linux(probe), webassembly(cache_dir), machine::section()],
        }
    }

    /// Whether nothing has failed.
    pub fn works(&self) -> bool {
        self.sections.iter().all(Section::works)
    }

    /// Whether Linux programs run here.
    pub fn linux_programs(&self) -> bool {
        self.sections
            .iter()
            .filter(|section| section.name == LINUX)
            .all(Section::works)
    }
}

fn linux(probe: &Probe) -> Section {
    Section::new(LINUX, probe.findings.iter().map(Check::from).collect())
}

fn webassembly(cache_dir: Option<&Path>) -> Section {
    let started = engine::shared(cache_dir, false);
    let purpose = "running the bundled commands and WebAssembly programs";
    let engine = started.as_ref().map(|_| "ok".to_owned());
    let engine = engine.map_err(|error| std::io::Error::other(error.to_string()));
    let mut checks = vec![
        Check::attempt("engine", purpose, CheckState::Fails, engine),
        cache(cache_dir),
    ];
    if let (Ok(engine), Ok(userland)) = (&started, Userland::bundled()) {
        let digests: Vec<_> = userland
            .artefacts()
            .iter()
            .map(agentos_software::Artefact::digest)
            .collect();
        let ready = digests.iter().filter(|digest| engine.has_compiled(digest)).count();
        let detail = format!("{ready} of {} bundled programs are compiled", digests.len());
        let check = Check::works(
            "compiled programs",
            "starting a command without compiling it first",
            detail,
        );
        checks.push(match ready == digests.len() {
            true => check,
            false => check
                .state(CheckState::Limited)
                .advice("each is compiled when it is first run, or all at once by the next VM that is prepared"),
        });
    }
    Section::new("WebAssembly programs", checks)
}

/// Whether compiled programs can be kept.
fn cache(dir: Option<&Path>) -> Check {
    let purpose = "keeping compiled programs for the next process";
    let Some(dir) = dir else {
        let none = std::io::Error::other("there is no cache directory");
        return Check::attempt("cache", purpose, CheckState::Limited, Err(none))
            .advice("set HOME or XDG_CACHE_HOME to a directory that can be written");
    };
    let tried = write_to(dir).map(|()| dir.display().to_string());
    let check = Check::attempt("cache", purpose, CheckState::Limited, tried);
    match check.state {
        CheckState::Works => check,
        _ => check.advice(format!("let this user write to {}", dir.display())),
    }
}

/// Writes a file into a directory, which is made if it is not there, and removes it.
///
/// # Errors
/// The host's.
pub fn write_to(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let file = dir.join(format!(".doctor-{}", std::process::id()));
    std::fs::write(&file, "agentos doctor\n")?;
    std::fs::remove_file(&file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_is_missing_decides_and_what_is_optional_does_not() {
        let finding = |required, result| Finding::new("a thing", required, "doing it", result);
        let denied = || Err(io::Error::from_raw_os_error(1));
        let works = || Ok("ok".to_owned());
        let dir = tempfile::tempdir().unwrap();
        let with = |findings: Vec<Finding>| Diagnosis::with(&findings.into(), Some(dir.path()));
        let good = with(vec![finding(true, works()), finding(false, denied())]);
        assert!(good.linux_programs());
        let states: Vec<_> = good.sections[0].checks.iter().map(|check| check.state).collect();
        assert_eq!(states, [CheckState::Works, CheckState::Limited]);
        let bad = with(vec![finding(true, denied())]);
        assert!(!bad.works() && !bad.linux_programs());
        assert_eq!(bad.sections[0].checks[0].errno, Some(1));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_told_with_what_helps() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = cache(Some(file.path()));
        assert_eq!(check.state, CheckState::Limited);
        assert!(check.advice.unwrap().contains("let this user write"));
        assert_eq!(cache(None).state, CheckState::Limited);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(cache(Some(&dir.path().join("new"))).state, CheckState::Works);
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 0);
    }
}
