//! `--write-out`: what is known of a transfer, by name.

use super::help;
use super::progress::speed;
use crate::engine::{Counts, Head, Times};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

/// What is known of a transfer.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) url: String,
    pub(super) effective: String,
    pub(super) scheme: String,
    pub(super) method: String,
    pub(super) referer: String,
    pub(super) redirect: String,
    pub(super) redirects: u32,
    pub(super) number: usize,
    pub(super) filename: String,
    pub(super) exit: i32,
    pub(super) error: String,
    pub(super) head: Option<Head>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
    pub(super) connects: u64,
    pub(super) counts: Counts,
    pub(super) times: Times,
    pub(super) total: Duration,
}

/// A value.
enum Value {
    Text(String),
    Number(u64),
    Seconds(Duration),
    Null,
}

/// Expands a format: what goes to standard output, and what goes to standard error.
pub(super) fn expand(format: &str, facts: &Facts) -> (Vec<u8>, Vec<u8>) {
    let mut outs = (Vec::new(), Vec::new());
    let mut to_stderr = false;
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        let (text, used) = match c {
            '\\' => escape(rest),
            '%' => match name(rest) {
                Some(("stderr", used)) => {
                    to_stderr = true;
                    (String::new(), used)
                }
                Some(("stdout", used)) => {
                    to_stderr = false;
                    (String::new(), used)
                }
                Some(("onerror", used)) => {
                    if facts.exit == 0 {
                        break;
                    }
                    (String::new(), used)
                }
                Some((name, used)) => (shown(name, facts), used),
                None => plain_percent(rest, facts),
            },
            c => (c.to_string(), c.len_utf8()),
        };
        let out = if to_stderr { &mut outs.1 } else { &mut outs.0 };
        out.extend(text.as_bytes());
        rest = rest.get(used..).unwrap_or_default();
    }
    outs
}

fn escape(text: &str) -> (String, usize) {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (_, Some('n')) => ("\n".to_owned(), 2),
        (_, Some('r')) => ("\r".to_owned(), 2),
        (_, Some('t')) => ("\t".to_owned(), 2),
        (_, Some(c)) => (format!("\\{c}"), 1 + c.len_utf8()),
        _ => ("\\".to_owned(), 1),
    }
}

/// The name in `%{NAME}`.
fn name(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("%{")?;
    let end = inner.find('}')?;
    Some((inner.get(..end)?, end + 3))
}

fn plain_percent(text: &str, facts: &Facts) -> (String, usize) {
    if text.starts_with("%%") {
        return ("%".to_owned(), 2);
    }
    if let Some(inner) = text.strip_prefix("%header{")
        && let Some(end) = inner.find('}')
    {
        let name = inner.get(..end).unwrap_or_default();
        let value = facts
            .head
            .as_ref()
            .and_then(|head| head.value(name))
            .unwrap_or_default();
        return (value, end + "%header{}".len());
    }
    ("%".to_owned(), 1)
}

fn shown(name: &str, facts: &Facts) -> String {
    match name {
        "json" => json(facts),
        "header_json" => header_json(facts),
        "http_code" | "response_code" | "http_connect" => format!("{:03}", number(name, facts)),
        _ => match value(name, facts) {
            Some(Value::Text(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Seconds(time)) => format!("{:.6}", time.as_secs_f64()),
            Some(Value::Null) => String::new(),
            None => format!("curl: unknown --write-out variable: '{name}'\n"),
        },
    }
}

fn number(name: &str, facts: &Facts) -> u64 {
    match value(name, facts) {
        Some(Value::Number(number)) => number,
        _ => 0,
    }
}

fn value(name: &str, facts: &Facts) -> Option<Value> {
    let status = facts.head.as_ref().map_or(0, |head| u64::from(head.status));
    let field = |name: &str| facts.head.as_ref().and_then(|head| head.value(name));
    let text = |text: &str| {
        if text.is_empty() {
            Value::Null
        } else {
            Value::Text(text.to_owned())
        }
    };
    let address = |address: Option<SocketAddr>| text(&address.map_or_else(String::new, |a| a.ip().to_string()));
    let port = |address: Option<SocketAddr>| Value::Number(address.map_or(0, |a| u64::from(a.port())));
    Some(match name {
        "content_type" => text(&field("content-type").unwrap_or_default()),
        "errormsg" => text(&facts.error),
        "exitcode" => Value::Number(u64::try_from(facts.exit).unwrap_or(0)),
        "filename_effective" => text(&facts.filename),
        "ftp_entry_path" => Value::Null,
        "http_code" | "response_code" => Value::Number(status),
        "http_connect" | "proxy_ssl_verify_result" | "ssl_verify_result" | "num_certs" => Value::Number(0),
        "http_version" => text(facts.head.as_ref().map_or("0", |head| head.version)),
        "local_ip" => address(facts.local),
        "local_port" => port(facts.local),
        "remote_ip" => address(facts.remote),
        "remote_port" => port(facts.remote),
        "method" => text(&facts.method),
        "num_connects" => Value::Number(facts.connects),
        "num_headers" => Value::Number(facts.head.as_ref().map_or(0, |head| head.fields.len() as u64)),
        "num_redirects" => Value::Number(u64::from(facts.redirects)),
        "redirect_url" => text(&facts.redirect),
        "referer" => text(&facts.referer),
        "scheme" => text(&facts.scheme.to_ascii_uppercase()),
        "size_download" => Value::Number(facts.counts.down),
        "size_header" => Value::Number(facts.counts.heads),
        "size_request" => Value::Number(facts.counts.requests),
        "size_upload" => Value::Number(facts.counts.up),
        "speed_download" => Value::Number(speed(facts.counts.down, facts.total)),
        "speed_upload" => Value::Number(speed(facts.counts.up, facts.total)),
        "url" => text(&facts.url),
        "url_effective" => text(&facts.effective),
        "urlnum" => Value::Number(facts.number as u64),
        _ => return time(name, facts).map(Value::Seconds),
    })
}

fn time(name: &str, facts: &Facts) -> Option<Duration> {
    Some(match name {
        "time_appconnect" => facts.times.tls,
        "time_connect" => facts.times.connect,
        "time_namelookup" => facts.times.lookup,
        "time_pretransfer" => facts.times.pretransfer,
        "time_redirect" => facts.times.redirect,
        "time_starttransfer" => facts.times.first_byte,
        "time_total" => facts.total,
        _ => return None,
    })
}

fn json(facts: &Facts) -> String {
    let mut out = String::from("{");
    for name in NAMES {
        let _ = write!(out, "\"{name}\":");
        match value(name, facts) {
            Some(Value::Text(text)) => out.push_str(&quoted(&text)),
            Some(Value::Number(number)) => out.push_str(&number.to_string()),
            Some(Value::Seconds(time)) => {
                let _ = write!(out, "{:.6}", time.as_secs_f64());
            }
            Some(Value::Null) | None => out.push_str("null"),
        }
        out.push(',');
    }
    let version = help::VERSION.lines().next().unwrap_or_default();
    let _ = write!(out, "\"curl_version\":{}}}", quoted(version));
    out
}

fn header_json(facts: &Facts) -> String {
    let mut names: Vec<String> = Vec::new();
    let fields = facts.head.iter().flat_map(|head| &head.fields);
    for (name, _) in fields {
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let list = |name: &String| {
        let values = facts.head.iter().flat_map(|head| head.values(name));
        let values: Vec<String> = values.map(|value| quoted(&String::from_utf8_lossy(value))).collect();
        format!("{}:[{}]", quoted(name), values.join(","))
    };
    format!("{{{}\n}}", names.iter().map(list).collect::<Vec<_>>().join(",\n"))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Names in the JSON object.
const NAMES: &[&str] = &[
    "content_type",
    "errormsg",
    "exitcode",
    "filename_effective",
    "ftp_entry_path",
    "http_code",
    "http_connect",
    "http_version",
    "local_ip",
    "local_port",
    "method",
    "num_connects",
    "num_headers",
    "num_redirects",
    "proxy_ssl_verify_result",
    "redirect_url",
    "referer",
    "remote_ip",
    "remote_port",
    "response_code",
    "scheme",
    "size_download",
    "size_header",
    "size_request",
    "size_upload",
    "speed_download",
    "speed_upload",
    "ssl_verify_result",
    "time_appconnect",
    "time_connect",
    "time_namelookup",
    "time_pretransfer",
    "time_redirect",
    "time_starttransfer",
    "time_total",
    "url",
    "url_effective",
    "urlnum",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            head: Some(Head::parse(b"HTTP/1.1 200 OK\r\nContent-Type: a/\"b\r\nX: 1\r\nx: 2\r\n\r\n").unwrap()),
            total: Duration::from_millis(1500),
            ..Facts::default()
        }
    }

    fn out(format: &str) -> String {
        String::from_utf8(expand(format, &facts()).0).unwrap()
    }

    #[test]
    fn names_escapes_and_percents() {
        assert_eq!(out("%{http_code} %{time_total}\\n%%%x\\q"), "200 1.500000\n%%x\\q");
        assert_eq!(out("%header{x}|%header{none}|%{redirect_url}|"), "1|||");
        assert_eq!(out("%{nonsense}"), "curl: unknown --write-out variable: 'nonsense'\n");
        assert_eq!(out("a%{onerror}b"), "a");
        assert_eq!(
            expand("a%{stderr}b%{stdout}c", &facts()),
            (b"ac".to_vec(), b"b".to_vec())
        );
    }

    #[test]
    fn json_is_json() {
        let text = out("%{json}");
        assert!(
            text.starts_with("{\"content_type\":\"a/\\\"b\",\"errormsg\":null,\"exitcode\":0,"),
            "{text}"
        );
        assert_eq!(
            out("%{header_json}"),
            "{\"content-type\":[\"a/\\\"b\"],\n\"x\":[\"1\",\"2\"]\n}"
        );
        let no_answer = Facts::default();
        assert_eq!(expand("%{http_code}", &no_answer).0, b"000");
    }
}
