//! Archives and documents of images: bytes as they come, and archives whose headers are whole and whose members are not.

use crate::input::Input;
use agentos_image::{Cache, fuzzing};
use std::sync::OnceLock;

/// Unpacks what the input describes; nothing but the cache's directory may be touched, which the cache sees to.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (raw, oci) = (input.flag(), input.flag());
    let archive = if raw {
        input.take(bytes.len()).to_vec()
    } else {
        members(&mut input)
    };
    if let Err(error) = fuzzing::archive(&archive, cache(), oci) {
        let text = error.to_string();
        assert!(!text.starts_with("tree:"), "{text}");
    }
    let checked = fuzzing::documents(bytes);
    assert!(checked.is_ok(), "{checked:?}");
}

fn cache() -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("agentos-fuzz-image-{}", std::process::id()));
        Cache::open(path).unwrap_or_else(|error| panic!("no cache: {error}"))
    })
}

/// Names that are likely to meet each other.
const NAMES: &[&[u8]] = &[
    b"a",
    b"a/b",
    b"./a/../b",
    b"/a",
    b"l",
    b"l/x",
    b".wh.a",
    b"a/.wh..wh..opq",
    b".wh..wh.x",
    b"dev/x",
    b"./",
    b"a/b/c",
    b"\xff",
];

fn members(input: &mut Input<'_>) -> Vec<u8> {
    let mut archive = Vec::new();
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let kind = input.pick(b"0000512347xgLKS\0");
        let path = name(input);
        let link = name(input);
        let content = input.data();
        let size = if input.u8() < 250 {
            content.len() as u64
        } else {
            input.u64() >> 30
        };
        let mut block = [0_u8; 512];
        put(&mut block, 0, &path[..path.len().min(100)]);
        put(&mut block, 100, b"0000755\0");
        put(&mut block, 108, b"0000000\0");
        put(&mut block, 116, b"0000000\0");
        put(&mut block, 124, format!("{size:011o}").as_bytes());
        put(&mut block, 136, b"00000000000\0");
        put(&mut block, 148, b"        ");
        put(&mut block, 156, &[kind]);
        put(&mut block, 157, &link[..link.len().min(100)]);
        put(&mut block, 257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut block, 148, format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&block);
        archive.extend_from_slice(&content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend_from_slice(&[0; 1024]);
    archive
}

fn name(input: &mut Input<'_>) -> Vec<u8> {
    if input.u8() < 200 {
        input.pick(NAMES).to_vec()
    } else {
        input.data()
    }
}

fn put(block: &mut [u8; 512], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}
