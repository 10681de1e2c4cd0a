//! A file of 10 GiB that is all hole but for its end, and mappings of it, for both kinds of programs: what one writes there the other sees.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::fd::SeekFrom;
use agentos_kernel::process::{Dir, OpenHow};
use agentos_kernel::vfs::OpenOptions;
use common::{Vm, block, compile, ready, wait};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define SIZE (10l << 30)
static void told(void) { char byte; if (read(0, &byte, 1) != 1) _exit(9); }
int main(void) {
    struct stat st;
    int fd = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
    if (ftruncate(fd, SIZE)) return 1;
    char *end = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, SIZE - 65536);
    if (end == MAP_FAILED) return 2;
    strcpy(end + 65536 - 8, "native");
    fstat(fd, &st);
    if (st.st_size != SIZE || st.st_blocks > 256) return 3;
    if (lseek(fd, 0, SEEK_DATA) < SIZE - 65536 || lseek(fd, 0, SEEK_HOLE) != 0 || lseek(fd, SIZE - 1, SEEK_HOLE) != SIZE) return 4;
    write(1, "1", 1);
    told();
    // The other kind has written at the end and at the beginning.
    if (strcmp(end, "other")) return 5;
    char *begin = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (strcmp(begin, "first")) return 6;
    // Who has it open and mapped keeps it without its name, and another gets that.
    if (unlink("/tmp/sparse") || close(fd)) return 7;
    int other = open("/tmp/sparse", O_CREAT | O_EXCL | O_RDWR, 0600);
    if (other < 0 || strcmp(end, "other")) return 8;
    // One without a name gets one.
    int unnamed = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    if (unnamed < 0 || write(unnamed, "named", 5) != 5 || linkat(unnamed, "", AT_FDCWD, "/tmp/named", AT_EMPTY_PATH)) return 10;
    char *named = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, unnamed, 0);
    write(1, "2", 1);
    told();
    return memcmp(named, "NAMED", 5) ? 11 : 0;
}
"#;

#[test]
fn both_kinds_share_the_end_of_a_large_hole() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(SOURCE, &["-static", "-O1"]) else {
        return;
    };
    vm.put("/home/sparse", &program, 0o755);
    let (stdin, to) = vm.pipe();
    let (from, stdout) = vm.pipe();
    let process = vm.spawn(&["/home/sparse"], &[(0, &stdin), (1, &stdout)]).unwrap();
    drop((stdin, stdout));
    let step = || {
        let mut byte = [0];
        let read = block(|waker| from.read(&mut byte, Some(waker)));
        assert_eq!(read, Ok(1), "{:?}", process.exit_status());
    };
    let go = || assert_eq!(block(|waker| to.write(b"x", Some(waker))), Ok(1));
    let init = vm.kernel.init();
    let open = |path: &[u8]| {
        let options = OpenOptions {
            read: true,
            write: true,
            ..OpenOptions::default()
        };
        let how = OpenHow {
            options,
            ..OpenHow::default()
        };
        ready(init.open(Dir::Cwd, path, &how, None)).unwrap()
    };
    let size = 10 << 30;
    step();
    let fd = open(b"/tmp/sparse");
    let mut end = [0; 6];
    assert_eq!(ready(init.pread(fd, size - 8, &mut end, None)).unwrap(), 6);
    assert_eq!(&end, b"native");
    assert!(init.seek(fd, SeekFrom::Data(0)).unwrap() >= size - 65536);
    assert_eq!(init.seek(fd, SeekFrom::Hole(0)).unwrap(), 0);
    assert_eq!(ready(init.pwrite(fd, size - 65536, b"other\0", None)).unwrap(), 6);
    assert_eq!(ready(init.pwrite(fd, 0, b"first\0", None)).unwrap(), 6);
    go();
    step();
    // What has no name any more is this one's still, and what has its name is empty.
    assert_eq!(ready(init.pread(fd, 0, &mut end, None)).unwrap(), 6);
    assert_eq!(&end, b"first\0");
    init.close(fd).unwrap();
    assert_eq!(vm.get("/tmp/sparse"), "");
    assert_eq!(vm.get("/tmp/named"), "named");
    let fd = open(b"/tmp/named");
    assert_eq!(ready(init.write(fd, b"NAMED", None)).unwrap(), 5);
    init.close(fd).unwrap();
    go();
    assert_eq!(wait(&process), agentos_kernel::process::ExitStatus::Exited(0));
}
