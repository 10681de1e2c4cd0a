//! The pages.

use super::{Answer, Asked};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// What the page does that a request names.
pub(super) fn answer(asked: &Asked) -> Answer {
    let target = asked.target();
    let target = target
        .strip_prefix("http://")
        .map_or(target, |rest| rest.split_at(rest.find('/').unwrap_or(0)).1);
    let path = target.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    hostile(asked, parts.first().copied().unwrap_or_default()).unwrap_or_else(|| match parts.as_slice() {
        ["echo", ..] => page(asked, 200, "Content-Type: text/plain\r\n", &echo(asked)),
        ["status", code] => page(asked, code.parse().unwrap(), "", b"body of a status\n"),
        ["redirect", code, rest @ ..] => redirect(asked, code.parse().unwrap(), &format!("/{}", rest.join("/"))),
        ["to-other"] => redirect(asked, 302, "http://other.test/echo"),
        ["to-file"] => redirect(asked, 302, "file:///etc/passwd"),
        ["to-lines"] => redirect(asked, 302, "/echo?a b%0d%0aEvil: 1\tc"),
        ["loop"] => redirect(asked, 302, "/loop"),
        ["login"] => match asked.header("authorization") {
            Some("Basic dTpw") => page(asked, 200, "", b"welcome\n"),
            _ => page(asked, 401, "WWW-Authenticate: Basic realm=\"r\"\r\n", b"who are you?\n"),
        },
        ["cookies"] => {
            let fields = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Domain=web.test\r\nSet-Cookie: c=3; Domain=other.test\r\n\
                          Set-Cookie: d=4; Path=/deep; HttpOnly\r\n";
            page(asked, 200, fields, b"")
        }
        ["range"] => range(asked),
        ["named"] => page(asked, 200, "Content-Disposition: attachment; filename=\"given.txt\"\r\n", b"named\n"),
        ["evil-name"] => page(asked, 200, "Content-Disposition: attachment; filename=\"../../up.txt\"\r\n", b"named\n"),
        ["gzip"] => page(asked, 200, "Content-Encoding: gzip\r\n", &gzip_stored(&b"unpacked\n".repeat(3))),
        ["bomb"] => page(asked, 200, "Content-Encoding: gzip\r\n", &gzip_zeros(8 << 20)),
        ["odd-coding"] => page(asked, 200, "Content-Encoding: rot13\r\n", b"abc"),
        ["big", size] => page(asked, 200, "", &vec![b'x'; size.parse().unwrap()]),
        ["dated"] if asked.header("if-modified-since").is_some() => page(asked, 304, "", b""),
        ["dated"] => page(asked, 200, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"e1\"\r\n", b"dated\n"),
        ["flaky", name, times] => flaky(asked, name, times.parse().unwrap()),
        ["interim"] => {
            let page = whole(asked, 200, "", b"final\n");
            Answer::Keep([&b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"[..], &page].concat())
        }
        ["chunked"] => raw("Transfer-Encoding: chunked", "3;x=y\r\nabc\r\n4\r\ndef\n\r\n0\r\nTrailer: t\r\n\r\n"),
        _ => page(asked, 200, "X-Case: Kept\r\n", format!("plain {path}\n").as_bytes()),
    })
}

/// Pages that break a rule.
fn hostile(asked: &Asked, name: &str) -> Option<Answer> {
    let cut = |head: &str, body: &str| Answer::Close(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes());
    Some(match name {
        "bad-chunk" => cut("Transfer-Encoding: chunked", "zz\r\nabc\r\n"),
        "cut-chunk" => cut("Transfer-Encoding: chunked", "ff\r\nabc"),
        "short" => cut("Content-Length: 100", "abc"),
        "until-close" => cut("Connection: close", "until close\n"),
        "empty" => Answer::Close(Vec::new()),
        "silent" => Answer::Stall(Vec::new()),
        "stalls" => Answer::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_vec()),
        "huge-head" => cut(&format!("X: {}", "y".repeat(400_000)), "never"),
        "endless-head" => Answer::Close([&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(100_000)].concat()),
        "nul-head" => cut("X: a\0b\r\nContent-Length: 0", ""),
        "no-colon" => cut("nonsense\r\nContent-Length: 0", ""),
        "two-lengths" => cut("Content-Length: 3\r\nContent-Length: 5", "abcde"),
        "bad-length" => cut("Content-Length: -5", "abcde"),
        "ancient" => Answer::Close(b"just text\n".to_vec()),
        "early" => Answer::Close(
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 10\r\nConnection: close\r\n\r\ntoo large\n".to_vec(),
        ),
        "both-framings" => {
            let _ = asked;
            cut(
                "Content-Length: 3\r\nTransfer-Encoding: chunked",
                "5\r\nabcde\r\n0\r\n\r\n",
            )
        }
        _ => return None,
    })
}

fn echo(asked: &Asked) -> Vec<u8> {
    let body = if asked.body.len() > 10_000 {
        let sum = asked
            .body
            .iter()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        format!("{} bytes, sum {sum:x}\n", asked.body.len()).into_bytes()
    } else {
        asked.body.clone()
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut text = format!("{}\n{}\n\n{body}", asked.line, asked.headers.join("\n"));
    // What differs from one run to the next.
    if let Some(at) = text.find("------------------------") {
        let boundary = text[at..].split(['\r', '\n']).next().unwrap_or_default().to_owned();
        text = text.replace(&boundary, "BOUNDARY");
    }
    text.into_bytes()
}

fn page(asked: &Asked, status: u16, fields: &str, body: &[u8]) -> Answer {
    Answer::Keep(whole(asked, status, fields, body))
}

fn whole(asked: &Asked, status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let phrase = match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Said So",
    };
    let mut out = format!("HTTP/1.1 {status} {phrase}\r\n{fields}").into_bytes();
    if status != 304 {
        out.extend(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.extend(b"\r\n");
    if !asked.line.starts_with("HEAD ") && status != 304 {
        out.extend(body);
    }
    out
}

fn raw(head: &str, body: &str) -> Answer {
    Answer::Keep(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes())
}

fn redirect(asked: &Asked, status: u16, place: &str) -> Answer {
    page(asked, status, &format!("Location: {place}\r\n"), b"moved\n")
}

fn range(asked: &Asked) -> Answer {
    let data = b"0123456789abcdefghij";
    let Some(range) = asked.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
        return page(asked, 200, "Accept-Ranges: bytes\r\n", data);
    };
    let (from, to) = range.split_once('-').unwrap();
    let from: usize = from.parse().unwrap();
    if from >= data.len() {
        return page(asked, 416, "Content-Range: bytes */20\r\n", b"out of range\n");
    }
    let to = to.parse().unwrap_or(data.len() - 1).min(data.len() - 1);
    let fields = format!("Content-Range: bytes {from}-{to}/{}\r\n", data.len());
    page(asked, 206, &fields, &data[from..=to])
}

/// Fails so many times for a name, then succeeds.
fn flaky(asked: &Asked, name: &str, times: u32) -> Answer {
    static SEEN: OnceLock<Mutex<HashMap<String, u32>>> = OnceLock::new();
    let mut seen = SEEN.get_or_init(Mutex::default).lock().unwrap();
    let count = seen.entry(name.to_owned()).or_default();
    *count += 1;
    if *count > times {
        // The next client begins anew.
        seen.remove(name);
        return page(asked, 200, "", b"at last\n");
    }
    page(asked, 503, "", b"not yet\n")
}

/// A gzip file that stores text as it is.
fn gzip_stored(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let block = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), text].concat();
    gzip(&block, text)
}

/// A gzip file of so many zeros in the fewest bytes: a zero, then copies of 258 of them, in the fixed code of RFC 1951.
fn gzip_zeros(count: usize) -> Vec<u8> {
    let copies = (count - 1) / 258;
    let mut bits = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    for _ in 0..copies {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bits.extend([0; 7]);
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
    let block: Vec<u8> = bits.chunks(8).map(byte).collect();
    gzip(&block, &vec![0; 1 + 258 * copies])
}

fn gzip(block: &[u8], text: &[u8]) -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let size = u32::try_from(text.len()).unwrap();
    [&head[..], block, &crc(text).to_le_bytes(), &size.to_le_bytes()].concat()
}

fn crc(text: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let shift = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc))
    };
    !text.iter().fold(!0, step)
}
