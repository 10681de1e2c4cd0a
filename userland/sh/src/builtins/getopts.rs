//! `getopts`

use super::Args;
use crate::shell::{Exec, Shell};

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let words = match argv.get(1).map(String::as_str) {
        Some("--") => &argv[2..],
        _ => &argv[1..],
    };
    let [spec, name, rest @ ..] = words else {
        return Ok(sh.usage("getopts", "usage error"));
    };
    let silent = spec.starts_with(':');
    let quiet = silent || sh.vars.text("OPTERR") == Some("0");
    let params = if rest.is_empty() {
        sh.params.clone()
    } else {
        rest.to_vec()
    };
    let index: usize = sh
        .vars
        .text("OPTIND")
        .and_then(|t| t.trim().parse().ok())
        .unwrap_or(1)
        .max(1);
    let at = std::mem::take(&mut sh.getopts_at);
    let (index, at) = if at == 0 { (index, 0) } else { (index, at) };
    let Some(word) = params.get(index - 1) else {
        return end(sh, name, index);
    };
    if at == 0 && (word.len() < 2 || !word.starts_with('-')) {
        return end(sh, name, index);
    }
    if at == 0 && word == "--" {
        return end(sh, name, index + 1);
    }
    let at = at.max(1);
    let Some(c) = word.get(at..).and_then(|w| w.chars().next()) else {
        return end(sh, name, index + 1);
    };
    let after = at + c.len_utf8();
    let last = after >= word.len();
    let found = spec.trim_start_matches(':').find(c).filter(|_| c != ':');
    let takes = found.is_some_and(|i| spec.trim_start_matches(':')[i + c.len_utf8()..].starts_with(':'));
    let (next, next_at) = if last { (index + 1, 0) } else { (index, after) };
    let Some(_) = found else {
        if !quiet {
            sh.error(&format!("illegal option -- {c}"));
        }
        let optarg = silent.then(|| c.to_string());
        return report(sh, name, "?", optarg, next, next_at);
    };
    if !takes {
        return report(sh, name, &c.to_string(), None, next, next_at);
    }
    if !last {
        return report(sh, name, &c.to_string(), Some(word[after..].to_owned()), index + 1, 0);
    }
    match params.get(index) {
        Some(argument) => report(sh, name, &c.to_string(), Some(argument.clone()), index + 2, 0),
        None => {
            if !quiet {
                sh.error(&format!("option requires an argument -- {c}"));
            }
            let (value, optarg) = if silent {
                (":", Some(c.to_string()))
            } else {
                ("?", None)
            };
            report(sh, name, value, optarg, index + 1, 0)
        }
    }
}

fn end(sh: &mut Shell, name: &str, index: usize) -> Exec {
    sh.vars.unset("OPTARG");
    sh.set("OPTIND", &index.to_string())?;
    sh.set(name, "?")?;
    Ok(1)
}

fn report(sh: &mut Shell, name: &str, value: &str, optarg: Option<String>, index: usize, at: usize) -> Exec {
    match optarg {
        Some(text) => sh.set("OPTARG", &text)?,
        None => sh.vars.unset("OPTARG"),
    }
    sh.set("OPTIND", &index.to_string())?;
    sh.getopts_at = at;
    if !crate::text::is_name(name) {
        sh.error(&format!("getopts: `{name}': not a valid identifier"));
        return Ok(1);
    }
    sh.set(name, value)?;
    Ok(0)
}
