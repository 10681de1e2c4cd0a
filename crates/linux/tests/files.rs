//! Files of filesystems that have no bytes on the host: written by Linux programs as any other, seen by everybody at once, and in
//! their filesystem when they must be.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::limits::Counter;
use agentos_kernel::process::{Dir, ExitStatus, OpenHow, Signal};
use agentos_kernel::vfs::{CappedFs, Filesystem, FsQuota, MemoryFs, Mode, MountOptions, OpenOptions};
use common::{Vm, compile, has, wait};
use std::sync::Arc;
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
    }

    fn instant(&self) -> Instant {
        Instant(1)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

/// A VM with a filesystem at `/home` whose files natives cannot have; and that filesystem, as it is without what natives hold.
fn vm(bytes: u64) -> Option<(Vm, Arc<dyn Filesystem>)> {
    let vm = Vm::new()?;
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    let inner: Arc<dyn Filesystem> = CappedFs::new(MemoryFs::new(Arc::new(Now), quota), Some(bytes), None);
    vm.kernel
        .vfs()
        .mount(b"/home", Arc::clone(&inner), MountOptions::default())
        .unwrap();
    Some((vm, inner))
}

/// What the filesystem has, whatever natives have done since.
fn stored(fs: &Arc<dyn Filesystem>, name: &str) -> Vec<u8> {
    let attr = fs.lookup(fs.root(), name.as_bytes()).unwrap();
    let mut buf = vec![0; attr.size as usize];
    let count = fs.read(attr.ino, 0, &mut buf).unwrap();
    buf.truncate(count);
    buf
}

#[test]
fn programs_write_there_as_anywhere() {
    let Some((vm, fs)) = vm(1 << 40) else { return };
    let script = "cd /home; echo one > a; echo two >> a; cp a b; mv b c; cat a c; stat -c %s c; truncate -s 4 a; cat a; rm a; ls";
    assert_eq!(vm.sh(script).ok(), "one\ntwo\none\ntwo\n8\none\nc\n");
    // The end of a program whose end is waited for is after what it wrote.
    assert_eq!(stored(&fs, "c"), b"one\ntwo\n");
    assert_eq!(vm.get("/home/c"), "one\ntwo\n");
    vm.put("/home/c", b"three", 0o644);
    assert_eq!(vm.sh("cat /home/c").ok(), "three");
}

#[test]
fn what_is_on_disk_when_fsync_returns_is_what_was_written() {
    let Some((vm, fs)) = vm(1 << 40) else { return };
    if !has("/usr/bin/python3") {
        return;
    }
    let script = r#"
import os, mmap, sys
fd = os.open("/home/f", os.O_RDWR | os.O_CREAT)
os.write(fd, b"0123456789" * 1000)
os.fsync(fd)
print(1, flush=True); sys.stdin.readline()
m = mmap.mmap(fd, 10000)
m[5000:5005] = b"MAPPED"[:5]
m.flush()
os.fdatasync(fd)
print(2, flush=True); sys.stdin.readline()
m[0:3] = b"abc"
os.sync()
print(3, flush=True); sys.stdin.readline()
os.ftruncate(fd, 20)
os.rename("/home/f", "/home/g")
print(4, flush=True); sys.stdin.readline()
"#;
    let (stdin, to) = vm.pipe();
    let (from, stdout) = vm.pipe();
    let process = vm
        .spawn(&["/usr/bin/python3", "-c", script], &[(0, &stdin), (1, &stdout)])
        .unwrap();
    drop((stdin, stdout));
    let step = || {
        let mut buf = [0; 8];
        common::block(|waker| from.read(&mut buf, Some(waker))).unwrap();
    };
    let go = || common::ready(to.write(b"\n", None)).unwrap();
    let mut model = b"0123456789".repeat(1000);
    step();
    assert!(stored(&fs, "f") == model);
    go();
    step();
    model[5000..5005].copy_from_slice(b"MAPPE");
    assert!(stored(&fs, "f") == model);
    go();
    step();
    model[..3].copy_from_slice(b"abc");
    assert!(stored(&fs, "f") == model);
    go();
    step();
    assert_eq!(stored(&fs, "g"), b"abc34567890123456789");
    go();
    assert_eq!(wait(&process), ExitStatus::Exited(0));
}

#[test]
fn sqlite_and_git_work_there() {
    let Some((vm, _)) = vm(1 << 40) else { return };
    if has("/usr/bin/python3") {
        let script = r#"
import sqlite3, os
db = sqlite3.connect("/home/x.db")
assert db.execute("pragma journal_mode=wal").fetchone()[0] == "wal"
db.execute("create table t(a)")
for i in range(200):
    with db:
        db.execute("insert into t values(?)", (i,))
pid = os.fork()
if pid == 0:
    other = sqlite3.connect("/home/x.db")
    with other:
        other.execute("insert into t values(1000)")
    os._exit(0)
os.waitpid(pid, 0)
print(db.execute("select count(*), sum(a) from t").fetchone())
"#;
        assert_eq!(vm.run(&["/usr/bin/python3", "-c", script]).ok(), "(201, 20900)\n");
        let again = "import sqlite3; print(sqlite3.connect('/home/x.db').execute('pragma integrity_check').fetchone())";
        assert_eq!(vm.run(&["/usr/bin/python3", "-c", again]).ok(), "('ok',)\n");
    }
    if has("/usr/bin/git") {
        let script = "cd /home && export GIT_CONFIG_NOSYSTEM=1 EMAIL=a@b && git init -q r && cd r && git config user.email a@b && git config user.name a && \
                      seq 1000 > f && git add f && git commit -qm one && seq 2000 > f && git commit -qam two && git fsck 2>/dev/null && \
                      git clone -q . ../s && cd ../s && git log --format=%s && tail -n 1 f";
        let ended = vm.sh(script);
        assert_eq!(
            (ended.status, &*ended.out),
            (ExitStatus::Exited(0), "two\none\n2000\n"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_killed_program_leaves_what_it_wrote() {
    let Some((vm, fs)) = vm(1 << 40) else { return };
    let (from, stdout) = vm.pipe();
    let script = "exec 3> /home/f; printf abc >&3; echo up; while :; do sleep 1; done";
    let process = vm.spawn(&["/usr/bin/bash", "-c", script], &[(1, &stdout)]).unwrap();
    drop(stdout);
    let mut buf = [0; 8];
    common::block(|waker| from.read(&mut buf, Some(waker))).unwrap();
    vm.kernel.kill_all();
    wait(&process);
    assert_eq!(stored(&fs, "f"), b"abc");
}

#[test]
fn a_file_that_nobody_syncs_gets_there_in_time() {
    let Some((vm, fs)) = vm(1 << 40) else { return };
    let (from, stdout) = vm.pipe();
    let (stdin, to) = vm.pipe();
    let script = "exec 3> /home/f; printf abc >&3; echo up; read x";
    let process = vm
        .spawn(&["/usr/bin/bash", "-c", script], &[(0, &stdin), (1, &stdout)])
        .unwrap();
    drop((stdin, stdout));
    let mut buf = [0; 8];
    common::block(|waker| from.read(&mut buf, Some(waker))).unwrap();
    while stored(&fs, "f") != b"abc" {
        std::thread::yield_now();
    }
    drop(to);
    wait(&process);
}

#[test]
fn no_room_is_an_error_of_the_call_that_asks() {
    let Some((vm, _)) = vm(1 << 20) else { return };
    let source = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static char buf[1 << 16];
int main(void) {
    int fd = open("/home/f", O_RDWR | O_CREAT, 0644);
    long total = 0, n = 0;
    while ((n = write(fd, buf, sizeof buf)) > 0 && total < (64 << 20)) total += n;
    printf("write %d %d\n", n < 0 ? errno : 0, total <= (1 << 20));
    printf("fsync %d\n", fsync(fd) ? errno : 0);
    printf("fallocate %d\n", fallocate(fd, 0, 0, 8 << 20) ? errno : 0);
    printf("ftruncate %d\n", ftruncate(fd, 8 << 20) ? errno : 0);
    printf("cut %d\n", ftruncate(fd, 0) ? errno : 0);
    lseek(fd, 0, SEEK_SET);
    printf("after %ld %d\n", (long)write(fd, buf, 100), fsync(fd));
    return 0;
}"#;
    let Some(program) = compile(source, &["-static", "-w"]) else {
        return;
    };
    vm.put("/tmp/full", &program, 0o755);
    // A file may not become longer than there is room (27 is EFBIG, 28 ENOSPC).
    let out = vm.run(&["/tmp/full"]).out;
    assert_eq!(
        out,
        "write 27 1\nfsync 0\nfallocate 28\nftruncate 28\ncut 0\nafter 100 0\n"
    );
}

#[test]
fn who_gets_past_the_quota_all_the_same_is_ended() {
    let Some(vm) = Vm::limited(|limits| limits.max_filesystem_bytes = 64 << 20) else {
        return;
    };
    let counter = |path, cap| Counter::new(path, "", cap, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes", 64 << 20),
        inodes: counter("inodes", 1000),
    });
    // One that shares its files, and one that does not.
    vm.kernel
        .vfs()
        .mount(
            b"/home",
            MemoryFs::new(Arc::new(Now), Arc::clone(&quota)),
            MountOptions::default(),
        )
        .unwrap();
    vm.kernel
        .vfs()
        .mount(
            b"/etc",
            CappedFs::new(MemoryFs::new(Arc::new(Now), quota), None, Some(1000)),
            MountOptions::default(),
        )
        .unwrap();
    let source = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR | O_CREAT, 0644);
    long size = 1l << 40;
    if (ftruncate(fd, size)) return 1;
    char *map = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    // Slowly, so that it is seen in time on a busy machine.
    for (long at = 0; at < size; at += 1 << 20) {
        memset(map + at, 1, 1 << 20);
        usleep(1000);
    }
    return 0;
}"#;
    let Some(program) = compile(source, &["-static", "-w"]) else {
        return;
    };
    vm.put("/tmp/hog", &program, 0o755);
    for place in ["/home/f", "/etc/f"] {
        let process = vm.spawn(&["/tmp/hog", place], &[]).unwrap();
        assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL), "{place}");
        let limit = process.limit().expect("the limit");
        assert_eq!(limit.configuration_path, "limits.resources.maxFilesystemBytes");
        assert_eq!(
            vm.sh(&format!("rm {place}; echo still > {place}; cat {place}; rm {place}"))
                .ok(),
            "still\n"
        );
    }
}

#[test]
fn one_description_has_one_offset_for_all_who_share_it() {
    let Some((vm, _)) = vm(1 << 40) else { return };
    for path in ["/tmp/out", "/home/out"] {
        let init = vm.kernel.init();
        let how = OpenHow {
            options: OpenOptions {
                write: true,
                create: true,
                mode: Mode::new(0o644),
                ..OpenOptions::default()
            },
            ..OpenHow::default()
        };
        let fd = common::ready(init.open(Dir::Cwd, path.as_bytes(), &how, None)).unwrap();
        let out = init.file(fd).unwrap();
        let own = |text: &[u8]| common::ready(out.write(text, None)).unwrap();
        own(b"one\n");
        wait(&vm.spawn(&["/usr/bin/echo", "two"], &[(1, &out)]).unwrap());
        own(b"three\n");
        // Two at once go on where the other one is.
        let pair: Vec<_> = (0..2)
            .map(|_| vm.spawn(&["/usr/bin/echo", "four"], &[(1, &out)]).unwrap())
            .collect();
        for process in &pair {
            wait(process);
        }
        own(b"five\n");
        drop(out);
        init.close(fd).unwrap();
        assert_eq!(vm.get(path), "one\ntwo\nthree\nfour\nfour\nfive\n");
    }
}

#[test]
fn large_files_are_copied_beside_the_thread_of_the_vm() {
    let Some((vm, fs)) = vm(1 << 40) else { return };
    vm.sh("echo first > /home/small").ok();
    let big = vec![b'x'; 40 << 20];
    vm.put("/home/big", &big, 0o644);
    let script = "cd /home; tail -c 3 big; printf end >> big; tail -c 5 big; truncate -s 30000000 big; wc -c < big; set -C; echo no 2>/dev/null > big || echo exists";
    assert_eq!(vm.sh(script).ok(), "xxxxxend30000000\nexists\n");
    assert_eq!(stored(&fs, "big").len(), 30_000_000);
    vm.put("/tmp/big", &big, 0o644);
    assert_eq!(vm.sh("cd /tmp; : >> big; wc -c < big").ok(), "41943040\n");
}

#[test]
fn writes_that_must_be_on_disk_are_asked_of_the_host() {
    use agentos_kernel::vfs::{HostDirFs, MountOptions};
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    const int kinds[] = {0, O_DSYNC, O_SYNC};
    for (int i = 0; i < 3; i++) {
        int fd = open("/host/file", O_WRONLY | O_CREAT | O_APPEND | kinds[i], 0644);
        int kept = fcntl(fd, F_GETFL);
        printf("%d %d %d %ld\n", (kept & O_SYNC) == kinds[i], !!(kept & O_APPEND), (kept & O_ACCMODE) == O_WRONLY, (long)write(fd, "line\n", 5));
        close(fd);
    }
    printf("%d\n", open("/host/none", O_WRONLY | O_SYNC) < 0 ? errno : 0);
    int fd = open("/tmp/memory", O_RDWR | O_CREAT | O_SYNC, 0600);
    printf("%d %ld\n", fd >= 0, (long)write(fd, "x", 1));
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    vm.root_dir("host");
    let host = HostDirFs::open(dir.path(), false).unwrap();
    vm.kernel.vfs().mount(b"/host", host, MountOptions::default()).unwrap();
    vm.put("/tmp/sync", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/sync"]).ok(), "1 1 1 5\n1 1 1 5\n1 1 1 5\n2\n1 1\n");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("file")).unwrap(),
        "line\nline\nline\n"
    );
}
