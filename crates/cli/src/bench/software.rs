//! Software that a running VM is given.

use super::{Scale, row::Row};
use crate::error::Error;
use agentos::AgentOs;
use agentos::store::{Package, Spec, Store};
use std::path::PathBuf;
use std::time::Instant;

/// A module that does nothing: the smallest program of the store.
const NOTHING: &[u8] = b"\0asm\x01\0\0\0";

/// `software_add`: a package of the store is added to a running VM, beside the creation of a VM that has it from the start.
pub(crate) async fn add(scale: Scale) -> Result<Vec<Row>, Error> {
    let scratch = Scratch::new()?;
    let package = scratch.package()?;
    let (mut added, mut created) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(1000) {
        let start = Instant::now();
        let with = AgentOs::builder().package(package.clone()).create().await?;
        created.push(start.elapsed());
        drop(with);
        let vm = AgentOs::create().await?;
        let start = Instant::now();
        vm.add_software(package.clone()).await?;
        added.push(start.elapsed());
    }
    Ok(vec![
        Row::times("software_add", &added)
            .against("a VM created with it", &created)
            .goal(1000.0),
    ])
}

/// A directory for a store, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("agentos-bench-software-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(Error::host("scratch directory"))?;
        Ok(Self(path))
    }

    fn package(&self) -> Result<Package, Error> {
        let program = self.0.join("nothing.wasm");
        std::fs::write(&program, NOTHING).map_err(Error::host("scratch directory"))?;
        let failed = |error| Error::from(agentos::Error::from(agentos::SoftwareError::Store(error)));
        let store = Store::open(self.0.join("store")).map_err(failed)?;
        store.add(&Spec::Wasm(program), &()).map_err(failed)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
