//! A request as it will be sent.

use super::body::Body;
use super::failure::{Exit, Failure, Result};
use super::url::Url;

/// Which HTTP to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 from the first byte, without TLS too.
    Http2Prior,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name as it will be written.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

impl Header {
    /// A field.
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Where it goes.
    pub url: Url,
    /// What is asked for instead of the URL's path.
    pub target: Option<String>,
    /// Which HTTP.
    pub version: Version,
    /// All fields in the order in which they are sent, `Host` and the body's among them.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Body,
    /// Take an answer without a head.
    pub http09: bool,
}

impl Request {
    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// A field's value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_slice())
    }

    /// The head as HTTP/1 writes it; `proxied` asks with the whole URL.
    ///
    /// # Errors
    ///
    /// Text in it would end a line early.
    pub(super) fn head(&self, proxied: bool) -> Result<Vec<u8>> {
        let target = match &self.target {
            Some(target) => target.clone(),
            None if proxied => self.url.without_user(),
            None => self.url.target(),
        };
        let version = if self.version == Version::Http10 { "1.0" } else { "1.1" };
        let legal = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        let words = [&self.method, &target];
        if words
            .iter()
            .any(|word| word.is_empty() || word.contains([' ', '\t']) || !legal(word.as_bytes()))
        {
            return Err(Failure::new(
                Exit::BadArgument,
                "a method or target holds blanks or line ends",
            ));
        }
        let mut out = format!("{} {target} HTTP/{version}\r\n", self.method).into_bytes();
        for header in &self.headers {
            if !legal(header.name.as_bytes()) || !legal(&header.value) {
                let text = format!("header {} holds a line end", header.name.escape_debug());
                return Err(Failure::new(Exit::BadArgument, text));
            }
            out.extend(header.name.as_bytes());
            out.extend(if header.value.is_empty() { &b":"[..] } else { b": " });
            out.extend(&header.value);
            out.extend(b"\r\n");
        }
        out.extend(b"\r\n");
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, name: &str, value: &str) -> Request {
        Request {
            method: method.to_owned(),
            url: Url::parse("http://u:p@h:81/a?b", "http", false).unwrap(),
            target: None,
            version: Version::Auto,
            headers: vec![Header::new(name, value)],
            body: Body::default(),
            http09: false,
        }
    }

    #[test]
    fn a_head_is_written() {
        let request = request("GET", "Host", "h:81");
        assert_eq!(request.head(false).unwrap(), b"GET /a?b HTTP/1.1\r\nHost: h:81\r\n\r\n");
        assert!(
            request
                .head(true)
                .unwrap()
                .starts_with(b"GET http://h:81/a?b HTTP/1.1\r\n")
        );
    }

    #[test]
    fn nothing_smuggles_a_line_in() {
        for (method, name, value) in [
            ("GET / HTTP/1.1\r\nX:", "A", "b"),
            ("GET", "A\r\nB", "c"),
            ("GET", "A", "b\r\nC: d"),
            ("GET", "A", "b\nC: d"),
        ] {
            assert_eq!(
                request(method, name, value).head(false).unwrap_err().exit,
                Exit::BadArgument
            );
        }
    }
}
