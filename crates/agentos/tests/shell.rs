//! Terminals opened through the SDK.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Errno, Shell, ShellOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Reads until `text` was printed; gives everything up to its end.
async fn until(shell: &mut Shell, text: &str) -> String {
    let mut screen = Vec::new();
    while !screen.ends_with(text.as_bytes()) {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, shell.read(&mut byte)).await;
        let shown = String::from_utf8_lossy(&screen);
        let n = read
            .unwrap_or_else(|_| panic!("{text:?} does not come: {shown}"))
            .expect("the terminal is open");
        assert_eq!(n, 1, "ended before {text:?}: {shown}");
        screen.push(byte[0]);
    }
    String::from_utf8_lossy(&screen).into_owned()
}

/// So that a text that does not come fails instead of hanging.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn script(text: &str) -> ShellOptions {
    ShellOptions::new("sh").args(&["-c", text])
}

#[tokio::test]
async fn keys_go_in_and_the_screen_comes_out() {
    let vm = AgentOs::create().await.unwrap();
    let mut shell = vm
        .open_shell(script("tty; stty size; read x; echo \"<$x>\"; exit 4").size(120, 40))
        .await
        .unwrap();
    until(&mut shell, "/dev/pts/0\r\n").await;
    until(&mut shell, "40 120\r\n").await;
    shell.write_all(b"wrong\x15right\r").await.unwrap();
    until(&mut shell, "<right>\r\n").await;
    let mut rest = Vec::new();
    shell.read_to_end(&mut rest).await.unwrap();
    assert_eq!((rest.as_slice(), shell.wait().await.unwrap()), (&b""[..], 4));
}

#[tokio::test]
async fn control_keys_signal_the_foreground() {
    let vm = AgentOs::create().await.unwrap();
    let mut shell = vm.open_shell(script("echo ready; sleep 1000")).await.unwrap();
    until(&mut shell, "ready\r\n").await;
    shell.write_all(b"\x03").await.unwrap();
    assert_eq!(shell.wait().await.unwrap(), 130);
    let mut shell = vm
        .open_shell(script("echo ready; cat; echo \"status $?\""))
        .await
        .unwrap();
    until(&mut shell, "ready\r\n").await;
    shell.write_all(b"line\n\x04").await.unwrap();
    until(&mut shell, "status 0\r\n").await;
}

#[tokio::test]
async fn a_new_size_is_told() {
    let vm = AgentOs::create().await.unwrap();
    let text = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut shell = vm.open_shell(script(text)).await.unwrap();
    until(&mut shell, "ready\r\n").await;
    shell.resize(132, 43).unwrap();
    until(&mut shell, "43 132\r\n").await;
    assert_eq!(shell.wait().await.unwrap(), 0);
    for (cols, rows) in [(0, 24), (80, 0), (4097, 24)] {
        assert_eq!(shell.resize(cols, rows).unwrap_err().code(), "invalid_config");
        assert!(vm.open_shell(ShellOptions::default().size(cols, rows)).await.is_err());
    }
}

#[tokio::test]
async fn a_dropped_terminal_hangs_up() {
    let vm = AgentOs::create().await.unwrap();
    let mut shell = vm.open_shell(script("echo ready; sleep 1000")).await.unwrap();
    until(&mut shell, "ready\r\n").await;
    let control = shell.control();
    drop(shell);
    assert_eq!(control.wait().await.unwrap(), 129);
}

#[tokio::test]
async fn an_interactive_shell_keeps_jobs() {
    let vm = AgentOs::create().await.unwrap();
    let options = ShellOptions::new("bash").args(&["-i"]);
    let mut shell = vm.open_shell(options).await.unwrap();
    until(&mut shell, "user@agent-os:~$ ").await;
    shell
        .write_all(b"sh -c 'echo be\"\"gun; exec sleep 1000'\r")
        .await
        .unwrap();
    until(&mut shell, "begun\r\n").await;
    shell.write_all(b"\x1a").await.unwrap();
    until(&mut shell, "topped").await;
    until(&mut shell, "user@agent-os:~$ ").await;
    shell.write_all(b"jobs\r").await.unwrap();
    until(&mut shell, "topped").await;
    until(&mut shell, "user@agent-os:~$ ").await;
    shell.write_all(b"kill %1; sleep 0.1\r").await.unwrap();
    until(&mut shell, "erminated").await;
    until(&mut shell, "user@agent-os:~$ ").await;
    shell.write_all(b"exit 5\r").await.unwrap();
    assert_eq!(shell.wait().await.unwrap(), 5);
}

#[tokio::test]
async fn what_cannot_be_started_is_said() {
    let vm = AgentOs::create().await.unwrap();
    let error = vm.open_shell(ShellOptions::new("no-such-shell")).await.unwrap_err();
    assert_eq!(error.to_string(), "command not found: no-such-shell");
    let error = vm
        .open_shell(ShellOptions::default().cwd("/no/such/place"))
        .await
        .unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT));
    assert_eq!(vm.usage().open_fds, 0);
}
