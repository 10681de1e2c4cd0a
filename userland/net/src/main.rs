//! `curl` and `wget` in a program of their own: most commands of a VM never need TLS.

use std::ffi::OsString;
use std::io::Write;

fn main() {
    std::process::exit(run());
}

fn run() -> i32 {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let mut name = agentos_guest::process::program_name(&args);
    if name == "net" && args.len() > 1 {
        args.remove(0);
        name = agentos_guest::process::program_name(&args);
    }
    let found = agentos_tools_net::applets().iter().find(|(known, _)| *known == name);
    let Some((_, applet)) = found else {
        let _ = writeln!(std::io::stderr(), "net: {name}: no such tool");
        return 127;
    };
    applet(args)
}

agentos_guest::commands_of!(["curl", "wget"]);
