//! What is sent: pieces of memory, files and standard input, one after the other.

use super::failure::{Exit, Failure, Result, reason};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

/// A piece of a body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A file from an offset on, with its length where it has one.
    File {
        /// Its name.
        path: PathBuf,
        /// Where it begins.
        from: u64,
        /// Bytes from there.
        len: Option<u64>,
    },
    /// Standard input.
    Stdin,
}

/// A request's body. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pieces: Option<Vec<Piece>>,
}

impl Body {
    /// A body of these pieces, which may be none: that is an empty body, unlike no body.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces: Some(pieces) }
    }

    /// A body of these bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::new(vec![Piece::Bytes(bytes.into())])
    }

    /// Whether there is a body at all.
    pub fn is_some(&self) -> bool {
        self.pieces.is_some()
    }

    /// Its length, where known.
    pub fn length(&self) -> Option<u64> {
        self.pieces
            .iter()
            .flatten()
            .try_fold(0_u64, |sum, piece| sum.checked_add(piece.len()?))
    }

    /// Whether it can be sent again.
    pub fn replays(&self) -> bool {
        !self.pieces.iter().flatten().any(|piece| matches!(piece, Piece::Stdin))
    }

    /// Reads it from its beginning.
    pub(super) fn open(&self) -> Reader {
        let mut pieces = self.pieces.clone().unwrap_or_default();
        pieces.reverse();
        Reader {
            pieces,
            current: None,
            left: None,
        }
    }
}

impl Piece {
    fn len(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { len, .. } => *len,
            Self::Stdin => None,
        }
    }
}

/// Reads a body.
pub(super) struct Reader {
    pieces: Vec<Piece>,
    current: Option<Box<dyn Read>>,
    left: Option<u64>,
}

impl Reader {
    /// Fills the buffer as far as the body goes; 0 at its end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            let Some(current) = &mut self.current else {
                let Some(piece) = self.pieces.pop() else { break };
                self.left = piece.len();
                self.current = Some(open(&piece)?);
                continue;
            };
            let room = buf.get_mut(filled..).unwrap_or_default();
            let most = self.left.map_or(room.len(), |left| {
                usize::try_from(left).unwrap_or(usize::MAX).min(room.len())
            });
            let count = match room.get_mut(..most) {
                Some(room) if !room.is_empty() => current.read(room).map_err(|error| cannot_read(&error))?,
                _ => 0,
            };
            if count == 0 {
                if self.left.is_some_and(|left| left > 0) {
                    return Err(Failure::new(Exit::Read, "a file became shorter while it was sent"));
                }
                self.current = None;
            }
            filled += count;
            self.left = self.left.map(|left| left - count as u64);
            if self.left.is_none() && count > 0 {
                // Of unknown length: send what is there.
                break;
            }
        }
        Ok(filled)
    }
}

fn open(piece: &Piece) -> Result<Box<dyn Read>> {
    Ok(match piece {
        Piece::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        Piece::Stdin => Box::new(io::stdin()),
        Piece::File { path, from, .. } => {
            let mut file = File::open(path).map_err(|error| cannot_read(&error))?;
            if *from > 0 {
                file.seek(SeekFrom::Start(*from)).map_err(|error| cannot_read(&error))?;
            }
            Box::new(file)
        }
    })
}

fn cannot_read(error: &io::Error) -> Failure {
    Failure::new(Exit::Read, format!("read function failed: {}", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_and_can_be_read_again() {
        let bytes = |text: &str| Piece::Bytes(text.as_bytes().into());
        let body = Body::new(vec![bytes("ab"), bytes(""), bytes("cde")]);
        assert_eq!((body.length(), body.replays()), (Some(5), true));
        for _ in 0..2 {
            let mut reader = body.open();
            let mut buf = [0; 4];
            assert_eq!(reader.read(&mut buf).unwrap(), 4);
            assert_eq!(&buf, b"abcd");
            assert_eq!(reader.read(&mut buf).unwrap(), 1);
            assert_eq!(reader.read(&mut buf).unwrap(), 0);
        }
    }

    #[test]
    fn no_body_is_not_an_empty_one() {
        assert!(!Body::default().is_some());
        assert!(Body::new(Vec::new()).is_some());
        assert_eq!(Body::new(vec![Piece::Stdin]).length(), None);
    }
}
