//! The file API, and tools that walk and search many files.

use super::row::{Row, check};
use super::{Scale, baseline};
use crate::error::Error;
use agentos::{AgentOs, Mount};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `file_write_1k` and `file_read_1k`: 1 KiB through the SDK.
pub(crate) async fn one_kib(scale: Scale) -> Result<Vec<Row>, Error> {
    let vm = AgentOs::builder().create().await?;
    let content = vec![b'x'; 1024];
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(5000) {
        let start = Instant::now();
        vm.write_file("/home/user/file", &content).await?;
        writes.push(start.elapsed());
        let start = Instant::now();
        let read = vm.read_file("/home/user/file").await?;
        reads.push(start.elapsed());
        assert_eq!(read.len(), content.len(), "a file holds what was written");
    }
    let folder = Scratch::new()?;
    let path = folder.path.join("file");
    let host_writes = baseline::calls(scale.of(2000), || std::fs::write(&path, &content))?;
    let host_reads = baseline::calls(scale.of(2000), || std::fs::read(&path).map(drop))?;
    Ok(vec![
        Row::times("file_write_1k", &writes).against("host filesystem", &host_writes),
        Row::times("file_read_1k", &reads).against("host filesystem", &host_reads),
    ])
}

/// `find_5000`: `find` over a mounted host tree of 5,000 files, beside the host's own `find`.
pub(crate) async fn find(scale: Scale) -> Result<Vec<Row>, Error> {
    let tree = Scratch::new()?;
    tree.fill(50, 100, b"x\n")?;
    tools(scale, "find_5000", &tree.path, "find . -type f -name '*7.txt' | wc -l").await
}

/// `grep_10mb`: `grep -r` over 10 MB in a mounted host tree.
pub(crate) async fn grep(scale: Scale) -> Result<Vec<Row>, Error> {
    let tree = Scratch::new()?;
    let line = b"the quick brown fox jumps over the lazy dog while the cat looks on\n";
    let mut content = line.repeat(100_000 / line.len());
    content.extend_from_slice(b"one needle 42 in the hay\n");
    tree.fill(10, 10, &content)?;
    tools(
        scale,
        "grep_10mb",
        &tree.path,
        "grep -rn 'ne[aeiou]dle [0-9]*' . | wc -l",
    )
    .await
}

async fn tools(scale: Scale, name: &'static str, tree: &Path, script: &str) -> Result<Vec<Row>, Error> {
    let vm = AgentOs::builder()
        .mount(Mount::host_dir(tree, "/tree").read_only())
        .create()
        .await?;
    let mut times: Vec<Duration> = Vec::new();
    for round in 0..=scale.of(20) {
        let start = Instant::now();
        let output = vm.exec(script).cwd("/tree").await?;
        check(&output, script)?;
        // The first round compiles the tools if nobody did so yet.
        if round > 0 {
            times.push(start.elapsed());
        }
    }
    let host = baseline::bash_in(tree, script, scale.of(20))?;
    Ok(vec![
        Row::times(name, &times)
            .against("bash, host tools", &host)
            .goal_ratio(2.0),
    ])
}

/// A folder of the host that goes away with the value.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
}

impl Scratch {
    pub(super) fn new() -> Result<Self, Error> {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        let path = std::env::temp_dir().join(format!("agentos-bench-{}-{nanos}", std::process::id()));
        std::fs::create_dir(&path).map_err(Error::host("temporary directory"))?;
        Ok(Self { path })
    }

    fn fill(&self, folders: usize, files: usize, content: &[u8]) -> Result<(), Error> {
        for folder in 0..folders {
            let folder = self.path.join(format!("d{folder}"));
            std::fs::create_dir(&folder).map_err(Error::host("temporary directory"))?;
            for file in 0..files {
                std::fs::write(folder.join(format!("f{file}.txt")), content).map_err(Error::host("temporary file"))?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning of its temporary directory.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
