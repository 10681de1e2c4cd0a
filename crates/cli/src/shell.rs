//! `agentos shell`: an interactive shell in a fresh VM.

use crate::args::ShellArgs;
use crate::error::{Error, Exit};
use crate::stdio::{self, Sink};
use crate::{prepare, terminal, vm};
use std::io::IsTerminal;
use std::time::Duration;

/// Opens the shell and gives its status.
pub(crate) fn main(args: &ShellArgs) -> Result<Exit, Error> {
    let config = vm::config(&args.vm)?;
    let builder = vm::builder(&args.vm, &config)?;
    let runtime = vm::runtime()?;
    let exit = runtime.block_on(async {
        prepare::programs(&builder).await?;
        let vm = builder.create().await?;
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            terminal::attach(&vm, &["bash".to_owned(), "-i".to_owned()], None).await
        } else {
            Ok(stdio::attach(&vm, &["sh".to_owned()], None, &mut Sink::streams())
                .await?
                .exit())
        }
    });
    // The thread that reads the keyboard cannot be interrupted; it must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}
