//! Keys and values of an actor.

use agentos_store::tables::KvTable;
use bytes::Bytes;

use crate::Failure;

/// Keys and values of one actor, ordered by key. What is written is durable when the call returns.
///
/// A key has at most 2048 bytes, a value at most 1 MiB.
#[derive(Clone, Debug)]
pub struct Kv(KvTable);

impl Kv {
    pub(crate) const fn new(table: KvTable) -> Self {
        Self(table)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Storage that failed.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.get(key)?.map(Bytes::from))
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// A key or a value that is too large; storage that failed.
    pub async fn put(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Result<(), Failure> {
        Ok(self.0.set(key.into(), value.into()).await?)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// Storage that failed.
    pub async fn delete(&self, key: impl Into<Vec<u8>>) -> Result<(), Failure> {
        Ok(self.0.delete(key.into()).await?)
    }

    /// Sets (`Some`) and removes (`None`) several keys in one step.
    ///
    /// # Errors
    /// A key or a value that is too large; storage that failed. Nothing has changed then.
    pub async fn apply(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Failure> {
        Ok(self.0.apply(changes).await?)
    }

    /// Up to `limit` keys that start with `prefix` and come after `after`, with their values, in order.
    ///
    /// # Errors
    /// Storage that failed.
    pub fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, Failure> {
        let pairs = self.0.list(prefix, after, limit)?;
        Ok(pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect())
    }
}
