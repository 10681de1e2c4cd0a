//! What a connected stream or packet socket talks through.

use super::cargo::Cargo;
use super::connection::Link;
use super::outside::Outside;
use super::{MessageFlags, Received, Shutdown};
use crate::error::Error;
use crate::fd::{IoResult, PollEvents};
use core::task::Waker;
use std::sync::Arc;

/// The other end: a socket of the VM, or somebody outside.
#[derive(Clone)]
pub(super) enum Channel {
    Inside(Link),
    Outside(Arc<Outside>),
}

impl Channel {
    /// `wanted` takes what goes along with the bytes.
    pub(super) fn receive(
        &self,
        buf: &mut [u8],
        flags: MessageFlags,
        wanted: Option<&mut Option<Cargo>>,
        waker: Option<&Waker>,
    ) -> IoResult<Received> {
        match self {
            Self::Inside(link) => link.receive(buf, flags, wanted, waker),
            Self::Outside(outside) => outside.receive(buf, flags, waker),
        }
    }

    /// `cargo` goes along with what is taken; outside there is none.
    pub(super) fn send(&self, data: &[u8], cargo: &mut Option<Cargo>, waker: Option<&Waker>) -> IoResult<usize> {
        match self {
            Self::Inside(link) => link.send(data, cargo, waker),
            Self::Outside(outside) => outside.send(data, waker),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) {
        match self {
            Self::Inside(link) => link.shutdown(how),
            Self::Outside(outside) => outside.shutdown(how),
        }
    }

    /// Takes over what a socket shut down before it connected.
    pub(super) fn inherit_shutdown(&self, read: bool, write: bool) {
        match self {
            Self::Inside(link) => link.inherit_shutdown(read, write),
            Self::Outside(outside) => outside.inherit_shutdown(read, write),
        }
    }

    /// Closes this end; `abort` resets the connection.
    pub(super) fn close(&self, abort: bool) {
        match self {
            Self::Inside(link) => link.close(abort),
            Self::Outside(outside) => outside.close(abort),
        }
    }

    pub(super) fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        match self {
            Self::Inside(link) => link.poll(interest, waker),
            Self::Outside(outside) => outside.poll(interest, waker),
        }
    }

    /// Bytes that can be read at once.
    pub(super) fn available(&self) -> u64 {
        match self {
            Self::Inside(link) => link.available() as u64,
            Self::Outside(outside) => outside.available(),
        }
    }

    /// The pending error (`SO_ERROR`), which is then forgotten.
    pub(super) fn take_error(&self) -> Option<Error> {
        match self {
            Self::Inside(link) => link.take_error().map(Error::from),
            Self::Outside(outside) => outside.take_error(),
        }
    }

    /// How much this side may have under way. The host's socket outside has buffers of its own.
    pub(super) fn set_capacity(&self, bytes: usize) {
        if let Self::Inside(link) = self {
            link.set_capacity(bytes);
        }
    }

    /// `TCP_NODELAY`; there is no delay inside the VM.
    pub(super) fn set_no_delay(&self, on: bool) {
        if let Self::Outside(outside) = self {
            outside.set_no_delay(on);
        }
    }
}
