//! `agentos mcp`: a VM as a server of the Model Context Protocol, over standard streams or HTTP: a fresh one, or one of a
//! running server.
//!
//! Over standard streams every byte of standard output is the protocol's; what people should know goes to standard error.

mod args;
mod remote;

use crate::error::{Error, Exit};
use crate::signals::Ending;
use crate::{prepare, report, vm};
use agentos_mcp::http::{self, Options, Token};
use agentos_mcp::{Limits, LocalVm, Server, stdio};
use agentos_server::LogFormat;
pub(crate) use args::McpArgs;
use remote::RemoteVm;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The variable that holds the token, where no file is named.
const TOKEN: &str = "AGENTOS_MCP_TOKEN";

/// Where commands start in a VM that is not told otherwise.
const HOME: &str = "/home/user";

/// Serves until the client leaves or a signal comes.
pub(crate) fn main(args: &McpArgs) -> Result<Exit, Error> {
    let options = options(args)?;
    if let Some(address) = args.http {
        http::check(address, &options).map_err(|reason| Error::Usage(format!("--http: {reason}")))?;
    }
    let runtime = vm::runtime()?;
    let exit = match args.target().map_err(Error::Usage)? {
        Some(target) => {
            agentos_server::init_logs(LogFormat::Text);
            let cwd = args.vm.cwd.clone().unwrap_or_else(|| HOME.to_owned());
            runtime.block_on(async {
                let vm = crate::remote::vm(&target).await?;
                // A server that is not there is told of now, and not to the model.
                vm.status().await?;
                let server = Server::new(RemoteVm::new(vm, cwd), Limits::default()).await;
                serve(args.http, options, server).await
            })
        }
        None => fresh(args, options, &runtime),
    };
    // The thread that reads standard input cannot be interrupted; it must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}

/// Serves a VM that is made for it.
fn fresh(args: &McpArgs, options: Options, runtime: &Runtime) -> Result<Exit, Error> {
    let config = vm::config(&args.vm)?;
    let builder = vm::builder(&args.vm, &config)?;
    let cwd = args.vm.cwd.clone().or(config.cwd).unwrap_or_else(|| HOME.to_owned());
    let _entered = runtime.enter();
    agentos_server::init_logs(LogFormat::Text);
    runtime.block_on(async {
        let vm = builder.clone().create().await?;
        // A client waits for its first answer, which needs no program; the first command may wait for its own.
        tokio::spawn(async move { prepare::programs(&builder).await });
        let server = Server::new(LocalVm::new(vm.clone(), cwd), Limits::default()).await;
        let served = serve(args.http, options, server).await;
        vm.dispose().await;
        served
    })
}

async fn serve(address: Option<SocketAddr>, options: Options, server: Server) -> Result<Exit, Error> {
    let mut ending = Ending::watch()?;
    match address {
        Some(address) => {
            let until = async {
                ending.next().await;
            };
            over_http(address, options, &server, until).await?;
            Ok(Exit::SUCCESS)
        }
        None => {
            let served = stdio::serve(&server, tokio::io::stdin(), tokio::io::stdout());
            tokio::select! {
                served = served => served.map(|()| Exit::SUCCESS).map_err(Error::host("the client")),
                number = ending.next() => Ok(Exit::signal(number)),
            }
        }
    }
}

async fn over_http(
    address: SocketAddr,
    options: Options,
    server: &Server,
    until: impl Future<Output = ()>,
) -> Result<(), Error> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| Error::Usage(format!("--http: {address}: {error}")))?;
    let bound = listener.local_addr().map_err(Error::host("listener"))?;
    // Who started the server waits for this line.
    report::text(&format!("agentos mcp is listening on http://{bound}/mcp\n"))?;
    http::serve(server, listener, options, until)
        .await
        .map_err(Error::host("HTTP"))
}

fn options(args: &McpArgs) -> Result<Options, Error> {
    let mut options = Options::default();
    options.token = token(args.token_file.as_deref())?;
    options.hosts.clone_from(&args.hosts);
    options.origins.clone_from(&args.origins);
    let given = options.token.is_some() || !options.hosts.is_empty() || !options.origins.is_empty();
    // A variable may be set for other servers of the same user.
    if args.http.is_none() && given && (args.token_file.is_some() || options.token.is_none()) {
        let text = "mcp: --token-file, --allow-host and --allow-origin are for --http ADDRESS:PORT";
        return Err(Error::Usage(text.to_owned()));
    }
    Ok(options)
}

/// The token of the file, or of the environment.
fn token(file: Option<&Path>) -> Result<Option<Token>, Error> {
    let (from, text) = match file {
        Some(file) => {
            let read = std::fs::read_to_string(file).map_err(|error| Error::Config {
                path: file.to_owned(),
                reason: error.to_string(),
            })?;
            let first = read.lines().next().unwrap_or_default().trim().to_owned();
            (file.display().to_string(), first)
        }
        None => match std::env::var(TOKEN) {
            Ok(text) if !text.is_empty() => (TOKEN.to_owned(), text),
            _ => return Ok(None),
        },
    };
    Token::new(text)
        .map(Some)
        .map_err(|reason| Error::Usage(format!("{from}: {reason}")))
}
