//! Files that a VM has made and nobody has open take no descriptors of the host process for long, which all of its VMs share. Alone in its
//! process, whose limit it lowers.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, compile};

/// Makes files as fast as it can, with one byte each, or of a size that is all hole.
const MAKER: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int i = 0; i < atoi(argv[1]); i++) {
        char name[32];
        snprintf(name, sizeof name, "/tmp/%s%d", argv[2], i);
        int fd = open(name, O_CREAT | O_RDWR, 0644);
        if (fd < 0) { printf("%d: %s\n", i, strerror(errno)); return 1; }
        if (*argv[2] == 'h' ? ftruncate(fd, 16 << 20) : write(fd, "x", 1) != 1) return 2;
        close(fd);
    }
    puts("made");
    return 0;
}
"#;

/// How many descriptors this process is left with, and what it makes do with meanwhile.
const FEW: u64 = 512;

#[test]
fn files_that_nobody_has_open_leave_descriptors_to_others() {
    let few = libc::rlimit {
        rlim_cur: FEW,
        rlim_max: FEW,
    };
    // SAFETY: one structure is readable.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) }, 0);
    let Some(vm) = Vm::new() else { return };
    let Some(other) = Vm::new() else { return };
    let Some(program) = compile(MAKER, &["-static", "-O1"]) else {
        return;
    };
    vm.put("/home/make", &program, 0o755);
    for (count, name) in [("5000", "small"), ("2000", "hole")] {
        assert_eq!(vm.run(&["/home/make", count, name]).out, "made\n");
        assert_eq!(other.sh("echo x > /tmp/f; cat /tmp/f; rm /tmp/f").ok(), "x\n");
    }
    assert_eq!(
        vm.sh("cat /tmp/small4999; stat -c '%s %b' /tmp/hole1999; ls /tmp | wc -l")
            .ok(),
        "x16777216 0\n7000\n"
    );
    // Who keeps what is made open meets the end of this table, and is told so; others live on once it lets go.
    let hold = "import os\nfds = []\ntry:\n    for i in range(1000): fds.append(os.open('/tmp/small%d' % i, os.O_RDWR))\nexcept OSError as e: print(len(fds) > 100, e.errno)\n\
                else: print(True, 23)";
    if common::has("/usr/bin/python3") {
        assert_eq!(vm.run(&["/usr/bin/python3", "-c", hold]).ok(), "True 23\n");
    }
    assert_eq!(other.sh("echo y > /tmp/f; cat /tmp/f").ok(), "y\n");
}
