//! `cp` between this machine and a VM.
//!
//! Files travel one at a time, each as one message, so that a file must fit the server's message limit. Links and special
//! files are not followed and not copied: what a guest made must not decide what is read or written on this machine.

use super::args::CopyArgs;
use super::files::Entry;
use crate::error::{Error, Exit};
use agentos_client::{Value, Vm};
use std::path::{Component, Path, PathBuf};

/// Copies a file, or a directory.
pub(super) async fn copy(args: &CopyArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    match (args.from.strip_prefix("vm:"), args.to.strip_prefix("vm:")) {
        (Some(from), None) => from_vm(&vm, from, Path::new(&args.to), args.recursive).await?,
        (None, Some(to)) => to_vm(&vm, Path::new(&args.from), to, args.recursive).await?,
        (Some(_), Some(_)) => {
            return Err(Error::Usage(
                "cp: both paths are the VM's; use `agentos exec cp`".to_owned(),
            ));
        }
        (None, None) => return Err(Error::Usage("cp: one of the paths must begin with vm:".to_owned())),
    }
    Ok(Exit::SUCCESS)
}

async fn from_vm(vm: &Vm, from: &str, to: &Path, recursive: bool) -> Result<(), Error> {
    let from = from.trim_end_matches('/');
    if !recursive {
        let to = if to.is_dir() {
            to.join(file_name(from)?)
        } else {
            to.to_owned()
        };
        return write_host(&to, &vm.read_file(from).await?);
    }
    let entries: Vec<Entry> = vm.call_as("readdirRecursive", &[Value::from(from.to_owned())]).await?;
    create_host_dir(to)?;
    for entry in &entries {
        let Some(inside) = entry.path.strip_prefix(from).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let target = to.join(plain(inside)?);
        match entry.kind.as_str() {
            "directory" => create_host_dir(&target)?,
            "file" => write_host(&target, &vm.read_file(&entry.path).await?)?,
            _ => {}
        }
    }
    Ok(())
}

async fn to_vm(vm: &Vm, from: &Path, to: &str, recursive: bool) -> Result<(), Error> {
    if !recursive {
        let content = std::fs::read(from).map_err(|error| unreadable(from, &error))?;
        let to = match to.strip_suffix('/') {
            Some(directory) => format!("{directory}/{}", text(Path::new(from.file_name().unwrap_or_default()))?),
            None => to.to_owned(),
        };
        return Ok(vm.write_file(to, content).await?);
    }
    let to = to.trim_end_matches('/');
    vm.mkdir(to, true).await?;
    let mut directories = vec![from.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&directory, &error))?;
            let path = entry.path();
            let inside = path.strip_prefix(from).unwrap_or(&path);
            let target = format!("{to}/{}", text(inside)?);
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            if kind.is_dir() {
                vm.mkdir(target, true).await?;
                directories.push(path);
            } else if kind.is_file() {
                let content = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
                vm.write_file(target, content).await?;
            }
        }
    }
    Ok(())
}

/// A relative path of plain names: a server must not decide where this machine is written to.
fn plain(path: &str) -> Result<PathBuf, Error> {
    let path = Path::new(path);
    match path.components().all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(path.to_owned()),
        false => Err(Error::Usage(format!(
            "cp: the server named the path {path:?}, which is not plain"
        ))),
    }
}

fn file_name(path: &str) -> Result<PathBuf, Error> {
    plain(path.rsplit('/').next().unwrap_or(path))
}

fn text(path: &Path) -> Result<&str, Error> {
    path.to_str()
        .ok_or_else(|| Error::Usage(format!("cp: {path:?} is not UTF-8")))
}

fn create_host_dir(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        _ => std::fs::create_dir(path).map_err(|error| unreadable(path, &error)),
    }
}

fn write_host(path: &Path, content: &[u8]) -> Result<(), Error> {
    std::fs::write(path, content).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Usage(format!("cp: {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_name_paths_elsewhere() {
        assert_eq!(plain("a/b").unwrap(), Path::new("a/b"));
        for path in ["../a", "a/../../b", "/etc/passwd", "./a"] {
            assert!(plain(path).is_err(), "{path}");
        }
    }
}
