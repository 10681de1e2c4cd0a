//! `agentos chat`: a session with an agent in a VM, on a terminal or in lines.
//!
//! ```text
//!  args ── open ── VM, session ──┬── tty    keys, rows that change      (both ends are a terminal)
//!           │  └── provider       └── lines  text or JSON, one a line
//!           └───── keep: journal of the session, home of the VM's user
//! ```
//!
//! [`show`] knows what events look like and nothing of terminals; everything that an agent says goes through its one door, which
//! lets no control character out.

pub(crate) mod args;
mod command;
pub(crate) mod keep;
pub(crate) mod lines;
pub(crate) mod open;
pub(crate) mod provider;
pub(crate) mod show;
pub(crate) mod tty;

use crate::error::{Error, Exit};
use crate::{report, vm};
use args::ChatArgs;
use std::io::IsTerminal;
use std::time::Duration;

pub(crate) use show::span::safe;

/// Opens a chat and talks.
pub(crate) fn main(args: &ChatArgs) -> Result<Exit, Error> {
    let runtime = vm::runtime()?;
    let exit = runtime.block_on(async {
        let (mut chat, folder) = open::open(args).await?;
        let greeting = format!("{} in chat {}; {}", chat.agent, folder.id, chat.model.describe());
        let exit = if on_a_terminal() && !args.json {
            let data = folder.path.parent().map(|data| data.join("history"));
            let start = tty::Start {
                greeting: format!("{greeting}. /help says what can be typed."),
                first: args.prompt.clone(),
                once: false,
                history: data.as_deref(),
            };
            tty::talk(&mut chat, start).await
        } else {
            if !args.json {
                report::progress(&show::span::safe(&greeting));
            }
            lines::talk(&mut chat, args.prompt.clone(), args.json, true).await
        };
        chat.suspend().await;
        if !args.json {
            report::progress(&format!("agentos chat --resume={} goes on", folder.id));
        }
        exit
    });
    // The thread that reads the keyboard cannot be interrupted; it must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}

/// Whether somebody sits there.
pub(crate) fn on_a_terminal() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}
