//! `stty` and `tty`.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use agentos_guest::tty::{self, Termios, When, Winsize};
use agentos_tools_base::cli;
use agentos_tools_base::io::{bytes_of, complain, reason, shown};

use crate::system::flags;
use crate::{usage, write};

/// Local mode: input line by line.
pub(crate) const ICANON: u32 = 0x2;
/// Local mode: input is shown.
pub(crate) const ECHO: u32 = 0x8;

/// Which word of the attributes a setting is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Control,
    Input,
    Output,
    Local,
}

/// A setting: word, bits, the mask that they belong to, and whether `sane` sets it.
struct Flag(&'static str, Word, u32, u32, Option<bool>);

const fn flag(name: &'static str, word: Word, bit: u32, sane: Option<bool>) -> Flag {
    Flag(name, word, bit, bit, sane)
}

const FLAGS: &[Flag] = &[
    flag("parenb", Word::Control, 0x100, None),
    flag("parodd", Word::Control, 0x200, None),
    flag("cmspar", Word::Control, 0x4000_0000, None),
    Flag("cs5", Word::Control, 0, 0x30, None),
    Flag("cs6", Word::Control, 0x10, 0x30, None),
    Flag("cs7", Word::Control, 0x20, 0x30, None),
    Flag("cs8", Word::Control, 0x30, 0x30, None),
    flag("hupcl", Word::Control, 0x400, None),
    flag("cstopb", Word::Control, 0x40, None),
    flag("cread", Word::Control, 0x80, Some(true)),
    flag("clocal", Word::Control, 0x800, None),
    flag("crtscts", Word::Control, 0x8000_0000, None),
    flag("ignbrk", Word::Input, 0x1, Some(false)),
    flag("brkint", Word::Input, 0x2, Some(true)),
    flag("ignpar", Word::Input, 0x4, None),
    flag("parmrk", Word::Input, 0x8, None),
    flag("inpck", Word::Input, 0x10, None),
    flag("istrip", Word::Input, 0x20, None),
    flag("inlcr", Word::Input, 0x40, Some(false)),
    flag("igncr", Word::Input, 0x80, Some(false)),
    flag("icrnl", Word::Input, 0x100, Some(true)),
    flag("ixon", Word::Input, 0x400, Some(true)),
    flag("ixoff", Word::Input, 0x1000, Some(false)),
    flag("iuclc", Word::Input, 0x200, Some(false)),
    flag("ixany", Word::Input, 0x800, Some(false)),
    flag("imaxbel", Word::Input, 0x2000, Some(true)),
    flag("iutf8", Word::Input, 0x4000, None),
    flag("opost", Word::Output, 0x1, Some(true)),
    flag("olcuc", Word::Output, 0x2, Some(false)),
    flag("ocrnl", Word::Output, 0x8, Some(false)),
    flag("onlcr", Word::Output, 0x4, Some(true)),
    flag("onocr", Word::Output, 0x10, Some(false)),
    flag("onlret", Word::Output, 0x20, Some(false)),
    flag("ofill", Word::Output, 0x40, Some(false)),
    flag("ofdel", Word::Output, 0x80, Some(false)),
    flag("isig", Word::Local, 0x1, Some(true)),
    flag("icanon", Word::Local, ICANON, Some(true)),
    flag("iexten", Word::Local, 0x8000, Some(true)),
    flag("echo", Word::Local, ECHO, Some(true)),
    flag("echoe", Word::Local, 0x10, Some(true)),
    flag("echok", Word::Local, 0x20, Some(true)),
    flag("echonl", Word::Local, 0x40, Some(false)),
    flag("noflsh", Word::Local, 0x80, Some(false)),
    flag("xcase", Word::Local, 0x4, Some(false)),
    flag("tostop", Word::Local, 0x100, Some(false)),
    flag("echoprt", Word::Local, 0x400, Some(false)),
    flag("echoctl", Word::Local, 0x200, Some(true)),
    flag("echoke", Word::Local, 0x800, Some(true)),
    flag("flusho", Word::Local, 0x1000, Some(false)),
    flag("extproc", Word::Local, 0x1_0000, Some(false)),
];

/// Control characters: name, index, the usual character.
const CHARACTERS: &[(&str, usize, u8)] = &[
    ("intr", 0, 3),
    ("quit", 1, 28),
    ("erase", 2, 127),
    ("kill", 3, 21),
    ("eof", 4, 4),
    ("eol", 11, 0),
    ("eol2", 16, 0),
    ("swtch", 7, 0),
    ("start", 8, 17),
    ("stop", 9, 19),
    ("susp", 10, 26),
    ("rprnt", 12, 18),
    ("werase", 14, 23),
    ("lnext", 15, 22),
    ("discard", 13, 15),
];
const TIME: usize = 5;
const MIN: usize = 6;

/// Codes of speeds in the control word.
const SPEEDS: &[(u32, u32)] = &[
    (0, 0),
    (50, 1),
    (75, 2),
    (110, 3),
    (134, 4),
    (150, 5),
    (200, 6),
    (300, 7),
    (600, 8),
    (1200, 9),
    (1800, 10),
    (2400, 11),
    (4800, 12),
    (9600, 13),
    (19_200, 14),
    (38_400, 15),
    (57_600, 0x1001),
    (115_200, 0x1002),
];

const HELP: &str = "Usage: stty [-F DEVICE] [SETTING]...
  or:  stty [-F DEVICE] [-a|-g]
Print or change terminal characteristics.

  -a, --all          print all current settings in human-readable form
  -g, --save         print all current settings in a stty-readable form
  -F, --file=DEVICE  open and use the specified DEVICE instead of stdin

Settings: [-]echo [-]icanon [-]isig ... raw cooked sane cbreak rows N cols N size speed min N time N intr C ...
";

pub(crate) fn stty(args: Vec<OsString>) -> i32 {
    let words: Vec<String> = args.iter().skip(1).map(|word| shown(word)).collect();
    let (mut all, mut save, mut device, mut settings) = (false, false, None, Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-a" | "--all" => all = true,
            "-g" | "--save" => save = true,
            "--help" => return cli::help(HELP),
            "--version" => return cli::version("stty"),
            "-F" | "--file" => device = words.next(),
            other => match other.strip_prefix("--file=").or(other.strip_prefix("-F")) {
                Some(name) => device = Some(name.to_owned()),
                None => settings.push(word),
            },
        }
    }
    if (all || save) && !settings.is_empty() {
        return usage("stty", "when specifying an output style, modes may not be set", 1);
    }
    let name = device.clone().unwrap_or_else(|| "'standard input'".to_owned());
    let fail = |error: &std::io::Error| {
        complain("stty", format_args!("{name}: {}", reason(error)));
        1
    };
    let fd: OwnedFd = match &device {
        Some(path) => match File::open(path) {
            Ok(file) => file.into(),
            Err(error) => return fail(&error),
        },
        None => match std::io::stdin().as_fd().try_clone_to_owned() {
            Ok(fd) => fd,
            Err(error) => return fail(&error),
        },
    };
    let mut termios = match tty::get(fd.as_fd()) {
        Ok(termios) => termios,
        Err(error) => return fail(&error),
    };
    let mut size = tty::size(fd.as_fd()).unwrap_or_default();
    if settings.is_empty() {
        let text = match (save, all) {
            (true, _) => saved(&termios),
            (false, all) => displayed(&termios, &size, all),
        };
        return write::all("stty", text.as_bytes());
    }
    let before = (termios, size);
    let mut out = String::new();
    if let Err(message) = apply(&settings, &mut termios, &mut size, &mut out) {
        return usage("stty", message, 1);
    }
    if before.0 != termios
        && let Err(error) = tty::set(fd.as_fd(), When::Drain, &termios)
    {
        return fail(&error);
    }
    if before.1 != size
        && let Err(error) = tty::set_size(fd.as_fd(), &size)
    {
        return fail(&error);
    }
    write::all("stty", out.as_bytes())
}

fn word(termios: &mut Termios, which: Word) -> &mut u32 {
    match which {
        Word::Control => &mut termios.cflag,
        Word::Input => &mut termios.iflag,
        Word::Output => &mut termios.oflag,
        Word::Local => &mut termios.lflag,
    }
}

fn set(termios: &mut Termios, name: &str, on: bool) -> bool {
    let Some(Flag(_, which, bits, mask, _)) = FLAGS.iter().find(|flag| flag.0 == name) else {
        return false;
    };
    let word = word(termios, *which);
    *word = (*word & !mask) | if on { *bits } else { 0 };
    true
}

fn sane(termios: &mut Termios) {
    for Flag(name, _, _, _, value) in FLAGS {
        if let Some(on) = value {
            set(termios, name, *on);
        }
    }
    for (_, at, usual) in CHARACTERS {
        termios.cc[*at] = *usual;
    }
}

fn crt(termios: &mut Termios) {
    for name in ["echoe", "echoctl", "echoke"] {
        set(termios, name, true);
    }
}

fn raw(termios: &mut Termios) {
    (termios.iflag, termios.oflag) = (0, termios.oflag & !1);
    termios.lflag &= !(ICANON | 1 | 4);
    (termios.cc[MIN], termios.cc[TIME]) = (1, 0);
}

fn apply(settings: &[String], termios: &mut Termios, size: &mut Winsize, out: &mut String) -> Result<(), String> {
    let mut words = settings.iter();
    while let Some(setting) = words.next() {
        let (on, name) = match setting.strip_prefix('-') {
            Some(name) => (false, name),
            None => (true, setting.as_str()),
        };
        if set(termios, name, on) {
            continue;
        }
        let mut number = || -> Result<u32, String> {
            let text = words.next().ok_or_else(|| format!("missing argument to '{setting}'"))?;
            text.parse().map_err(|_| format!("invalid integer argument: '{text}'"))
        };
        match (on, name) {
            (true, "sane") => sane(termios),
            (true, "raw") | (false, "cooked") => raw(termios),
            (false, "raw") | (true, "cooked") => {
                for name in ["brkint", "ignpar", "istrip", "icrnl", "ixon", "opost", "isig", "icanon"] {
                    set(termios, name, true);
                }
                (termios.cc[4], termios.cc[11]) = (4, 0);
            }
            (on, "cbreak") => {
                set(termios, "icanon", !on);
            }
            (on, "nl") => {
                for name in ["icrnl", "onlcr"] {
                    set(termios, name, !on);
                }
            }
            (true, "crt") => crt(termios),
            (true, "dec") => {
                crt(termios);
                (termios.cc[0], termios.cc[2], termios.cc[3]) = (3, 127, 21);
            }
            (true, "ek") => (termios.cc[2], termios.cc[3]) = (127, 21),
            (on, "crterase" | "crtkill" | "ctlecho" | "hup" | "prterase") => {
                let real = match name {
                    "crterase" => "echoe",
                    "crtkill" => "echoke",
                    "ctlecho" => "echoctl",
                    "prterase" => "echoprt",
                    _ => "hupcl",
                };
                set(termios, real, on);
            }
            (true, "rows") => size.rows = u16::try_from(number()?).unwrap_or(u16::MAX),
            (true, "cols" | "columns") => size.cols = u16::try_from(number()?).unwrap_or(u16::MAX),
            (true, "min") => termios.cc[MIN] = number()?.min(255) as u8,
            (true, "time") => termios.cc[TIME] = number()?.min(255) as u8,
            (true, "size") => out.push_str(&format!("{} {}\n", size.rows, size.cols)),
            (true, "speed") => out.push_str(&format!("{}\n", speed(termios))),
            (true, "ispeed" | "ospeed" | "line") => {
                number()?;
            }
            _ if on && CHARACTERS.iter().any(|(known, ..)| *known == name) => {
                let text = words.next().ok_or_else(|| format!("missing argument to '{setting}'"))?;
                let at = CHARACTERS
                    .iter()
                    .find(|(known, ..)| *known == name)
                    .map_or(0, |(_, at, _)| *at);
                termios.cc[at] = character(text).ok_or_else(|| format!("invalid integer argument: '{text}'"))?;
            }
            _ if on && setting.contains(':') => restore(setting, termios)?,
            _ if on
                && setting
                    .parse::<u32>()
                    .is_ok_and(|speed| SPEEDS.iter().any(|(known, _)| *known == speed)) => {}
            _ => return Err(format!("invalid argument '{setting}'")),
        }
    }
    Ok(())
}

fn character(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"^-" | b"undef" => Some(0),
        [b'^', b'?'] => Some(127),
        [b'^', letter] => Some(letter.to_ascii_uppercase() & 0x1f),
        [byte] => Some(*byte),
        _ => match text.strip_prefix("0x") {
            Some(digits) => u8::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
    }
}

fn speed(termios: &Termios) -> u32 {
    let code = termios.cflag & 0x100f;
    SPEEDS
        .iter()
        .find(|(_, known)| *known == code)
        .map_or(38_400, |(speed, _)| *speed)
}

fn saved(termios: &Termios) -> String {
    let mut text = format!(
        "{:x}:{:x}:{:x}:{:x}",
        termios.iflag, termios.oflag, termios.cflag, termios.lflag
    );
    for byte in termios.cc {
        text.push_str(&format!(":{byte:x}"));
    }
    text.push('\n');
    text
}

fn restore(text: &str, termios: &mut Termios) -> Result<(), String> {
    let wrong = || format!("invalid argument '{text}'");
    let numbers: Vec<u32> = text
        .split(':')
        .map(|part| u32::from_str_radix(part, 16))
        .collect::<Result<_, _>>()
        .map_err(|_| wrong())?;
    let [iflag, oflag, cflag, lflag, characters @ ..] = numbers.as_slice() else {
        return Err(wrong());
    };
    (termios.iflag, termios.oflag, termios.cflag, termios.lflag) = (*iflag, *oflag, *cflag, *lflag);
    for (place, value) in termios.cc.iter_mut().zip(characters) {
        *place = u8::try_from(*value).map_err(|_| wrong())?;
    }
    Ok(())
}

fn control(byte: u8) -> String {
    match byte {
        0 => "<undef>".to_owned(),
        127 => "^?".to_owned(),
        byte if byte < 32 => format!("^{}", char::from(byte + 64)),
        byte if byte >= 128 => format!("M-{}", control(byte - 128)),
        byte => char::from(byte).to_string(),
    }
}

fn displayed(termios: &Termios, size: &Winsize, all: bool) -> String {
    let mut lines = Vec::new();
    let mut first = format!("speed {} baud;", speed(termios));
    if all {
        first.push_str(&format!(" rows {}; columns {};", size.rows, size.cols));
    }
    first.push_str(" line = 0;");
    lines.push(first);
    let mut characters: Vec<String> = CHARACTERS
        .iter()
        .filter(|(_, at, usual)| all || termios.cc[*at] != *usual)
        .map(|(name, at, _)| format!("{name} = {};", control(termios.cc[*at])))
        .collect();
    if all || termios.lflag & ICANON == 0 {
        characters.push(format!("min = {};", termios.cc[MIN]));
        characters.push(format!("time = {};", termios.cc[TIME]));
    }
    wrapped(&characters, &mut lines);
    let mut copy = *termios;
    for which in [Word::Control, Word::Input, Word::Output, Word::Local] {
        let value = *word(&mut copy, which);
        let mut names = Vec::new();
        for Flag(name, _, bits, mask, sane) in FLAGS.iter().filter(|flag| flag.1 == which) {
            let on = value & mask == *bits;
            if bits != mask {
                if on && (all || *name != "cs8") {
                    names.push((*name).to_owned());
                }
            } else if all || sane.is_some_and(|sane| sane != on) || (sane.is_none() && on && which == Word::Input) {
                names.push(if on { (*name).to_owned() } else { format!("-{name}") });
            }
        }
        wrapped(&names, &mut lines);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// Adds words in lines of at most 80 columns.
fn wrapped(words: &[String], lines: &mut Vec<String>) {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && line.len() + 1 + word.len() > 80 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
}

pub(crate) fn tty(args: Vec<OsString>) -> i32 {
    const USAGE: &str = "Usage: tty [-s]\nPrint the file name of the terminal connected to standard input.\n";
    let (flags, names) = match flags("tty", args, &["s,silent,quiet", "help", "version"], USAGE) {
        Ok(found) => found,
        // An unknown option has a status of its own here.
        Err(status) => return if status == 1 { 2 } else { status },
    };
    if let Some(name) = names.first() {
        return usage("tty", format_args!("extra operand '{}'", shown(name)), 2);
    }
    let silent = flags.contains(&"quiet");
    match terminal_name() {
        Some(path) if silent => drop(path),
        Some(path) => return write::all("tty", &[bytes_of(path.as_os_str()), b"\n"].concat()),
        None if silent => return 1,
        None => {
            let _ = write::raw(b"not a tty\n");
            return 1;
        }
    }
    0
}

fn terminal_name() -> Option<std::path::PathBuf> {
    use std::io::IsTerminal;
    let input = std::io::stdin();
    if !input.is_terminal() {
        return None;
    }
    tty::name(input.as_fd())
        .ok()
        .or_else(|| std::fs::read_link("/proc/self/fd/0").ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_can_be_restored() {
        let mut termios = Termios::default();
        sane(&mut termios);
        let mut other = Termios::default();
        restore(saved(&termios).trim(), &mut other).unwrap();
        assert_eq!(termios, other);
        assert!(restore("1:2", &mut other).is_err() && restore("x:1:1:1", &mut other).is_err());
    }

    #[test]
    fn settings_change_what_they_name() {
        let (mut termios, mut size, mut out) = (Termios::default(), Winsize::default(), String::new());
        sane(&mut termios);
        let words = [
            "-echo", "-icanon", "min", "2", "rows", "40", "intr", "^X", "cs7", "size",
        ]
        .map(str::to_owned);
        apply(&words, &mut termios, &mut size, &mut out).unwrap();
        assert_eq!(
            (termios.lflag & (ECHO | ICANON), termios.cc[MIN], termios.cc[0]),
            (0, 2, 24)
        );
        assert_eq!((size.rows, out.as_str(), termios.cflag & 0x30), (40, "40 0\n", 0x20));
        assert!(apply(&["bogus".to_owned()], &mut termios, &mut size, &mut out).is_err());
    }
}
