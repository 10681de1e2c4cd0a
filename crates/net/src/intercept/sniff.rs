//! What a guest is about to speak, from its first bytes.
//!
//! Nothing depends on a guess: bytes that are taken for something they are not lead to a tunnel or to an error, never to a value
//! being sent.

use super::{Ended, InterceptLimits};
use bytes::BytesMut;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;

/// The beginning of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// TLS.
    Tls(Hello),
    /// An HTTP/1 request.
    Http1,
    /// HTTP/2 without TLS.
    Http2,
    /// Something else, or the host spoke first.
    Other,
    /// TLS that is not well-formed.
    Refused,
}

/// What matters of a TLS greeting.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hello {
    /// The host that the guest wants.
    pub(super) server_name: Option<String>,
    /// The protocols that it offers, in its order.
    pub(super) protocols: Vec<Vec<u8>>,
}

/// Bytes of a greeting or request line.
const OPENING_MAX: usize = 64 << 10;

/// Records of a greeting.
const RECORDS_MAX: usize = 64;

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until it is clear what the guest speaks. What was read from either side is left in the buffers.
pub(super) async fn opening<G, H>(
    guest: &mut G,
    host: &mut H,
    sent: &mut BytesMut,
    received: &mut BytesMut,
    limits: &InterceptLimits,
) -> Result<Opening, Ended>
where
    G: AsyncRead + AsyncWrite + Unpin,
    H: AsyncRead + AsyncWrite + Unpin,
{
    // A guest may take its time before it says anything, and a connection may end like that.
    if read_either(guest, host, sent, received).await? {
        return Ok(Opening::Other);
    }
    let decided = async {
        loop {
            if let Some(opening) = classify(sent) {
                return Ok(opening);
            }
            if read_either(guest, host, sent, received).await? {
                return Ok(Opening::Other);
            }
        }
    };
    match timeout(limits.handshake_timeout, decided).await {
        Ok(decided) => decided,
        Err(_) => Err(Ended::TooSlow),
    }
}

/// Reads from whoever speaks; true if it was the host, or the guest has no more to say.
async fn read_either<G, H>(
    guest: &mut G,
    host: &mut H,
    sent: &mut BytesMut,
    received: &mut BytesMut,
) -> Result<bool, Ended>
where
    G: AsyncRead + Unpin,
    H: AsyncRead + Unpin,
{
    sent.reserve(4096);
    received.reserve(4096);
    tokio::select! {
        biased;
        count = guest.read_buf(sent) => Ok(count? == 0),
        count = host.read_buf(received) => {
            count?;
            Ok(true)
        }
    }
}

/// What these bytes begin, once that is clear.
fn classify(bytes: &[u8]) -> Option<Opening> {
    match bytes {
        [] | [0x16] => None,
        [0x16, 3, ..] => hello(bytes),
        _ if bytes.starts_with(PREFACE) => Some(Opening::Http2),
        _ if PREFACE.starts_with(bytes) => None,
        _ => request_line(bytes),
    }
}

/// `METHOD target HTTP/1.x`
fn request_line(bytes: &[u8]) -> Option<Opening> {
    let undecided = |limit: usize| (bytes.len() > limit).then_some(Opening::Other);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let Some(method) = bytes.iter().position(|byte| !token(byte)) else {
        return undecided(METHOD_MAX);
    };
    if method == 0 || method > METHOD_MAX || bytes.get(method) != Some(&b' ') {
        return Some(Opening::Other);
    }
    let target = bytes.get(method + 1..).unwrap_or_default();
    match target.first() {
        Some(byte) if !byte.is_ascii_graphic() => return Some(Opening::Other),
        _ => {}
    }
    let line = memchr::memchr(b'\n', target);
    let text = target.get(..line.unwrap_or(target.len())).unwrap_or_default();
    if text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\r') {
        return Some(Opening::Other);
    }
    let Some(end) = line else {
        return undecided(OPENING_MAX);
    };
    let line = target.get(..end).unwrap_or_default().trim_ascii_end();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let http = version.starts_with(b"HTTP/1.");
    Some(if http { Opening::Http1 } else { Opening::Other })
}

/// Longest method.
const METHOD_MAX: usize = 32;

fn hello(bytes: &[u8]) -> Option<Opening> {
    match is_complete(bytes) {
        None => return Some(Opening::Refused),
        Some(false) if bytes.len() < OPENING_MAX => return None,
        Some(false) => return Some(Opening::Refused),
        Some(true) => {}
    }
    let mut rest = bytes;
    let mut acceptor = Acceptor::default();
    while !rest.is_empty() && acceptor.read_tls(&mut rest).is_ok() {
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                return Some(Opening::Tls(Hello {
                    server_name: hello.server_name().and_then(crate::secrets::normalize),
                    protocols: hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect(),
                }));
            }
            Err(_) => break,
        }
    }
    Some(Opening::Refused)
}

/// Whether the records hold a whole greeting; `None` if they never will.
fn is_complete(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes;
    let mut wanted = None;
    let mut got = 0;
    let mut head = [0; 4];
    for _ in 0..RECORDS_MAX {
        let Some(([kind, major, _, high, low], body)) = rest.split_first_chunk::<5>() else {
            return Some(false);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind != 0x16 || *major != 3 || length == 0 || length > RECORD_MAX {
            return None;
        }
        let fragment = body.get(..length).unwrap_or(body);
        for (to, from) in head.iter_mut().skip(got).zip(fragment) {
            *to = *from;
        }
        got += fragment.len();
        if got >= head.len() {
            let [kind, high, middle, low] = head;
            // A greeting is the first message of a handshake.
            if kind != 1 {
                return None;
            }
            wanted = Some(head.len() + usize::from(high) * 65536 + usize::from(middle) * 256 + usize::from(low));
        }
        match wanted {
            Some(wanted) if wanted > OPENING_MAX => return None,
            Some(wanted) if got >= wanted => return Some(true),
            _ => {}
        }
        match body.get(length..) {
            Some(after) => rest = after,
            None => return Some(false),
        }
    }
    None
}

/// Bytes of a record's content.
const RECORD_MAX: usize = (16 << 10) + 256;

/// Looks at arbitrary bytes as the beginning of a connection; for fuzzing. Says whether they are decided.
#[doc(hidden)]
pub fn fuzz_opening(bytes: &[u8]) -> bool {
    let whole = classify(bytes).is_some();
    // What is decided stays decided, whatever follows.
    for end in 0..bytes.len() {
        if let Some(early) = bytes.get(..end).and_then(classify) {
            assert!(
                matches!(early, Opening::Tls(_)) || classify(bytes) == Some(early),
                "changed its mind"
            );
            break;
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;
    use std::sync::Arc;

    fn client_hello(name: &str, protocols: &[&str]) -> Vec<u8> {
        let mut config = crate::roots::client(&[]).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        wire
    }

    /// The same greeting in records of at most `size` bytes.
    fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
        let records = hello[5..].chunks(size);
        let record = |part: &[u8]| [&[0x16, 3, 1], &(part.len() as u16).to_be_bytes()[..], part].concat();
        records.flat_map(record).collect()
    }

    #[test]
    fn a_greeting_is_read_once_it_is_whole() {
        let hello = client_hello("API.example.com", &["h2", "http/1.1"]);
        for end in 0..hello.len() {
            assert_eq!(classify(&hello[..end]), None, "{end}");
        }
        let Some(Opening::Tls(seen)) = classify(&hello) else {
            panic!("not TLS")
        };
        assert_eq!(seen.server_name.as_deref(), Some("api.example.com"));
        assert_eq!(seen.protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(matches!(classify(&in_records(&hello, 16)), Some(Opening::Tls(again)) if again == seen));
    }

    #[test]
    fn a_greeting_without_a_name_has_none() {
        let hello = client_hello("10.0.0.1", &[]);
        assert_eq!(classify(&hello), Some(Opening::Tls(Hello::default())));
    }

    #[test]
    fn what_is_no_greeting_is_refused() {
        let hello = client_hello("api.example.com", &[]);
        let mut cut = hello.clone();
        cut[8] -= 8;
        let mut alert = hello.clone();
        alert[0] = 0x15;
        assert_eq!(classify(&cut), Some(Opening::Refused));
        assert_eq!(classify(&alert), Some(Opening::Other));
        assert_eq!(classify(&[0x16, 3, 1, 0, 0]), Some(Opening::Refused));
        assert_eq!(classify(&[0x16, 3, 1, 0xff, 0xff]), Some(Opening::Refused));
        assert_eq!(classify(&[0x16, 3, 1, 0, 4, 2, 0, 0, 1]), Some(Opening::Refused));
        assert_eq!(classify(&[0x16, 3, 1, 0, 4, 1, 1, 0, 1]), Some(Opening::Refused));
        assert_eq!(classify(&in_records(&hello, 1)), Some(Opening::Refused));
        assert_eq!(classify(&[0x16, 2, 1]), Some(Opening::Other));
    }

    #[test]
    fn http_is_told_from_other_things() {
        for (bytes, opening) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(Opening::Http1)),
            (b"GET / HTTP/1.1\n", Some(Opening::Http1)),
            (b"M-SEARCH * HTTP/1.0\r\nHost: x", Some(Opening::Http1)),
            (b"get /a b HTTP/1.1\r\n", Some(Opening::Http1)),
            (b"GET / HTTP/1.1", None),
            (b"GET ", None),
            (b"GET", None),
            (b"P", None),
            (PREFACE, Some(Opening::Http2)),
            (b"PRI * HTTP/2.0\r\n\r\n", None),
            (b"PRI * HTTP/2.0\r\n\r\nXX", Some(Opening::Other)),
            (b"GET / HTTP/2.0\r\n", Some(Opening::Other)),
            (b"GET /\r\n", Some(Opening::Other)),
            (b"PING\r\n", Some(Opening::Other)),
            (b"\r\nGET / HTTP/1.1\r\n", Some(Opening::Other)),
            (b" GET / HTTP/1.1\r\n", Some(Opening::Other)),
            (b"GET  / HTTP/1.1\r\n", Some(Opening::Other)),
            (b"SSH-2.0-x\r\n", Some(Opening::Other)),
            (b"0032git-upload-pack /x\0", Some(Opening::Other)),
        ] {
            assert_eq!(classify(bytes), opening, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(classify(&[b'A'; 33]), Some(Opening::Other));
        let endless = [b"GET /".to_vec(), vec![b'a'; OPENING_MAX]].concat();
        assert_eq!(classify(&endless), Some(Opening::Other));
    }
}
