//! VMs with an image, and what its size costs them: nothing.

use super::{Scale, row::Row};
use crate::error::Error;
use agentos::images::{Bounds, Cache};
use agentos::{AgentOs, Image, ImageSource};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Files of the large image, and of the small one.
const LARGE: usize = 20_000;
const SMALL: usize = 20;

/// `image_create`: a VM over an image of 20,000 files, beside one over 20. `image_open`: opening it when it was unpacked
/// before. `image_read_1k`: reading a file of it.
pub(crate) async fn images(scale: Scale) -> Result<Vec<Row>, Error> {
    let bench = Bench::new()?;
    let (Some(large), Some(small)) = (bench.archive("large", LARGE)?, bench.archive("small", SMALL)?) else {
        let rows = [("image_create", "us"), ("image_open", "us"), ("image_read_1k", "us")];
        return Ok(rows
            .map(|(name, unit)| Row::not_run(name, unit, "the host has no tar"))
            .into());
    };
    let (large, small) = (bench.open(&large)?, bench.open(&small)?);
    let few = created(&small.0, scale.of(2000)).await?;
    let many = created(&large.0, scale.of(2000)).await?;
    let opened = [&large.1, &small.1].map(|path| bench.opened(path, scale.of(50)));
    let [large_opened, small_opened] = opened;
    let vm = AgentOs::builder().image(&large.0).create().await?;
    let mut read = Vec::new();
    for at in 0..scale.of(2000) {
        let path = format!("/data/{}/{}", at % 100, at / 100 % (LARGE / 100));
        let start = Instant::now();
        let content = vm.read_file(&path).await?;
        read.push(start.elapsed());
        if content.len() != 1024 {
            return Err(Error::Usage(format!("{path} has {} bytes", content.len())));
        }
    }
    Ok(vec![
        Row::times("image_create", &many)
            .against("image of 20 files", &few)
            .goal(100.0),
        Row::times("image_open", &large_opened?).against("image of 20 files", &small_opened?),
        Row::times("image_read_1k", &read),
    ])
}

async fn created(image: &Image, samples: usize) -> Result<Vec<Duration>, Error> {
    AgentOs::builder().image(image).create().await?;
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let start = Instant::now();
        let vm = AgentOs::builder().image(image).create().await?;
        times.push(start.elapsed());
        drop(vm);
    }
    Ok(times)
}

/// A directory for archives and their cache, removed at the end.
struct Bench(PathBuf);

impl Bench {
    fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("agentos-bench-image-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(Error::host("scratch directory"))?;
        Ok(Self(path))
    }

    /// An archive of so many files of 1 KiB; none where the host cannot make one.
    fn archive(&self, name: &str, files: usize) -> Result<Option<PathBuf>, Error> {
        let root = self.0.join(name);
        let failed = Error::host("files for an image");
        for at in 0..files {
            let dir = root.join("data").join((at % 100).to_string());
            if at < 100 {
                std::fs::create_dir_all(&dir).map_err(&failed)?;
            }
            std::fs::write(dir.join((at / 100).to_string()), [b'x'; 1024]).map_err(&failed)?;
        }
        let archive = self.0.join(format!("{name}.tar"));
        let made = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&archive)
            .arg("data")
            .status();
        let _ = std::fs::remove_dir_all(&root);
        Ok(made.is_ok_and(|status| status.success()).then_some(archive))
    }

    fn open(&self, archive: &Path) -> Result<(Image, PathBuf), Error> {
        let source = ImageSource::path(archive);
        let cache = || Cache::open(self.0.join("cache"));
        let image = Image::open_with(&source, &cache, &Bounds::default()).map_err(agentos::Error::from)?;
        Ok((image, archive.to_owned()))
    }

    fn opened(&self, archive: &Path, samples: usize) -> Result<Vec<Duration>, Error> {
        (0..samples)
            .map(|_| {
                let start = Instant::now();
                self.open(archive)?;
                Ok(start.elapsed())
            })
            .collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
