//! A process with its streams, and the methods of its handle.

use crate::dispatch::{Bytes, arguments};
use crate::failure::Failure;
use crate::objects::{Handle, Object, keep};
use crate::reply::Reply;
use crate::runtime::Call;
use agentos::{Process, ProcessControl, Signal, StdinWriter, Stream};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A process that runs or has ended. Its two streams can be used at the same time, each by one call after the other.
pub(crate) struct Running {
    control: ProcessControl,
    output: Mutex<Process>,
    input: Mutex<StdinWriter>,
}

impl Running {
    /// Keeps a process; the reply names it.
    pub(crate) fn keep(mut process: Process) -> Reply {
        let control = process.control();
        let pid = process.pid();
        let input = Mutex::new(process.stdin());
        let output = Mutex::new(process);
        let running = Self { control, output, input };
        let Handle(handle) = keep(Object::Process(Arc::new(running)));
        json!({ "handle": handle, "pid": pid }).into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalArguments {
    signal: String,
}

/// The signal of this name.
pub(crate) fn signal(name: &str) -> Result<Signal, Failure> {
    Signal::named(name).ok_or_else(|| Failure::invalid(format!("signal: {name:?} is no signal")))
}

/// A call of a method.
pub(crate) fn call(process: Arc<Running>, method: &str, args: &str, data: Bytes) -> Result<Call, Failure> {
    Ok(match method {
        "output" => Box::pin(async move {
            let next = process.output.lock().await.next_output().await?;
            Ok(next.map_or_else(
                || ().into(),
                |output| Reply {
                    json: match output.stream {
                        Stream::Stdout => "stdout".into(),
                        Stream::Stderr => "stderr".into(),
                    },
                    blobs: vec![output.data],
                },
            ))
        }),
        "write" => Box::pin(async move {
            process.input.lock().await.write_all(&data).await?;
            Ok(().into())
        }),
        "close_input" => Box::pin(async move {
            process.input.lock().await.close();
            Ok(().into())
        }),
        "wait" => Box::pin(async move { Ok(json!(process.control.wait().await?).into()) }),
        "poll" => Box::pin(async move { Ok(json!(process.control.exit_code()).into()) }),
        "signal" => {
            let SignalArguments { signal: name } = arguments(args)?;
            let signal = signal(&name)?;
            Box::pin(async move {
                process.control.signal(signal)?;
                Ok(().into())
            })
        }
        other => return Err(Failure::invalid(format!("a process has no method {other:?}"))),
    })
}
