//! Writing an image.

use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::layer::Unpacker;
use crate::oci::architecture;
use crate::tar::{Kind, Member, Writer};
use crate::tree::{Body, Content, Draft, Index, Node};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// All layers as one archive.
pub(super) fn tar(layers: &[Unpacker<'_>], output: &Path) -> Result<Digest> {
    let mut whole = Draft::default();
    for (at, layer) in layers.iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        whole
            .apply(&layer.draft, at)
            .map_err(|path| Error::member(&path, "is linked to and missing"))?;
    }
    let draft = Draftplace::file(output)?;
    let file = BufWriter::new(File::create(&draft.path).map_err(Error::host(&draft.path))?);
    let open = |content: Content| stored(layers, content);
    let written = write(&whole, &open, Hashing::new(file))?;
    let digest = written.digest();
    finish(written)?;
    draft.publish(output)?;
    Ok(digest)
}

/// An OCI layout with the layers as they are.
pub(super) fn oci(layers: &[Unpacker<'_>], output: &Path) -> Result<Digest> {
    if output.symlink_metadata().is_ok() {
        return Err(Error::source(
            output,
            "is there already; a layout is made where nothing is",
        ));
    }
    let draft = Draftplace::directory(output)?;
    let blobs = draft.path.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(Error::host(&blobs))?;
    let (mut descriptors, mut diffs) = (Vec::new(), Vec::new());
    for (at, layer) in layers.iter().enumerate() {
        let temporary = blobs.join(format!("layer-{at}"));
        let file = BufWriter::new(File::create(&temporary).map_err(Error::host(&temporary))?);
        let packed = GzEncoder::new(Hashing::new(file), flate2::Compression::default());
        let open = |content: Content| layer.work.stored(content.number);
        let unpacked = write(&layer.draft, &open, Hashing::new(packed))?;
        diffs.push(format!("sha256:{}", unpacked.digest()));
        let packed = unpacked.into_inner().finish()?;
        let (digest, size) = (packed.digest(), packed.length());
        finish(packed)?;
        std::fs::rename(&temporary, blobs.join(digest.to_string()))?;
        descriptors.push(descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest, size));
    }
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diffs },
    });
    let config = blob(&blobs, &config, "application/vnd.oci.image.config.v1+json")?.1;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": descriptors });
    let (digest, mut manifest) = blob(&blobs, &manifest, kind)?;
    manifest["platform"] = json!({ "architecture": architecture(), "os": "linux" });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    document(&draft.path.join("index.json"), &index)?;
    document(
        &draft.path.join("oci-layout"),
        &json!({ "imageLayoutVersion": "1.0.0" }),
    )?;
    draft.publish(output)?;
    Ok(digest)
}

/// Something that is written beside its place, and removed unless it gets there.
struct Draftplace {
    path: PathBuf,
    published: bool,
}

impl Draftplace {
    fn new(output: &Path) -> Result<Self> {
        let name = output
            .file_name()
            .ok_or_else(|| Error::source(output, "names no file"))?;
        let mut draft = name.to_owned();
        draft.push(format!(".{}.part", std::process::id()));
        Ok(Self {
            path: output.with_file_name(draft),
            published: false,
        })
    }

    fn file(output: &Path) -> Result<Self> {
        match output.is_dir() {
            true => Err(Error::source(output, "is a directory; an archive is a file")),
            false => Self::new(output),
        }
    }

    fn directory(output: &Path) -> Result<Self> {
        let draft = Self::new(output)?;
        std::fs::create_dir(&draft.path).map_err(Error::host(&draft.path))?;
        Ok(draft)
    }

    fn publish(mut self, output: &Path) -> Result<()> {
        std::fs::rename(&self.path, output).map_err(Error::host(output))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Draftplace {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn descriptor(kind: &str, digest: Digest, size: u64) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size })
}

fn blob(blobs: &Path, document: &Value, kind: &str) -> Result<(Digest, Value)> {
    let text = document.to_string();
    let digest = Digest::of(text.as_bytes());
    let path = blobs.join(digest.to_string());
    std::fs::write(&path, &text).map_err(Error::host(&path))?;
    Ok((digest, descriptor(kind, digest, text.len() as u64)))
}

fn document(path: &Path, document: &Value) -> Result<()> {
    std::fs::write(path, document.to_string()).map_err(Error::host(path))
}

fn finish(written: Hashing<BufWriter<File>>) -> Result<()> {
    let file = written
        .into_inner()
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}

fn stored(layers: &[Unpacker<'_>], content: Content) -> Result<File> {
    let layer = usize::try_from(content.layer).ok().and_then(|layer| layers.get(layer));
    let layer = layer.ok_or_else(|| Error::format("tree", "a file has no layer"))?;
    layer.work.stored(content.number)
}

/// The tree as an archive, in the order of its names; further names of a file are hard links to its first.
fn write<W: Write>(draft: &Draft, open: &dyn Fn(Content) -> Result<File>, output: W) -> Result<W> {
    let mut writer = Writer::new(output);
    let mut first: HashMap<Index, Vec<u8>> = HashMap::new();
    let mut waiting: Vec<(Vec<u8>, Index)> = vec![(Vec::new(), 0)];
    while let Some((path, index)) = waiting.pop() {
        let Some(node) = draft.node(index) else { continue };
        let mut content: Box<dyn Read> = Box::new(std::io::empty());
        let mut member = member(&path, node);
        match &node.body {
            Body::Directory(directory) => {
                for (name, index) in directory.entries.iter().rev() {
                    let below = match path.is_empty() {
                        true => name.to_vec(),
                        false => [&path[..], b"/", name].concat(),
                    };
                    waiting.push((below, *index));
                }
                if path.is_empty() {
                    continue;
                }
                member.path.push(b'/');
            }
            Body::File { .. } | Body::Symlink(_) if first.contains_key(&index) => {
                member.kind = Kind::HardLink;
                member.size = 0;
                member.xattrs.clear();
                member.link = first.get(&index).cloned().unwrap_or_default();
            }
            Body::File { content: place, .. } => {
                content = Box::new(open(*place)?);
                first.insert(index, path);
            }
            Body::Symlink(_) => {
                first.insert(index, path);
            }
            Body::Whiteout | Body::Borrowed(_) => continue,
        }
        writer.add(&member, &mut content)?;
    }
    writer.finish()
}

fn member(path: &[u8], node: &Node) -> Member {
    let (kind, size, link) = match &node.body {
        Body::File { size, .. } => (Kind::File, *size, Vec::new()),
        Body::Symlink(target) => (Kind::Symlink, 0, target.to_vec()),
        _ => (Kind::Directory, 0, Vec::new()),
    };
    let attrs = &node.attrs;
    Member {
        path: path.to_vec(),
        kind,
        mode: attrs.mode,
        uid: attrs.uid,
        gid: attrs.gid,
        mtime: attrs.mtime,
        size,
        link,
        xattrs: attrs.xattrs.clone(),
    }
}
