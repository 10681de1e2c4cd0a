//! `help`

use super::Args;
use crate::exec::Lookup;
use crate::pattern::Pattern;
use crate::shell::{Exec, Shell};

/// Names, how each is used, and what it does.
const TOPICS: &[(&str, &str, &str)] = &[
    (
        ".",
        ". filename [arguments]",
        "Run commands from a file in the present shell.",
    ),
    (":", ":", "Do nothing, successfully."),
    ("[", "[ arg... ]", "Evaluate a conditional expression; as `test'."),
    ("alias", "alias [-p] [name[=value] ... ]", "Define or show aliases."),
    ("bg", "bg [job_spec ...]", "Let a job go on in the background."),
    ("bind", "bind [-lpsvPSVX]", "Accepted for compatibility."),
    ("break", "break [n]", "Leave a loop, or n nested ones."),
    (
        "builtin",
        "builtin [shell-builtin [arg ...]]",
        "Run a builtin, though a function has its name.",
    ),
    ("caller", "caller [expr]", "Show where the present function was called."),
    ("cd", "cd [-L|[-P [-e]] [-@]] [dir]", "Change the working directory."),
    (
        "command",
        "command [-pVv] command [arg ...]",
        "Run a command, functions not being looked at, or describe one.",
    ),
    (
        "compgen",
        "compgen [-abcdefgjksuv] [-W wordlist] [word]",
        "Show possible completions.",
    ),
    (
        "complete",
        "complete [-abcdefgjksuv] [-pr] [name ...]",
        "Say how arguments are completed.",
    ),
    (
        "compopt",
        "compopt [-o|+o option] [name ...]",
        "Accepted for compatibility.",
    ),
    ("continue", "continue [n]", "Begin the next round of a loop."),
    (
        "declare",
        "declare [-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]",
        "Set variables and attributes.",
    ),
    ("dirs", "dirs [-clpv] [+N] [-N]", "Show the directory stack."),
    ("disown", "disown [-h] [-ar] [jobspec ... | pid ...]", "Forget jobs."),
    ("echo", "echo [-neE] [arg ...]", "Write arguments."),
    ("enable", "enable [-a] [-n] [name ...]", "Switch builtins on and off."),
    ("eval", "eval [arg ...]", "Run arguments as a command."),
    (
        "exec",
        "exec [-cl] [-a name] [command [argument ...]] [redirection ...]",
        "Replace the shell, or keep redirections.",
    ),
    ("exit", "exit [n]", "Leave the shell."),
    (
        "export",
        "export [-fn] [name[=value] ...] or export -p",
        "Hand variables to programs.",
    ),
    ("false", "false", "Do nothing, unsuccessfully."),
    (
        "fc",
        "fc [-e ename] [-lnr] [first] [last] or fc -s [pat=rep] [command]",
        "Show or run earlier commands.",
    ),
    ("fg", "fg [job_spec]", "Bring a job to the foreground."),
    ("getopts", "getopts optstring name [arg ...]", "Parse options."),
    (
        "hash",
        "hash [-lr] [-p pathname] [-dt] [name ...]",
        "Remember or show where commands are.",
    ),
    ("help", "help [-dms] [pattern ...]", "Show help on builtins."),
    (
        "history",
        "history [-c] [-d offset] [n] or history -anrw [filename] or history -ps arg [arg...]",
        "Show or change the history.",
    ),
    ("jobs", "jobs [-lnprs] [jobspec ...]", "Show jobs."),
    (
        "kill",
        "kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]",
        "Send a signal.",
    ),
    ("let", "let arg [arg ...]", "Evaluate arithmetic."),
    (
        "local",
        "local [option] name[=value] ...",
        "Make variables of a function.",
    ),
    ("logout", "logout [n]", "Leave a login shell."),
    (
        "mapfile",
        "mapfile [-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [array]",
        "Read lines into an array.",
    ),
    ("popd", "popd [-n] [+N | -N]", "Take a directory from the stack."),
    (
        "printf",
        "printf [-v var] format [arguments]",
        "Write formatted arguments.",
    ),
    ("pushd", "pushd [-n] [+N | -N | dir]", "Put a directory on the stack."),
    ("pwd", "pwd [-LP]", "Show the working directory."),
    (
        "read",
        "read [-ers] [-a array] [-d delim] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]",
        "Read a line.",
    ),
    (
        "readarray",
        "readarray [-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [array]",
        "As `mapfile'.",
    ),
    (
        "readonly",
        "readonly [-aAf] [name[=value] ...] or readonly -p",
        "Make variables unchangeable.",
    ),
    ("return", "return [n]", "Leave a function or sourced file."),
    (
        "set",
        "set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]",
        "Set options and positional parameters.",
    ),
    ("shift", "shift [n]", "Drop positional parameters."),
    ("shopt", "shopt [-pqsu] [-o] [optname ...]", "Set options of the shell."),
    (
        "source",
        "source filename [arguments]",
        "Run commands from a file in the present shell.",
    ),
    ("suspend", "suspend [-f]", "Stop the shell."),
    ("test", "test [expr]", "Evaluate a conditional expression."),
    ("times", "times", "Show CPU times."),
    ("trap", "trap [-lp] [[arg] signal_spec ...]", "Say what signals do."),
    ("true", "true", "Do nothing, successfully."),
    (
        "type",
        "type [-afptP] name [name ...]",
        "Say what a name is as a command.",
    ),
    ("typeset", "typeset [-aAfFgiIlnrtux] name[=value] ...", "As `declare'."),
    (
        "ulimit",
        "ulimit [-SHacdefilmnqrstuvx] [limit]",
        "Show or set resource limits.",
    ),
    ("umask", "umask [-p] [-S] [mode]", "Show or set the file mode mask."),
    ("unalias", "unalias [-a] name [name ...]", "Remove aliases."),
    (
        "unset",
        "unset [-f] [-v] [-n] [name ...]",
        "Remove variables and functions.",
    ),
    ("wait", "wait [-fn] [-p var] [id ...]", "Wait for jobs."),
];

/// How a builtin is used.
pub fn usage(name: &str) -> Option<&'static str> {
    TOPICS.iter().find(|(n, ..)| *n == name).map(|(_, usage, _)| *usage)
}

/// Runs it. What is no builtin is asked of the program of the same name, which knows the tools.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let short = argv.get(1).is_some_and(|w| w == "-s");
    let brief = argv.get(1).is_some_and(|w| w == "-d");
    let words: Vec<&String> = argv[1..].iter().filter(|w| !w.starts_with('-') || *w == "-").collect();
    if words.is_empty() {
        let mut out = format!(
            "GNU bash compatible shell of agentOS, language of version {}\n",
            crate::shell::BASH_VERSION
        );
        out.push_str("Type `help name' to find out more about the command `name'.\n\n");
        TOPICS
            .iter()
            .for_each(|(_, usage, _)| out.push_str(&format!(" {usage}\n")));
        let status = sh.print("help", &out);
        return match of_tools(sh, &[]) {
            Some(listed) if status == 0 => listed,
            _ => Ok(status),
        };
    }
    let mut out = String::new();
    for word in &words {
        let pattern = Pattern::new(word, false, false);
        let exact = TOPICS.iter().any(|(n, ..)| n == word);
        for (name, usage, text) in TOPICS.iter().filter(|(n, ..)| {
            if exact {
                n == word
            } else {
                pattern.matches(n) || n.starts_with(word.as_str())
            }
        }) {
            out.push_str(&match (short, brief) {
                (true, _) => format!("{name}: {usage}\n"),
                (_, true) => format!("{name} - {text}\n"),
                _ => format!("{name}: {usage}\n    {text}\n"),
            });
        }
    }
    if out.is_empty() {
        if let Some(answer) = of_tools(sh, &words) {
            return answer;
        }
        let last = words.last().map_or("", |w| w.as_str());
        sh.error(&format!(
            "help: no help topics match `{last}'.  Try `help help' or `man -k {last}' or `info {last}'."
        ));
        return Ok(1);
    }
    Ok(sh.print("help", &out))
}

/// What the program says about these words; `None` where there is no such program.
fn of_tools(sh: &mut Shell, words: &[&String]) -> Option<Exec> {
    let Lookup::Found(path) = sh.search_path("help") else {
        return None;
    };
    let mut argv = vec![path];
    argv.extend(words.iter().map(|word| (*word).clone()));
    Some(sh.run_words(&argv))
}
