//! Reading and writing large messages, away from the threads that serve everybody.
//!
//! Most messages take microseconds. One of 32 MiB takes a good part of a second, during which a thread of the runtime would
//! serve nobody else.

use bytes::Bytes;

/// A message of this size is read elsewhere.
const LARGE: usize = 256 * 1024;

/// Reads a message.
pub(crate) async fn read<T: Send + 'static>(message: Bytes, read: impl FnOnce(&Bytes) -> T + Send + 'static) -> T {
    if message.len() < LARGE {
        return read(&message);
    }
    elsewhere(move || read(&message)).await
}

/// Writes a value whose size is known only afterwards; `values` is the value's own measure of itself.
pub(crate) async fn write<T: Send + 'static>(size: usize, write: impl FnOnce() -> T + Send + 'static) -> T {
    if size < LARGE {
        return write();
    }
    elsewhere(write).await
}

async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Cancelled only with the runtime itself, in which case nobody waits here; otherwise it is the work's own panic.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}
