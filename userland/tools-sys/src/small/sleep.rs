//! `sleep`, as GNU's: several intervals with fractions and units.

use std::ffi::OsString;
use std::time::Duration;

use agentos_tools_base::io::complain;

use crate::duration;

pub(super) fn sleep(args: &[OsString]) -> Option<i32> {
    let operands = match args.get(1) {
        Some(first) if first == "--" => &args[2..],
        Some(first) if first == "--help" || first == "--version" => return None,
        Some(_) => &args[1..],
        None => return Some(crate::usage("sleep", "missing operand", 1)),
    };
    let mut total = Duration::ZERO;
    let mut valid = true;
    for text in operands {
        match duration::parse(text) {
            Some(time) => total = total.saturating_add(time),
            None => {
                complain(
                    "sleep",
                    format_args!("invalid time interval '{}'", text.to_string_lossy()),
                );
                valid = false;
            }
        }
    }
    if !valid {
        return Some(crate::try_help("sleep", 1));
    }
    duration::wait(total);
    Some(0)
}
