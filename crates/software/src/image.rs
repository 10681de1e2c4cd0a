//! Root filesystem images: the base tree plus packages, built once and forked for every VM.
//!
//! Building walks a few hundred entries; forking the result shares every page of it and costs about a microsecond,
//! whatever the image holds. Images are cached per process by the set of packages they hold.

use crate::artefact::Userland;
use crate::base::{self, Content, Entry};
use crate::certs;
use crate::error::Error;
use agentos_kernel::clock::Clock;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{FileType, Filesystem, FsQuota, MemoryFs, Mode, NewNode, SetAttr};
use agentos_kernel::{Errno, Error as KernelError};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// A set of commands that a VM can be given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Package {
    /// The bundled shell and tools.
    Common,
}

impl Package {
    /// Names of all bundled packages.
    pub const NAMES: &[&str] = &["common"];
}

impl FromStr for Package {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "common" => Ok(Self::Common),
            _ => Err(Error::UnknownPackage {
                name: name.to_owned(),
                known: Self::NAMES.join(", "),
            }),
        }
    }
}

/// Who is who in a VM: the texts of `/etc/passwd` and `/etc/group`. The VM's own where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Accounts {
    /// Text of `/etc/passwd`.
    pub passwd: Option<Vec<u8>>,
    /// Text of `/etc/group`.
    pub group: Option<Vec<u8>>,
}

/// Templates over images that are kept: nothing in an image can make them more.
const FRONTS_KEPT: usize = 64;

/// A template root filesystem.
pub struct Image {
    template: Arc<MemoryFs>,
}

impl Image {
    /// The image with these packages; built at the first call, shared afterwards. `clock` dates its files.
    pub fn with(packages: &[Package], clock: &Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        static IMAGES: Mutex<Option<HashMap<Vec<Package>, Arc<Image>>>> = Mutex::new(None);
        let mut key = packages.to_vec();
        key.sort_unstable();
        key.dedup();
        let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
        let images = images.get_or_insert_with(HashMap::new);
        if let Some(image) = images.get(&key) {
            return Ok(image.clone());
        }
        let image = Arc::new(Self::build(&key, clock)?);
        images.insert(key, image.clone());
        Ok(image)
    }

    /// What a VM has above the images that lie below its root: what is the VM's own ([`base::OWN`]) and the commands of the
    /// packages at [`base::TOOLS`]. Built at the first call, shared afterwards.
    pub fn over_images(packages: &[Package], accounts: &Accounts, clock: &Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        type Fronts = HashMap<(Vec<Package>, Accounts), Arc<Image>>;
        static FRONTS: Mutex<Option<Fronts>> = Mutex::new(None);
        let mut packages = packages.to_vec();
        packages.sort_unstable();
        packages.dedup();
        let mut fronts = FRONTS.lock().unwrap_or_else(PoisonError::into_inner);
        let fronts = fronts.get_or_insert_with(HashMap::new);
        let key = (packages, accounts.clone());
        if let Some(front) = fronts.get(&key) {
            return Ok(front.clone());
        }
        let front = Arc::new(Self::build_front(&key.0, accounts, clock)?);
        if fronts.len() >= FRONTS_KEPT {
            fronts.clear();
        }
        fronts.insert(key, front.clone());
        Ok(front)
    }

    /// The template itself, as a layer that nothing may write to.
    pub fn layer(&self) -> Arc<dyn Filesystem> {
        self.template.clone()
    }

    /// A private copy for one VM: shares everything until either side writes.
    pub fn fork(&self, clock: Arc<dyn Clock>, quota: Arc<FsQuota>) -> Arc<MemoryFs> {
        self.template.fork(clock, quota)
    }

    fn build(packages: &[Package], clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        let template = MemoryFs::new(clock.clone(), unlimited());
        place_all(&template, base::TREE)?;
        for package in packages {
            match package {
                Package::Common => place_userland(&template, "/usr/bin", Userland::bundled()?)?,
            }
        }
        Ok(Self { template })
    }

    fn build_front(packages: &[Package], accounts: &Accounts, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        let template = MemoryFs::new(clock.clone(), unlimited());
        place_all(
            &template,
            base::TREE.iter().filter(|entry| base::OWN.contains(&entry.path)),
        )?;
        place_all(&template, base::TOOLS_DIRS)?;
        for (path, text) in [("/etc/passwd", &accounts.passwd), ("/etc/group", &accounts.group)] {
            if let Some(text) = text {
                rewrite(&template, path, text).map_err(at(path))?;
            }
        }
        for package in packages {
            match package {
                Package::Common => place_userland(&template, base::TOOLS, Userland::bundled()?)?,
            }
        }
        Ok(Self { template })
    }
}

/// The template's own content is not anybody's to pay for.
fn unlimited() -> Arc<FsQuota> {
    let counter = |path| Counter::new(path, "", u64::MAX, Errno::ENOSPC);
    Arc::new(FsQuota {
        bytes: counter("limits.resources.maxFilesystemBytes"),
        inodes: counter("limits.resources.maxInodeCount"),
    })
}

fn at(path: &str) -> impl Fn(KernelError) -> Error + '_ {
    move |source| Error::Place {
        path: path.to_owned(),
        source,
    }
}

fn place_all<'a>(fs: &MemoryFs, entries: impl IntoIterator<Item = &'a Entry>) -> Result<(), Error> {
    for entry in entries {
        place(fs, entry).map_err(at(entry.path))?;
    }
    Ok(())
}

/// Replaces the content of a file.
fn rewrite(fs: &MemoryFs, path: &str, text: &[u8]) -> Result<(), KernelError> {
    let file = find(fs, path)?;
    let cut = SetAttr {
        size: Some(0),
        ..SetAttr::default()
    };
    fs.setattr(file, &cut)?;
    fs.write(file, 0, text).map(drop)
}

fn place(fs: &MemoryFs, entry: &Entry) -> Result<(), KernelError> {
    let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path));
    let dir = find(fs, folder)?;
    let owner = if entry.user {
        (Uid::USER, Gid::USER)
    } else {
        (Uid::ROOT, Gid::ROOT)
    };
    let node = |kind| NewNode {
        kind,
        mode: Mode::new(entry.mode),
        uid: owner.0,
        gid: owner.1,
        rdev: 0,
    };
    let name = name.as_bytes();
    match entry.content {
        Content::Directory => fs.mkdir(dir, name, &node(FileType::Directory)).map(drop),
        Content::Symlink(target) => fs
            .symlink(dir, name, target.as_bytes(), &node(FileType::Symlink))
            .map(drop),
        Content::File(text) => {
            let file = fs.create(dir, name, &node(FileType::Regular))?;
            fs.write(file.ino, 0, text.as_bytes()).map(drop)
        }
        Content::Certificates => {
            let mode = Mode::new(entry.mode);
            fs.insert_blob(dir, name, certs::bundle(), mode, owner.0, owner.1)
                .map(drop)
        }
    }
}

fn place_userland(fs: &MemoryFs, folder: &str, userland: &Userland) -> Result<(), Error> {
    let bin = find(fs, folder).map_err(at(folder))?;
    for artefact in userland.artefacts() {
        // Every command is a file of its own with the same content, so that each is judged by its own path.
        let commands = artefact.commands.iter().filter(|command| **command != artefact.name);
        for name in commands.chain([&artefact.name]) {
            let blob = artefact.blob.clone();
            fs.insert_blob(bin, name.as_bytes(), blob, Mode::new(0o755), Uid::ROOT, Gid::ROOT)
                .map_err(at(&format!("{folder}/{name}")))?;
        }
    }
    Ok(())
}

fn find(fs: &MemoryFs, path: &str) -> Result<Ino, KernelError> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .try_fold(fs.root(), |dir, part| {
            fs.lookup(dir, part.as_bytes()).map(|attr| attr.ino)
        })
}
