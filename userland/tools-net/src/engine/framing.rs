//! Where a body of HTTP/1 ends.

use super::encode::hex;
use super::failure::{Exit, Failure, Result};
use super::head::Head;

/// How the end of a body is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes are left.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
    /// When the connection ends.
    Close,
}

impl Framing {
    /// The framing of a response to a request of `method`.
    pub(super) fn of(head: &Head, method: &str) -> Result<Self> {
        let never = method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304);
        if never {
            return Ok(Self::Empty);
        }
        if head.values("transfer-encoding").next().is_some() {
            let chunked = head.has_token("transfer-encoding", "chunked");
            return Ok(if chunked {
                Self::Chunked(Chunks::default())
            } else {
                Self::Close
            });
        }
        Ok(head.length()?.map_or(Self::Close, Self::Length))
    }
}

/// A piece of a decoded chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk<'a> {
    /// Body bytes.
    Data(&'a [u8]),
    /// More input is needed.
    More,
    /// The end, with the fields after the body.
    End,
}

/// Takes a chunked body apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    state: State,
    left: u64,
    digits: u32,
    line: usize,
    /// Fields after the body, as they came.
    pub(super) trailers: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    Data,
    AfterData,
    Trailer,
    End,
}

impl Chunks {
    /// The next piece; `input` is advanced past it.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Chunk<'a>> {
        loop {
            if self.state == State::End {
                return Ok(Chunk::End);
            }
            if self.state == State::Data && self.left > 0 {
                if input.is_empty() {
                    return Ok(Chunk::More);
                }
                let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(most);
                (*input, self.left) = (rest, self.left - most as u64);
                return Ok(Chunk::Data(data));
            }
            if self.state == State::Data {
                self.state = State::AfterData;
            }
            let Some((byte, rest)) = input.split_first() else {
                return Ok(Chunk::More);
            };
            *input = rest;
            self.step(*byte)?;
        }
    }

    fn step(&mut self, byte: u8) -> Result<()> {
        self.line += 1;
        if self.line > LONGEST_LINE {
            return Err(bad("Too long hexadecimal number"));
        }
        match self.state {
            State::Size => self.size(byte)?,
            State::Extension if byte == b'\n' => self.size_done(),
            State::AfterData if byte == b'\n' => {
                self.state = State::Size;
                (self.digits, self.line) = (0, 0);
            }
            State::AfterData if byte != b'\r' => return Err(bad("Malformed encoding found")),
            State::Trailer => self.trailer(byte)?,
            _ => {}
        }
        Ok(())
    }

    fn size(&mut self, byte: u8) -> Result<()> {
        match hex(byte) {
            Some(digit) => {
                self.digits += 1;
                if self.digits > 16 {
                    return Err(bad("Too long hexadecimal number"));
                }
                self.left = self.left << 4 | u64::from(digit);
            }
            None if self.digits == 0 => return Err(bad("Illegal or missing hexadecimal sequence")),
            None if byte == b'\n' => self.size_done(),
            None => self.state = State::Extension,
        }
        Ok(())
    }

    fn size_done(&mut self) {
        self.line = 0;
        self.state = if self.left == 0 { State::Trailer } else { State::Data };
    }

    fn trailer(&mut self, byte: u8) -> Result<()> {
        if self.trailers.len() >= LONGEST_LINE {
            return Err(bad("Too long trailers"));
        }
        self.trailers.push(byte);
        if byte == b'\n' {
            let line = self
                .trailers
                .len()
                .checked_sub(self.line)
                .and_then(|at| self.trailers.get(at..));
            if matches!(line, Some(b"\n" | b"\r\n")) {
                self.state = State::End;
            }
            self.line = 0;
        }
        Ok(())
    }
}

fn bad(what: &str) -> Failure {
    Failure::new(Exit::Receive, format!("{what} in chunked-encoding"))
}

/// Longest line between chunks, and most bytes of fields after the body.
const LONGEST_LINE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], step: usize) -> Result<(Vec<u8>, bool, Vec<u8>)> {
        let mut chunks = Chunks::default();
        let mut out = Vec::new();
        let mut ended = false;
        for mut part in input.chunks(step) {
            loop {
                match chunks.next(&mut part)? {
                    Chunk::Data(data) => out.extend(data),
                    Chunk::More => break,
                    Chunk::End => {
                        ended = true;
                        break;
                    }
                }
            }
        }
        Ok((out, ended, chunks.trailers))
    }

    #[test]
    fn chunks_come_apart_however_they_arrive() {
        let input = b"3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
        for step in [1, 2, 3, 7, 100] {
            let (out, ended, trailers) = decode(input, step).unwrap();
            assert_eq!(out, b"abc0123456789");
            assert!(ended);
            assert_eq!(trailers, b"T: v\r\n\r\n");
        }
        assert_eq!(
            decode(b"1\na\n0\n\n", 1).unwrap(),
            (b"a".to_vec(), true, b"\n".to_vec())
        );
        assert!(!decode(b"5\r\nab", 1).unwrap().1);
    }

    #[test]
    fn broken_chunks_are_refused() {
        let long = [b"1;".as_slice(), &[b'x'; 20_000]].concat();
        for bad in [
            &b"x\r\n"[..],
            b"\r\n",
            b"11111111111111111\r\n",
            b"1\r\naX",
            b"-1\r\n",
            &long,
        ] {
            assert_eq!(decode(bad, 1).unwrap_err().exit, Exit::Receive);
        }
    }

    #[test]
    fn framing_follows_method_status_and_fields() {
        let of = |raw: &str, method: &str| Framing::of(&Head::parse(raw.as_bytes()).unwrap(), method).unwrap();
        assert_eq!(
            of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD"),
            Framing::Empty
        );
        assert_eq!(of("HTTP/1.1 304 X\r\nContent-Length: 3\r\n\r\n", "GET"), Framing::Empty);
        assert_eq!(
            of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET"),
            Framing::Length(3)
        );
        assert_eq!(of("HTTP/1.1 200 OK\r\n\r\n", "GET"), Framing::Close);
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(of(both, "GET"), Framing::Chunked(Chunks::default()));
    }
}
