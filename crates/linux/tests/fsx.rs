//! One file under random operations of a Linux program and of the kernel's own callers, compared with a model after each.
//!
//! The program does what it is told on its standard input, on a descriptor and on a mapping that it keeps; the kernel's side writes, cuts
//! and reads the same file in between.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::limits::Counter;
use agentos_kernel::process::{Dir, OpenHow};
use agentos_kernel::vfs::{CappedFs, Filesystem, FsQuota, MemoryFs, MountOptions, OpenOptions};
use common::{Vm, block, compile, ready, wait};
use std::sync::Arc;
use std::task::Waker;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1)
    }

    fn instant(&self) -> Instant {
        Instant(1)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

/// Does each line of its input and answers with a line.
const PROGRAM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
static char buf[1 << 20];
int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR | O_CREAT, 0644);
    char *map = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char what;
    long at, len;
    int byte;
    while (scanf(" %c %ld %ld %d", &what, &at, &len, &byte) == 4) {
        long r = 0;
        unsigned sum = 0;
        struct stat st;
        switch (what) {
        case 'w': memset(buf, byte, len); r = pwrite(fd, buf, len, at); break;
        case 'm': memset(map + at, byte, len); r = len; break;
        case 't': r = ftruncate(fd, at); break;
        case 'p': r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len); break;
        case 's': r = fsync(fd); break;
        case 'o': close(fd); fd = open(argv[1], O_RDWR); r = fd < 0 ? -1 : 0; break;
        case 'r':
            fstat(fd, &st);
            r = pread(fd, buf, sizeof buf, 0);
            if (r != st.st_size) r = -1;
            for (long i = 0; i < r; i++) sum = sum * 31 + (unsigned char)buf[i];
            for (long i = 0; i < r; i++) if (map[i] != buf[i]) { r = -2; break; }
        }
        printf("%ld %u\n", r, sum);
        fflush(stdout);
    }
    return 0;
}"#;

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

struct Guest {
    to: Arc<OpenFile>,
    from: Arc<OpenFile>,
}

impl Guest {
    fn tell(&self, what: char, at: u64, len: u64, byte: u8) -> (i64, u32) {
        let line = format!("{what} {at} {len} {byte}\n");
        assert_eq!(ready(self.to.write(line.as_bytes(), None)).unwrap(), line.len());
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") {
            let mut buf = [0; 64];
            let count = block(|waker| self.from.read(&mut buf, Some(waker))).unwrap();
            assert!(count > 0, "the program has ended");
            answer.extend_from_slice(&buf[..count]);
        }
        let answer = String::from_utf8(answer).unwrap();
        let (result, sum) = answer.trim().split_once(' ').unwrap();
        (result.parse().unwrap(), sum.parse().unwrap())
    }
}

fn sum(data: &[u8]) -> u32 {
    data.iter()
        .fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)))
}

const LARGEST: u64 = 300_000;
const STEPS: u32 = 400;

fn fill(model: &mut Vec<u8>, at: u64, len: u64, byte: u8) {
    let end = (at + len) as usize;
    if model.len() < end {
        model.resize(end, 0);
    }
    model[at as usize..end].fill(byte);
}

fn run(vm: &Vm, path: &str, seed: u64) {
    let Some(program) = compile(PROGRAM, &["-static", "-w", "-O1"]) else {
        return;
    };
    vm.put("/tmp/fsx", &program, 0o755);
    let (stdin, to) = vm.pipe();
    let (from, stdout) = vm.pipe();
    let process = vm.spawn(&["/tmp/fsx", path], &[(0, &stdin), (1, &stdout)]).unwrap();
    drop((stdin, stdout));
    let guest = Guest { to, from };
    let init = vm.kernel.init();
    let mut model = Vec::new();
    let mut random = Random(seed);
    assert_eq!(guest.tell('s', 0, 0, 0).0, 0);
    let how = OpenHow {
        options: OpenOptions {
            read: true,
            write: true,
            ..OpenOptions::default()
        },
        ..OpenHow::default()
    };
    let fd: Fd = ready(init.open(Dir::Cwd, path.as_bytes(), &how, None)).unwrap();
    let file = init.file(fd).unwrap();
    for step in 0..STEPS {
        let (at, len) = (random.below(LARGEST), 1 + random.below(50_000));
        let byte = 1 + (step % 255) as u8;
        let size = model.len() as u64;
        match random.below(12) {
            0 | 1 => {
                assert_eq!(guest.tell('w', at, len, byte).0, len as i64);
                fill(&mut model, at, len, byte);
            }
            2 | 3 if at < size => {
                let len = len.min(size - at);
                guest.tell('m', at, len, byte);
                fill(&mut model, at, len, byte);
            }
            4 => {
                assert_eq!(guest.tell('t', at, 0, 0).0, 0);
                model.resize(at as usize, 0);
            }
            5 => {
                assert_eq!(guest.tell('p', at, len, 0).0, 0);
                let end = (at + len).min(size);
                if at < end {
                    fill(&mut model, at, end - at, 0);
                }
            }
            6 => assert_eq!(guest.tell('s', 0, 0, 0).0, 0),
            7 => assert_eq!(guest.tell('o', 0, 0, 0).0, 0),
            8 => {
                let data = vec![byte; len as usize];
                assert_eq!(ready(file.pwrite(&init.cred(), at, &data, None)).unwrap(), data.len());
                fill(&mut model, at, len, byte);
            }
            9 => {
                file.truncate(&init.cred(), at).unwrap();
                model.resize(at as usize, 0);
            }
            _ => {}
        }
        let (count, got) = guest.tell('r', 0, 0, 0);
        assert_eq!(
            (count, got),
            (model.len() as i64, sum(&model)),
            "the program reads otherwise, seed {seed}, step {step}"
        );
        let mut seen = vec![0; model.len() + 1];
        let count = ready(file.pread(0, &mut seen, None)).unwrap();
        assert!(
            seen[..count] == model[..],
            "the kernel reads otherwise, seed {seed}, step {step}"
        );
    }
    drop(guest);
    wait(&process);
    let mut seen = vec![0; model.len() + 1];
    let count = ready(file.pread(0, &mut seen, None)).unwrap();
    assert!(seen[..count] == model[..], "other bytes after the end, seed {seed}");
    drop(file);
    init.close(fd).unwrap();
}

#[test]
fn a_file_that_is_shared_reads_the_same_everywhere() {
    let Some(vm) = Vm::new() else { return };
    for seed in 1..4 {
        run(&vm, &format!("/tmp/f{seed}"), seed);
    }
}

#[test]
fn a_file_with_a_working_copy_reads_the_same_everywhere_and_is_stored() {
    let Some(vm) = Vm::new() else { return };
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    let inner: Arc<dyn Filesystem> = CappedFs::new(MemoryFs::new(Arc::new(Still), quota), Some(1 << 40), None);
    vm.kernel
        .vfs()
        .mount(b"/home", Arc::clone(&inner), MountOptions::default())
        .unwrap();
    for seed in 1..4 {
        let name = format!("f{seed}");
        run(&vm, &format!("/home/{name}"), seed);
        let attr = inner.lookup(inner.root(), name.as_bytes()).unwrap();
        let mut stored = vec![0; attr.size as usize];
        inner.read(attr.ino, 0, &mut stored).unwrap();
        assert!(
            stored == vm_bytes(&vm, &format!("/home/{name}")),
            "not stored, seed {seed}"
        );
    }
}

fn vm_bytes(vm: &Vm, path: &str) -> Vec<u8> {
    let init = vm.kernel.init();
    let how = OpenHow {
        options: OpenOptions {
            read: true,
            ..OpenOptions::default()
        },
        ..OpenHow::default()
    };
    let fd = ready(init.open(Dir::Cwd, path.as_bytes(), &how, None)).unwrap();
    let file = init.file(fd).unwrap();
    let mut all = vec![0; file.stat().unwrap().attr.size as usize];
    let count = ready(file.pread(0, &mut all, None)).unwrap();
    init.close(fd).unwrap();
    all.truncate(count);
    all
}
