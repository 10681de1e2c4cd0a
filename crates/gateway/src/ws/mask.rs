//! The mask that clients put on payloads.

/// Takes the mask off, in place. `offset` is the number of payload bytes before these.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let rotated: [u8; 4] = std::array::from_fn(|index| mask[(offset + index) % 4]);
    let [a, b, c, d] = rotated;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(rotated.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::unmask;

    #[test]
    fn words_and_bytes_agree_at_every_offset() {
        let mask = [1, 2, 3, 250];
        for length in 0..40 {
            for offset in 0..9 {
                let plain: Vec<u8> = (0..length).collect();
                let mut bytes = plain.clone();
                unmask(&mut bytes, mask, offset);
                let slow: Vec<u8> = plain
                    .iter()
                    .enumerate()
                    .map(|(index, byte)| byte ^ mask[(offset + index) % 4])
                    .collect();
                assert_eq!(bytes, slow, "{length} {offset}");
            }
        }
    }
}
