//! The golden cases of curl and wget against a server of ours. What they must print was recorded from curl 7.88.1 and wget
//! 1.21.3 of a Debian system by the same runner (`GOLDEN_RECORD=1`), then read. The few places where this curl means to do
//! otherwise stand under `tests/own`, each with its reason as a name.
// A test that cannot go on fails.
#![allow(clippy::unwrap_used)]

mod server;

use server::Server;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Set in the process that runs the cases.
const MARK: &str = "WEB";

/// The folder of the cases that it runs.
const CASES: &str = "WEB_CASES";

fn main() -> ExitCode {
    let tool = std::env::args_os().next().is_some_and(|name| {
        let name = std::path::Path::new(&name).file_name().unwrap_or_default().to_owned();
        agentos_tools_net::applets().iter().any(|(tool, _)| name == *tool)
    });
    if tool || std::env::var_os(MARK).is_some() {
        let cases = std::env::var(CASES).unwrap_or_default();
        return agentos_golden::main(agentos_tools_net::applets(), &cases);
    }
    let server = Server::start();
    let home = std::env::temp_dir().join(format!("curl-home-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let authority = home.join("authority.pem");
    std::fs::write(&authority, &server.authority).unwrap();
    std::fs::write(home.join(".curlrc"), curlrc(&server)).unwrap();
    let recorded = run(&server, &home, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http"));
    let own = std::env::var_os("GOLDEN_RECORD").is_some()
        || run(&server, &home, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/own"));
    let _ = std::fs::remove_dir_all(&home);
    ExitCode::from(u8::from(!(recorded && own)))
}

/// Runs the cases of a folder in a process that knows the server.
fn run(server: &Server, home: &Path, folder: &str) -> bool {
    let mut cases = Command::new(std::env::current_exe().unwrap());
    for proxy in [
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ] {
        cases.env_remove(proxy);
    }
    cases
        .args(std::env::args_os().skip(1))
        .env(MARK, format!("http://127.0.0.1:{}", server.port))
        .env(CASES, folder)
        .env("HOME", home)
        .env("CURL_CA_BUNDLE", home.join("authority.pem"))
        .status()
        .unwrap()
        .success()
}

/// Whatever host is named, the server is connected to.
fn curlrc(server: &Server) -> String {
    let places = [
        format!("stranger.other:443:127.0.0.1:{}", server.stranger_port),
        format!(":443:127.0.0.1:{}", server.tls_port),
        format!(":80:127.0.0.1:{}", server.port),
    ];
    places
        .iter()
        .map(|place| format!("connect-to = \"{place}\"\n"))
        .collect()
}
