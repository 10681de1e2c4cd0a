//! Files on a filesystem of the host's that fails.

use crate::faulty::{FAULTS, Fault, FaultyFs};
use crate::{PATIENCE, soon, steps};
use agentos::{AgentOs, Errno, ListOptions, Mount};
use std::sync::Arc;

async fn vm(files: &Arc<FaultyFs>) -> AgentOs {
    let mount = Mount::filesystem("/data", files.clone());
    AgentOs::builder().mount(mount).create().await.expect("a VM")
}

/// What tools do with files. A command that fails is one that got an answer.
const SCRIPT: &str = "cd /data; mkdir a; echo one > a/f; echo two >> a/f; cat a/f; cp a/f a/g; ln -s f a/l; ln a/f a/h; ls -lR .
    mv a/g b; chmod 600 b; touch -d 2020-01-01 b; truncate -s 5 b; head -c 3 < a/l; dd if=a/f of=c bs=2 conv=notrunc 2>&1
    mkdir bin; cp /bin/true bin/true; bin/true; find . -type f -exec cat {} +; grep -rh --include=f two .; tar -cf t a; tar -tf t; (cd a; pwd -P; rm f); mkfifo p
    stat -f . > /dev/null; sort a/h -o a/h; df . > /dev/null; rm -rf a b c t bin p; ls; echo end";

/// The same for clients.
async fn as_a_client(vm: &AgentOs) -> Vec<Option<Errno>> {
    let mut answers = Vec::new();
    let mut note = |error: Option<agentos::Error>| {
        answers.push(error.map(|error| error.errno().unwrap_or_else(|| panic!("no errno: {error}"))));
    };
    note(vm.mkdir_all("/data/a/b").await.err());
    note(vm.write_file("/data/a/f", "one").await.err());
    note(vm.append_file("/data/a/f", "two").await.err());
    note(vm.read_file("/data/a/f").await.err());
    note(vm.symlink("f", "/data/a/l").await.err());
    note(vm.read_link("/data/a/l").await.err());
    note(vm.stat("/data/a/l").await.err());
    note(vm.exists("/data/a/none").await.err());
    note(vm.chmod("/data/a/f", 0o600).await.err());
    note(vm.read_dir("/data/a").await.err());
    note(vm.read_dir_recursive("/data", ListOptions::default()).await.err());
    note(vm.rename("/data/a", "/data/c").await.err());
    // To another filesystem and back: copies.
    note(vm.rename("/data/c", "/home/user/c").await.err());
    note(vm.rename("/home/user/c", "/data/d").await.err());
    note(vm.remove("/data/d/f").await.err());
    note(vm.remove_all("/data/d").await.err());
    answers
}

/// Nothing stays open, whatever happened.
async fn rests(vm: &AgentOs) {
    while vm.usage().processes > 0 || vm.usage().open_fds > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(vm.exec("echo alive").await.unwrap().stdout_text(), "alive\n");
}

#[tokio::test]
async fn t3_a_client_gets_an_errno_whatever_fails_in_a_filesystem() {
    let whole = FaultyFs::new(None);
    let clean = as_a_client(&vm(&whole).await).await;
    assert_eq!(clean, [None; 16], "nothing fails by itself");
    let mut failed = 0;
    for fault in FAULTS {
        for step in steps(whole.calls(), 150) {
            let usual = async || {
                let vm = vm(&FaultyFs::new(None)).await;
                as_a_client(&vm).await;
                rests(&vm).await;
            };
            soon(&format!("call {step} {fault:?}"), usual, async || {
                let files = FaultyFs::new(Some((step, fault)));
                let vm = vm(&files).await;
                let answers = as_a_client(&vm).await;
                failed += usize::from(answers.contains(&Some(Errno::EIO)));
                rests(&vm).await;
            })
            .await;
        }
    }
    // Some failures cost nothing: what could not be looked up ahead, or kept warm.
    assert!(failed > 100, "{failed}");
}

#[tokio::test]
async fn t3_a_guest_gets_an_errno_whatever_fails_in_a_filesystem() {
    let whole = FaultyFs::new(None);
    let clean = vm(&whole).await;
    clean.prepare(|_| {}).await.unwrap();
    let output = clean.exec(SCRIPT).await.unwrap();
    assert!(output.stdout_text().ends_with("\nend\n"), "{output:?}");
    assert_eq!(output.stderr_text(), "", "nothing fails by itself");
    let neighbour = AgentOs::create().await.unwrap();
    let mut told = 0;
    for fault in FAULTS {
        for step in steps(whole.calls(), 25) {
            let usual = async || {
                let vm = vm(&FaultyFs::new(None)).await;
                vm.exec(SCRIPT).await.unwrap();
                rests(&vm).await;
            };
            soon(&format!("call {step} {fault:?}"), usual, async || {
                let files = FaultyFs::new(Some((step, fault)));
                let vm = vm(&files).await;
                let output = vm.exec(SCRIPT).timeout(PATIENCE).await.unwrap();
                assert!(!output.timed_out, "call {step} {fault:?}: {output:?}");
                // The shell and its tools live on after a mistake of the host's.
                assert!(
                    output.stdout_text().ends_with("end\n"),
                    "call {step} {fault:?}: {output:?}"
                );
                told += usize::from(
                    output.stderr_text().contains("nput/output error") || output.stderr_text().contains("I/O error"),
                );
                rests(&vm).await;
            })
            .await;
            assert_eq!(neighbour.exec("echo alive").await.unwrap().stdout_text(), "alive\n");
        }
    }
    assert!(told > 25, "{told}");
}

/// A program that runs from a filesystem of the host's, waits there, and reads on when the filesystem fails.
#[tokio::test]
async fn t3_a_reader_that_waits_is_told_when_its_file_fails() {
    for fault in FAULTS {
        let whole = FaultyFs::new(None);
        vm(&whole)
            .await
            .write_file("/data/f", vec![b'x'; 200_000])
            .await
            .unwrap();
        let before = whole.calls();
        let files = FaultyFs::new(Some((before + 6, fault)));
        let vm = vm(&files).await;
        vm.write_file("/data/f", vec![b'x'; 200_000]).await.unwrap();
        let script = "cat /data/f | wc -c; cat < /data/f | (sleep 0.01; wc -c)";
        let other = self::vm(&whole).await;
        let usual = async || drop(other.exec(script).await.unwrap());
        soon(&format!("{fault:?}"), usual, async || {
            let output = vm.exec(script).await.unwrap();
            assert_eq!(output.exit_code, 0, "{fault:?}: {output:?}");
        })
        .await;
        assert!(fault != Fault::Panics || files.calls() > before + 6);
        rests(&vm).await;
    }
}
