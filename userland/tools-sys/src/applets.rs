//! The table of tools.

use std::ffi::OsString;

use agentos_tools_base::cli;

use crate::{
    chmod, chown, compare, date, dd, disk, files, find, identity, ls, process, realpath, settings, small, sort, stat,
    system, tail, terminal, which, xargs,
};

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
    "arch" system::arch, "   print the machine's architecture";
    "basename" complete, "[-az] [-s SUFFIX] NAME [SUFFIX]   strip directory and suffix";
    "chgrp" chown::chgrp, "[-Rcfvh] GROUP FILE...   change group ownership";
    "chmod" chmod::chmod, "[-Rcfv] MODE FILE...   change permissions";
    "chown" chown::chown, "[-Rcfvh] OWNER[:GROUP] FILE...   change owner and group";
    "cmp" compare::cmp, "[-bls] [-n N] [-i SKIP] FILE1 [FILE2]   compare byte by byte";
    "cp" files::cp, "[-afilnprRsuv] [-t DIR] SOURCE... DEST   copy files and directories";
    "date" date::date, "[-u] [-d STRING] [-r FILE] [-I[FMT]] [-R] [+FORMAT]   show or convert a time";
    "dd" dd::dd, "[if=FILE] [of=FILE] [bs=N] [count=N] [skip=N] [seek=N] [conv=LIST]   copy and convert";
    "df" disk::df, "[-haTi] [FILE]...   show free space";
    "diff" compare::diff, "[-urNqbwBi] [-U N] FILE1 FILE2   compare line by line";
    "dir" ls::dir, "[OPTION]... [FILE]...   ls -C -b";
    "dirname" complete, "[-z] NAME...   strip the last component";
    "du" disk::du, "[-hsacdx] [FILE]...   show space that files take";
    "echo" complete, "[-neE] [STRING]...   display a line of text";
    "env" complete, "[-i0] [-u NAME] [-C DIR] [-S STRING] [NAME=VALUE]... [COMMAND [ARG]...]   run in an environment";
    "false" complete, "   do nothing, unsuccessfully";
    "find" find::find, "[-HLP] [PATH]... [EXPRESSION]   search for files";
    "flock" process::flock, "[-sxun] [-w SECS] FILE COMMAND [ARG]...   run under a lock";
    "free" process::free, "[-bkmght]   show memory";
    "getconf" settings::getconf, "[-a] [VARIABLE]   show configuration values";
    "getent" identity::getent, "DATABASE [KEY]...   entries of passwd, group, hosts, ahosts, services";
    "groups" identity::groups, "[USER]...   print groups";
    "hostid" system::hostid, "   print the host's number";
    "hostname" system::hostname, "[-sfdi] [NAME]   show or set the host's name";
    "id" identity::id, "[-ugGnrz] [USER]...   print ids";
    "install" files::install, "[-dDpv] [-m MODE] [-o USER] [-g GROUP] SOURCE... DEST   copy and set attributes";
    "kill" process::kill, "[-SIGNAL] PID... | -l   send signals";
    "killall" process::killall, "[-SIGNAL] NAME...   signal processes by name";
    "link" files::link, "FILE1 FILE2   make a hard link";
    "ln" files::ln, "[-sfnrvbT] [-t DIR] TARGET... LINK   make links";
    "locale" settings::locale, "[-am]   show the locale";
    "logname" identity::logname, "   print the login name";
    "ls" ls::ls, "[-aAlhtSrRdF1i] [--color] [FILE]...   list directory contents";
    "mkdir" files::mkdir, "[-pv] [-m MODE] DIRECTORY...   make directories";
    "mkfifo" files::mkfifo, "[-m MODE] NAME...   make named pipes";
    "mknod" files::mknod, "[-m MODE] NAME TYPE [MAJOR MINOR]   make special files";
    "mktemp" files::mktemp, "[-dut] [-p DIR] [TEMPLATE]   make a temporary file or directory";
    "mount" system::mount, "[-t TYPE]   list what is mounted";
    "mv" files::mv, "[-finuvbT] [-t DIR] SOURCE... DEST   move or rename";
    "nice" process::nice, "[-n N] [COMMAND [ARG]...]   run with another priority";
    "nohup" process::nohup, "COMMAND [ARG]...   run immune to hangups";
    "nproc" system::nproc, "[--all] [--ignore=N]   print how many CPUs there are";
    "pgrep" process::pgrep, "[-flax] [-u USER] PATTERN   find processes";
    "pidof" process::pidof, "[-s] PROGRAM...   find process numbers";
    "pkill" process::pkill, "[-SIGNAL] [-fx] PATTERN   signal processes by pattern";
    "ps" process::ps, "[aux|-ef] [-o LIST] [-p PID]   show processes";
    "pwd" complete, "[-LP]   print the working directory";
    "readlink" realpath::readlink, "[-femnz] FILE...   print where links lead, or canonical names";
    "realpath" realpath::realpath, "[-emsz] [--relative-to=DIR] FILE...   print canonical names";
    "renice" process::renice, "PRIORITY PID...   change priorities";
    "rm" files::rm, "[-rfidv] FILE...   remove files or directories";
    "rmdir" files::rmdir, "[-pv] DIRECTORY...   remove empty directories";
    "setsid" process::setsid, "PROGRAM [ARG]...   run in a new session";
    "sleep" complete, "NUMBER[smhd]...   wait";
    "sort" sort::sort, "[-bdfghiMnRrVuszcm] [-k KEY] [-t CHAR] [-o FILE] [FILE]...   sort lines";
    "stat" stat::stat, "[-Lft] [-c FORMAT] FILE...   show metadata";
    "stty" terminal::stty, "[-a|-g] [SETTING]...   show or change a terminal's settings";
    "sync" system::sync, "[FILE]...   write out what is cached";
    "sysctl" system::sysctl, "[-na] [NAME]...   show the kernel's settings";
    "tac" tail::tac, "[-br] [-s STRING] [FILE]...   lines in reverse order";
    "tail" tail::tail, "[-n N|-c N] [-fFq] [FILE]...   the last part of files";
    "test" complete, "EXPRESSION   evaluate a conditional expression";
    "timeout" process::timeout, "[-s SIGNAL] [-k TIME] TIME COMMAND [ARG]...   run for a limited time";
    "top" process::top, "[-b] [-n N] [-d SECS]   show what processes do";
    "touch" files::touch, "[-acmh] [-d STRING] [-r FILE] [-t STAMP] FILE...   set times, make empty files";
    "true" complete, "   do nothing, successfully";
    "tty" terminal::tty, "[-s]   print the terminal's name";
    "umount" system::umount, "DIRECTORY   (mounts belong to the machine's owner)";
    "uname" system::uname, "[-asnrvmo]   print what the system is";
    "unlink" files::unlink, "FILE   remove a file";
    "uptime" process::uptime, "[-ps]   tell how long the system runs";
    "users" process::users, "   print who is logged in";
    "uuidgen" settings::uuidgen, "   make a random UUID";
    "vdir" ls::vdir, "[OPTION]... [FILE]...   ls -l -b";
    "w" process::w, "[-h] [USER]   who is logged in and what they do";
    "which" which::which, "[-a] COMMAND...   find programs in PATH";
    "who" process::who, "[-bHq]   print who is logged in";
    "whoami" identity::whoami, "   print the user's name";
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
    let synopsis = SYNOPSES
        .iter()
        .find(|(tool, _)| *tool == name)
        .map_or("", |(_, text)| text);
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
