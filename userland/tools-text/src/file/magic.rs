//! Formats with a signature.

use super::Kind;

/// The format that `head` begins, if it is a known one.
pub fn of(head: &[u8]) -> Option<Kind> {
    simple(head).or_else(|| structured(head))
}

/// Signature, words, MIME type.
const SIMPLE: &[(&[u8], &str, &str)] = &[
    (b"%PDF-", "PDF document", "application/pdf"),
    (b"BZh", "bzip2 compressed data", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "XZ compressed data", "application/x-xz"),
    (
        b"\x28\xb5\x2f\xfd",
        "Zstandard compressed data (v0.8+)",
        "application/zstd",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "7-zip archive data",
        "application/x-7z-compressed",
    ),
    (b"Rar!\x1a\x07", "RAR archive data", "application/x-rar"),
    (b"SQLite format 3\0", "SQLite 3.x database", "application/vnd.sqlite3"),
    (b"!<arch>\n", "current ar archive", "application/x-archive"),
    (b"OggS", "Ogg data", "application/ogg"),
    (b"fLaC", "FLAC audio bitstream data", "audio/flac"),
    (b"ID3", "Audio file with ID3", "audio/mpeg"),
    (b"II*\0", "TIFF image data, little-endian", "image/tiff"),
    (b"MM\0*", "TIFF image data, big-endian", "image/tiff"),
    (
        b"\xca\xfe\xba\xbe\0\0\0",
        "compiled Java class data",
        "application/x-java-applet",
    ),
    (b"PAR1", "Apache Parquet", "application/vnd.apache.parquet"),
    (b"\0\0\x01\0", "MS Windows icon resource", "image/vnd.microsoft.icon"),
    (b"wOFF", "Web Open Font Format", "font/woff"),
    (b"wOF2", "Web Open Font Format (Version 2)", "font/woff2"),
    (b"\x1f\x9d", "compress'd data", "application/x-compress"),
    (b"-----BEGIN CERTIFICATE-----", "PEM certificate", "text/plain"),
    (
        b"-----BEGIN OPENSSH PRIVATE KEY-----",
        "OpenSSH private key",
        "text/plain",
    ),
    (b"-----BEGIN RSA PRIVATE KEY-----", "PEM RSA private key", "text/plain"),
];

fn simple(head: &[u8]) -> Option<Kind> {
    let (magic, words, mime) = SIMPLE.iter().find(|(magic, _, _)| head.starts_with(magic))?;
    let mut words = (*words).to_owned();
    if *magic == b"%PDF-" {
        let version: String = head[5..]
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'.')
            .map(|&b| char::from(b))
            .collect();
        words.push_str(&format!(", version {version}"));
    }
    if *magic == b"BZh" {
        match head.get(3) {
            Some(level @ b'1'..=b'9') => words.push_str(&format!(", block size = {}00k", char::from(*level))),
            _ => return None,
        }
    }
    if *magic == b"\xfd7zXZ\0" {
        let check = match head.get(7) {
            Some(1) => ", checksum CRC32",
            Some(4) => ", checksum CRC64",
            Some(10) => ", checksum SHA-256",
            _ => "",
        };
        words.push_str(check);
    }
    Some(Kind::binary(words, mime))
}

fn big(head: &[u8], at: usize) -> Option<u32> {
    let bytes = head.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn little16(head: &[u8], at: usize) -> Option<u16> {
    let bytes = head.get(at..at + 2)?;
    Some(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn structured(head: &[u8]) -> Option<Kind> {
    match head {
        [0x7f, b'E', b'L', b'F', ..] => Some(elf(head)),
        [0x89, b'P', b'N', b'G', ..] => Some(png(head)),
        [0xff, 0xd8, 0xff, ..] => Some(Kind::binary("JPEG image data", "image/jpeg")),
        [b'G', b'I', b'F', b'8', version @ (b'7' | b'9'), b'a', ..] => {
            let (width, height) = (little16(head, 6)?, little16(head, 8)?);
            Some(Kind::binary(
                format!("GIF image data, version 8{}a, {width} x {height}", char::from(*version)),
                "image/gif",
            ))
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            Some(Kind::binary("RIFF (little-endian) data, Web/P image", "image/webp"))
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => {
            Some(Kind::binary("RIFF (little-endian) data, WAVE audio", "audio/x-wav"))
        }
        [b'P', b'K', 3, 4, ..] => Some(zip(head)),
        [b'P', b'K', 5, 6, ..] => Some(Kind::binary("Zip archive data (empty)", "application/zip")),
        [0x1f, 0x8b, ..] => Some(gzip(head)),
        [0, b'a', b's', b'm', version, ..] => {
            let name = if *version == 1 { " (MVP)" } else { "" };
            Some(Kind::binary(
                format!("WebAssembly (wasm) binary module version {version:#x}{name}"),
                "application/wasm",
            ))
        }
        [b'B', b'M', ..] if head.len() > 26 && head[6..10] == [0; 4] => Some(Kind::binary("PC bitmap", "image/bmp")),
        [b'M', b'Z', ..] => Some(Kind::binary("MS-DOS executable", "application/x-dosexec")),
        _ if head.get(257..262) == Some(b"ustar") => {
            let gnu = head.get(262) == Some(&b' ');
            Some(Kind::binary(
                if gnu {
                    "POSIX tar archive (GNU)"
                } else {
                    "POSIX tar archive"
                },
                "application/x-tar",
            ))
        }
        _ if head.get(4..8) == Some(b"ftyp") => Some(Kind::binary("ISO Media, MP4 v2 [ISO 14496-14]", "video/mp4")),
        _ => None,
    }
}

fn png(head: &[u8]) -> Kind {
    let mut words = "PNG image data".to_owned();
    if let (Some(width), Some(height), Some(depth), Some(color)) =
        (big(head, 16), big(head, 20), head.get(24), head.get(25))
    {
        let color = match color {
            0 => "grayscale",
            2 => "/color RGB",
            3 => "colormap",
            4 => "gray+alpha",
            _ => "/color RGBA",
        };
        let interlaced = if head.get(28) == Some(&1) {
            "interlaced"
        } else {
            "non-interlaced"
        };
        let separator = if color.starts_with('/') { "" } else { " " };
        words.push_str(&format!(
            ", {width} x {height}, {depth}-bit{separator}{color}, {interlaced}"
        ));
    }
    Kind::binary(words, "image/png")
}

fn zip(head: &[u8]) -> Kind {
    let name_length = usize::from(little16(head, 26).unwrap_or(0));
    let name = head.get(30..30 + name_length).unwrap_or_default();
    if name == b"mimetype" {
        let body = &head[30 + name_length..];
        if body.starts_with(b"application/epub+zip") {
            return Kind::binary("EPUB document", "application/epub+zip");
        }
        if body.starts_with(b"application/vnd.oasis.opendocument") {
            return Kind::binary("OpenDocument", "application/vnd.oasis.opendocument.text");
        }
    }
    if name == b"[Content_Types].xml" || name.starts_with(b"_rels/") {
        let has = |needle: &[u8]| memchr::memmem::find(head, needle).is_some();
        if has(b"word/") {
            return Kind::binary(
                "Microsoft Word 2007+",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            );
        }
        if has(b"xl/") {
            return Kind::binary(
                "Microsoft Excel 2007+",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            );
        }
        if has(b"ppt/") {
            return Kind::binary(
                "Microsoft PowerPoint 2007+",
                "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            );
        }
    }
    if name.starts_with(b"META-INF/") {
        return Kind::binary("Java archive data (JAR)", "application/java-archive");
    }
    let version = little16(head, 4).unwrap_or(0);
    let method = match little16(head, 8) {
        Some(0) => "store",
        Some(8) => "deflate",
        Some(12) => "bzip2",
        Some(14) => "lzma",
        _ => "unknown",
    };
    let words = format!(
        "Zip archive data, at least v{}.{} to extract, compression method={method}",
        version / 10,
        version % 10
    );
    Kind::binary(words, "application/zip")
}

fn gzip(head: &[u8]) -> Kind {
    let mut words = "gzip compressed data".to_owned();
    let flags = head.get(3).copied().unwrap_or(0);
    if flags & 8 != 0 {
        let name: Vec<u8> = head.iter().skip(10).take_while(|&&b| b != 0).copied().collect();
        words.push_str(&format!(", was \"{}\"", String::from_utf8_lossy(&name)));
    }
    if let Some(bytes) = head.get(4..8) {
        let time = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if time != 0 {
            let time = chrono::DateTime::from_timestamp(i64::from(time), 0).unwrap_or_default();
            words.push_str(&format!(", last modified: {}", time.format("%a %b %e %H:%M:%S %Y")));
        }
    }
    match head.get(8) {
        Some(2) => words.push_str(", max compression"),
        Some(4) => words.push_str(", max speed"),
        _ => {}
    }
    if head.get(9) == Some(&3) {
        words.push_str(", from Unix");
    }
    if head.len() >= 18 && (head.len() as u64) < super::HEAD {
        let tail = &head[head.len() - 4..];
        let size = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        words.push_str(&format!(", original size modulo 2^32 {size}"));
    }
    Kind::binary(words, "application/gzip")
}

fn elf(head: &[u8]) -> Kind {
    let (class, little) = (head.get(4).copied().unwrap_or(0), head.get(5) == Some(&1));
    let half = |at: usize| -> u16 {
        let Some(bytes) = head.get(at..at + 2) else { return 0 };
        if little {
            u16::from_le_bytes([bytes[0], bytes[1]])
        } else {
            u16::from_be_bytes([bytes[0], bytes[1]])
        }
    };
    let bits = if class == 2 { "64-bit" } else { "32-bit" };
    let order = if little { "LSB" } else { "MSB" };
    let dynamic = memchr::memmem::find(&head[..head.len().min(4096)], b"/ld").is_some();
    let (kind, mime) = match half(16) {
        1 => ("relocatable", "application/x-object"),
        2 => ("executable", "application/x-executable"),
        3 if dynamic => ("pie executable", "application/x-pie-executable"),
        3 => ("shared object", "application/x-sharedlib"),
        4 => ("core file", "application/x-coredump"),
        _ => ("unknown type", "application/octet-stream"),
    };
    let machine = match half(18) {
        3 => "Intel 80386",
        40 => "ARM",
        62 => "x86-64",
        183 => "ARM aarch64",
        243 => "UCB RISC-V",
        _ => "unknown arch",
    };
    Kind::binary(format!("ELF {bits} {order} {kind}, {machine}, version 1 (SYSV)"), mime)
}
