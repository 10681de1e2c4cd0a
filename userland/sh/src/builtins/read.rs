//! `read`

use std::time::{Duration, Instant};

use super::{Args, Flags};
use crate::assign::{Key, split_subscript};
use crate::shell::{Exec, Flow, Shell};
use crate::sys::{self, Ready};
use crate::text::{self, is_name};

/// What the options ask for.
#[derive(Debug, Default)]
struct Request {
    raw: bool,
    array: Option<String>,
    delimiter: Option<u8>,
    count: Option<usize>,
    exact: bool,
    prompt: Option<String>,
    silent: bool,
    timeout: Option<Duration>,
    fd: u32,
    edit: bool,
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the delimiter, or with as many characters as asked for.
    Done,
    /// At the end of input.
    Eof,
    /// The time passed.
    Timeout,
    /// A caught signal arrived; reading goes on after its trap.
    Signal(u32),
    /// A trap ended more than itself.
    Flow(Flow),
}

/// A character of the line; whether a backslash quoted it.
type Quoted = (char, bool);

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (request, names) = match parse(sh, argv) {
        Ok(parsed) => parsed,
        Err(status) => return Ok(status),
    };
    for name in names.iter().chain(&request.array) {
        if !is_name(split_subscript(name).map_or(name.as_str(), |(base, _)| base)) {
            sh.error(&format!("read: `{name}': not a valid identifier"));
            return Ok(1);
        }
    }
    if request.timeout == Some(Duration::ZERO) {
        let ready = sys::wait_input(request.fd, Some(Duration::ZERO), false);
        return Ok(i32::from(!matches!(ready, Ok(Ready::Input))));
    }
    let terminal = Terminal::prepare(&request);
    if let Some(prompt) = &request.prompt
        && sys::is_tty(request.fd)
    {
        let _ = sys::write_all(2, &text::encode(prompt));
    }
    let result = read_line(sh, &request);
    drop(terminal);
    let (line, end) = match result {
        Ok(read) => read,
        Err(error) => {
            sh.error(&format!("read: read error: {}: {}", request.fd, sys::message(&error)));
            return Ok(1);
        }
    };
    assign(sh, &request, names, line)?;
    if let End::Flow(flow) = end {
        return Err(flow);
    }
    Ok(match end {
        End::Done => 0,
        End::Timeout => 142,
        _ => 1,
    })
}

fn parse<'a>(sh: &mut Shell, argv: &'a [String]) -> Result<(Request, &'a [String]), i32> {
    let mut request = Request::default();
    let mut flags = Flags::new(argv, "ersa:d:i:n:N:p:t:u:");
    while let Some(flag) = flags.next() {
        let Ok((c, argument)) = flag else {
            return Err(sh.usage("read", &format!("-{}: invalid option", flag.err().unwrap_or(' '))));
        };
        let argument = argument.unwrap_or_default();
        match c {
            'r' => request.raw = true,
            's' => request.silent = true,
            'e' => request.edit = true,
            'a' => request.array = Some(argument.to_owned()),
            'd' => request.delimiter = Some(argument.bytes().next().unwrap_or(0)),
            'p' => request.prompt = Some(argument.to_owned()),
            'n' | 'N' => {
                let Ok(n) = argument.parse() else {
                    sh.error(&format!("read: {argument}: invalid number"));
                    return Err(1);
                };
                request.count = Some(n);
                request.exact = c == 'N';
            }
            't' => match argument.parse::<f64>() {
                Ok(seconds) if (0.0..1e9).contains(&seconds) => {
                    request.timeout = Some(Duration::from_secs_f64(seconds))
                }
                _ => {
                    sh.error(&format!("read: {argument}: invalid timeout specification"));
                    return Err(1);
                }
            },
            'u' => match argument.parse() {
                Ok(fd) => request.fd = fd,
                Err(_) => {
                    sh.error(&format!("read: {argument}: invalid file descriptor specification"));
                    return Err(1);
                }
            },
            _ => {}
        }
    }
    Ok((request, flags.rest()))
}

/// The terminal without echo or lines while `read` wants that.
struct Terminal(Option<(u32, sys::Termios)>);

impl Terminal {
    fn prepare(request: &Request) -> Self {
        let lines = request.count.is_none() && request.delimiter.is_none();
        if !request.silent && lines {
            return Self(None);
        }
        let Ok(before) = sys::tty_get(request.fd) else {
            return Self(None);
        };
        let _ = sys::tty_set(request.fd, &sys::adjusted(&before, !request.silent, lines));
        Self(Some((request.fd, before)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some((fd, before)) = &self.0 {
            let _ = sys::tty_set(*fd, before);
        }
    }
}

/// Bytes of a descriptor, no further than they are used: what follows belongs to other commands.
struct Bytes {
    fd: u32,
    block: Vec<u8>,
    at: usize,
    seekable: bool,
    started: Option<(Instant, Duration)>,
    signals: bool,
}

impl Bytes {
    fn new(fd: u32, timeout: Option<Duration>, signals: bool) -> Self {
        Self {
            fd,
            block: Vec::new(),
            at: 0,
            seekable: sys::seek_back(fd, 0),
            started: timeout.map(|t| (Instant::now(), t)),
            signals,
        }
    }

    fn next(&mut self) -> std::io::Result<Result<u8, End>> {
        if let Some(byte) = self.block.get(self.at) {
            self.at += 1;
            return Ok(Ok(*byte));
        }
        let left = match self.started {
            None => None,
            Some((began, timeout)) => match timeout.checked_sub(began.elapsed()) {
                Some(left) => Some(left),
                None => return Ok(Err(End::Timeout)),
            },
        };
        if left.is_some() || self.signals {
            match sys::wait_input(self.fd, left, self.signals)? {
                Ready::Timeout => return Ok(Err(End::Timeout)),
                Ready::Signal => {
                    if let Some(signal) = sys::take_signal() {
                        return Ok(Err(End::Signal(signal)));
                    }
                }
                Ready::Input => {}
            }
        }
        self.block.resize(if self.seekable { 4096 } else { 1 }, 0);
        self.at = 0;
        let n = loop {
            match sys::read(self.fd, &mut self.block) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted && !self.signals => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    self.block.clear();
                    return self.next();
                }
                other => break other?,
            }
        };
        self.block.truncate(n);
        match self.block.first() {
            None => Ok(Err(End::Eof)),
            Some(byte) => {
                self.at = 1;
                Ok(Ok(*byte))
            }
        }
    }

    /// Gives back what was read but not used.
    fn finish(self) {
        let unused = self.block.len() - self.at;
        if unused > 0 {
            sys::seek_back(self.fd, unused);
        }
    }
}

/// A line of a descriptor with its newline, byte by byte if need be; `None` at the end.
pub fn line_of(fd: u32) -> Option<String> {
    let mut bytes = Bytes::new(fd, None, false);
    let mut line = Vec::new();
    while let Ok(Ok(byte)) = bytes.next() {
        line.push(byte);
        if byte == b'\n' {
            break;
        }
    }
    bytes.finish();
    if line.is_empty() {
        None
    } else {
        Some(text::decode(line))
    }
}

fn read_line(sh: &mut Shell, request: &Request) -> std::io::Result<(Vec<Quoted>, End)> {
    let delimiter = if request.exact {
        None
    } else {
        Some(request.delimiter.unwrap_or(b'\n'))
    };
    let mut bytes = Bytes::new(request.fd, request.timeout, sh.traps.is_any());
    let mut line: Vec<(u8, bool)> = Vec::new();
    let mut characters = 0;
    let mut escaped = false;
    let end = loop {
        if request.count.is_some_and(|n| characters >= n) {
            break End::Done;
        }
        let byte = match bytes.next()? {
            Ok(byte) => byte,
            Err(End::Signal(signal)) => match sh.run_signal_trap(signal) {
                Ok(_) => continue,
                Err(flow) => break End::Flow(flow),
            },
            Err(end) => break end,
        };
        if escaped {
            escaped = false;
            if byte != b'\n' {
                line.push((byte, true));
                characters += usize::from(byte & 0xc0 != 0x80);
            }
            continue;
        }
        if byte == b'\\' && !request.raw {
            escaped = true;
            continue;
        }
        if Some(byte) == delimiter {
            break End::Done;
        }
        if byte != 0 {
            line.push((byte, false));
        }
        // A character counts when its last byte is there.
        characters += usize::from(is_complete(&line));
    };
    bytes.finish();
    Ok((characters_of(&line), end))
}

/// Whether the bytes end in a whole character.
fn is_complete(line: &[(u8, bool)]) -> bool {
    let tail = line.len()
        - line
            .iter()
            .rev()
            .take(4)
            .position(|(b, _)| b & 0xc0 != 0x80)
            .map_or(0, |n| n + 1)
            .min(line.len());
    match line.get(tail).map(|(b, _)| *b) {
        Some(0xc0..=0xdf) => line.len() - tail == 2,
        Some(0xe0..=0xef) => line.len() - tail == 3,
        Some(0xf0..=0xff) => line.len() - tail == 4,
        _ => true,
    }
}

fn characters_of(line: &[(u8, bool)]) -> Vec<Quoted> {
    if line.iter().all(|(b, _)| b.is_ascii()) {
        return line.iter().map(|(b, quoted)| (char::from(*b), *quoted)).collect();
    }
    let decoded = text::decode(line.iter().map(|(b, _)| *b).collect());
    let mut at = 0;
    decoded
        .chars()
        .map(|c| {
            let quoted = line.get(at).is_some_and(|(_, quoted)| *quoted);
            at += text::encode(c.encode_utf8(&mut [0; 4])).len();
            (c, quoted)
        })
        .collect()
}

fn assign(sh: &mut Shell, request: &Request, names: &[String], line: Vec<Quoted>) -> Exec<()> {
    let text = |part: &[Quoted]| part.iter().map(|(c, _)| *c).collect::<String>();
    if let Some(array) = &request.array {
        sh.check_writable(array)?;
        let fields = split(&line, &sh.ifs(), usize::MAX);
        sh.vars.unset(array);
        sh.vars.entry(array).value = crate::vars::Value::Indexed(Default::default());
        for (i, field) in (0..).zip(fields) {
            sh.assign(array, Some(Key::Index(i)), text(field), false)?;
        }
        return Ok(());
    }
    if names.is_empty() {
        return sh.set("REPLY", &text(&line));
    }
    if request.exact {
        set_name(sh, &names[0], text(&line))?;
        for name in &names[1..] {
            set_name(sh, name, String::new())?;
        }
        return Ok(());
    }
    let ifs = sh.ifs();
    let mut fields = split(&line, &ifs, names.len()).into_iter();
    for name in names {
        let value = fields.next().map(text).unwrap_or_default();
        set_name(sh, name, value)?;
    }
    Ok(())
}

fn set_name(sh: &mut Shell, name: &str, value: String) -> Exec<()> {
    match split_subscript(name) {
        Some((base, index)) => {
            let key = sh.key_of_text(base, index)?;
            sh.assign(base, Some(key), value, false)
        }
        None => sh.assign(name, None, value, false),
    }
}

/// Fields of a line; the last of `most` is the rest of the line.
fn split<'a>(line: &'a [Quoted], ifs: &str, most: usize) -> Vec<&'a [Quoted]> {
    let is_blank = |(c, quoted): &Quoted| !quoted && matches!(c, ' ' | '\t' | '\n') && ifs.contains(*c);
    let is_separator = |(c, quoted): &Quoted| !quoted && ifs.contains(*c);
    let mut fields = Vec::new();
    let mut at = line.iter().take_while(|q| is_blank(q)).count();
    while at < line.len() {
        if fields.len() + 1 == most {
            fields.push(rest(&line[at..], ifs));
            return fields;
        }
        let len = line[at..].iter().take_while(|q| !is_separator(q)).count();
        fields.push(&line[at..at + len]);
        at += len;
        at += line[at..].iter().take_while(|q| is_blank(q)).count();
        if line.get(at).is_some_and(|q| is_separator(q) && !is_blank(q)) {
            at += 1;
            at += line[at..].iter().take_while(|q| is_blank(q)).count();
        }
    }
    fields
}

/// The last field: blanks at its end go, and a single separator if there is no other before it.
fn rest<'a>(line: &'a [Quoted], ifs: &str) -> &'a [Quoted] {
    let is_blank = |(c, quoted): &Quoted| !quoted && matches!(c, ' ' | '\t' | '\n') && ifs.contains(*c);
    let is_separator = |(c, quoted): &Quoted| !quoted && ifs.contains(*c);
    let trim = |line: &'a [Quoted]| &line[..line.len() - line.iter().rev().take_while(|q| is_blank(q)).count()];
    let line = trim(line);
    match line.split_last() {
        Some((last, before)) if is_separator(last) && !before.iter().any(is_separator) => trim(before),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str, ifs: &str, most: usize) -> Vec<String> {
        let line: Vec<Quoted> = line.chars().map(|c| (c, false)).collect();
        split(&line, ifs, most)
            .into_iter()
            .map(|f| f.iter().map(|(c, _)| *c).collect())
            .collect()
    }

    #[test]
    fn lines_are_split() {
        assert_eq!(fields("  a b  c ", " \t\n", 2), ["a", "b  c"]);
        assert_eq!(fields("a:b::c", ":", 9), ["a", "b", "", "c"]);
        assert_eq!(fields("a:", ":", 1), ["a"]);
        assert_eq!(fields("a:b:", ":", 1), ["a:b:"]);
        assert_eq!(fields("", " ", 3), Vec::<String>::new());
    }
}
