//! `nc`: standard input and output over a connection.

mod client;
mod relay;
mod server;

use super::wire::{self, Family};
use crate::cli::{self, Arg, Parser};
use crate::io::{complain, network_reason, shown};
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

const SPECS: &[&str] = &[
    "l,listen",
    "p,port=",
    "u,udp",
    "U,unix",
    "v,verbose",
    "w,timeout=",
    "z,zero",
    "n,nodns",
    "q,quit=",
    "k,keep-open",
    "N,shutdown",
    "s,source=",
    "d,detach",
    "4,ipv4",
    "6,ipv6",
    "C,crlf",
    "i,interval=",
    "r,random",
    "t,telnet",
    "D,debug",
    "h,help",
    "V,version",
];

const HELP: &str = "\
Usage: nc [-46CdNnuvz] [-p PORT] [-s ADDR] [-q SECS] [-w SECS] HOST PORT
       nc -l [-46kNnuv] [-p] [ADDR] PORT
       nc -U [-lkuv] PATH

  -l        listen for a connection; -k: and for the next one after it
  -u        UDP
  -U        unix domain socket; PATH in place of HOST and PORT
  -z        only see whether PORT (or FIRST-LAST) takes connections
  -n        hosts are numbers, no names
  -4, -6    only IPv4, only IPv6
  -w SECS   give up after SECS without anything happening
  -q SECS   end SECS after the end of standard input
  -s ADDR   send from ADDR; -p PORT: from PORT
  -d        do not read standard input
  -C        send CR LF at the ends of lines
  -v        say what happens
";

#[derive(Default)]
struct Options {
    listen: bool,
    keep: bool,
    udp: bool,
    unix: bool,
    verbose: bool,
    scan: bool,
    numeric: bool,
    detach: bool,
    crlf: bool,
    family: Family,
    timeout: Option<Duration>,
    quit: Option<Duration>,
    source: Option<IpAddr>,
    port: Option<u16>,
}

/// The applet.
pub fn nc(args: Vec<OsString>) -> i32 {
    let mut options = Options::default();
    let mut operands = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("nc", message);
                return usage();
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => operands.push(shown(&word)),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("nc"),
            Ok(Some(Arg::Opt(key, value))) => {
                let value = value.as_ref().map(|value| shown(value)).unwrap_or_default();
                if let Err(message) = options.take(key, &value) {
                    complain("nc", message);
                    return 1;
                }
            }
        }
    }
    match options.listen {
        true => server::run(&options, &operands),
        false => client::run(&options, &operands),
    }
}

impl Options {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "listen" => self.listen = true,
            "keep-open" => self.keep = true,
            "udp" => self.udp = true,
            "unix" => self.unix = true,
            "verbose" => self.verbose = true,
            "zero" => self.scan = true,
            "nodns" => self.numeric = true,
            "detach" => self.detach = true,
            "crlf" => self.crlf = true,
            "ipv4" => self.family = Family::V4,
            "ipv6" => self.family = Family::V6,
            "port" => self.port = Some(port(value)?),
            "timeout" => self.timeout = Some(seconds("timeout", value)?),
            "quit" => self.quit = Some(seconds("quit timer", value)?),
            "source" => {
                let known = wire::resolve(value, self.family, self.numeric).map_err(|error| failed(value, &error))?;
                self.source = known.first().copied();
            }
            // The sending side is closed at the end of input with and without -N.
            _ => {}
        }
        Ok(())
    }

    fn protocol(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }
}

fn seconds(what: &str, text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..1e9).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("{what} invalid: {text}")),
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("port number invalid: {text}"))
}

fn failed(host: &str, error: &io::Error) -> String {
    format!("{host}: {}", network_reason(error))
}

fn usage() -> i32 {
    eprint!("{HELP}");
    1
}

/// The status for how a conversation ended; that the other side went away is an end like another.
fn finish(outcome: io::Result<()>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(error) if crate::io::is_closed_pipe(&error) || error.kind() == io::ErrorKind::ConnectionReset => 0,
        Err(error) => {
            complain("nc", network_reason(&error));
            1
        }
    }
}
