//! `/proc` and `/dev`.

use crate::harness::Vm;
use agentos_kernel::Errno;
use agentos_kernel::fd::PollEvents;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir, PollEntry, PollSource, SpawnRequest};
use std::ops::ControlFlow;

#[test]
fn nothing_is_charged_for_the_pseudo_filesystems() {
    let vm = Vm::new();
    vm.check(|_| async {});
    let before = (vm.quota.bytes.used(), vm.quota.inodes.used());
    vm.check(|sys| async move {
        let fd = sys.open_write("/dev/shm/x").await.unwrap();
        sys.write(fd, b"shared").await.unwrap();
        assert_eq!(sys.cat("/dev/shm/x").await.unwrap(), "shared");
        sys.unlink(Dir::Cwd, b"/dev/shm/x").unwrap();
    });
    assert_eq!((vm.quota.bytes.used(), vm.quota.inodes.used()), before);
    vm.assert_idle();
}

#[test]
fn devices_do_what_their_names_say() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let null = sys.open_write("/dev/null").await.unwrap();
        assert_eq!(sys.write(null, b"gone").await.unwrap(), 4);
        assert_eq!(sys.cat("/dev/null").await.unwrap(), "");
        let zero = sys.open_read("/dev/zero").await.unwrap();
        assert_eq!(sys.read(zero, 3).await.unwrap(), [0; 3]);
        let full = sys.open_write("/dev/full").await.unwrap();
        assert_eq!(sys.write(full, b"x").await.unwrap_err(), Errno::ENOSPC);
        let random = sys.open_read("/dev/urandom").await.unwrap();
        let first = sys.read(random, 16).await.unwrap();
        assert_ne!(sys.read(random, 16).await.unwrap(), first);
        assert_eq!(sys.open_read("/dev/tty").await.unwrap_err(), Errno::ENXIO);
        assert_eq!(sys.fstat(null).unwrap().attr.rdev, 0x103);
        assert_eq!(sys.open_write("/dev/new").await.unwrap_err(), Errno::EACCES);
    });
    vm.assert_idle();
}

#[test]
fn terminals_appear_and_can_be_opened() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let master = sys.open_read("/dev/ptmx").await.unwrap();
        let name = format!("/dev/pts/{}", sys.terminal(master).unwrap().number());
        let mut seen = Vec::new();
        let dir = sys.open_read("/dev/pts").await.unwrap();
        let mut emit = |entry: agentos_kernel::vfs::DirEntry<'_>| {
            seen.push(String::from_utf8(entry.name.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        sys.readdir(dir, 0, &mut emit).unwrap();
        assert_eq!(seen, [".", "..", "0"]);
        let slave = sys.open_write(&name).await.unwrap();
        assert_eq!(sys.tty_name(slave).unwrap(), name);
        sys.write(slave, b"hi").await.unwrap();
        assert_eq!(sys.read(master, 16).await.unwrap(), b"hi");
        sys.close(master).unwrap();
        assert_eq!(
            sys.stat(Dir::Cwd, name.as_bytes(), AtFlags::FOLLOW).unwrap_err(),
            Errno::ENOENT
        );
    });
    vm.assert_idle();
}

#[test]
fn a_process_finds_itself() {
    let vm = Vm::new();
    vm.program("look", |sys| async move {
        let pid = sys.pid();
        assert_eq!(
            sys.readlink(Dir::Cwd, b"/proc/self").unwrap(),
            pid.to_string().into_bytes()
        );
        assert_eq!(sys.readlink(Dir::Cwd, b"/proc/self/cwd").unwrap(), b"/home/user");
        assert_eq!(sys.readlink(Dir::Cwd, b"/proc/self/exe").unwrap(), b"/bin/look");
        assert_eq!(sys.readlink(Dir::Cwd, b"/proc/self/root").unwrap(), b"/");
        assert_eq!(
            sys.realpath(Dir::Cwd, b"/proc/self/cwd", AtFlags::empty()).unwrap(),
            b"/home/user"
        );
        assert_eq!(sys.cat("/proc/self/cmdline").await.unwrap(), "look\0-x\0");
        assert_eq!(sys.cat("/proc/thread-self/comm").await.unwrap(), "look\n");
        assert_eq!(sys.cat("/proc/self/environ").await.unwrap(), "PATH=/bin\0");
        let stat = sys.cat("/proc/self/stat").await.unwrap();
        let fields: Vec<&str> = stat.trim().split(' ').collect();
        assert_eq!(fields.len(), 52, "{stat}");
        assert_eq!(fields[..5], [&pid.to_string(), "(look)", "R", "1", &pid.to_string()]);
        let status = sys.cat("/proc/self/status").await.unwrap();
        assert!(status.contains("\nUid:\t1000\t1000\t1000\t1000\n"), "{status}");
        assert!(
            sys.cat("/proc/self/limits")
                .await
                .unwrap()
                .contains("Max open files            1024 ")
        );
        assert!(sys.cat("/proc/mounts").await.unwrap().contains("proc /proc proc rw,"));
        assert!(sys.cat("/proc/self/mountinfo").await.unwrap().contains("/dev/shm"));
        assert_eq!(
            sys.cat(&format!("/proc/{pid}/task/{pid}/comm")).await.unwrap(),
            "look\n"
        );
        0
    });
    let process = vm.start_with(SpawnRequest {
        pgroup: Some(agentos_kernel::id::Pid(0)),
        ..Vm::request(&["look", "-x"])
    });
    vm.executor.run();
    assert_eq!(process.exit_status().unwrap().code(), 0);
    vm.assert_idle();
}

#[test]
fn descriptor_links_lead_to_the_very_things() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        let text = sys
            .readlink(Dir::Cwd, format!("/proc/self/fd/{read}").as_bytes())
            .unwrap();
        assert!(text.starts_with(b"pipe:["));
        let link = sys
            .stat(Dir::Cwd, format!("/proc/self/fd/{write}").as_bytes(), AtFlags::empty())
            .unwrap();
        assert_eq!(link.attr.mode.bits(), 0o300);
        let again = sys.open_write(&format!("/proc/self/fd/{write}")).await.unwrap();
        sys.close(write).unwrap();
        sys.write(again, b"through").await.unwrap();
        assert_eq!(sys.read(read, 16).await.unwrap(), b"through");
        sys.close(again).unwrap();
        assert_eq!(sys.read(read, 16).await.unwrap(), b"");

        let file = sys.open_write("/tmp/deleted").await.unwrap();
        sys.write(file, b"still here").await.unwrap();
        sys.unlink(Dir::Cwd, b"/tmp/deleted").unwrap();
        let link = format!("/dev/fd/{file}");
        assert_eq!(sys.cat(&link).await.unwrap(), "still here");
        assert!(
            sys.readlink(Dir::Cwd, format!("/proc/self/fd/{file}").as_bytes())
                .unwrap()
                .ends_with(b"(deleted)")
        );
        assert!(
            sys.cat(&format!("/proc/self/fdinfo/{file}"))
                .await
                .unwrap()
                .starts_with("pos:\t10\nflags:\t01\n")
        );
        sys.dup_to(file, Fd(1), false).unwrap();
        sys.stat(Dir::Cwd, b"/dev/stdout", AtFlags::FOLLOW).unwrap();
        assert_eq!(
            sys.stat(Dir::Cwd, b"/proc/self/fd/77", AtFlags::empty()).unwrap_err(),
            Errno::ENOENT
        );
    });
    vm.assert_idle();
}

#[test]
fn a_pipe_opened_again_after_its_writer_left_is_hung_up_on() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        sys.write(write, b"last words").await.unwrap();
        sys.close(write).unwrap();
        let again = sys.open_read(&format!("/dev/fd/{read}")).await.unwrap();
        sys.close(read).unwrap();
        let poll = || {
            let mut entry = [PollEntry {
                source: PollSource::Fd(again),
                interest: PollEvents::IN,
                ready: PollEvents::empty(),
            }];
            assert!(sys.poll(&mut entry, None, None, None).is_ready());
            entry[0].ready
        };
        assert_eq!(poll(), PollEvents::IN | PollEvents::HUP);
        assert_eq!(sys.read(again, 16).await.unwrap(), b"last words");
        assert_eq!(poll(), PollEvents::HUP);
        assert_eq!(sys.read(again, 16).await.unwrap(), b"");
    });
    vm.assert_idle();
}

#[test]
fn other_users_see_only_what_is_public() {
    let vm = Vm::new();
    vm.program("sleeper", |sys| async move {
        sys.pause().await;
        0
    });
    let other = vm
        .start_with(SpawnRequest {
            credentials: None,
            ..Vm::request(&["sleeper"])
        })
        .pid();
    vm.executor.run();
    vm.check(move |sys| async move {
        assert_eq!(sys.cat(&format!("/proc/{other}/comm")).await.unwrap(), "sleeper\n");
        for file in ["environ", "io", "fd/0", "cwd/x", "exe"] {
            let error = sys.cat(&format!("/proc/{other}/{file}")).await.unwrap_err();
            assert_eq!(error, Errno::EACCES, "{file}");
        }
        let link = format!("/proc/{other}/exe");
        assert_eq!(sys.readlink(Dir::Cwd, link.as_bytes()).unwrap_err(), Errno::EACCES);
        assert_eq!(sys.cat("/proc/999/stat").await.unwrap_err(), Errno::ENOENT);
    });
}

#[test]
fn the_vm_describes_itself() {
    let vm = Vm::with(|limits| {
        limits.cpu_count = 3;
        limits.max_memory_bytes = 64 << 20;
    });
    vm.advance(12_340_000_000);
    vm.check(|sys| async move {
        let cpus = sys.cat("/proc/cpuinfo").await.unwrap();
        assert_eq!(cpus.matches("processor\t:").count(), 3);
        assert!(
            sys.cat("/proc/meminfo")
                .await
                .unwrap()
                .starts_with("MemTotal:          65536 kB\nMemFree:")
        );
        assert_eq!(sys.cat("/proc/uptime").await.unwrap(), "12.34 37.02\n");
        assert!(
            sys.cat("/proc/stat")
                .await
                .unwrap()
                .starts_with("cpu  0 0 0 3702 0 0 0 0 0 0\ncpu0 0 0 0 1234 ")
        );
        assert_eq!(sys.cat("/proc/sys/kernel/hostname").await.unwrap(), "agent-os\n");
        let id = sys.cat("/proc/sys/kernel/random/boot_id").await.unwrap();
        assert_eq!(
            (id.len(), sys.cat("/proc/sys/kernel/random/boot_id").await.unwrap()),
            (37, id.clone())
        );
        assert_ne!(sys.cat("/proc/sys/kernel/random/uuid").await.unwrap(), id);
        assert_eq!(
            sys.open_write("/proc/sys/kernel/hostname").await.unwrap_err(),
            Errno::EACCES
        );
        let mut names = Vec::new();
        let dir = sys.open_read("/proc").await.unwrap();
        sys.readdir(dir, 0, &mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        for name in ["self", "cpuinfo", "sys", "1", &sys.pid().to_string()] {
            assert_eq!(names.iter().filter(|known| known.as_str() == name).count(), 1, "{name}");
        }
    });
    vm.program("rename", |sys| async move {
        let fd = sys.open_write("/proc/sys/kernel/hostname").await.unwrap();
        sys.write(fd, b"renamed\n").await.unwrap();
        let fd = sys.open_write("/proc/self/comm").await.unwrap();
        sys.write(fd, b"a-name-that-is-too-long\n").await.unwrap();
        u32::from(sys.name() != b"a-name-that-is-" || sys.uname().nodename != b"renamed")
    });
    let process = vm.start_with(SpawnRequest {
        credentials: None,
        ..Vm::request(&["rename"])
    });
    vm.executor.run();
    assert_eq!(process.exit_status().unwrap().code(), 0);
}
