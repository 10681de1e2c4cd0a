use super::*;
use crate::bounds::Bounds;
use crate::error::Error;
use proptest::prelude::*;
use std::io::Read;

fn member(path: &[u8], kind: Kind) -> Member {
    Member {
        path: path.to_vec(),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size: 0,
        link: Vec::new(),
        xattrs: Vec::new(),
    }
}

fn write(members: &[(Member, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (member, content) in members {
        writer.add(member, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn read(archive: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, Error> {
    let mut reader = Reader::new(archive, Bounds::default());
    let mut members = Vec::new();
    while let Some(member) = reader.next()? {
        let mut content = Vec::new();
        let mut buf = [0; 7];
        loop {
            match reader.read(&mut buf)? {
                0 => break,
                count => content.extend_from_slice(&buf[..count]),
            }
        }
        members.push((member, content));
    }
    Ok(members)
}

/// A header that no careful writer makes; `at` says what to put where before the checksum is computed.
fn forged(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut archive = write(&[(member(b"name", Kind::File), Vec::new())]);
    for (at, bytes) in changes {
        archive[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    archive[148..156].copy_from_slice(b"        ");
    let sum: u32 = archive[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive
}

fn refused(archive: &[u8]) -> String {
    read(archive).unwrap_err().to_string()
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (changes, said) in [
        (&[(156, &b"S"[..])][..], "\"name\": is a sparse file"),
        (&[(156, b"Z")], "is of an unknown kind ('Z')"),
        (&[(156, b"M")], "is of an unknown kind"),
        (&[(124, b"00000000x00\0")], "has no valid size"),
        (
            &[(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")],
            "has no valid size",
        ),
        (&[(108, b"\x80\x01\x00\x00\x00\x00\x00\x00")], "has no valid owner"),
        (&[(156, b"5"), (124, b"00000000777\0")], "has a size, and is no file"),
        (&[(156, b"1"), (124, b"00000000777\0")], "has a size, and is no file"),
        (
            &[(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")],
            "exceed the limit",
        ),
        (&[(124, b"77777777777\0")], "the archive ends in it"),
        (&[(156, b"L"), (124, b"77777777777\0")], "extended headers of a member"),
    ] {
        let error = refused(&forged(changes));
        assert!(error.contains(said), "{changes:?}: {error}");
    }
}

#[test]
fn damage_is_noticed() {
    let archive = write(&[(
        Member {
            size: 600,
            ..member(b"file", Kind::File)
        },
        vec![1; 600],
    )]);
    assert!(refused(&[]).contains("ends before its first member"));
    for cut in [1, 511, 512, 700, 1024, 1536, 1600] {
        let error = refused(&archive[..cut]);
        assert!(error.contains("ends"), "{cut}: {error}");
    }
    let mut wrong = archive.clone();
    wrong[0] ^= 1;
    assert!(refused(&wrong).contains("checksum"));
    // One block of zeros is a mark as well.
    assert_eq!(read(&archive[..archive.len() - BLOCK]).unwrap().len(), 1);
}

#[test]
fn malformed_records_are_refused() {
    for text in [
        &b"x"[..],
        b"5 a=b",
        b"6 ab\n",
        b"99 a=b\n",
        b"0 a=b\n",
        b" a=b\n",
        b"9 size=x\n",
    ] {
        let mut extension = member(b"pax", Kind::File);
        extension.size = text.len() as u64;
        let mut archive = write(&[(extension, text.to_vec())]);
        archive[156] = b'x';
        archive[148..156].copy_from_slice(b"        ");
        let sum: u32 = archive[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
        archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert!(refused(&archive).contains("pax record"), "{text:?}");
    }
}

#[test]
fn a_program_that_writes_tar_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(120), "n".repeat(150));
    std::fs::create_dir_all(dir.path().join(&long).parent().unwrap()).unwrap();
    std::fs::write(dir.path().join(&long), "content").unwrap();
    std::os::unix::fs::symlink("t".repeat(200), dir.path().join("link")).unwrap();
    for format in ["gnu", "pax"] {
        let path = dir.path().join("archive.tar");
        let _ = std::fs::remove_file(&path);
        let names = [&long[..120], "link"];
        let mut tar = std::process::Command::new("tar");
        tar.arg(format!("--format={format}"))
            .arg("-C")
            .arg(dir.path())
            .arg("-cf")
            .arg(&path)
            .args(names);
        match tar.status() {
            Ok(status) if status.success() => {}
            // The host has another tar, or none.
            _ => continue,
        }
        let mut archive = Vec::new();
        std::fs::File::open(&path).unwrap().read_to_end(&mut archive).unwrap();
        let members = read(&archive).unwrap();
        let file = members
            .iter()
            .find(|(member, _)| member.path == long.as_bytes())
            .unwrap();
        assert_eq!(file.1, b"content", "{format}");
        let link = members.iter().find(|(member, _)| member.path == b"link").unwrap();
        assert_eq!(link.0.link.len(), 200, "{format}");
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::File,
        Kind::Directory,
        Kind::Symlink,
        Kind::HardLink,
        Kind::CharDevice,
    ])
}

fn names(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ab/\xff.".to_vec()), 1..most).prop_map(|mut name| {
        name.push(b'x');
        name
    })
}

prop_compose! {
    fn members()(
        path in names(400), kind in kinds(), mode in 0..0o10000_u32, uid: u32, gid: u32,
        mtime in 0..i64::MAX / 4, content in prop::collection::vec(any::<u8>(), 0..1200), link in names(300),
        xattr in prop::option::of(names(40)),
    ) -> (Member, Vec<u8>) {
        let content = if kind == Kind::File { content } else { Vec::new() };
        let is_link = matches!(kind, Kind::Symlink | Kind::HardLink);
        let xattr = xattr.map(|name| name.into_iter().filter(|byte| *byte != b'=').collect());
        let member = Member {
            size: content.len() as u64,
            link: if is_link { link } else { Vec::new() },
            xattrs: xattr.map(|name| (name, b"a\n\0=".to_vec())).into_iter().collect(),
            path, kind, mode, uid, gid, mtime,
        };
        (member, content)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_reads_back(members in prop::collection::vec(members(), 1..5)) {
        let read = read(&write(&members)).unwrap();
        // Numbers of owners are whole, times beyond what fits into eleven digits are cut.
        for ((read, content), (written, expected)) in read.iter().zip(&members) {
            prop_assert_eq!(content, expected);
            let mut written = written.clone();
            if written.mtime / 1_000_000_000 > 0o77_777_777_777 && written.mtime % 1_000_000_000 == 0 {
                written.mtime = read.mtime;
            }
            prop_assert_eq!(read, &written);
        }
        prop_assert_eq!(read.len(), members.len());
    }

    #[test]
    fn any_bytes_end_in_members_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..3000), fix: bool) {
        if fix && bytes.len() >= BLOCK {
            bytes[148..156].copy_from_slice(b"        ");
            let sum: u32 = bytes[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
            bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
        let _ = read(&bytes);
    }
}
