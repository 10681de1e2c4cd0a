//! `nslookup`: questions to a name server, in DNS messages over UDP, and over TCP when an answer was cut.

use super::dns::{self, Answer, Data, Record};
use super::wire::{self, Family};
use crate::cli;
use crate::io::{complain, network_reason, shown};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const HELP: &str = "\
Usage: nslookup [-type=TYPE] [-port=N] [-timeout=SECS] [-retry=N] [-vc] NAME|ADDRESS [SERVER]
       nslookup                    read such lines, and `set type=TYPE`, `server ADDR`, `exit`
TYPE is A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, CAA or ANY. Without it, A and AAAA are asked for.
";

const PORT: u16 = 53;
/// The VM's own resolver.
const DEFAULT_SERVER: &str = "127.0.0.53";
const MESSAGE_MAX: usize = 65535;

struct Options {
    kind: Option<String>,
    port: u16,
    timeout: Duration,
    tries: u32,
    tcp: bool,
    server: Option<String>,
}

/// The applet.
pub fn nslookup(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        kind: None,
        port: PORT,
        timeout: Duration::from_secs(5),
        tries: 2,
        tcp: false,
        server: None,
    };
    let mut operands = Vec::new();
    for word in args.iter().skip(1).map(|word| shown(word)) {
        match word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            Some("help" | "-help") => return cli::help(HELP),
            Some("version" | "-version") => return cli::version("nslookup"),
            Some(setting) => {
                if let Err(message) = options.set(setting) {
                    complain("nslookup", message);
                    return 1;
                }
            }
            None => operands.push(word),
        }
    }
    match operands.as_slice() {
        [] => interactive(options),
        [dash, server] if dash == "-" => {
            options.server = Some(server.clone());
            interactive(options)
        }
        [name] => look_up(&options, name, None),
        [name, server] => look_up(&options, name, Some(server)),
        _ => {
            eprint!("{HELP}");
            1
        }
    }
}

impl Options {
    fn set(&mut self, setting: &str) -> Result<(), String> {
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        let number = || {
            value
                .parse::<u32>()
                .map_err(|_| format!("{key}: invalid number '{value}'"))
        };
        match key {
            "type" | "querytype" | "query" | "q" | "ty" => {
                if dns::kind(value).is_none() {
                    return Err(format!("unknown query type: {value}"));
                }
                self.kind = Some(value.to_ascii_uppercase());
            }
            "port" => self.port = u16::try_from(number()?).map_err(|_| format!("port: invalid number '{value}'"))?,
            "timeout" => self.timeout = Duration::from_secs(number()?.clamp(1, 3600).into()),
            "retry" => self.tries = number()?.clamp(1, 10),
            "vc" => self.tcp = true,
            "novc" => self.tcp = false,
            "debug" | "nodebug" | "d2" | "nod2" | "recurse" | "search" | "nosearch" | "class" | "all" => {}
            _ => return Err(format!("unknown option: {key}")),
        }
        Ok(())
    }
}

/// Lines of standard input until its end.
fn interactive(mut options: Options) -> i32 {
    let mut status = 0;
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return 1 };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["exit" | "quit"] => return status,
            ["set", setting] => {
                if let Err(message) = options.set(setting) {
                    complain("nslookup", message);
                }
            }
            ["server" | "lserver", server] => options.server = Some((*server).to_owned()),
            [name] => status = look_up(&options, name, None),
            [name, server] => status = look_up(&options, name, Some(server)),
            _ => complain("nslookup", "unrecognized command"),
        }
    }
    status
}

/// The first name server of the system's configuration.
fn configured() -> String {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.split_whitespace().next())
        .find(|address| address.parse::<IpAddr>().is_ok())
        .unwrap_or(DEFAULT_SERVER)
        .to_owned()
}

fn look_up(o: &Options, name: &str, server: Option<&str>) -> i32 {
    let server = server
        .map(str::to_owned)
        .or_else(|| o.server.clone())
        .unwrap_or_else(configured);
    let address = match wire::resolve(&server, Family::Any, false) {
        Ok(found) => SocketAddr::new(found[0], o.port),
        Err(error) => {
            complain(
                "nslookup",
                format_args!("couldn't get address for '{server}': {}", network_reason(&error)),
            );
            return 1;
        }
    };
    let mut head = format!("Server:\t\t{server}\nAddress:\t{}#{}\n\n", address.ip(), address.port());
    let (asked, kinds) = match (name.parse::<IpAddr>(), &o.kind) {
        (Ok(address), _) => (dns::reverse(address), vec!["PTR"]),
        (Err(_), Some(kind)) => (name.to_owned(), vec![kind.as_str()]),
        (Err(_), None) => (name.to_owned(), vec!["A", "AAAA"]),
    };
    let mut found = false;
    for (at, kind) in kinds.iter().enumerate() {
        match ask(o, address, &asked, dns::kind(kind).unwrap_or_default()) {
            Err(error) => {
                let text = format!("{head};; communications error to {}#{}: ", address.ip(), address.port());
                println!("{text}{}\n;; no servers could be reached", network_reason(&error));
                return 1;
            }
            Ok(answer) if answer.code != 0 => {
                print!("{head}");
                println!(
                    "** server can't find {}: {}\n",
                    asked.trim_end_matches('.'),
                    dns::code_name(answer.code)
                );
                return 1;
            }
            Ok(answer) if answer.records.is_empty() => {
                // The other family may have one.
                if at + 1 == kinds.len() && !found {
                    print!("{head}*** Can't find {asked}: No answer\n\n");
                    return 1;
                }
            }
            Ok(answer) => {
                if !found && !answer.authoritative {
                    head.push_str("Non-authoritative answer:\n");
                }
                print!(
                    "{}{}",
                    std::mem::take(&mut head),
                    shown_records(&answer.records, at > 0)
                );
                found = true;
            }
        }
    }
    println!();
    0
}

/// The records in the words of the original. The second of two questions repeats no alias.
fn shown_records(records: &[Record], second: bool) -> String {
    let mut out = String::new();
    for Record { name, kind, data } in records {
        let _ = match data {
            Data::Address(address) => writeln!(out, "Name:\t{name}\nAddress: {address}"),
            Data::Name(_) if second && *kind == 5 => Ok(()),
            Data::Name(other) => {
                let what = match kind {
                    2 => "nameserver",
                    5 => "canonical name",
                    _ => "name",
                };
                writeln!(out, "{name}\t{what} = {other}.")
            }
            Data::Exchange(preference, other) => writeln!(out, "{name}\tmail exchanger = {preference} {other}."),
            Data::Service(priority, weight, port, other) => {
                writeln!(out, "{name}\tservice = {priority} {weight} {port} {other}.")
            }
            Data::Text(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                writeln!(out, "{name}\ttext = {}", texts.join(" "))
            }
            Data::Authority { origin, mail, numbers } => {
                let names = ["serial", "refresh", "retry", "expire", "minimum"];
                let _ = writeln!(out, "{name}\n\torigin = {origin}\n\tmail addr = {mail}");
                names
                    .iter()
                    .zip(numbers)
                    .try_for_each(|(name, number)| writeln!(out, "\t{name} = {number}"))
            }
            Data::Other(kind, bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                writeln!(out, "{name}\trdata_{kind} = \\# {} {hex}", bytes.len())
            }
        };
    }
    out
}

/// Asks until an answer comes or the tries are used up.
fn ask(o: &Options, server: SocketAddr, name: &str, kind: u16) -> io::Result<Answer> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..o.tries {
        let question = dns::question(id(), name, kind)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("'{name}' is not a legal name")))?;
        let outcome = match o.tcp {
            true => over_tcp(o, server, &question),
            false => over_udp(o, server, &question),
        };
        match outcome {
            Ok(answer) if answer.truncated && !o.tcp => return over_tcp(o, server, &question),
            Ok(answer) => return Ok(answer),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                last = io::Error::new(io::ErrorKind::TimedOut, "timed out");
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A number that others cannot guess: the standard library's own randomness.
fn id() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u16
}

fn over_udp(o: &Options, server: SocketAddr, question: &[u8]) -> io::Result<Answer> {
    let socket = UdpSocket::bind(wire::unspecified(server.ip(), 0))?;
    socket.connect(server)?;
    socket.send(question)?;
    let end = Instant::now() + o.timeout;
    let mut buffer = [0; dns::UDP_SIZE as usize];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let count = socket.recv(&mut buffer)?;
        // What answers something else is waited past.
        if let Some(answer) = dns::answer(question, &buffer[..count]) {
            return Ok(answer);
        }
    }
}

fn over_tcp(o: &Options, server: SocketAddr, question: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, o.timeout)?;
    stream.set_read_timeout(Some(o.timeout))?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length)).min(MESSAGE_MAX)];
    stream.read_exact(&mut message)?;
    dns::answer(question, &message).ok_or_else(|| io::Error::other("unexpected answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_shown_as_the_original_shows_them() {
        let record = |kind, data| Record {
            name: "a.example".into(),
            kind,
            data,
        };
        let records = [
            record(5, Data::Name("b.example".into())),
            record(1, Data::Address("1.2.3.4".parse().unwrap())),
            record(15, Data::Exchange(10, "mx.example".into())),
            record(16, Data::Text(vec!["x y".into(), "z".into()])),
        ];
        assert_eq!(
            shown_records(&records, false),
            "a.example\tcanonical name = b.example.\nName:\ta.example\nAddress: 1.2.3.4\n\
             a.example\tmail exchanger = 10 mx.example.\na.example\ttext = \"x y\" \"z\"\n"
        );
        assert!(shown_records(&records, true).starts_with("Name:"));
    }

    #[test]
    fn settings_are_checked() {
        let mut o = Options {
            kind: None,
            port: PORT,
            timeout: Duration::from_secs(1),
            tries: 1,
            tcp: false,
            server: None,
        };
        assert!(o.set("type=mx").is_ok() && o.kind.as_deref() == Some("MX"));
        for wrong in ["type=nonsense", "port=70000", "port=x", "nonsense"] {
            assert!(o.set(wrong).is_err(), "{wrong}");
        }
    }
}
