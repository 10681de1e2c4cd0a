//! `mapfile`, `readarray`

use super::{Args, Flags};
use crate::assign::Key;
use crate::shell::{Exec, Shell};
use crate::sys;
use crate::text;
use crate::vars::Value;

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut trim, mut delimiter, mut count, mut skip, mut origin, mut fd) =
        (false, b'\n', usize::MAX, 0usize, None, 0u32);
    let (mut callback, mut quantum) = (None, 5000usize);
    let mut flags = Flags::new(argv, "td:n:O:s:u:C:c:");
    while let Some(flag) = flags.next() {
        let (c, argument) = match flag {
            Ok((c, argument)) => (c, argument.unwrap_or_default()),
            Err(c) => return Ok(sh.usage("mapfile", &format!("-{c}: invalid option"))),
        };
        let number = || argument.parse::<usize>().ok();
        let fits = match c {
            't' => {
                trim = true;
                true
            }
            'd' => {
                delimiter = argument.bytes().next().unwrap_or(0);
                true
            }
            'C' => {
                callback = Some(argument.to_owned());
                true
            }
            'n' => number().map(|n| count = if n == 0 { usize::MAX } else { n }).is_some(),
            's' => number().map(|n| skip = n).is_some(),
            'O' => number().map(|n| origin = Some(n)).is_some(),
            'u' => argument.parse().map(|n| fd = n).is_ok(),
            _ => number().map(|n| quantum = n.max(1)).is_some(),
        };
        if !fits {
            sh.error(&format!("mapfile: {argument}: invalid number"));
            return Ok(1);
        }
    }
    let name = flags.rest().first().map_or("MAPFILE", String::as_str).to_owned();
    if !text::is_name(&name) {
        sh.error(&format!("mapfile: `{name}': not a valid identifier"));
        return Ok(1);
    }
    sh.check_writable(&name)?;
    let lines = match lines(fd, delimiter, skip.saturating_add(count)) {
        Ok(lines) => lines,
        Err(error) => {
            sh.error(&format!("mapfile: {fd}: {}", sys::message(&error)));
            return Ok(1);
        }
    };
    let target = sh.vars.resolve(&name).to_owned();
    let keep = origin.is_some() && matches!(sh.vars.get(&target).map(|v| &v.value), Some(Value::Indexed(_)));
    if !keep {
        sh.vars.entry(&target).value = Value::Indexed(Default::default());
    }
    for (i, mut line) in lines.into_iter().skip(skip).enumerate() {
        if trim && line.last() == Some(&delimiter) {
            line.pop();
        }
        let index = i + origin.unwrap_or(0);
        let line = text::decode(line.into_iter().filter(|b| *b != 0).collect());
        if let Some(callback) = &callback
            && (i + 1) % quantum == 0
        {
            let command = format!("{callback} {index} {}", text::quote_single(&line));
            sh.run_text(&command)?;
        }
        sh.assign(&target, Some(Key::Index(index as u64)), line, false)?;
    }
    Ok(0)
}

/// Up to `most` lines with their delimiters.
fn lines(fd: u32, delimiter: u8, most: usize) -> std::io::Result<Vec<Vec<u8>>> {
    if most == usize::MAX {
        let all = sys::read_to_end(fd)?;
        return Ok(all.split_inclusive(|b| *b == delimiter).map(<[u8]>::to_vec).collect());
    }
    let mut found = Vec::new();
    let seekable = sys::seek_back(fd, 0);
    let (mut line, mut buf) = (Vec::new(), vec![0; if seekable { 4096 } else { 1 }]);
    while found.len() < most {
        let n = sys::read(fd, &mut buf)?;
        if n == 0 {
            if !line.is_empty() {
                found.push(line);
            }
            return Ok(found);
        }
        for (i, byte) in buf[..n].iter().enumerate() {
            line.push(*byte);
            if *byte == delimiter {
                found.push(std::mem::take(&mut line));
                if found.len() == most {
                    if i + 1 < n {
                        sys::seek_back(fd, n - i - 1);
                    }
                    break;
                }
            }
        }
    }
    Ok(found)
}
