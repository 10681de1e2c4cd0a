//! The primitives of BARE, read strictly and written plainly.

use bytes::Bytes;

use crate::WireError;

/// Reads a message front to back. Every length is checked against what is left before anything is made of it.
pub(crate) struct Reader<'a> {
    input: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a Bytes) -> Self {
        Self { input, at: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let taken = self
            .input
            .get(self.at..)
            .and_then(|rest| rest.get(..count))
            .ok_or(WireError::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(self
            .take(8)?
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// An unsigned LEB128 of at most ten bytes that fits 64 bits.
    pub(crate) fn uint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::Malformed("an integer of more than 64 bits"))
    }

    pub(crate) fn bool(&mut self) -> Result<bool, WireError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Malformed("a boolean or option byte other than 0 and 1")),
        }
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Bytes behind their length; they share the message's memory.
    pub(crate) fn data(&mut self) -> Result<Bytes, WireError> {
        let length = usize::try_from(self.uint()?).map_err(|_| WireError::Truncated)?;
        let start = self.at;
        self.take(length)?;
        Ok(self.input.slice(start..self.at))
    }

    pub(crate) fn str(&mut self) -> Result<String, WireError> {
        let length = usize::try_from(self.uint()?).map_err(|_| WireError::Truncated)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| WireError::Malformed("text that is not UTF-8"))
    }

    /// The end of the message.
    pub(crate) fn finish(self) -> Result<(), WireError> {
        match self.input.len() - self.at {
            0 => Ok(()),
            trailing => Err(WireError::Trailing(trailing)),
        }
    }
}

pub(crate) fn put_uint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80); // the low seven bits
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_data(bytes: &[u8], out: &mut Vec<u8>) {
    put_uint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_str(text: &str, out: &mut Vec<u8>) {
    put_data(text.as_bytes(), out);
}

/// Bytes that `write` appends, behind their length. Room for a short length is left in front; only a longer one moves
/// what was written.
pub(crate) fn put_written<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let start = out.len();
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8; // below 128
        return Ok(());
    }
    let mut prefix = Vec::with_capacity(10);
    put_uint(length as u64, &mut prefix);
    out.splice(start..=start, prefix);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uint(bytes: &[u8]) -> Result<u64, WireError> {
        let bytes = Bytes::copy_from_slice(bytes);
        let mut reader = Reader::new(&bytes);
        let number = reader.uint()?;
        reader.finish().map(|()| number)
    }

    #[test]
    fn over_long_integers_are_refused() {
        assert_eq!(uint(&[0x80, 0x01]), Ok(128));
        let mut max = [0xff; 10];
        max[9] = 1;
        assert_eq!(uint(&max), Ok(u64::MAX));
        max[9] = 2;
        assert!(matches!(uint(&max), Err(WireError::Malformed(_))));
        assert!(matches!(uint(&[0x80; 11]), Err(WireError::Malformed(_))));
        assert_eq!(uint(&[0x80]), Err(WireError::Truncated));
        assert_eq!(uint(&[0, 0]), Err(WireError::Trailing(1)));
    }

    #[test]
    fn lengths_beyond_the_input_and_odd_option_bytes_are_refused() {
        let bytes = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]);
        assert_eq!(Reader::new(&bytes).data(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&bytes).str(), Err(WireError::Truncated));
        assert!(matches!(
            Reader::new(&Bytes::from_static(&[2])).optional(Reader::byte),
            Err(WireError::Malformed(_))
        ));
        assert!(matches!(
            Reader::new(&Bytes::from_static(&[1, 0xff])).str(),
            Err(WireError::Malformed(_))
        ));
    }

    proptest! {
        #[test]
        fn lengths_stand_in_front(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut plain = vec![9];
            put_data(&bytes, &mut plain);
            let mut written = vec![9];
            put_written(&mut written, |out| { out.extend_from_slice(&bytes); Ok::<(), ()>(()) }).unwrap();
            prop_assert_eq!(plain, written);
        }

        #[test]
        fn integers_survive(number: u64) {
            let mut bytes = Vec::new();
            put_uint(number, &mut bytes);
            prop_assert_eq!(uint(&bytes), Ok(number));
        }
    }
}
