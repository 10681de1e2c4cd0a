//! The table of tools.

use crate::{compress, jq, net, tar, yq, zip};

pub use agentos_tools_text::Applet;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    APPLETS
}

/// One line for each tool of this crate, for `help`: name and what follows it on the command line.
pub const fn synopses() -> &'static [(&'static str, &'static str)] {
    SYNOPSES
}

macro_rules! tools {
    ($($name:literal $run:path, $synopsis:literal;)*) => {
        const APPLETS: &[(&str, Applet)] = &[$(($name, $run)),*];
        const SYNOPSES: &[(&str, &str)] = &[$(($name, $synopsis)),*];
    };
}

tools! {
    "bunzip2" compress::bunzip2, "[OPTION]... [FILE]...   bzip2 -d";
    "bzcat" compress::bzcat, "[FILE]...   bzip2 -dc";
    "bzip2" compress::bzip2, "[-dckftv1-9] [FILE]...   compress or decompress .bz2";
    "gunzip" compress::gunzip, "[OPTION]... [FILE]...   gzip -d";
    "gzip" compress::gzip, "[-dckfltnrv1-9] [FILE]...   compress or decompress .gz";
    "httpd" net::httpd, "[-p PORT] [-b ADDR] [-h DIR]   serve files over HTTP";
    "jq" jq::jq, "[-nrcsSejaRC] [--arg NAME VALUE] FILTER [FILE]...   process JSON";
    "lzcat" compress::lzcat, "[FILE]...   lzma -dc";
    "lzma" compress::lzma, "[-dckftv0-9] [FILE]...   compress or decompress .lzma";
    "nc" net::nc, "[-lkuUvzn] [-w SECS] [HOST] PORT   standard input and output over a connection";
    "nslookup" net::nslookup, "[-type=TYPE] NAME [SERVER]   ask a name server";
    "ping" net::ping, "HOST   says why it cannot";
    "tar" tar::tar, "-c|-x|-t|-r [-zjJavpOPk] [-f ARCHIVE] [-C DIR] [FILE]...   archives";
    "unlzma" compress::unlzma, "[OPTION]... [FILE]...   lzma -d";
    "unxz" compress::unxz, "[OPTION]... [FILE]...   xz -d";
    "unzip" zip::unzip, "[-lvtpcnoujq] [-d DIR] ARCHIVE [MEMBER]... [-x PATTERN]...   extract zip archives";
    "unzstd" compress::unzstd, "[OPTION]... [FILE]...   zstd -d";
    "xz" compress::xz, "[-dckftv0-9] [FILE]...   compress or decompress .xz";
    "xzcat" compress::xzcat, "[FILE]...   xz -dc";
    "yq" yq::yq, "[eval] [-i] [-o json|yaml] [-n] [-e] [EXPRESSION] [FILE]...   jq filters over YAML";
    "zcat" compress::zcat, "[FILE]...   gzip -dc";
    "zip" zip::zip, "[-rqjmuyDT0-9] [-x PATTERN]... ARCHIVE [FILE]...   make zip archives";
    "zipinfo" zip::zipinfo, "[-1] ARCHIVE   list a zip archive";
    "zstd" compress::zstd, "[-dckfv] [--rm] [-o FILE] [FILE]...   compress or decompress .zst";
    "zstdcat" compress::zstdcat, "[FILE]...   zstd -dc";
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_sorted() {
        assert!(super::APPLETS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
