//! The resources of the embedding program, as the server finds, lists and watches them.

use super::resource::Resource;
use super::{Completion, Variables};
use crate::computer::Result;
use rmcp::model::{self, ResourceContents, ResourceTemplate};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Changes that wait for one watcher. One that is behind is told of its resource once more.
const WAITING: usize = 64;

/// All of them.
pub(crate) struct Resources {
    all: Vec<Resource>,
    changes: broadcast::Sender<Arc<str>>,
}

impl Resources {
    pub(crate) fn new(all: Vec<Resource>) -> Self {
        Self {
            all,
            changes: broadcast::Sender::new(WAITING),
        }
    }

    fn find(&self, uri: &str) -> Option<(&Resource, Variables)> {
        self.all.iter().find_map(|one| Some((one, one.values(uri)?)))
    }

    /// Whether one of them is at this address.
    pub(crate) fn has(&self, uri: &str) -> bool {
        self.find(uri).is_some()
    }

    /// The content at an address; none if it is no address of theirs.
    pub(crate) async fn read(&self, uri: &str) -> Option<Result<ResourceContents>> {
        let (resource, values) = self.find(uri)?;
        Some(resource.content(uri, values).await.map(ResourceContents::from))
    }

    /// Those that are one resource each.
    pub(crate) fn listed(&self) -> impl Iterator<Item = model::Resource> {
        self.all.iter().filter(|one| one.is_one()).map(|one| {
            let mut listed = model::Resource::new(&one.uri, &one.name);
            listed.description.clone_from(&one.description);
            listed.mime_type.clone_from(&one.mime);
            listed
        })
    }

    /// Those that are templates.
    pub(crate) fn templates(&self) -> impl Iterator<Item = ResourceTemplate> {
        self.all.iter().filter(|one| !one.is_one()).map(|one| {
            let mut listed = ResourceTemplate::new(&one.uri, &one.name);
            listed.description.clone_from(&one.description);
            listed.mime_type.clone_from(&one.mime);
            listed
        })
    }

    /// Whether a template has a variable of this name, and how that is completed, if it is.
    pub(crate) fn completes(&self, template: &str, variable: &str) -> Option<Option<&Completion>> {
        self.all.iter().find(|one| one.uri == template)?.completes(variable)
    }

    /// Tells watchers of a change.
    pub(crate) fn changed(&self, uri: &str) {
        // Nobody may watch.
        let _ = self.changes.send(uri.into());
    }

    /// What is told from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.changes.subscribe()
    }
}

/// Calls `told` for each change of a resource until that fails.
pub(crate) async fn follow<R>(mut changes: broadcast::Receiver<Arc<str>>, uri: String, told: impl Fn() -> R)
where
    R: Future<Output = bool>,
{
    loop {
        let is_it = match changes.recv().await {
            Ok(changed) => *changed == *uri,
            // One of those that were missed may be it.
            Err(broadcast::error::RecvError::Lagged(_)) => true,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if is_it && !told().await {
            return;
        }
    }
}
