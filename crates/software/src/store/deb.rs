//! Packages of Debian, through the host's apt.
//!
//! apt knows the sources of the host and the keys that sign their indices, and checks what it downloads against them; nothing
//! of this is done a second time here. `apt-get` says which packages are needed where none is installed, and downloads them
//! as this user into a directory of the store. Their files are unpacked; their scripts are not run.

use super::bounds::Bounds;
use super::disk::Disk;
use super::error::{Error, Result};
use super::package::{FORMAT, RECIPE, Record};
use super::progress::{Progress, Step};
use agentos_image::Cache;
use agentos_image::assembly::Assembly;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Most lines of what apt says that an error shows.
const SAID: usize = 4;
/// Status of a shell that does not find a program.
const NOT_FOUND: i32 = 127;
const NONE: &str =
    "the host has no apt-get; packages of Debian need a Debian or Ubuntu, or `agentos image build --deb FILE`";

/// A directory that vanishes with this value.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A package with everything that it needs and that is no part of every Debian.
pub(super) fn package(
    name: &str,
    spec: &str,
    disk: &Disk,
    cache: &Cache,
    bounds: &Bounds,
    progress: &dyn Progress,
) -> Result<Record> {
    let folder = Folder(
        disk.path
            .join("downloads")
            .join(format!(".draft-deb-{}", std::process::id())),
    );
    let _ = std::fs::remove_dir_all(&folder.0);
    std::fs::create_dir(&folder.0).map_err(Error::host(&folder.0))?;
    let needed = needed(name, spec, &folder.0)?;
    let count = needed.len() as u64;
    Bounds::check(
        format!("packages that {spec} needs"),
        count,
        bounds.packages,
        "packages",
        "packages",
    )?;
    progress.report(&Step::Downloads { files: count });
    let mut download = apt(&folder.0);
    download.args(["-q", "download"]).args(&needed).current_dir(&folder.0);
    said(run(download, spec)?, spec)?;
    let archives = archives(&folder.0)?;
    let mut size = 0;
    for archive in &archives {
        size += std::fs::metadata(archive).map_err(Error::host(archive))?.len();
    }
    Bounds::check("bytes of all archives", size, bounds.downloads, "bytes", "downloads")?;
    unpack(name, spec, &archives, cache, bounds, progress)
}

fn unpack(
    name: &str,
    spec: &str,
    archives: &[PathBuf],
    cache: &Cache,
    bounds: &Bounds,
    progress: &dyn Progress,
) -> Result<Record> {
    let mut assembly = Assembly::begin(cache, &bounds.image())?;
    let total = archives.len() as u64;
    let mut version = String::new();
    for (done, archive) in archives.iter().enumerate() {
        let file = archive.file_name().unwrap_or_default().to_string_lossy();
        let step = Step::Unpacking {
            name: file.split('_').next().unwrap_or_default(),
            done: done as u64,
            total,
        };
        progress.report(&step);
        let title = assembly.deb(archive)?;
        if let Some((package, number)) = title.split_once(' ')
            && package == name
        {
            version = number.to_owned();
        }
    }
    let mut commands = ["usr/bin", "usr/sbin", "usr/local/bin"]
        .map(|folder| assembly.names(folder))
        .concat();
    commands.sort();
    commands.dedup();
    Ok(Record {
        format: FORMAT,
        recipe: RECIPE,
        spec: spec.to_owned(),
        name: name.to_owned(),
        version,
        native: assembly.has_native(),
        layers: vec![assembly.finish()?.to_string()],
        runtime: Vec::new(),
        commands,
        agent: None,
        env: BTreeMap::new(),
        scripts: Vec::new(),
        linked: 0,
        source: None,
    })
}

/// `apt-get` with the host's sources and indices, as if nothing were installed.
fn apt(folder: &Path) -> Command {
    let mut command = agentos_kernel::descriptors::program("apt-get");
    let status = folder.join("status");
    command.args(["-o", &format!("Dir::State::status={}", status.display())]);
    command.args([
        "-o",
        "APT::Sandbox::User=",
        "-o",
        "Debug::NoLocking=1",
        "-o",
        "APT::Install-Recommends=0",
    ]);
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// What would be installed where there is nothing, as `NAME=VERSION`.
fn needed(name: &str, spec: &str, folder: &Path) -> Result<Vec<String>> {
    let status = folder.join("status");
    std::fs::write(&status, "").map_err(Error::host(&status))?;
    let mut plan = apt(folder);
    plan.args(["-s", "-q", "install", "--", name]);
    let output = said(run(plan, spec)?, spec)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let planned: Vec<String> = text.lines().filter_map(planned).collect();
    match planned.is_empty() {
        true => Err(Error::source(spec, "apt-get names no package to download")),
        false => Ok(planned),
    }
}

/// A package of a line such as `Inst NAME (VERSION SOURCE [ARCH])`.
fn planned(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    let version = rest.split([' ', ')']).next()?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:~".contains(&byte);
    let name = name.split(' ').next()?;
    let sound = |text: &str| !text.is_empty() && !text.starts_with('-') && text.bytes().all(known);
    (sound(name) && sound(version)).then(|| format!("{name}={version}"))
}

fn run(mut command: Command, spec: &str) -> Result<Output> {
    command.output().map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => NONE.to_owned(),
            _ => format!("apt-get: {error}"),
        };
        Error::source(spec, reason)
    })
}

/// The output of apt, if it did not fail.
fn said(output: Output, spec: &str) -> Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    if output.status.code() == Some(NOT_FOUND) {
        return Err(Error::source(spec, NONE));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("E:")).take(SAID).collect();
    let reason = match lines.is_empty() {
        true => format!("apt-get failed ({})", output.status),
        false => format!(
            "apt-get: {} (sudo apt-get update renews what it knows)",
            lines.join("; ")
        ),
    };
    Err(Error::source(spec, reason))
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::host(folder))?;
    let mut archives: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    archives.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    archives.sort();
    Ok(archives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_odd_lines_are_not() {
        let read = planned("Inst libjq1 (1.6-2.1+deb12u1 Debian:12.11/oldstable [amd64])");
        assert_eq!(read.as_deref(), Some("libjq1=1.6-2.1+deb12u1"));
        let read = planned("Inst a [1] (2:1.0~rc1 X [all]) []");
        assert_eq!(read.as_deref(), Some("a=2:1.0~rc1"));
        for line in [
            "Conf a (1 X)",
            "Inst -o=x (1 X)",
            "Inst a;b (1 X)",
            "Inst a",
            "Inst a ()",
        ] {
            assert_eq!(planned(line), None, "{line}");
        }
    }

    #[test]
    fn what_apt_says_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'W: x' >&2; echo 'E: Unable to locate package nothing' >&2; exit 100",
        ]);
        let error = said(run(command, "deb:nothing").unwrap(), "deb:nothing")
            .unwrap_err()
            .to_string();
        assert!(error.contains("Unable to locate package nothing"), "{error}");
        let missing = run(Command::new(dir.path().join("apt-get")), "deb:x")
            .unwrap_err()
            .to_string();
        assert!(missing.contains("no apt-get"), "{missing}");
    }
}
