//! What curl says of itself.

/// `--version`.
pub(super) const VERSION: &str = concat!(
    "curl 7.88.1 (wasm32-agentos) agentos-curl/",
    env!("CARGO_PKG_VERSION"),
    " rustls\n",
    "Protocols: file http https\n",
    "Features: AsynchDNS brotli HTTP2 IPv6 Largefile libz SSL UnixSockets zstd\n"
);

/// Value of `User-Agent`: the curl whose behaviour this one has.
pub(super) const AGENT: &str = "curl/7.88.1";

/// `--help`.
pub(super) const USAGE: &str = "\
Usage: curl [options...] <url>
 -d, --data <data>           Send data in a POST; also --data-raw, --data-binary,
                             --data-urlencode, --json
 -F, --form <name=content>   Send a form of several parts; @file, <file
 -T, --upload-file <file>    Send a file with PUT; - for standard input
 -G, --get                   Put the data into the URL and use GET
 -X, --request <method>      Use this method
 -I, --head                  Fetch the headers only
 -H, --header <header>       Send a header; @file reads them from a file
 -A, --user-agent <name>     Send this User-Agent
 -e, --referer <URL>         Send this Referer
 -u, --user <user:password>  Log in; also --oauth2-bearer, -n/--netrc
 -b, --cookie <data|file>    Send cookies, or read a jar; -c writes one
 -L, --location              Follow redirects; --max-redirs <num>
 -f, --fail                  Fail on errors of the server; --fail-with-body
 -o, --output <file>         Write to a file; -O by the remote name, -J by the
                             server's, --output-dir, --create-dirs
 -i, --include               Show the response's headers, too; -D <file>
 -C, --continue-at <offset>  Resume; - looks at the file
 -r, --range <range>         Fetch a range of bytes
 -w, --write-out <format>    Print facts when done
 -s, --silent  -S, --show-error  -v, --verbose  -#, --progress-bar
 -m, --max-time <seconds>    Bound the time; --connect-timeout
     --retry <num>           Retry; --retry-delay, --retry-all-errors,
                             --retry-connrefused, --retry-max-time
     --limit-rate <speed>    Bound the speed; -Y, -y the least speed
 -k, --insecure              Believe any server; --cacert <file>, -E, --key
     --compressed            Ask for a compressed answer and unpack it
 -x, --proxy <URL>           Use a proxy; -U, -p, --noproxy, --socks5-hostname
     --resolve, --connect-to, --unix-socket, -4, -6
     --http1.0, --http1.1, --http2, --http2-prior-knowledge, --tlsv1.2
 -K, --config <file>         Read options from a file
 -:, --next                  Begin anew for the next URL
 -z, --time-cond <time>      Only what is newer (or, with -, older)
 -Z, --parallel              One transfer after the other, with a warning
";
