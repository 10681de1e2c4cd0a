//! What a guest program does with sockets, using nothing but the standard library (and, as `probe c`, plain C).
//!
//! ```text
//! probe check                     everything that one process can see alone; a line for each part
//! probe serve ADDR                echo one connection; says "ready" when it listens
//! probe talk HOST:PORT TEXT       send TEXT, print what comes back until the end
//! probe late HOST:PORT MS         connect within so long
//! probe udp-serve ADDR            echo one datagram
//! probe udp HOST:PORT TEXT        send a datagram, print the answer
//! probe resolve NAME              addresses, one a line
//! probe dev ADDR DIRECTORY        serve files, and tell pages of changes to message.txt
//! probe c ...                     the same in C
//! ```
//!
//! A failure is `KIND: text` on standard error and status 1.

mod alone;
#[cfg(target_family = "wasm")]
mod c;
mod dev;
mod remote;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["check"] => alone::check(),
        ["serve", address] => remote::serve(address),
        ["talk", address, text] => remote::talk(address, text),
        ["late", address, ms] => remote::late(address, ms),
        ["udp-serve", address] => remote::udp_serve(address),
        ["udp", address, text] => remote::udp(address, text),
        ["dev", address, directory] => dev::serve(address, directory),
        ["resolve", name] => remote::resolve(name),
        #[cfg(target_family = "wasm")]
        ["c", rest @ ..] => return c::run(rest),
        _ => {
            eprintln!("usage: see the head of userland/probe/src/main.rs");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{:?}: {error}", error.kind());
            ExitCode::FAILURE
        }
    }
}

agentos_guest::commands_of!(["probe"]);
