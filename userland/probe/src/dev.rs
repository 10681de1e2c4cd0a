//! A server as front-end tools bring one: files, and their changes told to pages by server-sent events and by WebSocket.
//!
//! One thread serves all connections: guests have no threads, so sockets do not block and a round of looking at all of them
//! follows the other, with a pause in between. It looks at one file, `message.txt`, for changes.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Longest head or frame that is read.
const MOST: usize = 16 << 10;

#[derive(PartialEq)]
enum Kind {
    Head,
    Events,
    Socket,
}

struct Client {
    stream: TcpStream,
    kind: Kind,
    input: Vec<u8>,
    output: Vec<u8>,
    closing: bool,
}

/// Serves `directory` at `address` for ever.
pub(crate) fn serve(address: &str, directory: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("ready");
    let directory = Path::new(directory);
    let (mut clients, mut known) = (Vec::new(), message(directory));
    loop {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            let (input, output) = (Vec::new(), Vec::new());
            clients.push(Client {
                stream,
                kind: Kind::Head,
                input,
                output,
                closing: false,
            });
        }
        let now = message(directory);
        if now != known {
            known = now;
            clients.iter_mut().for_each(|client| client.tell(&known));
        }
        clients.retain_mut(|client| client.step(directory).is_ok());
        sleep(Duration::from_millis(10));
    }
}

fn message(directory: &Path) -> String {
    fs::read_to_string(directory.join("message.txt"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

impl Client {
    /// Tells of a change.
    fn tell(&mut self, message: &str) {
        match self.kind {
            Kind::Events => self.output.extend(format!("data: {message}\n\n").bytes()),
            Kind::Socket => self.frame(1, message.as_bytes()),
            Kind::Head => {}
        }
    }

    fn frame(&mut self, opcode: u8, data: &[u8]) {
        self.output.push(0x80 | opcode);
        match data.len() {
            short @ 0..=125 => self.output.push(short as u8),
            long => {
                self.output.push(126);
                self.output.extend((long as u16).to_be_bytes());
            }
        }
        self.output.extend(data);
    }

    /// Reads, answers and writes what can be at once.
    fn step(&mut self, directory: &Path) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.input.extend(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.input.len() > MOST {
            return Err(ErrorKind::InvalidData.into());
        }
        match self.kind {
            Kind::Head => self.answer(directory),
            Kind::Socket => while self.echo() {},
            Kind::Events => {}
        }
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.closing {
            Err(ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }

    fn answer(&mut self, directory: &Path) {
        let Some(end) = self.input.windows(4).position(|at| at == b"\r\n\r\n") else {
            return;
        };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        self.input.drain(..end + 4);
        let path = head
            .split(' ')
            .nth(1)
            .unwrap_or("/")
            .split('?')
            .next()
            .unwrap_or("/")
            .to_owned();
        let value = |name: &str| {
            let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            lines
                .into_iter()
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        if let Some(key) = value("sec-websocket-key") {
            self.kind = Kind::Socket;
            let accept = base64(&sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
            let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
            self.output.extend(format!("{head}{accept}\r\n\r\n").bytes());
            let hello = format!("hello {}", value("host").unwrap_or_default());
            self.frame(1, hello.as_bytes());
        } else if path == "/events" {
            self.kind = Kind::Events;
            self.output.extend(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n: hello\n\n",
            );
        } else {
            self.file(directory, if path == "/" { "/index.html" } else { &path });
        }
    }

    fn file(&mut self, directory: &Path, path: &str) {
        let name = path.trim_start_matches('/');
        let found = if name.contains("..") {
            None
        } else {
            fs::read(directory.join(name)).ok()
        };
        let kind = match name.rsplit('.').next() {
            Some("html") => "text/html",
            Some("js") => "text/javascript",
            _ => "text/plain",
        };
        let (status, body) = found.map_or(("404 Not Found", b"no such file\n".to_vec()), |body| ("200 OK", body));
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.output
            .extend(format!("{head}Set-Cookie: seen=yes; Path=/\r\nConnection: close\r\n\r\n").bytes());
        self.output.extend(body);
        self.closing = true;
    }

    /// Sends one whole frame back, unmasked; whether there was one.
    fn echo(&mut self) -> bool {
        let &[first, second, ..] = self.input.as_slice() else {
            return false;
        };
        let (size, start) = match usize::from(second & 0x7f) {
            126 if self.input.len() >= 4 => (usize::from(u16::from_be_bytes([self.input[2], self.input[3]])), 4),
            126 => return false,
            127 => {
                self.closing = true;
                return false;
            }
            short => (short, 2),
        };
        if self.input.len() < start + 4 + size {
            return false;
        }
        let mask: Vec<u8> = self.input[start..start + 4].to_vec();
        let data: Vec<u8> = self.input[start + 4..start + 4 + size]
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        self.input.drain(..start + 4 + size);
        match first & 0x0f {
            8 => {
                self.frame(8, &data);
                self.closing = true;
            }
            9 => self.frame(10, &data),
            opcode @ (1 | 2) => self.frame(opcode, &data),
            _ => {}
        }
        true
    }
}

/// SHA-1 (FIPS 180), which the handshake of WebSocket asks for.
fn sha1(data: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = data.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((data.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.iter().enumerate() {
            let (mix, constant) = match at / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (own, more) in state.iter_mut().zip([a, b, c, d, e]) {
            *own = own.wrapping_add(more);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at > chunk.len() { '=' } else { digit as char });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_websocket_standard() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        assert_eq!(base64(&sha1(key)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
