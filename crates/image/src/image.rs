//! An opened image.

use crate::assembly::LayerId;
use crate::bounds::Bounds;
use crate::cache::{Cache, Layer};
use crate::compress::{Compression, decompress};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::{TreeFs, archive};
use crate::live::{LiveFs, host};
use crate::oci::{self, Blobs, Config, OciImage, spool};
use crate::source::Source;
use crate::tar::Reader;
use crate::tree::{Body, Draft, Node, Tree};
use agentos_kernel::Errno;
use agentos_kernel::vfs::{FileType, Filesystem};
use core::fmt;
use rustix::fs::{self, Mode, OFlags};
use std::fs::File;
use std::io::Seek;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A read-only tree for the roots of VMs. Clones are the same image.
#[derive(Clone)]
pub struct Image {
    inner: Arc<Inner>,
}

struct Inner {
    source: Source,
    filesystem: Arc<dyn Filesystem>,
    config: Config,
    layers: Vec<LayerInfo>,
}

/// One layer of an image, for people and programs that look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerInfo {
    /// Digest of its archive, `sha256:...`; none for a directory.
    pub digest: Option<String>,
    /// Files, directories and links in it; none for a directory, which is not read ahead.
    pub entries: Option<u64>,
    /// Bytes of content in it; none for a directory.
    pub bytes: Option<u64>,
}

impl Image {
    /// Opens an image. Archives are unpacked into the cache of this user ([`Cache::user`]) when they are first opened.
    ///
    /// # Errors
    /// [`Error`], which names the image and what is wrong with it.
    pub fn open(source: &Source) -> Result<Self> {
        Self::open_with(source, &Cache::user, &Bounds::default())
    }

    /// Opens an image with another cache, which is asked for where it is needed, and other bounds.
    ///
    /// # Errors
    /// As [`open`](Self::open), and those of `cache`.
    pub fn open_with(source: &Source, cache: &dyn Fn() -> Result<Cache>, bounds: &Bounds) -> Result<Self> {
        let opened = match source {
            Source::Host => {
                let root = open_dir(Path::new("/"))?;
                confined(&root, Path::new("/"))?;
                let view = host::view(&root).map_err(|errno| Error::source(Path::new("host"), errno.to_string()))?;
                Opened::live(view)
            }
            Source::Path(path) => open_path(path, cache, bounds)?,
            Source::Assembled(name) => {
                let reason = "is no source to open; its layers are given to Image::assembled";
                return Err(Error::source(Path::new(name), reason));
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                source: source.clone(),
                filesystem: opened.filesystem,
                config: opened.config,
                layers: opened.layers,
            }),
        })
    }

    /// The image of layers that were put together in this cache, from below, with a name for people. They stay where they are
    /// as long as the image lives.
    ///
    /// # Errors
    /// Where a layer is missing or damaged.
    pub fn assembled(name: &str, layers: &[LayerId], cache: &Cache) -> Result<Self> {
        let mut found = Vec::new();
        for id in layers {
            let layer = cache.layer(id.0)?;
            let layer = layer.ok_or_else(|| Error::source(Path::new(name), format!("the layer {id} is not there")))?;
            layer.files.hold()?;
            found.push((Some(id.0), layer));
        }
        let opened = Opened::unpacked(found, Config::default()).map_err(Error::of(Path::new(name)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                source: Source::Assembled(name.to_owned()),
                filesystem: opened.filesystem,
                config: opened.config,
                layers: opened.layers,
            }),
        })
    }

    /// What it was made of.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }

    /// What it says about running it; nothing but for an OCI image.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Its layers, from below.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.inner.layers
    }

    /// Content of a regular file of at most `most` bytes, at an absolute path without links in it. None if there is no such
    /// file.
    pub fn read(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let fs = &self.inner.filesystem;
        let mut at = fs.getattr(fs.root()).ok()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = fs.lookup(at.ino, name.as_bytes()).ok()?;
        }
        if at.kind != FileType::Regular || at.size > most {
            return None;
        }
        let mut content = vec![0; usize::try_from(at.size).ok()?];
        let mut done = 0;
        while done < content.len() {
            match fs.read(at.ino, done as u64, content.get_mut(done..)?).ok()? {
                0 => break,
                count => done += count,
            }
        }
        content.truncate(done);
        Some(content)
    }

    /// The tree. Nothing can change it.
    pub fn filesystem(&self) -> Arc<dyn Filesystem> {
        Arc::clone(&self.inner.filesystem)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

/// What was found at a source.
struct Opened {
    filesystem: Arc<dyn Filesystem>,
    config: Config,
    layers: Vec<LayerInfo>,
}

impl Opened {
    fn live(filesystem: Arc<LiveFs>) -> Self {
        let layer = LayerInfo {
            digest: None,
            entries: None,
            bytes: None,
        };
        Self {
            filesystem,
            config: Config::default(),
            layers: vec![layer],
        }
    }

    fn oci(image: OciImage) -> Result<Self> {
        let layers = image.layers.into_iter().map(|(digest, layer)| (Some(digest), layer));
        Self::unpacked(layers.collect(), image.config)
    }

    /// Lays layers over each other, from below.
    fn unpacked(layers: Vec<(Option<Digest>, Layer)>, config: Config) -> Result<Self> {
        let mut whole = Draft::default();
        let mut known = Vec::new();
        for (at, (digest, layer)) in layers.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            whole
                .apply(&layer.draft, at)
                .map_err(|path| Error::member(&path, "is named by a hard link, and no layer below has such a file"))?;
            known.push(info(digest.as_ref(), &layer.draft));
        }
        let files = layers.into_iter().map(|(_, layer)| layer.files).collect();
        Ok(Self {
            filesystem: TreeFs::new(Tree::new(&whole), files),
            config,
            layers: known,
        })
    }
}

fn info(digest: Option<&Digest>, draft: &Draft) -> LayerInfo {
    let size = |node: &Node| match node.body {
        Body::File { size, .. } => size,
        _ => 0,
    };
    LayerInfo {
        digest: digest.map(|digest| format!("sha256:{digest}")),
        // Without the root.
        entries: Some(draft.nodes.len().saturating_sub(1) as u64),
        bytes: Some(draft.nodes.iter().map(size).sum()),
    }
}

fn open_path(path: &Path, cache: &dyn Fn() -> Result<Cache>, bounds: &Bounds) -> Result<Opened> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::source(path, error.to_string()))?;
    if metadata.is_file() {
        return open_archive(path, &cache()?, bounds).map_err(Error::of(path));
    }
    if !metadata.is_dir() {
        return Err(Error::source(path, "is neither a directory nor an archive"));
    }
    let real = path.canonicalize().map_err(Error::host(path))?;
    if let Some(reason) = refused(&real) {
        return Err(Error::source(path, reason));
    }
    let dir = open_dir(path)?;
    confined(&dir, path)?;
    if is_layout(&dir) {
        let image = oci::read(&Blobs::Directory(dir), &cache()?, bounds).map_err(Error::of(path))?;
        return Opened::oci(image).map_err(Error::of(path));
    }
    Ok(Opened::live(LiveFs::directory(dir)))
}

/// Whether a directory is an OCI layout.
fn is_layout(dir: &OwnedFd) -> bool {
    let has = |name: &str| fs::accessat(dir, name, fs::Access::EXISTS, fs::AtFlags::empty()).is_ok();
    has("oci-layout") && has("index.json")
}

/// An archive of files, or of an OCI layout.
fn open_archive(path: &Path, cache: &Cache, bounds: &Bounds) -> Result<Opened> {
    let file = File::open(path).map_err(Error::host(path))?;
    let mut head = decompress(&file, bounds)?;
    let plain = head.0 == Compression::None;
    let first = Reader::new(&mut head.1, *bounds).next()?;
    let maybe = first.is_some_and(|member| Blobs::may_begin(&member.path));
    drop(head);
    if maybe {
        let work = cache.begin()?;
        let spooled = if plain {
            file.try_clone()?
        } else {
            (&file).rewind()?;
            spool(decompress(&file, bounds)?.1, work.scratch()?, bounds)?
        };
        if let Some(blobs) = Blobs::archive(&spooled, bounds)? {
            return Opened::oci(oci::read(&blobs, cache, bounds)?);
        }
    }
    let (digest, layer) = archive(path, cache, bounds)?;
    Opened::unpacked(vec![(Some(digest), layer)], Config::default())
}

/// Why a directory cannot be an image.
fn refused(real: &Path) -> Option<String> {
    if real == Path::new("/") {
        return Some("the root of the host cannot be an image; `host` is what of it can be".to_owned());
    }
    let kernel = ["/proc", "/sys", "/dev"].map(PathBuf::from);
    kernel
        .iter()
        .any(|dir| real.starts_with(dir))
        .then(|| format!("{} is the host's kernel, not files", real.display()))
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).map_err(|errno| Error::source(path, Errno::from(errno).to_string()))
}

/// Nothing is opened where the host cannot confine what is below.
fn confined(dir: &OwnedFd, path: &Path) -> Result<()> {
    crate::live::probe(dir).map_err(|errno| {
        let reason = format!("the host kernel does not offer openat2 ({errno}); Linux 5.6 or newer is needed");
        Error::source(path, reason)
    })
}
