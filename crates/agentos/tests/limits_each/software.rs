//! Limits of software: how many packages of a store a VM has.

use crate::support::lives;
use agentos::store::{Package, Store};
use agentos::{AgentOs, Builder, Errno, Error, LimitExceeded, Limits};
use std::path::Path;

/// The smallest program: it does nothing, and does it well.
const NOTHING: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// Packages `p0`, `p1`, ... of a store.
fn packages(dir: &Path, count: usize) -> Vec<Package> {
    let store = Store::open(dir.join("store")).unwrap();
    let program = wat::parse_str(NOTHING).unwrap();
    let add = |at: usize| {
        let path = dir.join(format!("p{at}.wasm"));
        std::fs::write(&path, &program).unwrap();
        store
            .add(&format!("wasm:{}", path.display()).parse().unwrap(), &())
            .unwrap()
    };
    (0..count).map(add).collect()
}

fn limited(most: u64) -> Builder {
    let mut limits = Limits::default();
    limits.set("software.maxPackages", most).unwrap();
    AgentOs::builder().limits(limits)
}

fn refused(error: &Error, observed: u64, capacity: u64) {
    let limit: &LimitExceeded = error.limit().unwrap();
    let found = (limit.configuration_path, limit.observed, limit.capacity, limit.errno);
    let expected = ("limits.software.maxPackages", observed, capacity, Errno::ENOSPC);
    assert_eq!((error.code(), found), ("limit_exceeded", expected));
}

pub(crate) mod max_packages {
    use super::*;

    pub(crate) async fn program() {
        let dir = tempfile::tempdir().unwrap();
        let all = packages(dir.path(), 3);
        let vm = limited(2).package(all[0].clone()).create().await.unwrap();
        vm.add_software(all[1].clone()).await.unwrap();
        refused(&vm.add_software(all[2].clone()).await.unwrap_err(), 3, 2);
        assert_eq!(vm.exec("p0 && p1").await.unwrap().exit_code, 0);
        assert_eq!(vm.exec("p2").await.unwrap().exit_code, 127);
        lives(&vm).await;
    }

    pub(crate) async fn hostile() {
        let dir = tempfile::tempdir().unwrap();
        let all = packages(dir.path(), 3);
        refused(&limited(2).packages(all.clone()).create().await.unwrap_err(), 3, 2);
        refused(&limited(2).packages(all.clone()).check().unwrap_err(), 3, 2);
        let vm = limited(0).create().await.unwrap();
        refused(&vm.add_software(all[0].clone()).await.unwrap_err(), 1, 0);
        // Nothing is left of what was refused.
        assert_eq!(vm.exec("ls /opt").await.unwrap().stdout_text(), "");
        lives(&vm).await;
    }
}
