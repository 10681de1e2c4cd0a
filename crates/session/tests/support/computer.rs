//! The VM of functions.

use agentos_session::{
    BoxFuture, Child, ChildControl, ChildInput, ChildOutput, Computer, EnvValue, Exit, Launch, Stream, VmError,
    VmResult,
};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};

pub type Boxed = BoxFuture<'static, i32>;
type Program = Arc<dyn Fn(AgentIo) -> Boxed + Send + Sync>;

#[derive(Default)]
pub struct FakeComputer {
    programs: HashMap<String, Program>,
    pub files: Mutex<BTreeMap<String, Bytes>>,
    pub launches: Mutex<Vec<Launch>>,
    pub running: Arc<AtomicU64>,
}

impl FakeComputer {
    pub fn program<F, R>(&mut self, name: &str, run: F)
    where
        F: Fn(AgentIo) -> R + Send + Sync + 'static,
        R: Future<Output = i32> + Send + 'static,
    {
        self.programs
            .insert(name.to_owned(), Arc::new(move |io| Box::pin(run(io))));
    }

    pub fn text(&self, path: &str) -> Option<String> {
        self.files
            .lock()
            .get(path)
            .map(|content| String::from_utf8(content.to_vec()).unwrap())
    }
}

/// The agent's side of its standard streams.
#[derive(Clone)]
pub struct AgentIo {
    input: Arc<tokio::sync::Mutex<Input>>,
    output: mpsc::Sender<(Stream, Bytes)>,
    ids: Arc<AtomicU64>,
    pub launch: Launch,
    pub files: Arc<FakeFiles>,
}

/// Lines that came while an answer was awaited are kept for later.
struct Input {
    pieces: mpsc::Receiver<Bytes>,
    partial: BytesMut,
    later: std::collections::VecDeque<Value>,
}

pub struct FakeFiles;

impl Input {
    async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                let line = self.partial.split_to(end + 1);
                return Some(serde_json::from_slice(&line).unwrap());
            }
            self.partial.extend_from_slice(&self.pieces.recv().await?);
        }
    }
}

impl AgentIo {
    /// The next message; none at the end of the input.
    pub async fn next(&mut self) -> Option<Value> {
        let mut input = self.input.lock().await;
        match input.later.pop_front() {
            Some(message) => Some(message),
            None => input.line().await,
        }
    }

    pub async fn raw(&self, data: impl Into<Bytes>) {
        let _ = self.output.send((Stream::Stdout, data.into())).await;
    }

    pub async fn stderr(&self, text: &str) {
        let _ = self
            .output
            .send((Stream::Stderr, Bytes::copy_from_slice(text.as_bytes())))
            .await;
    }

    pub async fn send(&self, message: Value) {
        self.raw(format!("{message}\n")).await;
    }

    pub async fn reply(&self, id: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": id, "result": result})).await;
    }

    pub async fn update(&self, update: Value) {
        self.send(
            json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "agent-1", "update": update}}),
        )
        .await;
    }

    /// Asks the client and waits for the answer.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let id = format!("a{}", self.ids.fetch_add(1, Ordering::Relaxed));
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        self.answer(&json!(id)).await
    }

    /// Waits for the answer of an id; what comes before it is kept for [`next`](Self::next).
    pub async fn answer(&self, id: &Value) -> Value {
        let mut input = self.input.lock().await;
        loop {
            let Some(message) = input.line().await else {
                std::future::pending().await
            };
            if message["id"] == *id && message.get("method").is_none() {
                return message;
            }
            input.later.push_back(message);
        }
    }
}

struct Control {
    task: tokio::task::AbortHandle,
    exit: watch::Receiver<Option<Exit>>,
}

impl ChildControl for Control {
    fn terminate(&self) {
        self.task.abort();
    }

    fn kill(&self) {
        self.task.abort();
    }

    fn wait(&self) -> BoxFuture<'static, Exit> {
        let mut exit = self.exit.clone();
        Box::pin(async move { exit.wait_for(Option::is_some).await.unwrap().clone().unwrap() })
    }
}

struct Stdin(mpsc::Sender<Bytes>);

impl ChildInput for Stdin {
    fn write<'a>(&'a mut self, data: &'a [u8]) -> BoxFuture<'a, VmResult<()>> {
        Box::pin(async move {
            let sent = self.0.send(Bytes::copy_from_slice(data)).await;
            sent.map_err(|_| VmError::new("EPIPE", "EPIPE: broken pipe"))
        })
    }
}

/// What was written, and what of it was not asked for yet.
struct Output(mpsc::Receiver<(Stream, Bytes)>, Option<(Stream, Bytes)>);

impl ChildOutput for Output {
    fn next(&mut self, most: usize) -> BoxFuture<'_, Option<(Stream, Bytes)>> {
        Box::pin(async move {
            let (stream, mut data) = match self.1.take() {
                Some(rest) => rest,
                None => self.0.recv().await?,
            };
            let rest = data.split_off(most.min(data.len()));
            self.1 = (!rest.is_empty()).then_some((stream, rest));
            Some((stream, data))
        })
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Computer for FakeComputer {
    fn start(&self, launch: Launch) -> BoxFuture<'_, VmResult<Child>> {
        let name = launch.argv[0].clone();
        self.launches.lock().push(launch.clone());
        let Some(program) = self.programs.get(&name).cloned() else {
            return ready(Err(VmError::new("ENOENT", format!("command not found: {name}"))));
        };
        let (stdin, input) = mpsc::channel(4);
        let (output, stdout) = mpsc::channel(4);
        let io = AgentIo {
            input: Arc::new(tokio::sync::Mutex::new(Input {
                pieces: input,
                partial: BytesMut::new(),
                later: Default::default(),
            })),
            output,
            ids: Arc::default(),
            launch,
            files: Arc::new(FakeFiles),
        };
        let (exit, ended) = watch::channel(None);
        let running = Arc::clone(&self.running);
        running.fetch_add(1, Ordering::AcqRel);
        let task = tokio::spawn(async move { program(io).await });
        let abort = task.abort_handle();
        tokio::spawn(async move {
            let result = match task.await {
                Ok(code) => Exit { code, signal: None },
                Err(error) if error.is_cancelled() => Exit {
                    code: 137,
                    signal: Some("SIGKILL".to_owned()),
                },
                Err(_) => Exit {
                    code: 101,
                    signal: None,
                },
            };
            running.fetch_sub(1, Ordering::AcqRel);
            exit.send_replace(Some(result));
        });
        let control = Arc::new(Control {
            task: abort,
            exit: ended,
        });
        ready(Ok(Child {
            stdin: Box::new(Stdin(stdin)),
            output: Box::new(Output(stdout, None)),
            control,
        }))
    }

    fn find_command<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Option<String>> {
        ready(self.programs.contains_key(command).then(|| command.to_owned()))
    }

    fn read<'a>(&'a self, path: &'a str, _most: usize) -> BoxFuture<'a, VmResult<Bytes>> {
        let found = self.files.lock().get(path).cloned();
        ready(found.ok_or_else(|| {
            VmError::new(
                "ENOENT",
                format!("ENOENT: no such file or directory, readFile '{path}'"),
            )
        }))
    }

    fn write<'a>(&'a self, path: &'a str, content: Bytes) -> BoxFuture<'a, VmResult<()>> {
        if path.starts_with("/etc") {
            return ready(Err(VmError::new("EROFS", format!("Path is read-only: {path}"))));
        }
        self.files.lock().insert(path.to_owned(), content);
        ready(Ok(()))
    }

    fn read_dir<'a>(&'a self, path: &'a str) -> BoxFuture<'a, VmResult<Vec<String>>> {
        let prefix = format!("{path}/");
        let files = self.files.lock();
        ready(Ok(files
            .keys()
            .filter_map(|file| file.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()))
    }

    fn resolve<'a>(&'a self, path: &'a str) -> BoxFuture<'a, String> {
        ready(path.to_owned())
    }

    fn publish<'a>(&'a self, path: &'a str, content: Bytes, _executable: bool) -> BoxFuture<'a, VmResult<()>> {
        self.files.lock().insert(path.to_owned(), content);
        ready(Ok(()))
    }

    fn reveal<'a>(
        &'a self,
        _path: &'a str,
        env: Vec<(String, EnvValue)>,
    ) -> BoxFuture<'a, VmResult<Vec<(String, String)>>> {
        let reveal = |(name, value)| match value {
            EnvValue::Plain(value) => Ok((name, value)),
            EnvValue::Secret { secret } if secret == "KNOWN" => Ok((name, "revealed".to_owned())),
            EnvValue::Secret { secret } => Err(VmError::new("invalid_argument", format!("no secret {secret}"))),
        };
        ready(env.into_iter().map(reveal).collect())
    }

    fn tool_list(&self) -> Option<String> {
        Some("agentos-weather forecast".to_owned())
    }
}
