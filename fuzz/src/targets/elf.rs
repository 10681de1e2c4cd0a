//! Programs of Linux: files whose head is whole and whose program headers say anything, and files that are anything at all.

use crate::input::Input;

/// Plans the program that the input describes.
pub(crate) fn run(bytes: &[u8]) {
    for file in [bytes.to_vec(), headed(bytes)] {
        let checked = agentos_linux::fuzzing::program(&file);
        assert!(checked.is_ok(), "{checked:?}");
    }
}

/// A file for this processor, with headers of small and of wild numbers.
fn headed(bytes: &[u8]) -> Vec<u8> {
    let mut input = Input::new(bytes);
    let count = u16::from(input.u8() % 6);
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let kind = if input.flag() { 2u16 } else { 3 };
    for half in [kind, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for word in [0x40_0000u64, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64, 56, count, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for _ in 0..count {
        let load = if input.flag() { 1u32 } else { u32::from(input.u8() % 8) };
        file.extend(load.to_le_bytes());
        file.extend(u32::from(input.u8() % 8).to_le_bytes());
        // Offset, address, physical address, bytes in the file, bytes in memory, alignment.
        for _ in 0..6 {
            let [low, high, shift] = [input.u8(), input.u8(), input.u8()];
            let small = u64::from(low) << 8 | u64::from(high);
            file.extend((small << (shift % 48)).to_le_bytes());
        }
    }
    file.extend_from_slice(bytes);
    file
}
