//! Proxies as they are written.

use super::{Credentials, Kind, Proxy};
use crate::parse::{Host, parse_host};
use crate::secrets::SecretValue;

/// Why a text names no proxy. It shows nothing of the text, in which a password may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}; accepted are http://, https:// and socks5://[user:password@]host[:port]")]
pub struct InvalidProxy(&'static str);

pub(super) fn parse(url: &str) -> Result<Proxy, InvalidProxy> {
    let (scheme, rest) = url.split_once("://").ok_or(InvalidProxy("has no scheme"))?;
    let (kind, default) = match scheme {
        "http" => (Kind::Http, 80),
        "https" => (Kind::Https, 443),
        "socks5" => (Kind::Socks5, 1080),
        _ => return Err(InvalidProxy("has an unknown scheme")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user_info, authority) = rest
        .rsplit_once('@')
        .map_or((None, rest), |(info, rest)| (Some(info), rest));
    if authority.contains(['/', '?', '#']) {
        return Err(InvalidProxy("has a path"));
    }
    let (host, port) = split(authority)?;
    let host = match parse_host(host.as_bytes()).map_err(|_| InvalidProxy("has no valid host"))? {
        Host::Name(name) => name,
        Host::Address(address) => address.to_string().into(),
    };
    Ok(Proxy {
        kind,
        host,
        port: port.unwrap_or(default),
        credentials: user_info.map(credentials).transpose()?,
    })
}

fn split(authority: &str) -> Result<(&str, Option<u16>), InvalidProxy> {
    let wrong = InvalidProxy("has a port that is not 1 to 65535");
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port: &u16| digits && *port != 0).ok_or(wrong)
    };
    if let Some((host, after)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(number(port)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(wrong),
        };
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => Ok((host, Some(number(port)?))),
        None => Ok((authority, None)),
    }
}

fn credentials(user_info: &str) -> Result<Credentials, InvalidProxy> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let user = decoded(user)?;
    let password = decoded(password)?;
    // The bounds of SOCKS; Basic credentials cannot have a colon in the user.
    if user.is_empty() || user.len() > 255 || password.len() > 255 || user.contains(&b':') {
        return Err(InvalidProxy("has a user or password of a wrong length or form"));
    }
    Ok(Credentials {
        user: SecretValue::new(user),
        password: SecretValue::new(password),
    })
}

fn decoded(text: &str) -> Result<Vec<u8>, InvalidProxy> {
    let wrong = InvalidProxy("has a malformed % escape");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = digit().zip(digit()).ok_or(wrong)?;
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong)?);
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(InvalidProxy("has control characters in its user or password"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_printed_without_credentials() {
        for (url, shown, user, password) in [
            ("http://proxy.corp:3128", "http://proxy.corp:3128", None, ""),
            ("http://Proxy.Corp./", "http://proxy.corp:80", None, ""),
            ("https://10.0.0.1", "https://10.0.0.1:443", None, ""),
            ("socks5://[::1]:9050", "socks5://[::1]:9050", None, ""),
            ("http://me:p%40ss%3a@proxy:1", "http://proxy:1", Some("me"), "p@ss:"),
            ("socks5://me:a@b@proxy", "socks5://proxy:1080", Some("me"), "a@b"),
            ("http://me@proxy", "http://proxy:80", Some("me"), ""),
        ] {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!(format!("{proxy:?}"), shown);
            assert_eq!(
                proxy.credentials.as_ref().map(|own| own.user.expose()),
                user.map(str::as_bytes)
            );
            assert!(
                proxy
                    .credentials
                    .is_none_or(|own| own.password.expose() == password.as_bytes())
            );
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_shown() {
        for url in [
            "proxy:3128",
            "ftp://hunter2@proxy",
            "http://",
            "http://me:hunter2@",
            "http://me:hunter2@proxy:0",
            "http://me:hunter2@proxy:99999",
            "http://me:hunter2@proxy:",
            "http://me:hunter2@proxy/path",
            "http://me:hunter2%zz@proxy",
            "http://me:hunter2%0a@proxy",
            "http://:hunter2@proxy",
            "http://me:hunter2@pro xy",
            "socks5://me:hunter2@[::1]x",
        ] {
            let error = Proxy::parse(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2") && text.contains("accepted are"), "{text}");
        }
    }
}
