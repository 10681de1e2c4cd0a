//! FIFOs between Linux programs and programs of another kind: every case with every mixture of both, and on the host itself.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;
mod toy;

use agentos_kernel::fd::OpenFile;
use agentos_kernel::process::Process;
use common::{Vm, block, executor, has};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use toy::Toy;

const CASES: &str = include_str!("fifos/cases.txt");
const PYTHON: &str = "/usr/bin/python3";

/// Who does what a line says.
trait Actor {
    fn tell(&mut self, line: &str);
    fn hear(&mut self) -> String;
    /// Lets it end, and waits for that.
    fn end(&mut self);
}

/// A program of the VM, of either kind.
struct Inside {
    process: Arc<Process>,
    to: Option<Arc<OpenFile>>,
    from: Arc<OpenFile>,
}

impl Inside {
    fn start(vm: &Vm, argv: &[&str]) -> Self {
        let ((stdin, to), (from, stdout)) = (vm.pipe(), vm.pipe());
        let process = vm.spawn(argv, &[(0, &stdin), (1, &stdout), (2, &stdout)]).unwrap();
        let to = Some(to);
        Self { process, to, from }
    }
}

impl Actor for Inside {
    fn tell(&mut self, line: &str) {
        let (to, line) = (self.to.as_ref().unwrap(), format!("{line}\n"));
        assert_eq!(
            block(|waker| to.write(line.as_bytes(), Some(waker))).unwrap(),
            line.len()
        );
    }

    fn hear(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while block(|waker| self.from.read(&mut byte, Some(waker))).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    fn end(&mut self) {
        drop(self.to.take());
        common::wait(&self.process);
    }
}

/// A program of the host.
struct Outside {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Outside {
    fn start(dir: &std::path::Path) -> Self {
        let mut child = Command::new(PYTHON)
            .args(["-c", include_str!("fifos/actor.py")])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }
}

impl Actor for Outside {
    fn tell(&mut self, line: &str) {
        writeln!(self.to.as_ref().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn end(&mut self) {
        drop(self.to.take());
        self.child.wait().unwrap();
    }
}

/// Names and steps.
fn cases() -> Vec<(&'static str, Vec<&'static str>)> {
    let text = CASES.split("\n\n").skip(1);
    text.map(|case| {
        let mut lines = case.lines();
        (lines.next().unwrap(), lines.collect())
    })
    .collect()
}

fn play(name: &str, steps: &[&str], start: &mut dyn FnMut(&str) -> Box<dyn Actor>) {
    let mut actors = BTreeMap::new();
    for step in steps {
        let (who, what) = step.split_once(": ").unwrap();
        let actor = actors.entry(who).or_insert_with(|| start(who));
        if what == "ends" {
            actor.end();
            continue;
        }
        let (told, wanted) = what
            .split_once('=')
            .map_or((what, None), |(told, wanted)| (told, Some(wanted)));
        if !told.trim().is_empty() {
            actor.tell(told.trim());
        }
        if let Some(wanted) = wanted {
            assert_eq!(actor.hear(), wanted.trim(), "{name}: {step}");
        }
    }
    actors.values_mut().for_each(|actor| actor.end());
}

fn vm() -> Option<Vm> {
    let vm = Vm::with(vec![executor()?, Arc::new(Toy)], Default::default());
    vm.put("/tmp/toy", b"TOY locks\n", 0o755);
    vm.put("/tmp/actor.py", include_bytes!("fifos/actor.py"), 0o644);
    has(PYTHON).then_some(vm)
}

#[test]
fn every_mixture_of_programs_has_the_same_fifos() {
    let Some(vm) = vm() else { return };
    for (name, steps) in cases() {
        for mixture in 0..8_u8 {
            vm.sh("cd /; rm -f f g; mkfifo f; ln f g; chmod 666 f").ok();
            let shown = format!("{name} ({mixture:03b})");
            play(&shown, &steps, &mut |who| {
                let linux = mixture >> (who.as_bytes()[0] - b'a') & 1 == 0;
                let argv: &[&str] = if linux {
                    &[PYTHON, "/tmp/actor.py"]
                } else {
                    &["/tmp/toy"]
                };
                Box::new(Inside::start(&vm, argv))
            });
        }
    }
    vm.kernel.fifos().tidy();
    assert!(vm.kernel.fifos().is_empty());
}

#[test]
fn the_host_has_them_too() {
    if !has(PYTHON) {
        return;
    }
    for (name, steps) in cases() {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new("sh")
            .args(["-c", "mkfifo f; ln f g"])
            .current_dir(dir.path())
            .status();
        assert!(made.unwrap().success());
        play(name, &steps, &mut |_| Box::new(Outside::start(dir.path())));
    }
}

#[test]
fn those_that_were_closed_take_no_place() {
    let Some(vm) = Vm::limited(|limits| limits.max_pipes = 24) else {
        return;
    };
    let script = "cd /tmp; for i in $(seq 100); do mkfifo f$i; exec 9<>f$i; done; exec 9>&-; echo a | cat; mkfifo g; exec 9<>g; echo b >&9; \
                  read x <&9; echo $x";
    assert_eq!(vm.sh(script).ok(), "a\nb\n");
}
