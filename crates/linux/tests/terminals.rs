//! Linux programs on terminals: scripted sessions from files, run in a VM and, where the script says so, on the host too, so that
//! what is expected is what Linux does.
//!
//! A session is lines: `run` starts a program on a terminal of 80 by 24, `<` types (with C's escapes), `>` waits until the text has
//! appeared on the screen after everything that was waited for before, `size` changes the window, `hangup` closes the terminal, and
//! `end` waits for the program and compares its status. `vm` says that the script is for VMs alone.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{ExitStatus, FileAction, Process, PtyPair, SpawnRequest};
use agentos_kernel::tty::WindowSize;
use common::{Vm, block, executor, ready};
use std::path::Path;
use std::sync::Arc;

mod on_host;
mod toy;

/// A program on a terminal.
trait Session {
    fn type_keys(&mut self, keys: &[u8]);
    /// The next bytes of the screen; nothing at the end.
    fn screen(&mut self) -> Vec<u8>;
    fn resize(&mut self, columns: u16, rows: u16);
    fn hang_up(&mut self);
    /// How it ended, as a shell says it.
    fn end(&mut self) -> i32;
}

const ENVIRONMENT: [&str; 6] = [
    "PATH=/usr/bin:/bin",
    "HOME=/tmp",
    "LC_ALL=C.UTF-8",
    "TERM=dumb",
    "PS1=$ ",
    "PYTHON_BASIC_REPL=1",
];

struct Ours {
    master: Option<Arc<OpenFile>>,
    process: Arc<Process>,
    vm: Arc<Vm>,
}

impl Ours {
    fn start(vm: &Arc<Vm>, argv: &[String]) -> Self {
        let PtyPair { master, slave } = vm.kernel.open_pty().unwrap();
        let action = |fd| FileAction::Inherit(Fd(fd), slave.clone());
        let request = SpawnRequest {
            path: argv[0].clone().into(),
            argv: argv.iter().map(|arg| arg.clone().into()).collect(),
            env: ENVIRONMENT.iter().map(|variable| (*variable).into()).collect(),
            search_path: true,
            actions: vec![action(0), action(1), action(2)],
            setsid: true,
            foreground: true,
            ..SpawnRequest::default()
        };
        let process = ready(vm.kernel.spawn(&vm.kernel.init(), &request, None)).unwrap();
        let mut ours = Self {
            master: Some(master),
            process,
            vm: Arc::clone(vm),
        };
        ours.resize(80, 24);
        ours
    }
}

impl Session for Ours {
    fn type_keys(&mut self, keys: &[u8]) {
        let master = self.master.clone().unwrap();
        let mut rest = keys;
        while !rest.is_empty() {
            let count = block(|waker| master.write(rest, Some(waker))).unwrap();
            rest = &rest[count..];
        }
    }

    fn screen(&mut self) -> Vec<u8> {
        let master = self.master.clone().unwrap();
        let mut buf = [0; 4096];
        match block(|waker| master.read(&mut buf, Some(waker))) {
            Ok(count) => buf[..count].to_vec(),
            Err(_) => Vec::new(),
        }
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        let size = WindowSize {
            rows,
            columns,
            ..WindowSize::default()
        };
        self.vm.kernel.set_winsize(self.master.as_ref().unwrap(), size).unwrap();
    }

    fn hang_up(&mut self) {
        drop(self.master.take());
    }

    fn end(&mut self) -> i32 {
        match common::wait(&self.process) {
            ExitStatus::Exited(code) => i32::from(code),
            ExitStatus::Signaled(signal) => 128 + i32::try_from(signal.number()).unwrap(),
        }
    }
}

/// Runs a script on a session.
fn play(name: &str, script: &str, start: &mut dyn FnMut(&[String]) -> Box<dyn Session>) {
    let mut session: Option<Box<dyn Session>> = None;
    let (mut seen, mut from) = (Vec::new(), 0);
    for (number, line) in script.lines().enumerate() {
        let (command, text) = line.split_once(' ').unwrap_or((line, ""));
        let at = || format!("{name}:{}: {line}", number + 1);
        match command {
            "" | "#" | "vm" | "needs" => {}
            "run" => {
                session = Some(start(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()));
                (seen, from) = (Vec::new(), 0);
            }
            "<" => session.as_mut().unwrap().type_keys(&unescape(text)),
            ">" => {
                let wanted = unescape(text);
                loop {
                    let found = seen[from..].windows(wanted.len()).position(|window| window == wanted);
                    if let Some(found) = found {
                        from += found + wanted.len();
                        break;
                    }
                    let more = session.as_mut().unwrap().screen();
                    let shown = String::from_utf8_lossy(&seen);
                    assert!(!more.is_empty(), "{}: the screen ended: {shown:?}", at());
                    seen.extend(more);
                    if std::env::var_os("AGENTOS_SHOW").is_some() {
                        eprintln!("{}: {:?}", at(), String::from_utf8_lossy(&seen[from..]));
                    }
                }
            }
            "size" => {
                let (columns, rows) = text.split_once(' ').unwrap();
                session
                    .as_mut()
                    .unwrap()
                    .resize(columns.parse().unwrap(), rows.parse().unwrap());
            }
            "hangup" => session.as_mut().unwrap().hang_up(),
            "end" => {
                let status = session.as_mut().unwrap().end();
                let shown = String::from_utf8_lossy(&seen);
                assert_eq!(status, text.parse::<i32>().unwrap(), "{}: {shown:?}", at());
            }
            _ => panic!("{}: unknown", at()),
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'e' => 27,
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

fn vm() -> Option<Arc<Vm>> {
    let vm = Vm::with(
        vec![executor()?, Arc::new(toy::Toy)],
        agentos_kernel::limits::Limits::default(),
    );
    for (name, text) in [
        ("upper", "TOY upper\n"),
        ("line", "TOY line\n"),
        ("told", "TOY sleep asleep\n"),
    ] {
        vm.put(&format!("/tmp/{name}"), text.as_bytes(), 0o755);
    }
    Some(Arc::new(vm))
}

#[test]
fn sessions_go_as_they_are_written() {
    let Some(vm) = vm() else { return };
    let only = std::env::var("AGENTOS_SESSION").unwrap_or_default();
    let mut names: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let script = std::fs::read_to_string(&path).unwrap();
        let needed: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("needs ")).collect();
        if !needed.iter().all(|program| common::has(program)) {
            continue;
        }
        // First what Linux itself does, so that what is expected of a VM is right.
        if !script.lines().any(|line| line == "vm") {
            play(&format!("{name} on the host"), &script, &mut |argv| {
                Box::new(on_host::Theirs::start(argv))
            });
        }
        play(&name, &script, &mut |argv| Box::new(Ours::start(&vm, argv)));
    }
}
