//! The layers of a VM's root.
//!
//! ```text
//!   writable      what the VM writes, and what is its own whatever images say: accounts, resolver, certificates, home
//!   lowers        filesystems of the host's making, the first on top
//!   packages      of a store, in the order in which they were given, the first on top
//!   images        in the order in which they were given, the first on top
//!   runtimes      what packages run with, Node.js and a C library, for those whose images have none
//!   base          the bundled commands and the small tree around them
//! ```
//!
//! Without any of these the base itself is forked and written to: there is nothing to merge. With images, a command of an image
//! hides a bundled one *at the same path*, so that scripts and programs of an image find what they were made with. By name
//! the bundled ones are found first, because those run everywhere and start faster ([`Tools`]); they are at `/opt/agentos/bin`,
//! which no image can hide.

use crate::builder::Options;
use crate::error::{Error, Result};
use crate::frozen::{self, Frozen};
use agentos_image::{Bounds, Cache, Image, Source};
use agentos_kernel::clock::Clock;
use agentos_kernel::vfs::{CaughtFs, FileType, Filesystem, MemoryFs, OverlayFs, SetAttr};
use agentos_software::base::TOOLS;
use agentos_software::{Accounts, Image as Template};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most images of one VM.
const IMAGES_MOST: usize = 64;

/// Where programs are looked for in images.
const IMAGE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which commands are found first by name in a VM with images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Tools {
    /// The bundled ones: `ls` is WebAssembly also where an image has one. `/usr/bin/ls` is the image's.
    #[default]
    Bundled,
    /// Those of the images; the bundled ones fill gaps.
    Image,
}

/// An image for [`Builder::image`](crate::Builder::image): opened, or to be opened.
#[derive(Debug, Clone)]
pub struct ImageInput(Input);

#[derive(Debug, Clone)]
enum Input {
    Open(Image),
    Source(Source),
    Text(String),
}

impl From<Image> for ImageInput {
    fn from(image: Image) -> Self {
        Self(Input::Open(image))
    }
}

impl From<&Image> for ImageInput {
    fn from(image: &Image) -> Self {
        Self(Input::Open(image.clone()))
    }
}

impl From<Source> for ImageInput {
    fn from(source: Source) -> Self {
        Self(Input::Source(source))
    }
}

impl From<&str> for ImageInput {
    fn from(text: &str) -> Self {
        Self(Input::Text(text.to_owned()))
    }
}

impl From<String> for ImageInput {
    fn from(text: String) -> Self {
        Self(Input::Text(text))
    }
}

impl From<&Path> for ImageInput {
    fn from(path: &Path) -> Self {
        Self(Input::Source(Source::path(path)))
    }
}

impl From<PathBuf> for ImageInput {
    fn from(path: PathBuf) -> Self {
        Self(Input::Source(Source::path(path)))
    }
}

impl ImageInput {
    pub(crate) fn opened(&self) -> Option<&Image> {
        match &self.0 {
            Input::Open(image) => Some(image),
            _ => None,
        }
    }

    /// `cache`: where compiled programs are kept, and archives are unpacked.
    fn open(self, cache: Option<&Path>) -> Result<Image> {
        let source = match self.0 {
            Input::Open(image) => return Ok(image),
            Input::Source(source) => source,
            Input::Text(text) => text.parse()?,
        };
        let own = cache.filter(|dir| crate::engine::default_cache_dir().as_deref() != Some(*dir));
        let cache = || match own {
            Some(dir) => Cache::open(dir.join("images")),
            None => Cache::user(),
        };
        Ok(Image::open_with(&source, &cache, &Bounds::default())?)
    }
}

/// Opens what is not open yet, on a thread of its own: unpacking an archive takes a while.
pub(crate) async fn open(inputs: Vec<ImageInput>, cache: Option<PathBuf>) -> Result<Vec<Image>> {
    if inputs.iter().all(|input| input.opened().is_some()) {
        return inputs.into_iter().map(|input| input.open(None)).collect();
    }
    let (done, opened) = tokio::sync::oneshot::channel();
    let work = move || {
        let open = |input: ImageInput| input.open(cache.as_deref());
        let images: Result<Vec<Image>> = inputs.into_iter().map(open).collect();
        // Nobody waits any more if that fails.
        let _ = done.send(images);
    };
    let thread = std::thread::Builder::new().name("agentos-image".to_owned());
    let failed = |reason: String| Error::InvalidOption {
        option: "image",
        reason,
    };
    thread.spawn(work).map_err(|error| failed(error.to_string()))?;
    opened
        .await
        .unwrap_or_else(|_| Err(failed("opening it failed".to_owned())))
}

/// Refuses too many images.
pub(crate) fn check(count: usize) -> Result<()> {
    match count <= IMAGES_MOST {
        true => Ok(()),
        false => Err(Error::InvalidOption {
            option: "image",
            reason: format!("{count} images given, at most {IMAGES_MOST} can be stacked"),
        }),
    }
}

/// What else a root is made of.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    /// Filesystems over the images, the first on top.
    pub(crate) lowers: Vec<Arc<dyn Filesystem>>,
    /// Nothing outside of mounts can be changed.
    pub(crate) read_only: bool,
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<_> = self.lowers.iter().map(|lower| lower.kind()).collect();
        f.debug_struct("Layers")
            .field("lowers", &kinds)
            .field("read_only", &self.read_only)
            .finish()
    }
}

/// Whether there is anything between what is written and the base.
pub(crate) fn any(options: &Options) -> bool {
    !options.images.is_empty() || !options.layers.lowers.is_empty()
}

/// The template of the writable layer.
pub(crate) fn root(options: &Options, clock: &Arc<dyn Clock>) -> Result<Arc<Template>> {
    if !any(options) {
        return Ok(Template::with(&options.software, clock)?);
    }
    Ok(Template::over_images(
        &options.software,
        &accounts(&options.images),
        clock,
    )?)
}

/// The root filesystem: the writable layer over everything that is read-only.
pub(crate) fn stack(root: &Arc<MemoryFs>, options: &Options) -> Result<Arc<dyn Filesystem>> {
    let mut lowers: Vec<Arc<dyn Filesystem>> = Vec::new();
    if any(options) {
        for lower in &options.layers.lowers {
            lowers.push(CaughtFs::new(lower.clone()).map_err(Error::os("boot"))?);
        }
        lowers.extend(options.images.iter().map(Image::filesystem));
        lowers.extend(options.runtimes.iter().map(Image::filesystem));
        lowers.extend(options.host_tools.layer()?);
        let clock = crate::host::SystemClock::shared();
        lowers.push(Template::with(&options.software, &clock)?.layer());
    }
    let upper: Arc<dyn Filesystem> = match &options.upper {
        Some(upper) => {
            lowers.insert(0, root.clone());
            upper.0.clone()
        }
        None => root.clone(),
    };
    let top: Arc<dyn Filesystem> = match lowers.is_empty() {
        true => upper,
        false => OverlayFs::new(upper, lowers).map_err(Error::os("boot"))?,
    };
    if !options.layers.read_only {
        return Ok(top);
    }
    for mount in &options.mounts {
        frozen::mount_point(&*top, mount.guest()).map_err(Error::file("mount", mount.guest()))?;
        if mount.is_in_roots_home() {
            let home = top
                .lookup(top.root(), b"root")
                .map_err(Error::file("mount", mount.guest()))?;
            let entered = SetAttr {
                mode: Some(crate::mount::ENTERED),
                ..SetAttr::default()
            };
            let entered = top.setattr(home.ino, &entered);
            entered.map_err(Error::file("mount", mount.guest()))?;
        }
    }
    Ok(Frozen::new(top))
}

/// Variables that images give to every process: those of upper images count.
pub(crate) fn environment(options: &Options) -> Vec<(String, String)> {
    if options.images.is_empty() {
        return Vec::new();
    }
    let given = options.images.iter().rev().flat_map(|image| image.config().variables());
    let mut variables: Vec<(String, String)> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    variables.extend(options.package_env.iter().cloned());
    let path = variables.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(IMAGE_PATH, |(_, path)| path.as_str());
    let path = match options.tools {
        Tools::Bundled => format!("{TOOLS}:{path}"),
        Tools::Image => format!("{path}:{TOOLS}"),
    };
    variables.push(("PATH".to_owned(), path));
    variables
}

/// The directory to start in that the topmost image names, if there is such a directory in an image.
pub(crate) fn working_dir(images: &[Image]) -> Option<String> {
    let named = images.iter().map(|image| image.config().working_dir.as_str());
    let dir = named.into_iter().find(|dir| !dir.is_empty())?;
    let is_dir = |image: &Image| {
        let fs = image.filesystem();
        let root = fs.getattr(fs.root()).ok();
        let names = dir.split('/').filter(|name| !name.is_empty());
        let found = names
            .into_iter()
            .try_fold(root?, |at, name| fs.lookup(at.ino, name.as_bytes()).ok());
        found.filter(|attr| attr.kind == FileType::Directory)
    };
    let exists = crate::path::check(dir).is_ok() && images.iter().any(|image| is_dir(image).is_some());
    exists.then(|| dir.to_owned())
}

/// The command of the topmost image that names one.
pub(crate) fn command<'a>(images: impl Iterator<Item = &'a Image>) -> Vec<String> {
    images
        .map(|image| [&image.config().entrypoint[..], &image.config().cmd[..]].concat())
        .find(|command| !command.is_empty())
        .unwrap_or_default()
}

/// The accounts of the topmost image that has any, with the VM's user among them.
fn accounts(images: &[Image]) -> Accounts {
    let first = |path: &str| images.iter().find_map(|image| image.read(path, ACCOUNTS_MOST));
    Accounts {
        passwd: first("/etc/passwd").map(|text| with_user(text, b"user:x:1000:1000:user:/home/user:/bin/sh\n")),
        group: first("/etc/group").map(|text| with_user(text, b"user:x:1000:\n")),
    }
}

/// Largest `/etc/passwd` or `/etc/group` of an image that is taken over.
const ACCOUNTS_MOST: u64 = 1 << 20;

/// Adds a line for number 1000, unless there is one.
fn with_user(mut text: Vec<u8>, line: &[u8]) -> Vec<u8> {
    let known = |line: &[u8]| line.split(|byte| *byte == b':').nth(2) == Some(b"1000");
    if !text.split(|byte| *byte == b'\n').any(known) {
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_added_once() {
        let line = b"user:x:1000:1000::/home/user:/bin/sh\n";
        let root = b"root:x:0:0::/root:/bin/sh".to_vec();
        let with = with_user(root.clone(), line);
        assert_eq!(with, [&root[..], b"\n", line].concat());
        assert_eq!(with_user(with.clone(), line), with);
        let node = b"node:x:1000:1000::/home/node:/bin/bash\n".to_vec();
        assert_eq!(with_user(node.clone(), line), node);
    }
}
