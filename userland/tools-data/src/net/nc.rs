//! `nc`: standard input and output over a connection.

use super::wire::{self, Kind, Listener};
use crate::cli::{self, Arg, Parser};
use crate::io::{BLOCK, complain, reason, shown};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

const SPECS: &[&str] = &[
    "l,listen",
    "p,port=",
    "u,udp",
    "v,verbose",
    "w,timeout=",
    "z,zero",
    "n,nodns",
    "q,quit=",
    "k,keep-open",
    "N,shutdown",
    "s,source=",
    "d,detach",
    "i,interval=",
    "4",
    "6",
    "c,crlf",
    "r",
    "t",
    "C",
    "h,help",
    "V,version",
];

const HELP: &str = "\
Usage: nc [-uvzNd] [-w SECS] HOST PORT
       nc -l [-kvNd] [-p] [ADDR] PORT

  -l        listen for a connection; -k: and for the next one after it
  -u        UDP
  -z        only see whether PORT (or FIRST-LAST) takes connections
  -w SECS   give up after SECS without anything happening
  -N, -q N  close the sending side at the end of standard input
  -d        do not read standard input
  -v        say what happens
";

#[derive(Default)]
struct Options {
    listen: bool,
    keep: bool,
    udp: bool,
    verbose: bool,
    scan: bool,
    detach: bool,
    half_close: bool,
    timeout: Option<Duration>,
    port: Option<String>,
}

/// The applet.
pub fn nc(args: Vec<OsString>) -> i32 {
    let mut o = Options::default();
    let mut operands = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("nc", message);
                eprint!("{HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => operands.push(shown(&word)),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("nc"),
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_ref().map(|value| shown(value)).unwrap_or_default();
                match key {
                    "listen" => o.listen = true,
                    "keep-open" => o.keep = true,
                    "udp" => o.udp = true,
                    "verbose" => o.verbose = true,
                    "zero" => o.scan = true,
                    "detach" => o.detach = true,
                    "shutdown" | "quit" => o.half_close = true,
                    "port" => o.port = Some(text),
                    "timeout" => match text.parse::<f64>() {
                        Ok(seconds) if (0.0..1e9).contains(&seconds) => {
                            o.timeout = Some(Duration::from_secs_f64(seconds))
                        }
                        _ => {
                            complain("nc", format_args!("timeout invalid: {text}"));
                            return 1;
                        }
                    },
                    _ => {}
                }
            }
        }
    }
    if o.listen {
        listen(&o, &operands)
    } else {
        client(&o, &operands)
    }
}

fn listen(o: &Options, operands: &[String]) -> i32 {
    let (host, port) = match (operands, &o.port) {
        ([], Some(port)) => ("0.0.0.0", port.as_str()),
        ([port], None) => ("0.0.0.0", port.as_str()),
        ([host], Some(port)) => (host.as_str(), port.as_str()),
        ([host, port], _) => (host.as_str(), port.as_str()),
        _ => {
            eprint!("{HELP}");
            return 1;
        }
    };
    let Ok(port) = port.parse() else {
        complain("nc", format_args!("port number invalid: {port}"));
        return 1;
    };
    if o.udp {
        complain("nc", "listening for UDP is not supported");
        return 1;
    }
    let listener = match Listener::bind(host, port) {
        Ok(listener) => listener,
        Err(error) => {
            complain("nc", reason(&error));
            return 1;
        }
    };
    if o.verbose {
        eprintln!("Listening on {host} {}", listener.port().unwrap_or(port));
    }
    loop {
        match listener.accept() {
            Ok(accepted) => {
                if o.verbose {
                    let peer = accepted
                        .peer
                        .map_or_else(|| "-".to_owned(), |peer| format!("{} {}", peer.ip(), peer.port()));
                    eprintln!("Connection received on {peer}");
                }
                let outcome = relay(o, accepted.stream);
                if !o.keep {
                    return finish(outcome);
                }
            }
            Err(error) => {
                complain("nc", reason(&error));
                return 1;
            }
        }
    }
}

fn finish(outcome: io::Result<()>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(error) if crate::io::is_closed_pipe(&error) || error.kind() == io::ErrorKind::ConnectionReset => 0,
        Err(error) => {
            complain("nc", reason(&error));
            1
        }
    }
}

fn client(o: &Options, operands: &[String]) -> i32 {
    let [host, ports] = operands else {
        eprint!("{HELP}");
        return 1;
    };
    let kind = if o.udp { Kind::Udp } else { Kind::Tcp };
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) if o.scan => (first.parse::<u16>(), last.parse::<u16>()),
        _ => (ports.parse(), ports.parse()),
    };
    let (Ok(first), Ok(last)) = (first, last) else {
        complain("nc", format_args!("port number invalid: {ports}"));
        return 1;
    };
    let mut status = 1;
    for port in first..=last {
        match wire::connect(host, port, kind, o.timeout) {
            Ok(stream) => {
                let protocol = if o.udp { "udp" } else { "tcp" };
                if o.verbose {
                    eprintln!("Connection to {host} {port} port [{protocol}/*] succeeded!");
                }
                if !o.scan {
                    return finish(relay(o, stream));
                }
                status = 0;
            }
            Err(error) => {
                if o.verbose || !o.scan {
                    complain(
                        "nc",
                        format_args!(
                            "connect to {host} port {port} ({}) failed: {}",
                            if o.udp { "udp" } else { "tcp" },
                            reason(&error)
                        ),
                    );
                }
            }
        }
    }
    status
}

/// Copies both ways until the other side ends.
#[cfg(target_os = "wasi")]
fn relay(o: &Options, mut stream: File) -> io::Result<()> {
    use std::os::fd::AsFd;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut open = !o.detach;
    let mut buffer = vec![0; BLOCK];
    let mut out = io::stdout().lock();
    loop {
        let ready = if open {
            wire::wait(&[&stream, &input], o.timeout)?
        } else {
            wire::wait(&[&stream], o.timeout)?
        };
        if !ready.contains(&true) {
            return Ok(());
        }
        if ready[0] {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            out.write_all(&buffer[..count])?;
            out.flush()?;
        }
        if ready.get(1) == Some(&true) {
            let count = (&input).read(&mut buffer)?;
            if count == 0 {
                open = false;
                if o.half_close || !o.udp {
                    wire::shut_down_writing(&stream);
                }
            } else {
                stream.write_all(&buffer[..count])?;
            }
        }
    }
}

/// Copies both ways until the other side ends.
#[cfg(not(target_os = "wasi"))]
fn relay(o: &Options, mut stream: File) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    if !o.detach {
        let mut sink = stream.try_clone()?;
        let half_close = o.half_close || !o.udp;
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut sink);
            if half_close {
                wire::shut_down_writing(&sink);
            }
        });
    }
    let mut out = io::stdout().lock();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..count])?;
        out.flush()?;
    }
}
