//! Keys and values of an actor.

use std::sync::Arc;

use bytes::Bytes;

use crate::Failure;
use crate::store::ActorStore;

/// Keys and values of one actor, ordered by key. What is written is durable before the action is acknowledged.
#[derive(Clone, Debug)]
pub struct Kv(Arc<ActorStore>);

impl Kv {
    pub(crate) const fn new(store: Arc<ActorStore>) -> Self {
        Self(store)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Storage that failed.
    #[expect(clippy::unused_async, reason = "reads storage")]
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.kept.lock().kv.get(key).cloned())
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// Storage that failed.
    #[expect(clippy::unused_async, reason = "writes storage")]
    pub async fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), Failure> {
        self.0.kept.lock().kv.insert(key.into(), value.into());
        Ok(())
    }

    /// Removes a key.
    ///
    /// # Errors
    /// Storage that failed.
    #[expect(clippy::unused_async, reason = "writes storage")]
    pub async fn delete(&self, key: &[u8]) -> Result<(), Failure> {
        self.0.kept.lock().kv.remove(key);
        Ok(())
    }

    /// Up to `limit` keys that start with `prefix` and their values, in order.
    ///
    /// # Errors
    /// Storage that failed.
    #[expect(clippy::unused_async, reason = "reads storage")]
    pub async fn list(&self, prefix: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, Failure> {
        let kept = self.0.kept.lock();
        let from = Bytes::copy_from_slice(prefix);
        let found = kept
            .kv
            .range(from..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
