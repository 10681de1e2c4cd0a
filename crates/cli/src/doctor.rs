//! `agentos doctor`.

use crate::error::{Error, Exit};
use crate::report;
use agentos::{Check, CheckState, Diagnosis, Section};
use agentos_store::headroom::{MIN_FREE_BYTES, MIN_FREE_PERCENT};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Options of `agentos doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Also look at this data directory of a server.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Try control groups of VMs with Linux programs here: auto, off, own, or the path of one (docs/linux.md).
    #[arg(long, value_name = "PLACE", default_value_t)]
    cgroup: agentos::Cgroup,
}

/// Tries everything and prints what came of it.
pub(crate) fn main(args: &DoctorArgs) -> Result<Exit, Error> {
    let mut diagnosis = Diagnosis::run_with(&args.cgroup);
    if let Some(dir) = &args.data {
        diagnosis.sections.push(Section::new("Data directory", data(dir)));
    }
    match args.json {
        true => report::json(&as_json(&diagnosis))?,
        false => report::text(&as_text(&diagnosis))?,
    }
    Ok(if diagnosis.works() { Exit::SUCCESS } else { Exit::MISSED })
}

/// Whether a server could keep its VMs there.
fn data(dir: &Path) -> Vec<Check> {
    let written = agentos::try_directory(dir).map(|()| dir.display().to_string());
    let purpose = "keeping the files and the state of a server's VMs";
    let mut checks = vec![Check::attempt("writing", purpose, CheckState::Fails, written)];
    let space = rustix::fs::statvfs(dir).map_err(std::io::Error::from);
    let purpose = format!(
        "below {MIN_FREE_PERCENT} % or {} MiB a server refuses new data",
        MIN_FREE_BYTES >> 20
    );
    let found = space.as_ref().map(|space| {
        let (free, used) = (space.f_bavail, space.f_blocks.saturating_sub(space.f_bfree));
        (
            free.saturating_mul(space.f_frsize),
            used.saturating_add(free).saturating_mul(space.f_frsize),
        )
    });
    if let Ok((free, total)) = found {
        let detail = format!("{} MiB of {} MiB", free >> 20, total >> 20);
        let check = Check::works("free space", purpose, detail);
        let low = free < MIN_FREE_BYTES || u128::from(free) * 100 < u128::from(total) * u128::from(MIN_FREE_PERCENT);
        checks.push(if low {
            check.state(CheckState::Fails).advice("make room, or use another disk")
        } else {
            check
        });
    }
    checks
}

fn as_text(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    for section in &diagnosis.sections {
        let verdict = if section.works() { "works" } else { "does not work" };
        let _ = writeln!(text, "{}: {verdict}", section.name);
        for check in &section.checks {
            let errno = check.errno.map(|errno| format!(", errno {errno}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "  {:<8}{}: {}{errno}",
                check.state.name(),
                check.name,
                check.detail
            );
            if check.state != CheckState::Works {
                let _ = writeln!(text, "            for: {}", check.purpose);
                if let Some(advice) = &check.advice {
                    let _ = writeln!(text, "            help: {advice}");
                }
            }
        }
        text.push('\n');
    }
    text.push_str(match (diagnosis.works(), diagnosis.linux_programs()) {
        (true, _) => "Everything that VMs need works on this machine.\n",
        (false, false) => {
            "Linux programs do not run on this machine; VMs with WebAssembly programs are not affected by that.\n"
        }
        (false, true) => "Something that VMs need is missing.\n",
    });
    text
}

fn as_json(diagnosis: &Diagnosis) -> Value {
    let check = |check: &Check| {
        json!({
            "name": check.name,
            "state": check.state.name(),
            "detail": check.detail,
            "purpose": check.purpose,
            "errno": check.errno,
            "advice": check.advice,
        })
    };
    let section = |section: &Section| {
        let checks: Vec<_> = section.checks.iter().map(check).collect();
        json!({ "name": section.name, "works": section.works(), "checks": checks })
    };
    let sections: Vec<_> = diagnosis.sections.iter().map(section).collect();
    json!({
        "works": diagnosis.works(),
        "linuxPrograms": diagnosis.linux_programs(),
        "sections": sections,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(state: CheckState) -> Diagnosis {
        let mut diagnosis = Diagnosis::with(&Vec::new().into(), None);
        let check = Check::works("a thing", "doing it", "Operation not permitted")
            .state(state)
            .advice("allow it");
        diagnosis.sections = vec![Section::new("Linux programs", vec![check])];
        diagnosis
    }

    #[test]
    fn what_fails_is_told_with_its_use_and_what_helps() {
        let text = as_text(&diagnosis(CheckState::Fails));
        assert_eq!(
            text,
            "Linux programs: does not work\n  failed  a thing: Operation not permitted\n            for: doing it\n            \
             help: allow it\n\nLinux programs do not run on this machine; VMs with WebAssembly programs are not affected by \
             that.\n"
        );
        let good = as_text(&diagnosis(CheckState::Works));
        assert_eq!(
            good,
            "Linux programs: works\n  ok      a thing: Operation not permitted\n\nEverything that VMs need works on this \
             machine.\n"
        );
    }

    #[test]
    fn json_says_the_same() {
        let json = as_json(&diagnosis(CheckState::Fails));
        assert_eq!((&json["works"], &json["linuxPrograms"]), (&json!(false), &json!(false)));
        assert_eq!(json["sections"][0]["checks"][0]["advice"], "allow it");
    }

    #[test]
    fn a_data_directory_is_written_to_and_measured() {
        let dir = tempfile::tempdir().expect("a directory");
        let checks = data(&dir.path().join("new"));
        assert_eq!((checks.len(), checks[0].state), (2, CheckState::Works));
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert_eq!(data(file.path())[0].state, CheckState::Fails);
    }
}
