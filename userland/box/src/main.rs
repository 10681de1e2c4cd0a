//! The multicall program: `argv[0]` names the tool, or the first argument does when the program is called `box`.

mod commands;
mod coreutils;
mod help;
mod run;

fn main() {
    std::process::exit(run::run());
}
