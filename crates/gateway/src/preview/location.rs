//! Where a guest's answer leads (`Location`), in the client's terms.
//!
//! A guest knows itself as `http://localhost:<port>/`, the client knows it under another address. Invariants:
//!
//! * What leads to the guest itself - a path, a relative reference, an address with the host that the guest was asked by, or
//!   with the host that it was told the client uses - leads to the same place of the same preview.
//! * In the path form no reference leaves the preview by way of `..`: dot segments are removed before the prefix is set.
//! * Everything else stays as it is, byte for byte: other hosts, other schemes, and what already begins with the preview's
//!   prefix, from a guest that heeds `X-Forwarded-Prefix`.

use super::address::{Address, Form};
use http::header::{HeaderMap, HeaderValue, LOCATION};

/// What the guest's answer may call its own address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) address: &'a Address,
    pub(super) port: u16,
    /// The host that the client asked for.
    pub(super) host: Option<&'a str>,
}

/// Rewrites every `Location`.
pub(super) fn rewrite(headers: &mut HeaderMap, place: Place<'_>) {
    let values: Vec<HeaderValue> = headers.get_all(LOCATION).iter().cloned().collect();
    if values.is_empty() {
        return;
    }
    headers.remove(LOCATION);
    for value in values {
        let text = std::str::from_utf8(value.as_bytes()).ok();
        let translated = text.and_then(|text| HeaderValue::try_from(place.translate(text)?).ok());
        headers.append(LOCATION, translated.unwrap_or(value));
    }
}

impl Place<'_> {
    /// The same place for the client, if it is written differently there.
    fn translate(self, location: &str) -> Option<String> {
        let reference = Reference::read(location);
        let own = match reference.authority {
            Some(authority) => self.is_own(authority),
            None if reference.scheme.is_some() => return None,
            None => true,
        };
        if !own {
            return None;
        }
        if self.address.form == Form::Path {
            return self.below_prefix(&reference);
        }
        // The path of an own origin is the guest's; only the guest's name for it is wrong.
        let named = reference.authority.is_some_and(|authority| self.is_internal(authority));
        named.then(|| format!("{}{}", rooted(reference.path), reference.rest))
    }

    fn below_prefix(self, reference: &Reference<'_>) -> Option<String> {
        let prefix = &self.address.prefix;
        // Nothing but a query or a fragment: the same page, for both sides.
        if reference.authority.is_none() && reference.path.is_empty() {
            return None;
        }
        let path = match reference.authority.is_some() || reference.path.starts_with('/') {
            true => rooted(reference.path).to_owned(),
            false => {
                let asked = self.address.rest.split('?').next().unwrap_or_default();
                let directory = asked.rfind('/').map_or("/", |slash| &asked[..=slash]);
                format!("{directory}{}", reference.path)
            }
        };
        let path = without_dots(&path);
        let beyond = path.strip_prefix(prefix.as_str());
        if beyond.is_some_and(|beyond| beyond.is_empty() || beyond.starts_with('/')) {
            // The guest knows where it is. Its own name for the host is still of no use to the client.
            let named = reference.authority.is_some_and(|authority| self.is_internal(authority));
            return named.then(|| format!("{path}{}", reference.rest));
        }
        Some(format!("{prefix}{path}{}", reference.rest))
    }

    fn is_own(self, authority: &str) -> bool {
        self.is_internal(authority) || self.host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
    }

    /// Whether this is a name that the guest has for itself.
    fn is_internal(self, authority: &str) -> bool {
        let Some((host, port)) = authority.rsplit_once(':') else {
            return false;
        };
        let own = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"];
        port.parse() == Ok(self.port) && own.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// A URI reference in its parts.
struct Reference<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    /// Query and fragment, with what begins them.
    rest: &'a str,
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Self {
        let (scheme, text) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let web = scheme.is_none_or(|scheme| ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme)));
        let (authority, text) = match text.strip_prefix("//").filter(|_| web) {
            Some(rest) => {
                let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, text),
        };
        let end = text.find(['?', '#']).unwrap_or(text.len());
        Self {
            scheme,
            authority,
            path: &text[..end],
            rest: &text[end..],
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn rooted(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Removes dot segments (RFC 3986 section 5.2.4), also where the dots are encoded, as browsers do.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match dots(segment) {
            Some(up) => {
                if up {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            None => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// `Some(true)` for `..`, `Some(false)` for `.`, in any spelling.
fn dots(segment: &str) -> Option<bool> {
    match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
        "." => Some(false),
        ".." => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Token;
    use super::*;

    const PREFIX: &str = "/base/gateway/a1/request/fetch/T";

    fn translated(form: Form, rest: &str, location: &str) -> String {
        let address = Address {
            form,
            actor: None,
            token: Token::parse("0123456789abcdefghijklmnopqrstuv").unwrap(),
            rest: rest.to_owned(),
            prefix: if form == Form::Path {
                PREFIX.to_owned()
            } else {
                String::new()
            },
        };
        let place = Place {
            address: &address,
            port: 8080,
            host: Some("gate.test:6420"),
        };
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        rewrite(&mut headers, place);
        headers[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn what_leads_to_the_guest_stays_below_the_prefix() {
        for (rest, location, expected) in [
            ("/", "/login?next=/a#b", "/login?next=/a#b"),
            ("/", "/", "/"),
            ("/a/b?q=/x/", "c", "/a/c"),
            ("/a/b", "../c", "/c"),
            ("/a/b/", ".", "/a/b/"),
            ("/a/b", "..", "/"),
            ("/a", "../../../../x", "/x"),
            ("/", "/../../x", "/x"),
            ("/", "/%2e%2E/.%2e/x", "/x"),
            ("/", "/a/./b/%2e", "/a/b/"),
            ("/", "/x/\\other.test", "/x/\\other.test"),
            ("/", "/\\other.test", "/\\other.test"),
            ("/", "/a//b", "/a//b"),
            ("/", "http://localhost:8080/x?y", "/x?y"),
            ("/", "https://LOCALHOST:8080", "/"),
            ("/", "//127.0.0.1:8080/x", "/x"),
            ("/", "http://gate.test:6420/x", "/x"),
        ] {
            assert_eq!(
                translated(Form::Path, rest, location),
                format!("{PREFIX}{expected}"),
                "{location}"
            );
        }
    }

    #[test]
    fn a_guest_that_knows_its_prefix_is_left_alone() {
        for rest in ["", "/", "/x?y"] {
            let whole = format!("{PREFIX}{rest}");
            assert_eq!(translated(Form::Path, "/", &whole), whole);
            let with_host = format!("http://gate.test:6420{whole}");
            assert_eq!(translated(Form::Path, "/", &with_host), with_host);
            assert_eq!(
                translated(Form::Path, "/", &format!("http://localhost:8080{whole}")),
                whole
            );
        }
        // Only as a whole segment.
        assert_eq!(
            translated(Form::Path, "/", &format!("{PREFIX}x")),
            format!("{PREFIX}{PREFIX}x")
        );
    }

    #[test]
    fn what_leads_elsewhere_is_not_touched() {
        for location in [
            "https://other.test/x",
            "//other.test/x",
            "http://localhost:8081/x",
            "http://localhost/x",
            "http://localhost:8080@other.test/x",
            "mailto:a@b",
            "javascript:1",
            "http:/x",
            "?page=2",
            "#top",
            "",
        ] {
            for form in [Form::Path, Form::Origin] {
                assert_eq!(translated(form, "/a/b", location), location);
            }
        }
    }

    #[test]
    fn an_own_origin_has_the_guests_paths() {
        for (location, expected) in [
            ("/x", "/x"),
            ("../x", "../x"),
            ("http://localhost:8080/x?y#z", "/x?y#z"),
            ("http://localhost:8080", "/"),
            ("http://gate.test:6420/x", "http://gate.test:6420/x"),
        ] {
            assert_eq!(translated(Form::Origin, "/", location), expected);
        }
    }
}
