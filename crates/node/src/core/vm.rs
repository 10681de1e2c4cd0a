//! The VMs of the process, and where their calls are carried out.

use super::fetch::Bodies;
use crate::mailbox::{Letter, Mailbox};
use crate::memory;
use crate::runtime;
use crate::task::{Place, Work};
use agentos::{AgentOs, Builder, Event as VmEvent, Stream};
use agentos_server::{Embedded, client_error};
use agentos_value::{ActorError, Object, Value};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;

/// A VM of a script.
pub(super) struct Vm {
    pub(super) embedded: Embedded,
    pub(super) bodies: Bodies,
    mailbox: Arc<Mailbox>,
    number: u32,
    /// Sessions whose new events the script was told of and has not read yet.
    news: News,
    /// Whether a file operation may wait for the host's disk or for a function of the script's.
    blocks: AtomicBool,
}

/// Ids of sessions.
type News = Arc<Mutex<HashSet<String>>>;

/// Bytes of events of a session that are read at once.
const PAGE_BYTES: usize = 256 << 10;

/// Content above this size is read and written on a thread that may take its time, in bytes.
const LARGE: u64 = 256 << 10;

/// Actions that touch no file, however they are called.
const NO_FILES: &[&str] = &[
    "writeProcessStdin",
    "closeProcessStdin",
    "waitProcess",
    "listProcesses",
    "getProcess",
    "stopProcess",
    "killProcess",
    "signalProcess",
    "writeShell",
    "resizeShell",
    "closeShell",
    "listShells",
    "vmFetch",
    // What sessions do with files they do on threads of their own.
    "createSession",
    "listSessions",
    "getSession",
    "resumeSession",
    "sendPrompt",
    "cancelPrompt",
    "closeSession",
    "destroySession",
    "setModel",
    "setMode",
    "setThoughtLevel",
    "getModes",
    "getConfigOptions",
    "rawSend",
    "respondPermission",
    "listPendingPermissions",
    "listPermissionGrants",
    "revokePermissionGrant",
];

/// Actions that may go over many files.
const LONG: &[&str] = &[
    "readFiles",
    "writeFiles",
    "readdirRecursive",
    "delete",
    "deleteFile",
    "move",
];

static VMS: LazyLock<Mutex<HashMap<u32, Arc<Vm>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The VM with this number.
///
/// # Errors
/// `vm_disposed`.
pub(super) fn find(number: u32) -> Result<Arc<Vm>, ActorError> {
    VMS.lock().get(&number).cloned().ok_or_else(disposed)
}

/// What every call of a VM that was disposed fails with.
pub(super) fn disposed() -> ActorError {
    ActorError::agentos("vm_disposed", "the VM is disposed")
}

/// Creates a VM; the result is its number.
pub(super) fn create(builder: Builder, blocks: bool, mailbox: Arc<Mailbox>) -> Work {
    let number = number();
    let warnings = Arc::clone(&mailbox);
    let builder = builder.on_event(move |event| {
        if let VmEvent::LimitWarning(warning) = event {
            let payload = agentos_server::limit_warning(warning);
            warnings.post(Letter::Event(number, "limitWarning", payload));
        }
    });
    adopt(number, blocks, mailbox, async move { builder.create().await })
}

/// A number for a VM.
pub(super) fn number() -> u32 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Takes a VM that is being created into the table; the result is its number.
pub(super) fn adopt(
    number: u32,
    blocks: bool,
    mailbox: Arc<Mailbox>,
    creation: impl Future<Output = Result<AgentOs, agentos::Error>> + Send + 'static,
) -> Work {
    Box::pin(async move {
        let vm = creation.await.map_err(config_error)?;
        let (events, space) = (Arc::clone(&mailbox), Arc::clone(&mailbox));
        let news = News::default();
        let told = Arc::clone(&news);
        let embedded = Embedded::new(
            vm,
            move |event| {
                let name = known(&event.name);
                let payload = event.args.into_iter().next().unwrap_or_default();
                if is_wanted(name, &payload, &events, &told) {
                    events.post(Letter::Event(number, name, payload));
                }
            },
            move || {
                let space = Arc::clone(&space);
                Box::pin(async move { space.room().await })
            },
            agentos_server::Memory {
                buffer: memory::zeroed,
                keeps: memory::is_sealed,
                gives: memory::is_sealed,
            },
        );
        let vm = Vm {
            embedded,
            bodies: Bodies::default(),
            mailbox: Arc::clone(&mailbox),
            number,
            news,
            blocks: AtomicBool::new(blocks),
        };
        VMS.lock().insert(number, Arc::new(vm));
        if mailbox.is_closed() {
            // The environment ended meanwhile, and has disposed what it had by then.
            dispose_all(&mailbox);
        }
        Ok(Value::from(number))
    })
}

/// Events of a VM by their names.
fn known(name: &str) -> &'static str {
    const NAMES: &[&str] = &[
        "processOutput",
        "processExit",
        "shellData",
        "shellExit",
        "sessionStored",
        "permissionRequest",
        "permissionResolved",
        "agentCrashed",
        "agentStderr",
    ];
    NAMES.iter().find(|known| **known == name).copied().unwrap_or("event")
}

/// Whether an event is posted. An agent may write as much as it likes, and nobody waits with it: that a session has news is
/// said once until they are read, and error output that comes faster than the script takes it is left out.
fn is_wanted(name: &str, payload: &Value, mailbox: &Mailbox, told: &News) -> bool {
    match name {
        "sessionStored" => {
            let id = payload.get("sessionId").and_then(Value::as_str).unwrap_or_default();
            told.lock().insert(id.to_owned())
        }
        "agentStderr" => mailbox.has_room(),
        _ => true,
    }
}

/// What creating a VM fails with: wrong options are `invalid_config` with the path of the first.
pub(super) fn config_error(error: agentos::Error) -> ActorError {
    match error.code() {
        // A policy says of each problem what it is about, options where they stand.
        "invalid_config" | "invalid_params" => {
            let problems = error.to_string();
            invalid_config(&problems.replace("invalid permissions policy: ", "permissions."))
        }
        _ => client_error(error),
    }
}

/// `invalid_config` for lines of the form `path: reason`.
pub(super) fn invalid_config(problems: &str) -> ActorError {
    let first = problems.lines().next().unwrap_or_default();
    let (path, expected) = first.split_once(": ").unwrap_or(("", first));
    let lines: Vec<Value> = problems.lines().map(Value::from).collect();
    let mut metadata = Object::new();
    metadata.insert("path", path);
    metadata.insert("expected", expected);
    metadata.insert("problems", Value::Array(lines));
    ActorError::agentos("invalid_config", problems).with_metadata(Value::Object(metadata))
}

impl Vm {
    /// From now on file operations may block.
    pub(super) fn set_blocks(&self) {
        self.blocks.store(true, Ordering::Relaxed);
    }

    /// Whether file operations may block.
    pub(super) fn blocks(&self) -> bool {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Where an action with these arguments is carried out.
    pub(super) fn place(&self, name: &str, args: &[Value]) -> Place {
        if NO_FILES.contains(&name) {
            return Place::Inline;
        }
        let long = self.blocks() || LONG.contains(&name) || self.is_large(name, args);
        if long { Place::Pooled } else { Place::Inline }
    }

    fn is_large(&self, name: &str, args: &[Value]) -> bool {
        match name {
            "writeFile" => args.get(1).is_some_and(|content| content.content_len() as u64 > LARGE),
            "readFile" => args
                .first()
                .and_then(Value::as_str)
                .is_some_and(|path| self.size(path) > LARGE),
            _ => false,
        }
    }

    /// Size of a file in memory; 0 for what is not there.
    fn size(&self, path: &str) -> u64 {
        let mut stat = Box::pin(self.embedded.vm().stat(path));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        // It never waits: the kernel answers at once.
        match stat.as_mut().poll(&mut cx) {
            Poll::Ready(Ok(stat)) => stat.size,
            _ => 0,
        }
    }

    /// A page of a session's events; the next ones are told of again.
    pub(super) async fn session_events(&self, id: &str, since: u64) -> Result<Value, ActorError> {
        // Before reading: what comes meanwhile is told.
        self.news.lock().remove(id);
        self.embedded.session_events(id, since, PAGE_BYTES).await
    }

    /// Runs a command and shows its output as events under the number of the call. It is read only while there is room.
    pub(super) fn exec(&self, id: u32, argv: bool, args: Vec<Value>) -> Work {
        let (mailbox, number) = (Arc::clone(&self.mailbox), self.number);
        let events = Arc::clone(&mailbox);
        let mut work = self.embedded.exec(argv, args, move |stream, data| {
            let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            let payload = Value::object([
                ("call", Value::from(id)),
                ("stream", Value::from(stream)),
                ("data", Value::Bytes(data)),
            ]);
            events.post(Letter::Event(number, "execOutput", payload));
        });
        Box::pin(async move {
            loop {
                mailbox.room().await;
                // Once each time that something happens, so that the room is asked for again.
                let mut polled = false;
                let outcome = poll_fn(|cx| match std::mem::replace(&mut polled, true) {
                    true => Poll::Ready(None),
                    false => work.as_mut().poll(cx).map(Some),
                });
                if let Some(outcome) = outcome.await {
                    // Woken by a letter of its own, the end comes after the last output.
                    tokio::task::yield_now().await;
                    return outcome;
                }
            }
        })
    }
}

/// Takes a VM out of the table and ends it; the result comes when nothing runs in it any more.
pub(super) fn dispose(number: u32) -> Work {
    let vm = VMS.lock().remove(&number);
    Box::pin(async move {
        if let Some(vm) = vm {
            vm.embedded.dispose().await;
        }
        Ok(Value::Undefined)
    })
}

/// Ends a VM that nobody has a handle of any more.
pub(super) fn release(number: u32) {
    let vm = VMS.lock().remove(&number);
    end(vm.into_iter().collect());
}

/// Ends all VMs of an environment.
pub(crate) fn dispose_all(mailbox: &Arc<Mailbox>) {
    let mut vms = VMS.lock();
    let ended: Vec<u32> = vms
        .iter()
        .filter(|(_, vm)| Arc::ptr_eq(&vm.mailbox, mailbox))
        .map(|(number, _)| *number)
        .collect();
    let ended: Vec<Arc<Vm>> = ended.iter().filter_map(|number| vms.remove(number)).collect();
    drop(vms);
    end(ended);
}

fn end(vms: Vec<Arc<Vm>>) {
    if vms.is_empty() {
        return;
    }
    if let Ok(handle) = runtime::handle() {
        handle.spawn(async move {
            for vm in vms {
                vm.embedded.dispose().await;
            }
        });
    }
}
