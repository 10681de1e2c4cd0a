//! The tools of uutils coreutils.

use agentos_tools_sys::Applet;

macro_rules! tools {
    ($($name:literal $module:ident, $synopsis:literal;)*) => {
        /// Tools by name, sorted by name.
        pub(crate) const APPLETS: &[(&str, Applet)] =
            &[$(($name, |args| $module::uumain(args.into_iter()))),*];
        /// One line for each, for `help`.
        pub(crate) const SYNOPSES: &[(&str, &str)] = &[$(($name, $synopsis)),*];
    };
}

tools! {
    "b2sum" uu_b2sum, "[-c] [FILE]...   BLAKE2 checksums";
    "base32" uu_base32, "[-d] [-w COLS] [FILE]   encode or decode base32";
    "base64" uu_base64, "[-d] [-w COLS] [FILE]   encode or decode base64";
    "basenc" uu_basenc, "--ENCODING [-d] [FILE]   encode or decode";
    "cat" uu_cat, "[-AbeEnstTv] [FILE]...   concatenate files";
    "cksum" uu_cksum, "[-a ALGORITHM] [FILE]...   checksums";
    "comm" uu_comm, "[-123] FILE1 FILE2   compare sorted files";
    "csplit" uu_csplit, "[OPTION]... FILE PATTERN...   split by context";
    "cut" uu_cut, "-b|-c|-f LIST [-d CHAR] [-s] [FILE]...   select parts of lines";
    "dircolors" uu_dircolors, "[-bcp] [FILE]   set up LS_COLORS";
    "expand" uu_expand, "[-i] [-t N] [FILE]...   tabs to spaces";
    "expr" uu_expr, "EXPRESSION   evaluate";
    "factor" uu_factor, "[NUMBER]...   prime factors";
    "fmt" uu_fmt, "[-w N] [FILE]...   fill paragraphs";
    "fold" uu_fold, "[-bs] [-w N] [FILE]...   wrap lines";
    "head" uu_head, "[-n N|-c N] [-qvz] [FILE]...   the first part of files";
    "join" uu_join, "[-t CHAR] [-1 N] [-2 N] [-a N] FILE1 FILE2   join lines on a field";
    "md5sum" uu_md5sum, "[-c] [FILE]...   MD5 checksums";
    "nl" uu_nl, "[-b STYLE] [-w N] [FILE]...   number lines";
    "numfmt" uu_numfmt, "[--from=UNIT] [--to=UNIT] [NUMBER]...   reformat numbers";
    "od" uu_od, "[-A RADIX] [-t TYPE] [-N BYTES] [FILE]...   dump";
    "paste" uu_paste, "[-s] [-d LIST] [FILE]...   merge lines";
    "pathchk" uu_pathchk, "[-pP] NAME...   check names";
    "pr" uu_pr, "[OPTION]... [FILE]...   paginate";
    "printenv" uu_printenv, "[-0] [NAME]...   print variables";
    "printf" uu_printf, "FORMAT [ARGUMENT]...   format and print";
    "ptx" uu_ptx, "[OPTION]... [FILE]...   permuted index";
    "seq" uu_seq, "[-w] [-s STRING] [-f FORMAT] [FIRST [STEP]] LAST   print numbers";
    "sha1sum" uu_sha1sum, "[-c] [FILE]...   SHA-1 checksums";
    "sha224sum" uu_sha224sum, "[-c] [FILE]...   SHA-224 checksums";
    "sha256sum" uu_sha256sum, "[-c] [FILE]...   SHA-256 checksums";
    "sha384sum" uu_sha384sum, "[-c] [FILE]...   SHA-384 checksums";
    "sha512sum" uu_sha512sum, "[-c] [FILE]...   SHA-512 checksums";
    "shred" uu_shred, "[-uvz] [-n N] FILE...   overwrite";
    "shuf" uu_shuf, "[-e] [-i LO-HI] [-n N] [FILE]   shuffle lines";
    "split" uu_split, "[-l N|-b N|-n N] [FILE [PREFIX]]   split into pieces";
    "sum" uu_sum, "[-rs] [FILE]...   old checksums";
    "tee" uu_tee, "[-ai] [FILE]...   copy input to files and output";
    "tr" uu_tr, "[-cdst] SET1 [SET2]   translate characters";
    "truncate" uu_truncate, "-s SIZE|-r FILE [-c] FILE...   set sizes";
    "tsort" uu_tsort, "[FILE]   topological sort";
    "unexpand" uu_unexpand, "[-a] [-t N] [FILE]...   spaces to tabs";
    "uniq" uu_uniq, "[-cdiu] [-f N] [-s N] [INPUT [OUTPUT]]   drop repeated lines";
    "wc" uu_wc, "[-clmwL] [FILE]...   count lines, words, bytes";
    "yes" uu_yes, "[STRING]...   repeat a line";
}
