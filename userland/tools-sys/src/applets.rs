//! The table of tools.

use std::ffi::OsString;

use agentos_tools_base::cli;

use crate::{chmod, chown, date, files, find, ls, realpath, small, stat, xargs};

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

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
    ":" complete, "[ARGUMENT]...   do nothing, successfully";
    "[" complete, "EXPRESSION ]   evaluate a conditional expression";
    "basename" complete, "[-az] [-s SUFFIX] NAME [SUFFIX]   strip directory and suffix";
    "chgrp" chown::chgrp, "[-Rcfvh] GROUP FILE...   change group ownership";
    "chmod" chmod::chmod, "[-Rcfv] MODE FILE...   change permissions";
    "chown" chown::chown, "[-Rcfvh] OWNER[:GROUP] FILE...   change owner and group";
    "cp" files::cp, "[-afilnprRsuv] [-t DIR] SOURCE... DEST   copy files and directories";
    "date" date::date, "[-u] [-d STRING] [-r FILE] [-I[FMT]] [-R] [+FORMAT]   show or convert a time";
    "dir" ls::dir, "[OPTION]... [FILE]...   ls -C -b";
    "dirname" complete, "[-z] NAME...   strip the last component";
    "echo" complete, "[-neE] [STRING]...   display a line of text";
    "env" complete, "[-i0] [-u NAME] [-C DIR] [-S STRING] [NAME=VALUE]... [COMMAND [ARG]...]   run in an environment";
    "false" complete, "   do nothing, unsuccessfully";
    "find" find::find, "[-HLP] [PATH]... [EXPRESSION]   search for files";
    "link" files::link, "FILE1 FILE2   make a hard link";
    "ln" files::ln, "[-sfnrvbT] [-t DIR] TARGET... LINK   make links";
    "ls" ls::ls, "[-aAlhtSrRdF1i] [--color] [FILE]...   list directory contents";
    "mkdir" files::mkdir, "[-pv] [-m MODE] DIRECTORY...   make directories";
    "mkfifo" files::mkfifo, "[-m MODE] NAME...   make named pipes";
    "mknod" files::mknod, "[-m MODE] NAME TYPE [MAJOR MINOR]   make special files";
    "mv" files::mv, "[-finuvbT] [-t DIR] SOURCE... DEST   move or rename";
    "pwd" complete, "[-LP]   print the working directory";
    "readlink" realpath::readlink, "[-femnz] FILE...   print where links lead, or canonical names";
    "realpath" realpath::realpath, "[-emsz] [--relative-to=DIR] FILE...   print canonical names";
    "rm" files::rm, "[-rfidv] FILE...   remove files or directories";
    "rmdir" files::rmdir, "[-pv] DIRECTORY...   remove empty directories";
    "sleep" complete, "NUMBER[smhd]...   wait";
    "stat" stat::stat, "[-Lft] [-c FORMAT] FILE...   show metadata";
    "test" complete, "EXPRESSION   evaluate a conditional expression";
    "touch" files::touch, "[-acmh] [-d STRING] [-r FILE] [-t STAMP] FILE...   set times, make empty files";
    "true" complete, "   do nothing, successfully";
    "unlink" files::unlink, "FILE   remove a file";
    "vdir" ls::vdir, "[OPTION]... [FILE]...   ls -l -b";
    "xargs" xargs::xargs, "[-0rtpx] [-I R] [-n N] [-P N] [-d CHAR] [COMMAND [ARG]...]   run commands with words from input";
}

/// A tool whose small form is complete but for `--help` and `--version`.
fn complete(args: Vec<OsString>) -> i32 {
    let name = agentos_guest::process::program_name(&args);
    if let Some(status) = small::find(&name).and_then(|tool| tool(&args)) {
        return status;
    }
    if args.iter().any(|arg| arg == "--version") {
        return cli::version(&name);
    }
    let synopsis = SYNOPSES.iter().find(|(tool, _)| *tool == name).map_or("", |(_, text)| text);
    cli::help(&format!("Usage: {name} {synopsis}\n"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_sorted() {
        assert!(super::APPLETS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(super::small::NAMES.is_sorted_by(|a, b| a < b));
    }
}
