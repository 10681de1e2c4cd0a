//! Which requests are previews: the two exact forms of security.md section 3.1.
//!
//! Everything here works on the raw request target. Segments are percent-decoded once, compared with what they must be, and
//! never decoded again; what follows the token goes to the guest byte for byte.

use http::header::HOST;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use std::fmt;

/// A preview token: 32 characters of `a-z0-9`. Shows only the first eight digits of its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// Accepts exactly 32 characters of `a-z0-9`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        fits.then(|| Self(text.into()))
    }

    /// The secret itself, for its lookup and nothing else.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = Sha256::digest(self.0.as_bytes());
        hash.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

/// By which of the two forms a preview is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/gateway/{actorId}/request/fetch/{token}`: shares the gateway's origin.
    Path,
    /// `{token}.<preview host>`: has an origin of its own.
    Origin,
}

/// One preview and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How it is addressed.
    pub form: Form,
    /// The actor that the path names; the own-origin form names none.
    pub actor: Option<String>,
    /// The token.
    pub token: Token,
    /// Path and query for the guest, beginning with `/`.
    pub rest: String,
    /// What stands before the guest's path in the target; empty in the own-origin form.
    pub prefix: String,
}

/// What a request target means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// No preview; somebody else's request.
    Other,
    /// Meant as a preview, but in neither exact form: not found.
    Malformed,
    /// A preview.
    Preview(Address),
}

/// The host below which previews have origins of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewHost {
    name: String,
    port: Option<u16>,
}

impl PreviewHost {
    /// Reads `name` or `name:port`. Without a port, any port of a request will do.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = split_port(text)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let fits = !name.is_empty() && name.bytes().all(plain) && name.split('.').all(|label| !label.is_empty());
        fits.then(|| Self {
            name: name.to_ascii_lowercase(),
            port,
        })
    }

    /// The authority of a preview's own origin.
    pub fn authority(&self, token: &Token) -> String {
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{}.{}{port}", token.secret(), self.name)
    }

    /// The label before this host, if `host` is exactly one label below it or several.
    fn label(&self, host: &str) -> Option<String> {
        let (name, port) = split_port(host)?;
        // Clients leave a default port out, whether or not it is this process that ends their TLS.
        let fits = match (self.port, port) {
            (Some(own), Some(port)) => own == port,
            (Some(own), None) => matches!(own, 80 | 443),
            (None, _) => true,
        };
        if !fits {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let label = name.strip_suffix(&self.name)?.strip_suffix('.')?;
        (!label.is_empty()).then(|| label.to_owned())
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some((name, Some(port.parse().ok()?))),
        Some(_) => None,
        None => Some((text, None)),
    }
}

/// The one host that a request is for; none if it names several or a malformed one.
pub(super) fn host_of(head: &Parts) -> Option<&str> {
    if let Some(authority) = head.uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Reads a request's head. `target` is its target behind the gateway's base path.
pub fn read(head: &Parts, target: &str, host: Option<&PreviewHost>) -> Match {
    let label = host.and_then(|own| own.label(host_of(head)?));
    match label {
        Some(label) => own_origin(&label, target),
        None => in_path(target),
    }
}

fn own_origin(label: &str, target: &str) -> Match {
    match Token::parse(label) {
        Some(token) if target.starts_with('/') => Match::Preview(Address {
            form: Form::Origin,
            actor: None,
            token,
            rest: without_parameters(target),
            prefix: String::new(),
        }),
        _ => Match::Malformed,
    }
}

/// The path form. Whoever has `request/fetch` behind the actor means a preview, and nothing else lives there.
fn in_path(target: &str) -> Match {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Some(tail) = path.strip_prefix("/gateway/") else {
        return Match::Other;
    };
    let mut parts = tail.splitn(5, '/');
    let (Some(actor), Some(request), Some(fetch)) = (parts.next(), parts.next(), parts.next()) else {
        return Match::Other;
    };
    if decode(request) != "request" || decode(fetch) != "fetch" {
        return Match::Other;
    }
    let actor = decode(actor);
    let named = !actor.is_empty()
        && actor
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let token = parts.next().map(decode).and_then(|token| Token::parse(&token));
    let (Some(token), true, false) = (token, named, path.contains("//")) else {
        return Match::Malformed;
    };
    let rest = parts.next();
    // The slash before the rest is the guest's.
    let prefix = path.len() - rest.map_or(0, |rest| rest.len() + 1);
    let mut asked = format!("/{}", rest.unwrap_or_default());
    if let Some(query) = query {
        asked.push('?');
        asked.push_str(query);
    }
    Match::Preview(Address {
        form: Form::Path,
        actor: Some(actor.into_owned()),
        token,
        rest: without_parameters(&asked),
        prefix: path.get(..prefix).unwrap_or_default().to_owned(),
    })
}

/// One decoding. What is no UTF-8 afterwards equals nothing that is looked for.
fn decode(segment: &str) -> std::borrow::Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

/// The target without the parameters by which clients address actors; all others stay as they are, and where they are.
fn without_parameters(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let kept: Vec<&str> = query.split('&').filter(|part| !part.starts_with("rvt-")).collect();
    if kept.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const TOKEN: &str = "0123456789abcdefghijklmnopqrstuv";

    fn head(host: &str) -> Parts {
        Request::builder().header(HOST, host).body(()).unwrap().into_parts().0
    }

    fn asked(target: &str) -> Match {
        read(&head("localhost:6420"), target, None)
    }

    fn preview(target: &str) -> (String, String, String) {
        match asked(target) {
            Match::Preview(address) => (address.actor.unwrap(), address.rest, address.prefix),
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn the_path_form_is_read_after_one_decoding_and_the_rest_is_left_alone() {
        let plain = format!("/gateway/ab1/request/fetch/{TOKEN}");
        for (rest, expected) in [
            ("", "/"),
            ("/", "/"),
            ("?a=%20&b", "/?a=%20&b"),
            ("/a/../b%2f%25?x=1?y", "/a/../b%2f%25?x=1?y"),
            ("/?", "/?"),
            (
                "/x?rvt-token=t&a=1&rvt-key=k&b=%72vt-&xrvt-=1",
                "/x?a=1&b=%72vt-&xrvt-=1",
            ),
            ("/x?rvt-token=t", "/x"),
        ] {
            assert_eq!(
                preview(&format!("{plain}{rest}")),
                ("ab1".into(), expected.to_owned(), plain.clone())
            );
        }
        let encoded = format!("/gateway/%61b1/%72equest/fetch/%30{}/x", &TOKEN[1..]);
        let (actor, rest, prefix) = preview(&encoded);
        assert_eq!((actor.as_str(), rest.as_str()), ("ab1", "/x"));
        assert_eq!(format!("{prefix}{rest}"), encoded);
    }

    #[test]
    fn what_is_nearly_a_preview_is_not_found() {
        for target in [
            format!("/gateway/ab1/request/fetch/{}", &TOKEN[1..]),
            format!("/gateway/ab1/request/fetch/{TOKEN}x"),
            format!("/gateway/ab1/request/fetch/{}", TOKEN.to_uppercase()),
            format!("/gateway/ab1/request/fetch/{TOKEN}%2frest"),
            format!("/gateway/ab1/request/fetch/{TOKEN}%00"),
            format!("/gateway/ab1/request/fetch/%2530{}", &TOKEN[1..]),
            format!("/gateway/ab1/request/fetch//{TOKEN}"),
            format!("/gateway/ab1/request/fetch/{TOKEN}//rest"),
            format!("/gateway/ab1@secret/request/fetch/{TOKEN}"),
            format!("/gateway/../request/fetch/{TOKEN}"),
            format!("/gateway/%2e%2e/request/fetch/{TOKEN}"),
            format!("/gateway//request/fetch/{TOKEN}"),
            "/gateway/ab1/request/fetch".to_owned(),
            "/gateway/ab1/request/fetch/".to_owned(),
        ] {
            assert_eq!(asked(&target), Match::Malformed, "{target}");
        }
    }

    #[test]
    fn other_routes_are_left_to_others() {
        for target in [
            "/",
            "/metadata",
            "/gateway/ab1/action/fetch",
            "/gateway/ab1/request",
            "/gateway/ab1/request/other/x",
            "/gateway/ab1/%2572equest/fetch/x",
            "/request/fetch/x",
            "*",
        ] {
            assert_eq!(asked(target), Match::Other, "{target}");
        }
    }

    #[test]
    fn an_origin_of_its_own_is_one_label_that_is_a_token() {
        let host = PreviewHost::parse("Preview.Test:81").unwrap();
        let read = |name: &str, target: &str| read(&head(name), target, Some(&host));
        match read(&format!("{TOKEN}.PREVIEW.test:81"), "//a?rvt-x&b") {
            Match::Preview(address) => assert_eq!(
                (
                    address.form,
                    address.actor,
                    address.rest.as_str(),
                    address.prefix.as_str()
                ),
                (Form::Origin, None, "//a?b", "")
            ),
            other => panic!("{other:?}"),
        }
        for name in [
            format!("x.{TOKEN}.preview.test:81"),
            format!("{}.preview.test:81", &TOKEN[1..]),
            "www.preview.test:81".to_owned(),
            "..preview.test:81".to_owned(),
        ] {
            assert_eq!(read(&name, "/"), Match::Malformed, "{name}");
        }
        for name in [
            "preview.test:81".to_owned(),
            format!("{TOKEN}.preview.test"),
            format!("{TOKEN}.preview.test:82"),
            format!("{TOKEN}.preview.test.:81"),
            format!("{TOKEN}.evil-preview.test:81").replace("evil-preview", "evilpreview"),
            format!("{TOKEN}xpreview.test:81"),
        ] {
            assert_eq!(read(&name, "/"), Match::Other, "{name}");
        }
        assert_eq!(read(&format!("{TOKEN}.preview.test:81"), "*"), Match::Malformed);
    }

    #[test]
    fn a_preview_host_has_default_ports_and_needs_to_be_a_name() {
        let token = Token::parse(TOKEN).unwrap();
        let any = PreviewHost::parse("p.test").unwrap();
        assert_eq!(any.authority(&token), format!("{TOKEN}.p.test"));
        assert_eq!(any.label("x.p.test:9").as_deref(), Some("x"));
        let tls = PreviewHost::parse("p.test:443").unwrap();
        assert_eq!(tls.label("x.p.test").as_deref(), Some("x"));
        assert_eq!(tls.label("x.p.test:80"), None);
        for text in ["", "a..b", ".a", "a:", "a:x", "a:99999", "a/b", "*.a"] {
            assert!(PreviewHost::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token::parse(TOKEN).unwrap();
        let shown = format!("{token} {token:?}");
        assert!(!shown.contains(TOKEN), "{shown}");
        assert_eq!(shown.len(), 8 + 1 + "Token()".len() + 8);
    }
}
