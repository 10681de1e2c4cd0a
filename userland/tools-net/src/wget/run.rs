//! All documents of a command line.

use super::fetch::{Fetched, Fetcher};
use super::log::{Log, human, now, speed};
use super::options::{self, Options};
use super::sink::{Target, Unwanted};
use crate::engine::{Client, Exit, Failure, Jar, Result, Url, parse_date};
use agentos_tools_base::io::{complain, read_all, reason};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The tool.
pub(super) fn run(args: Vec<OsString>) -> i32 {
    let options = match options::parse(args) {
        Ok(options) => options,
        Err(text) => return usage(&text),
    };
    if options.help || options.version {
        let text = if options.help { HELP } else { VERSION };
        agentos_tools_base::io::print(text.as_bytes());
        return 0;
    }
    let log = match Log::new(&options) {
        Ok(log) => log,
        Err(error) => {
            complain("wget", reason(&error));
            return FILE;
        }
    };
    match urls(&options) {
        Ok(urls) if urls.is_empty() => {
            usage("missing URL");
            GENERIC
        }
        Ok(urls) => all(&options, &log, &urls),
        Err(error) => {
            complain("wget", reason(&error));
            GENERIC
        }
    }
}

fn usage(text: &str) -> i32 {
    let _ = std::io::stderr().write_all(
        format!("wget: {text}\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n").as_bytes(),
    );
    USAGE
}

fn urls(options: &Options) -> std::io::Result<Vec<String>> {
    let mut urls = options.urls.clone();
    for list in &options.lists {
        let bytes = read_all(list)?;
        let text = String::from_utf8_lossy(&bytes);
        urls.extend(
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned),
        );
    }
    Ok(urls)
}

fn all(options: &Options, log: &Log, urls: &[String]) -> i32 {
    let mut fetcher = fetcher(options, log);
    let document = match document(options) {
        Ok(document) => document,
        Err(text) => {
            complain("wget", text);
            return FILE;
        }
    };
    let began = Instant::now();
    let mut status = 0;
    for (at, text) in urls.iter().enumerate() {
        if at > 0 && !options.wait.is_zero() {
            std::thread::sleep(options.wait);
        }
        let found = one(&mut fetcher, text, document.as_ref());
        // Of several problems the one that comes first in wget's order is told.
        if status == 0 || found != 0 && found < status {
            status = found;
        }
    }
    sum_up(&fetcher, began.elapsed());
    if let Some(name) = &options.save_cookies {
        let _ = fs::write(name, fetcher.jar.text());
    }
    status
}

fn fetcher<'a>(options: &'a Options, log: &'a Log) -> Fetcher<'a> {
    let mut client = Client::default();
    client.dialer.family = options.family;
    client.tls = options.tls.clone();
    let mut jar = Jar::default();
    if let Some(bytes) = options.load_cookies.as_ref().and_then(|name| read_all(name).ok()) {
        jar.load(&String::from_utf8_lossy(&bytes), true);
    }
    Fetcher {
        options,
        log,
        client,
        jar,
        documents: 0,
        bytes: 0,
    }
}

/// The sums of several documents.
fn sum_up(fetcher: &Fetcher<'_>, time: Duration) {
    if fetcher.documents < 2 {
        return;
    }
    let (files, bytes, seconds) = (fetcher.documents, fetcher.bytes, time.as_secs_f64());
    let (shown, speed) = (human(bytes), speed(bytes, time));
    fetcher.log.full(&format!(
        "FINISHED --{}--\nTotal wall clock time: {seconds:.1}s\n\
         Downloaded: {files} files, {shown} in {seconds:.1}s ({speed})\n",
        now()
    ));
}

/// The one file for all documents.
fn document(options: &Options) -> std::result::Result<Option<File>, String> {
    match &options.document {
        Some(name) if name != "-" && !options.spider => {
            let opened = if options.resume {
                File::options().append(true).create(true).open(name)
            } else {
                File::create(name)
            };
            opened
                .map(Some)
                .map_err(|error| format!("{}: {}", name.to_string_lossy(), reason(&error)))
        }
        _ => Ok(None),
    }
}

fn one(fetcher: &mut Fetcher<'_>, text: &str, document: Option<&File>) -> i32 {
    let (options, log) = (fetcher.options, fetcher.log);
    let url = match parsed(text) {
        Ok(url) => url,
        Err(why) => {
            complain("wget", format_args!("{text}: {why}."));
            return GENERIC;
        }
    };
    let path = path(options, &url);
    if let Some(there) = path.as_ref().filter(|path| path.exists())
        && options.no_clobber
        && options.document.is_none()
    {
        let shown = there.display();
        log.brief(&format!(
            "File \u{2018}{shown}\u{2019} already there; not retrieving.\n\n"
        ));
        return 0;
    }
    let named = options.document.is_some() || options.resume || options.newer;
    let path = if named { path } else { path.map(free_name) };
    match attempts(fetcher, &url, path.as_deref(), document) {
        Ok(fetched) => {
            if fetched.unwanted.is_none() {
                (fetcher.documents, fetcher.bytes) = (fetcher.documents + 1, fetcher.bytes + fetched.bytes);
            }
            told(options, log, &url, &fetched, path.as_deref())
        }
        Err(failure) => failed(log, &url, &failure),
    }
}

fn parsed(text: &str) -> std::result::Result<Url, String> {
    let url = Url::parse(text, "http", false).map_err(|failure| failure.text)?;
    if matches!(url.scheme.as_str(), "http" | "https") {
        return Ok(url);
    }
    Err(format!("Unsupported scheme \u{2018}{}\u{2019}", url.scheme))
}

/// Says why there is no document; the status.
fn failed(log: &Log, url: &Url, failure: &Failure) -> i32 {
    let code = code(failure);
    if code == SSL {
        log.full(&format!(
            "ERROR: cannot verify {}\u{2019}s certificate: {failure}\n\
             To connect insecurely, use `--no-check-certificate'.\n",
            url.host
        ));
    } else if failure.exit == Exit::ResolveHost {
        let why = failure.text.split_once(" (");
        let why = why.map_or_else(String::new, |(_, why)| format!(" ({why}"));
        let host = &url.host;
        log.brief(&format!(
            "wget: unable to resolve host address \u{2018}{host}\u{2019}{why}\n"
        ));
    } else if failure.exit != Exit::Connect || !failure.text.ends_with(NOT_REACHED) {
        log.brief(&format!("{} - {failure}.\n", now()));
    }
    code
}

fn attempts(fetcher: &mut Fetcher<'_>, url: &Url, path: Option<&Path>, document: Option<&File>) -> Result<Fetched> {
    let (options, log) = (fetcher.options, fetcher.log);
    let size = |path: &Path| {
        fs::metadata(path)
            .ok()
            .filter(fs::Metadata::is_file)
            .map_or(0, |known| known.len())
    };
    let begun = path.map_or(0, size);
    let mut pause = Duration::ZERO;
    for attempt in 1_u32.. {
        if options.spider {
            log.full("Spider mode enabled. Check if remote file exists.\n");
        }
        let again = if attempt > 1 {
            format!("  (try:{attempt:2})")
        } else {
            String::new()
        };
        log.full(&format!("--{}--{again}  {url}\n", now()));
        let resumes = options.resume || attempt > 1 && document.is_none();
        let mut target = Target {
            path: path.map(Path::to_path_buf),
            file: document.and_then(|file| file.try_clone().ok()),
            from: if resumes { path.map_or(0, size) } else { 0 },
        };
        let since = options.newer.then(|| path.and_then(modified)).flatten();
        let outcome = fetcher.fetch(url, &mut target, since);
        let retried = match &outcome {
            Ok(fetched) => options.retry_statuses.contains(&fetched.head.status),
            Err(failure) => may_help(failure, options),
        };
        if !retried || attempt == options.tries || (begun > 0 && !options.resume && document.is_some()) {
            return outcome;
        }
        if let Err(failure) = &outcome {
            log.full(&format!("{} - {failure}. Retrying.\n\n", now()));
        }
        pause = (pause + Duration::from_secs(1)).min(options.wait_retry);
        std::thread::sleep(pause);
    }
    Err(Failure::new(Exit::Timeout, "Giving up."))
}

fn may_help(failure: &Failure, options: &Options) -> bool {
    match failure.exit {
        Exit::Timeout | Exit::PartialFile | Exit::Receive | Exit::Send | Exit::GotNothing => true,
        Exit::Connect => failure.refused && options.retry_refused,
        _ => false,
    }
}

/// Says how it ended; the status.
fn told(options: &Options, log: &Log, asked: &Url, fetched: &Fetched, path: Option<&Path>) -> i32 {
    let name = path.map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    match fetched.unwanted {
        Some(Unwanted::Status(status)) => return server_error(options, log, asked, fetched, status),
        Some(Unwanted::Complete) => {
            log.full("\n    The file is already fully retrieved; nothing to do.\n\n");
            return 0;
        }
        Some(Unwanted::NotModified) => {
            log.full(&format!(
                "File \u{2018}{name}\u{2019} not modified on server. Omitting download.\n\n"
            ));
            return 0;
        }
        Some(Unwanted::Exists) => {
            log.full("Remote file exists.\n\n");
            return 0;
        }
        None => {}
    }
    let time = fetched.head.value("last-modified").and_then(|value| parse_date(&value));
    if let (Some(path), Some(time), true) = (path, time, options.server_times && options.document.is_none()) {
        set_modified(path, time);
    }
    let whole = fetched.bytes + fetched.from;
    let total = fetched.head.length().ok().flatten();
    let total = total.map_or_else(String::new, |total| format!("/{}", total + fetched.from));
    let stamp = now();
    match log.voice {
        options::Voice::Brief => {
            log.brief(&format!(
                "{stamp} URL:{} [{whole}{total}] -> \"{name}\" [1]\n",
                fetched.url
            ));
        }
        _ => {
            let verb = if options.document.as_deref() == Some(OsStr::new("-")) {
                "written to stdout".to_owned()
            } else {
                format!("\u{2018}{name}\u{2019} saved")
            };
            let speed = speed(fetched.bytes, fetched.time);
            log.full(&format!("{stamp} ({speed}) - {verb} [{whole}{total}]\n\n"));
        }
    }
    if fetched.head.status >= 400 { SERVER } else { 0 }
}

fn server_error(options: &Options, log: &Log, asked: &Url, fetched: &Fetched, status: u16) -> i32 {
    let raw = String::from_utf8_lossy(&fetched.head.raw);
    let phrase = raw
        .lines()
        .next()
        .unwrap_or_default()
        .splitn(3, ' ')
        .nth(2)
        .unwrap_or_default()
        .to_owned();
    if options.spider {
        log.brief("Remote file does not exist -- broken link!!!\n\n");
    } else {
        if log.voice == options::Voice::Brief {
            log.brief(&format!("{asked}:\n"));
        }
        log.brief(&format!("{} ERROR {status}: {phrase}.\n\n", now()));
    }
    if status == 401 { AUTH } else { SERVER }
}

/// The file for a URL.
fn path(options: &Options, url: &Url) -> Option<PathBuf> {
    match &options.document {
        Some(name) if name == "-" => return None,
        Some(name) => return Some(PathBuf::from(name)),
        None => {}
    }
    let base = url.path.rsplit('/').next().unwrap_or_default();
    let base = crate::engine::percent_decode(base);
    let mut name = String::from_utf8_lossy(&base).replace(['/', '\0'], "_");
    if name.is_empty() || name == "." || name == ".." {
        name = "index.html".to_owned();
    }
    if let Some(query) = &url.query {
        name.push('?');
        name.push_str(&query.replace('/', "%2F"));
    }
    Some(
        options
            .folder
            .as_ref()
            .map_or_else(|| PathBuf::from(&name), |folder| folder.join(&name)),
    )
}

/// The name, or with `.1` and so on behind it one that is free.
fn free_name(path: PathBuf) -> PathBuf {
    if !path.exists() {
        return path;
    }
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    (1..10_000).map(numbered).find(|name| !name.exists()).unwrap_or(path)
}

fn modified(path: &Path) -> Option<i64> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn set_modified(path: &Path, seconds: i64) {
    if let (Ok(seconds), Ok(file)) = (u64::try_from(seconds), File::options().write(true).open(path)) {
        let at: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
        let _ = file.set_modified(at);
    }
}

fn code(failure: &Failure) -> i32 {
    match failure.exit {
        Exit::Write | Exit::Read | Exit::FileRead => FILE,
        Exit::PeerVerification | Exit::CaFile | Exit::TlsConnect | Exit::ClientCertificate => SSL,
        Exit::UnsupportedProtocol | Exit::WeirdReply => PROTOCOL,
        Exit::Redirects => SERVER,
        Exit::FailedInit | Exit::UrlMalformed | Exit::BadArgument | Exit::Encoding => GENERIC,
        _ => NETWORK,
    }
}

/// How the failure ends of which the log has told already.
const NOT_REACHED: &str = "Couldn't connect to server";

const GENERIC: i32 = 1;
const USAGE: i32 = 2;
const FILE: i32 = 3;
const NETWORK: i32 = 4;
const SSL: i32 = 5;
const AUTH: i32 = 6;
const PROTOCOL: i32 = 7;
const SERVER: i32 = 8;

const VERSION: &str = concat!(
    "GNU Wget 1.21.3 compatible; agentos-wget ",
    env!("CARGO_PKG_VERSION"),
    "\n"
);

const HELP: &str = "\
Usage: wget [OPTION]... [URL]...
  -O, --output-document=FILE   write all documents to FILE, - for standard output
  -P, --directory-prefix=DIR   save files below DIR
  -c, --continue               resume a partly fetched file
  -nc, --no-clobber            leave files alone that are there
  -N, --timestamping           only what is newer than the file
  -q, --quiet  -nv, --no-verbose  -o, --output-file=LOG  -a LOG
  -S, --server-response        show the server's headers
  -i, --input-file=FILE        read URLs from FILE
      --spider                 fetch nothing, see whether it is there
  -T, --timeout=SECONDS  -t, --tries=N  -w, --wait=SECONDS
      --retry-connrefused  --retry-on-http-error=LIST  --waitretry=SECONDS
  -U, --user-agent=NAME  --referer=URL  --header=LINE
      --method=M  --post-data=TEXT  --post-file=FILE  --body-data  --body-file
      --user=NAME  --password=TEXT
      --max-redirect=N  --limit-rate=RATE
      --no-check-certificate  --ca-certificate=FILE
      --load-cookies=FILE  --save-cookies=FILE  --no-cookies
  -4, -6, --no-proxy, --compression=auto, --https-only
It does not follow links: -r, -m and -p are refused.
";
