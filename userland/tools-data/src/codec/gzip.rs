//! Gzip members one after another, with what may stand behind them.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// What the first member says about the file it was made from.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// Name, without folder.
    pub name: Option<Vec<u8>>,
    /// Seconds since the epoch; 0 is unknown.
    pub mtime: u32,
}

/// Reads all members as one stream; zeros behind the last are padding, anything else is garbage and noted.
pub struct GzipReader<R: BufRead> {
    state: State<R>,
    /// Of the first member, once its header was read.
    pub header: Option<Header>,
    /// Something else stood behind the last member.
    pub garbage: bool,
}

enum State<R: BufRead> {
    Member(Box<GzDecoder<R>>),
    Between(R),
    Done,
}

impl<R: BufRead> GzipReader<R> {
    /// A reader over `source`.
    pub fn new(source: R) -> Self {
        Self {
            state: State::Member(Box::new(GzDecoder::new(source))),
            header: None,
            garbage: false,
        }
    }

    /// Looks at what follows a member.
    fn next(&mut self, mut source: R) -> io::Result<State<R>> {
        loop {
            let available = source.fill_buf()?;
            match available.first() {
                None => return Ok(State::Done),
                Some(0x1f) => return Ok(State::Member(Box::new(GzDecoder::new(source)))),
                Some(0) => {
                    let zeros = available.iter().take_while(|&&b| b == 0).count();
                    source.consume(zeros);
                }
                Some(_) => {
                    self.garbage = true;
                    return Ok(State::Done);
                }
            }
        }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Between(source) => self.state = self.next(source)?,
                State::Member(mut decoder) => {
                    let count = decoder.read(buffer);
                    if self.header.is_none() {
                        self.header = decoder.header().map(|found| Header {
                            name: found.filename().map(<[u8]>::to_vec),
                            mtime: found.mtime(),
                        });
                    }
                    match count {
                        Ok(0) => self.state = State::Between(decoder.into_inner()),
                        Ok(count) => {
                            self.state = State::Member(decoder);
                            return Ok(count);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
}
