//! Watching resources for a client.
//!
//! A VM tells nobody of changes to files, so that each watched file is looked at once a second. What is compared is what
//! `stat` says: inode, size, and times. A file that is replaced, vanishes or comes back has changed.

use crate::computer::{Attributes, Computer};
use crate::failure::{Exceeded, Failure};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Time between two looks.
const PACE: Duration = Duration::from_millis(1000);

/// What one client watches. Ends with it.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<HashMap<String, AbortHandle>>);

impl Watches {
    /// Watches, for a client that calls it `uri`, by a task that tells of changes until nobody wants to know.
    pub(crate) fn add(
        &self,
        uri: String,
        cap: usize,
        watching: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Failure> {
        let mut all = self.0.lock();
        all.retain(|_, task| !task.is_finished());
        if all.contains_key(&uri) {
            return Ok(());
        }
        if all.len() >= cap {
            return Err(Exceeded::new("mcp.maxSubscriptions", all.len() as u64 + 1, cap as u64, "uri").into());
        }
        let task = tokio::spawn(watching);
        all.insert(uri, task.abort_handle());
        Ok(())
    }

    /// Watches it no more.
    pub(crate) fn remove(&self, uri: &str) {
        if let Some(task) = self.0.lock().remove(uri) {
            task.abort();
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.0.lock().values().for_each(AbortHandle::abort);
    }
}

/// Looks at a file, which was as `before` says, until nobody wants to know of its changes.
pub(crate) async fn watch<F, R>(vm: Arc<dyn Computer>, path: String, mut before: Option<Attributes>, changed: F)
where
    F: Fn() -> R,
    R: Future<Output = bool>,
{
    loop {
        tokio::time::sleep(PACE).await;
        let now: Option<Attributes> = vm.stat(path.clone(), true).await.ok();
        if now != before && !changed().await {
            return;
        }
        before = now;
    }
}
