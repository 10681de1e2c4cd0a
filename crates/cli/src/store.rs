//! `agentos store`: looking after the files of VMs that nobody uses at the moment.
//!
//! Everything here takes the lock of the data directory, so it refuses while a server runs on it.

use crate::error::{Error, Exit};
use crate::report;
use agentos::vfs::{FileType, FsQuota, Gid, Mode, NewNode, Uid};
use agentos_kernel::Errno;
use agentos_kernel::limits::Counter;
use agentos_store::fs::{DurableFs, FsLimits, Subtree, archive};
use agentos_store::{DataDir, UserDatabase, VmStore};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `agentos store`.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Look for contradictions in the stored files of every VM.
    Check {
        /// The data directory of a server.
        #[arg(value_name = "DIR")]
        data: PathBuf,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the persistent files of a VM to a tar archive.
    Export {
        #[command(flatten)]
        place: Place,
    },
    /// Add the files of a tar archive to a VM's persistent files.
    Import {
        #[command(flatten)]
        place: Place,
    },
}

/// Persistent files of a VM, and an archive.
#[derive(Debug, Args)]
struct Place {
    /// The data directory of a server.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// The VM's actor id.
    #[arg(value_name = "ACTOR")]
    actor: String,
    /// The archive; `-` for standard output or input.
    #[arg(value_name = "FILE", default_value = "-")]
    archive: PathBuf,
    /// Which persistent path.
    #[arg(long, value_name = "PATH", default_value = "/home/user")]
    path: String,
}

/// VMs that are listed at once.
const LISTED: usize = 256;
/// Bytes of the buffers on the way to and from archives.
const BUFFER: usize = 256 << 10;

/// Does what is asked.
pub(crate) fn main(args: &StoreArgs) -> Result<Exit, Error> {
    match &args.command {
        StoreCommand::Check { data, json } => check(data, *json),
        StoreCommand::Export { place } => export(place),
        StoreCommand::Import { place } => import(place),
    }
}

/// Opens a data directory that is one.
fn open(data: &Path) -> Result<Arc<DataDir>, Error> {
    match data.join("host.sqlite").exists() {
        true => Ok(DataDir::open(data)?),
        false => Err(Error::Usage(format!(
            "{}: no data directory of a server",
            data.display()
        ))),
    }
}

fn check(data: &Path, as_json: bool) -> Result<Exit, Error> {
    let dir = open(data)?;
    let (mut all, mut broken, mut after) = (Vec::new(), 0, String::new());
    loop {
        let listed = dir.index().list(None, &after, LISTED)?;
        for actor in &listed {
            if !dir.has_vm(&actor.actor_id) {
                continue;
            }
            let problems = problems(&dir, &actor.actor_id);
            broken += usize::from(!problems.is_empty());
            all.push((actor.actor_id.clone(), problems));
        }
        match listed.last() {
            Some(last) if listed.len() == LISTED => after = last.actor_id.clone(),
            _ => break,
        }
    }
    dir.close()?;
    if as_json {
        let vms: Vec<Value> = all
            .iter()
            .map(|(id, problems)| json!({ "actor": id, "problems": problems }))
            .collect();
        report::json(&json!({ "sound": broken == 0, "vms": vms }))?;
    } else {
        for (id, problems) in &all {
            problems
                .iter()
                .try_for_each(|problem| report::text(&format!("{id}: {problem}\n")))?;
        }
        report::text(&format!("{} of {} VMs are sound\n", all.len() - broken, all.len()))?;
    }
    Ok(if broken == 0 { Exit::SUCCESS } else { Exit::guest(1) })
}

/// What is wrong with the files of a VM.
fn problems(dir: &DataDir, actor: &str) -> Vec<String> {
    let checked = dir.open_vm(actor).and_then(|store| {
        let mut problems = DurableFs::check(store.database())?.problems;
        let user = store.user_database_path();
        if user.exists()
            && let Err(error) = UserDatabase::check(&user)
        {
            problems.push(error.to_string());
        }
        store.close()?;
        Ok(problems)
    });
    checked.unwrap_or_else(|error| vec![error.to_string()])
}

fn export(place: &Place) -> Result<Exit, Error> {
    let dir = open(&place.data)?;
    let (store, files) = files(&dir, &place.actor)?;
    let Some(tree) = files
        .find_subtree(place.path.as_bytes())
        .map_err(|error| failed(place, &error))?
    else {
        return Err(Error::Usage(format!("{}: nothing is stored for this path", place.path)));
    };
    let out: Box<dyn Write> = match place.archive.as_os_str() == "-" {
        true => Box::new(std::io::stdout().lock()),
        false => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            Box::new(options.open(&place.archive).map_err(Error::host("the archive"))?)
        }
    };
    let summary = archive::export(&*tree, &mut BufWriter::with_capacity(BUFFER, out))?;
    close(&dir, store, (files, tree))?;
    report::error_text(&format!("{} entries, {} bytes\n", summary.entries, summary.bytes))?;
    Ok(Exit::SUCCESS)
}

fn import(place: &Place) -> Result<Exit, Error> {
    let input: Box<dyn Read> = match place.archive.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(File::open(&place.archive).map_err(Error::host("the archive"))?),
    };
    let dir = open(&place.data)?;
    let (store, files) = files(&dir, &place.actor)?;
    let node = NewNode {
        kind: FileType::Directory,
        mode: Mode::new(0o755),
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
    };
    let tree = files
        .subtree(place.path.as_bytes(), &node)
        .map_err(|error| failed(place, &error))?;
    let root = agentos::vfs::Filesystem::root(&*tree);
    let done = archive::import(&files, root, &mut BufReader::with_capacity(BUFFER, input));
    files.durable().wait()?;
    close(&dir, store, (files, tree))?;
    let summary = done?;
    report::error_text(&format!("{} entries, {} bytes\n", summary.entries, summary.bytes))?;
    Ok(Exit::SUCCESS)
}

fn failed(place: &Place, error: &agentos_kernel::Error) -> Error {
    Error::Usage(format!("{}: {error}", place.path))
}

/// The files of a VM, of which as many may be stored as the disk holds.
fn files(dir: &DataDir, actor: &str) -> Result<(VmStore, Arc<DurableFs>), Error> {
    if !dir.has_vm(actor) {
        return Err(Error::Usage(format!("{actor}: no VM of this data directory")));
    }
    let store = dir.open_vm(actor)?;
    let counter = |path, noun| Counter::new(path, noun, u64::MAX, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("limits.resources.maxFilesystemBytes", "bytes"),
        inodes: counter("limits.resources.maxInodeCount", "inodes"),
    });
    let files = DurableFs::open(store.database(), agentos::system_clock(), quota, FsLimits::default())?;
    Ok((store, files))
}

fn close(dir: &DataDir, store: VmStore, files: (Arc<DurableFs>, Arc<Subtree>)) -> Result<(), Error> {
    drop(files);
    store.close()?;
    Ok(dir.close()?)
}
