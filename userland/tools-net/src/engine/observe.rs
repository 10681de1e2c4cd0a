//! What a request tells its caller while it runs.

use super::failure::Result;
use super::head::Head;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A line for a curious user.
    Info(&'a str),
    /// A request's head as it was sent, or as HTTP/1.1 would write it.
    Request(&'a [u8]),
    /// Body bytes that were sent.
    Sent(&'a [u8]),
    /// Fields after a chunked body.
    Trailers(&'a [u8]),
}

/// What to do with the body of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Hand it over.
    Deliver,
    /// Read it where it is short, so that the connection can serve again; hand nothing over.
    Discard,
    /// Stop here.
    Stop,
}

/// Who hears of it.
pub trait Observer {
    /// Something happened that needs no answer.
    fn note(&mut self, part: Part<'_>);

    /// A head came: the final one or, with a status of 1xx, one before it, whose answer is ignored.
    ///
    /// # Errors
    ///
    /// What ends the transfer.
    fn head(&mut self, head: &Head) -> Result<Flow>;

    /// Bytes of the body came.
    ///
    /// # Errors
    ///
    /// What ends the transfer.
    fn body(&mut self, bytes: &[u8]) -> Result<()>;
}
