//! Bytes that are passed on as they are, and bytes that are passed on masked.

use super::End;
use crate::secrets::{Patterns, Scrubber};
use bytes::{Bytes, BytesMut};
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

/// Bytes that are read at once.
const PIECE: usize = 32 << 10;

/// Both directions untouched, until both have ended.
pub(super) async fn untouched<G: End, H: End>(mut guest: G, mut host: H) -> io::Result<()> {
    tokio::io::copy_bidirectional_with_sizes(&mut guest, &mut host, PIECE, PIECE)
        .await
        .map(drop)
}

/// What comes from the host is searched; what goes there is not changed.
pub(super) async fn masked<G: End, H: End>(guest: G, host: H, patterns: &Patterns) -> io::Result<()> {
    let (from_guest, to_guest) = split(guest);
    let (from_host, to_host) = split(host);
    tokio::try_join!(forward(from_guest, to_host), mask(from_host, to_guest, patterns)).map(drop)
}

async fn forward<G: End, H: End>(mut from: ReadHalf<G>, mut to: WriteHalf<H>) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(PIECE);
    loop {
        buffer.clear();
        buffer.reserve(PIECE);
        if from.read_buf(&mut buffer).await? == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer).await?;
        to.flush().await?;
    }
}

async fn mask<G: End, H: End>(mut from: ReadHalf<H>, mut to: WriteHalf<G>, patterns: &Patterns) -> io::Result<()> {
    let mut scrubber = Scrubber::new(patterns.clone());
    loop {
        let piece = next(&mut from, &mut scrubber).await?;
        let Some(piece) = piece else {
            let rest = scrubber.finish();
            to.write_all(&rest).await?;
            return to.shutdown().await;
        };
        to.write_all(&piece).await?;
        to.flush().await?;
    }
}

/// What may be passed on next; `None` at the end.
async fn next<R: AsyncRead + Unpin>(from: &mut R, scrubber: &mut Scrubber) -> io::Result<Option<Bytes>> {
    let mut buffer = BytesMut::with_capacity(PIECE);
    loop {
        let read = {
            let mut reading = pin!(from.read_buf(&mut buffer));
            poll_fn(|context| match reading.as_mut().poll(context) {
                Poll::Ready(count) => Poll::Ready(Read::Got(count)),
                // Nothing follows for now, so what is held should not wait.
                Poll::Pending => scrubber
                    .release()
                    .map_or(Poll::Pending, |held| Poll::Ready(Read::Idle(held))),
            })
            .await
        };
        match read {
            Read::Idle(held) => return Ok(Some(held)),
            Read::Got(count) => {
                if count? == 0 {
                    return Ok(None);
                }
            }
        }
        let decided = scrubber.push(buffer.split().freeze());
        if !decided.is_empty() {
            return Ok(Some(decided));
        }
        buffer.reserve(PIECE);
    }
}

enum Read {
    Got(io::Result<usize>),
    Idle(Bytes),
}
