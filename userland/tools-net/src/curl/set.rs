//! What each option of curl does to the configuration.

use super::config::{Help, Netrc, Place, Resume, TimeCondition};
use super::data::{self, Joined};
use super::form;
use super::parse::{Command, Misuse};
use crate::engine::sys::Family;
use crate::engine::{Override, Slow, TlsVersion, Version, parse_date};
use agentos_tools_base::io::reason;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sets a switch.
pub(super) fn flag(command: &mut Command, name: &str, on: bool) {
    if global_flag(command, name, on) || tls_flag(command, name) {
        return;
    }
    let config = command.current();
    match name {
        "compressed" => config.compressed = on,
        "create-dirs" => config.create_dirs = on,
        "disallow-username-in-url" => config.no_user_in_url = on,
        "fail" => config.fail = on,
        "fail-with-body" => config.fail_with_body = on,
        "get" => config.get = on,
        "globoff" => config.no_glob = on,
        "head" => config.head = on,
        "http0.9" => config.http09 = on,
        "http1.0" => config.version = Version::Http10,
        "http1.1" => config.version = Version::Http11,
        "http2" => config.version = Version::Auto,
        "http2-prior-knowledge" => config.version = Version::Http2Prior,
        "include" => config.include = on,
        "insecure" => config.tls.insecure = on,
        "ipv4" => config.family = Family::V4,
        "ipv6" => config.family = Family::V6,
        "junk-session-cookies" => config.junk_session = on,
        "location" => config.follow = on,
        "location-trusted" => (config.follow, config.trusted) = (on, on),
        "netrc" => config.netrc = if on { Netrc::Required } else { Netrc::No },
        "netrc-optional" => config.netrc = if on { Netrc::Optional } else { Netrc::No },
        "clobber" => config.no_clobber = !on,
        "path-as-is" => config.path_as_is = on,
        "post301" => config.keep_post[0] = on,
        "post302" => config.keep_post[1] = on,
        "post303" => config.keep_post[2] = on,
        "proxytunnel" => config.proxy_tunnel = on,
        "raw" => config.raw = on,
        "remote-header-name" => config.remote_header_name = on,
        "remote-name" => {
            let place = if on { Place::RemoteName } else { Place::Stdout };
            config.node(|node| node.place.is_none()).place = Some(place);
        }
        "remote-name-all" => config.remote_name_all = on,
        "remote-time" => config.remote_time = on,
        "remove-on-error" => config.remove_on_error = on,
        "retry-all-errors" => config.retry.all_errors = on,
        "retry-connrefused" => config.retry.refused = on,
        _ => {}
    }
}

fn global_flag(command: &mut Command, name: &str, on: bool) -> bool {
    let global = &mut command.global;
    match name {
        "fail-early" => global.fail_early = on,
        "help" => global.help = Some(Help::Usage),
        "version" => global.help = Some(Help::Version),
        "next" => command.next(),
        "parallel" => global.parallel = on,
        "progress-bar" => global.bar = on,
        "progress-meter" => global.no_meter = !on,
        "show-error" => global.show_error = on,
        "silent" => global.silent = on,
        "verbose" => global.verbose = on,
        _ => return false,
    }
    true
}

fn tls_flag(command: &mut Command, name: &str) -> bool {
    let least = match name {
        "tlsv1" | "tlsv1.0" | "tlsv1.1" | "tlsv1.2" => TlsVersion::V12,
        "tlsv1.3" => TlsVersion::V13,
        _ => return false,
    };
    command.current().at_least(least);
    true
}

/// Sets what has a value. `shown` is the option as it was written.
pub(super) fn value(command: &mut Command, name: &str, shown: &str, value: OsString) -> Result<(), Misuse> {
    let text = value.to_string_lossy().into_owned();
    if name == "stderr" {
        command.global.stderr = Some(value);
        return Ok(());
    }
    if body_value(command, name, &text)? || time_value(command, name, shown, &text)? {
        return Ok(());
    }
    if connection_value(command, name, shown, &text)? {
        return Ok(());
    }
    let config = command.current();
    match name {
        "cacert" => config.tls.ca_file = Some(PathBuf::from(value)),
        "cert" => {
            let key = config.tls.identity.take().and_then(|(_, key)| key);
            config.tls.identity = Some((PathBuf::from(value), key));
        }
        "key" => {
            let certificate = config
                .tls
                .identity
                .take()
                .map(|(certificate, _)| certificate)
                .unwrap_or_default();
            config.tls.identity = Some((certificate, Some(PathBuf::from(value))));
        }
        "continue-at" => {
            config.resume = Some(if text == "-" {
                Resume::Auto
            } else {
                Resume::At(number(shown, &text)?)
            });
        }
        "cookie" => config.cookies.push(text),
        "cookie-jar" => config.cookie_jar = Some(value),
        "dump-header" => config.dump_header = Some(value),
        "etag-compare" => config.etag_compare = Some(value),
        "etag-save" => config.etag_save = Some(value),
        "header" => headers(&mut config.headers, &text)?,
        "netrc-file" => {
            config.netrc_file = Some(value);
            if config.netrc == Netrc::No {
                config.netrc = Netrc::Required;
            }
        }
        "oauth2-bearer" => config.bearer = Some(text),
        "output" => config.node(|node| node.place.is_none()).place = Some(Place::File(value)),
        "output-dir" => config.output_dir = Some(value),
        "range" => config.range = Some(range(text)?),
        "referer" => {
            config.auto_referer = text.ends_with(";auto");
            let fixed = text.strip_suffix(";auto").unwrap_or(&text);
            config.referer = (!fixed.is_empty()).then(|| fixed.to_owned());
        }
        "request" => config.method = Some(text),
        "request-target" => config.target = Some(text),
        "upload-file" => config.node(|node| node.upload.is_none()).upload = Some(value),
        "url" => config.node(|node| node.url.is_none()).url = Some(text),
        "url-query" => config.query.push(data::query(&text).map_err(unreadable)?),
        "user" => config.user = Some(text),
        "user-agent" => config.agent = Some(text),
        "write-out" => config.write_out = Some(write_out(text)?),
        _ => {}
    }
    Ok(())
}

fn body_value(command: &mut Command, name: &str, text: &str) -> Result<bool, Misuse> {
    let config = command.current();
    let (bytes, joined) = match name {
        "data" | "data-ascii" => (data::ascii(text), Joined::Fields),
        "data-binary" => (data::binary(text), Joined::Fields),
        "data-raw" => (Ok(text.as_bytes().to_vec()), Joined::Fields),
        "data-urlencode" => (data::encoded(text), Joined::Fields),
        "json" => {
            config.json = true;
            (data::binary(text), Joined::Directly)
        }
        "form" => {
            config.form.extend(form::parse(text)?);
            return Ok(true);
        }
        "form-string" => {
            config.form.push(form::literal(text)?);
            return Ok(true);
        }
        _ => return Ok(false),
    };
    data::join(&mut config.data, &bytes.map_err(unreadable)?, joined);
    Ok(true)
}

fn time_value(command: &mut Command, name: &str, shown: &str, text: &str) -> Result<bool, Misuse> {
    let config = command.current();
    match name {
        "connect-timeout" => config.connect_timeout = seconds(shown, text)?,
        "max-time" => config.max_time = seconds(shown, text)?,
        "retry" => config.retry.count = u32::try_from(number(shown, text)?).unwrap_or(u32::MAX),
        "retry-delay" => config.retry.delay = Some(Duration::from_secs(number(shown, text)?)),
        "retry-max-time" => config.retry.max_time = Some(Duration::from_secs(number(shown, text)?)),
        "max-redirs" => config.max_redirects = if text == "-1" { None } else { Some(limit(shown, text)?) },
        "max-filesize" => config.max_filesize = Some(size(shown, text)?),
        "limit-rate" => config.rate = Some(size(shown, text)?),
        "speed-limit" | "speed-time" => {
            let mut slow = config.slow.unwrap_or(Slow {
                limit: 1,
                time: Duration::from_secs(30),
            });
            match name {
                "speed-limit" => slow.limit = number(shown, text)?,
                _ => slow.time = Duration::from_secs(number(shown, text)?),
            }
            config.slow = Some(slow);
        }
        "time-cond" => match condition(text) {
            Some(condition) => config.time = Some(condition),
            None => command
                .warnings
                .push("Illegal date format for -z, --time-cond (and not a file name).".to_owned()),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

fn connection_value(command: &mut Command, name: &str, shown: &str, text: &str) -> Result<bool, Misuse> {
    let config = command.current();
    match name {
        "connect-to" => config.overrides.push(place(text).ok_or_else(|| bad_use(shown))?),
        "resolve" => config.overrides.extend(addresses(text).ok_or_else(|| bad_use(shown))?),
        "unix-socket" => config.unix_socket = Some(PathBuf::from(text)),
        "proxy" => config.proxy = Some(text.to_owned()),
        "socks5" => config.proxy = Some(format!("socks5://{text}")),
        "socks5-hostname" => config.proxy = Some(format!("socks5h://{text}")),
        "proxy-user" => config.proxy_user = Some(text.to_owned()),
        "noproxy" => config.no_proxy = Some(text.to_owned()),
        "proto" => config.protocols.apply(text),
        "proto-redir" => config.redirect_protocols.apply(text),
        "proto-default" => config.default_scheme = text.to_ascii_lowercase(),
        "tls-max" => {
            config.tls.most = match text {
                "1.2" => Some(TlsVersion::V12),
                "1.3" | "default" => Some(TlsVersion::V13),
                _ => {
                    return Err(Misuse::new(format!(
                        "option {shown}: the installed libcurl version doesn't support this"
                    )));
                }
            };
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn headers(headers: &mut Vec<String>, text: &str) -> Result<(), Misuse> {
    let Some(name) = text.strip_prefix('@') else {
        headers.push(text.to_owned());
        return Ok(());
    };
    let bytes = data::file(name).map_err(unreadable)?;
    let lines = String::from_utf8_lossy(&bytes);
    headers.extend(lines.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    Ok(())
}

fn write_out(text: String) -> Result<String, Misuse> {
    match text.strip_prefix('@') {
        Some(name) => Ok(String::from_utf8_lossy(&data::file(name).map_err(unreadable)?).into_owned()),
        None => Ok(text),
    }
}

fn range(text: String) -> Result<String, Misuse> {
    let lone = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Ok(if lone { format!("{text}-") } else { text })
}

fn condition(text: &str) -> Option<TimeCondition> {
    let (before, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let of_file = || {
        let modified = std::fs::metadata(text).ok()?.modified().ok()?;
        i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
    };
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs()).ok();
    let at = if text == "now" {
        now()
    } else {
        parse_date(text).or_else(of_file)
    }?;
    Some(if before {
        TimeCondition::UnmodifiedSince(at)
    } else {
        TimeCondition::ModifiedSince(at)
    })
}

/// `HOST1:PORT1:HOST2:PORT2`.
fn place(text: &str) -> Option<Override> {
    let (from, rest) = split_place(text)?;
    let (to, rest) = split_place(rest)?;
    rest.is_empty().then_some(Override::Place { from, to })
}

fn split_place(text: &str) -> Option<((String, Option<u16>), &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            (host, rest.strip_prefix(':')?)
        }
        None => text.split_once(':')?,
    };
    let (port, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let port = if port.is_empty() {
        None
    } else {
        Some(port.parse().ok()?)
    };
    Some(((host.to_owned(), port), rest))
}

/// `[+]HOST:PORT:ADDRESS[,ADDRESS]...`; `-HOST:PORT` takes nothing away here.
fn addresses(text: &str) -> Option<Option<Override>> {
    if text.starts_with('-') {
        return Some(None);
    }
    let (host, rest) = text.trim_start_matches('+').split_once(':')?;
    let (port, list) = rest.split_once(':')?;
    let addresses = list
        .split(',')
        .map(|address| address.trim_matches(['[', ']']).parse().ok())
        .collect::<Option<Vec<_>>>()?;
    Some(Some(Override::Addresses {
        host: host.to_owned(),
        port: port.parse().ok()?,
        addresses,
    }))
}

fn number(shown: &str, text: &str) -> Result<u64, Misuse> {
    if text.starts_with('-') {
        return Err(Misuse::new(format!(
            "option {shown}: expected a positive numerical parameter"
        )));
    }
    text.parse()
        .map_err(|_| Misuse::new(format!("option {shown}: expected a proper numerical parameter")))
}

fn limit(shown: &str, text: &str) -> Result<u32, Misuse> {
    Ok(u32::try_from(number(shown, text)?).unwrap_or(u32::MAX))
}

/// Seconds with decimals; none for zero.
fn seconds(shown: &str, text: &str) -> Result<Option<Duration>, Misuse> {
    let value: f64 = text
        .parse()
        .map_err(|_| Misuse::new(format!("option {shown}: expected a proper numerical parameter")))?;
    let duration = Duration::try_from_secs_f64(value)
        .map_err(|_| Misuse::new(format!("option {shown}: expected a positive numerical parameter")))?;
    Ok((!duration.is_zero()).then_some(duration))
}

/// A number of bytes, with k, m, g, t or p for powers of 1024.
fn size(shown: &str, text: &str) -> Result<u64, Misuse> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => {
            return Err(Misuse::new(format!(
                "option {shown}: expected a proper numerical parameter"
            )));
        }
    };
    number(shown, digits)?
        .checked_mul(1024_u64.pow(power))
        .ok_or_else(|| Misuse::new(format!("option {shown}: expected a proper numerical parameter")))
}

fn bad_use(shown: &str) -> Misuse {
    Misuse::new(format!("option {shown}: is badly used here"))
}

fn unreadable(error: (String, std::io::Error)) -> Misuse {
    let (name, error) = error;
    Misuse {
        code: 26,
        text: format!("Failed to open {name}: {}", reason(&error)),
        hint: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("-x", "2k").unwrap(), 2048);
        assert_eq!(size("-x", "1M").unwrap(), 1 << 20);
        assert!(size("-x", "1q").is_err());
        assert!(size("-x", "99999999999999999P").is_err());
        assert_eq!(seconds("-m", "0.5").unwrap(), Some(Duration::from_millis(500)));
        assert!(seconds("-m", "-1").is_err());
    }

    #[test]
    fn overrides_are_read() {
        assert!(
            matches!(addresses("h:80:127.0.0.1,[::1]"), Some(Some(Override::Addresses { addresses, .. })) if addresses.len() == 2)
        );
        assert!(addresses("h:80").is_none());
        assert!(
            matches!(place("a::b:81"), Some(Override::Place { from, to }) if from == ("a".into(), None) && to == ("b".into(), Some(81)))
        );
        assert!(matches!(place("::[::1]:81"), Some(Override::Place { to, .. }) if to.0 == "::1"));
    }
}
