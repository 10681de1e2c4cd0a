//! Lines with a bounded length.

use bytes::{Bytes, BytesMut};

/// Puts lines together from pieces.
#[derive(Debug)]
pub(crate) struct Lines {
    partial: BytesMut,
    most: usize,
}

/// A line that is longer than it may be; at least so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong(pub(crate) usize);

impl Lines {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            partial: BytesMut::new(),
            most,
        }
    }

    /// The lines that a piece completes, without their ends; blank ones are left out.
    ///
    /// # Errors
    /// [`TooLong`], after which the stream has no meaning any more.
    pub(crate) fn push(&mut self, mut piece: Bytes) -> Result<Vec<Bytes>, TooLong> {
        let mut lines = Vec::new();
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let rest = piece.split_off(end);
            let length = self.partial.len() + piece.len();
            if length > self.most {
                return Err(TooLong(length));
            }
            let line = match self.partial.is_empty() {
                true => piece,
                false => {
                    self.partial.extend_from_slice(&piece);
                    self.partial.split().freeze()
                }
            };
            if !line.iter().all(u8::is_ascii_whitespace) {
                lines.push(line);
            }
            piece = rest.slice(1..);
        }
        let length = self.partial.len() + piece.len();
        if length > self.most {
            return Err(TooLong(length));
        }
        self.partial.extend_from_slice(&piece);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_bounded_to_the_byte() {
        let mut lines = Lines::new(4);
        assert_eq!(lines.push(Bytes::from_static(b"abcd\n")).unwrap(), vec!["abcd"]);
        assert_eq!(lines.push(Bytes::from_static(b"abcd")).unwrap(), Vec::<Bytes>::new());
        assert_eq!(lines.push(Bytes::from_static(b"e")), Err(TooLong(5)));
        assert_eq!(Lines::new(4).push(Bytes::from_static(b"abcde\n")), Err(TooLong(5)));
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_does_not_matter(text in "[ab\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..6)) {
            let whole: Vec<String> = Lines::new(100).push(Bytes::from(format!("{text}\n"))).unwrap().into_iter()
                .map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
            let expected: Vec<String> = text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect();
            prop_assert_eq!(&whole, &expected);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(0);
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut pieces = Lines::new(100);
            let mut got = Vec::new();
            for pair in cuts.windows(2) {
                got.extend(pieces.push(Bytes::copy_from_slice(&text.as_bytes()[pair[0]..pair[1]])).unwrap());
            }
            got.extend(pieces.push(Bytes::from_static(b"\n")).unwrap());
            let got: Vec<String> = got.into_iter().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
