//! A filesystem of the host's, whose mistakes end in an error.
//!
//! What a host mounts may be its own code, which may panic. Behind this wall a panic is `EIO` of the one call that met it: the
//! program that made the call goes on, and so does everybody else. Whether the filesystem is still in order afterwards is its
//! own business; it is asked again by the next call.

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::filesystem::{Blob, Features, Filesystem, Holders, NativeUse};
use crate::vfs::settle::Settling;
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::os::fd::BorrowedFd;
use std::panic::catch_unwind;
use std::sync::Arc;

/// A filesystem from which no panic comes.
pub struct CaughtFs {
    inner: Arc<dyn Filesystem>,
    features: Features,
    root: Ino,
    /// The time when it was mounted, for one that cannot tell the time any more.
    since: Timestamp,
}

impl CaughtFs {
    /// Puts `inner` behind the wall. What never changes is asked now.
    ///
    /// # Errors
    /// `EIO` if already that panics.
    pub fn new(inner: Arc<dyn Filesystem>) -> Result<Arc<Self>> {
        let known = caught(|| Ok((inner.features(), inner.root(), inner.now())));
        let (features, root, since) = known?;
        Ok(Arc::new(Self {
            inner,
            features,
            root,
            since,
        }))
    }

    fn caught<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        caught(call)
    }
}

fn caught<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Errno::EIO.into()))
}

/// A wait from which no panic comes, not even when it is dropped.
struct CaughtSettling(Option<Settling>);

impl CaughtSettling {
    fn behind(settling: Settling) -> Settling {
        Box::pin(Self(Some(settling)))
    }

    fn end(&mut self) {
        let ended = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
    }
}

impl Future for CaughtSettling {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(settling) = &mut self.0 else {
            return Poll::Ready(Err(Errno::EIO.into()));
        };
        let polled = catch_unwind(AssertUnwindSafe(|| settling.as_mut().poll(context)));
        let polled = polled.unwrap_or(Poll::Ready(Err(Errno::EIO.into())));
        if polled.is_ready() {
            self.end();
        }
        polled
    }
}

impl Drop for CaughtSettling {
    fn drop(&mut self) {
        self.end();
    }
}

impl Filesystem for CaughtFs {
    fn kind(&self) -> &'static str {
        catch_unwind(AssertUnwindSafe(|| self.inner.kind())).unwrap_or("broken")
    }

    fn features(&self) -> Features {
        self.features
    }

    fn root(&self) -> Ino {
        self.root
    }

    fn release(&self, ino: Ino) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.inner.release(ino)));
    }

    fn shares_natively(&self, ino: Ino, write: bool) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.inner.shares_natively(ino, write))).unwrap_or(false)
    }

    fn tidy_natives(&self, holders: &dyn Fn(BorrowedFd<'_>) -> Holders) -> NativeUse {
        catch_unwind(AssertUnwindSafe(|| self.inner.tidy_natives(holders))).unwrap_or_default()
    }

    fn blob(&self, ino: Ino) -> Option<Arc<Blob>> {
        catch_unwind(AssertUnwindSafe(|| self.inner.blob(ino))).unwrap_or(None)
    }

    fn begin_fsync(&self, ino: Ino, data_only: bool) -> Result<Option<Settling>> {
        let begun = caught(|| self.inner.begin_fsync(ino, data_only))?;
        Ok(begun.map(CaughtSettling::behind))
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        let begun = caught(|| self.inner.begin_sync())?;
        Ok(begun.map(CaughtSettling::behind))
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        let begun = caught(|| self.inner.begin_room())?;
        Ok(begun.map(CaughtSettling::behind))
    }

    fn now(&self) -> Timestamp {
        catch_unwind(AssertUnwindSafe(|| self.inner.now())).unwrap_or(self.since)
    }

    crate::pass_filesystem_calls!(caught);
}
