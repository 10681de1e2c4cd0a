//! What JavaScript sees of the embedded VM. The TypeScript package `@agentos/native` has the same list with types.
//!
//! A function that takes an `id` starts a call: it returns the result, throws the failure, or returns `null`, and then the end
//! of the call comes as a letter under that id.

use super::vm::{self, Vm};
use super::{fetch, options};
use crate::abi::{self, Bell, Call, Export, Fault};
use crate::callback;
use crate::memory;
use crate::task::{self, Outcome, Place, Work};
use agentos::{Mount, RequestBody};
use agentos_server::client_error;
use agentos_value::{ActorError, Object, Value};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Result of a function.
type Given = Result<Value, Fault>;

/// What JavaScript sees of embedded VMs.
pub(crate) static EXPORTS: &[Export] = &[
    Export {
        name: c"open",
        run: open,
    },
    Export {
        name: c"drain",
        run: drain,
    },
    Export {
        name: c"settle",
        run: settle,
    },
    Export {
        name: c"cancel",
        run: cancel,
    },
    Export {
        name: c"rest",
        run: rest,
    },
    Export {
        name: c"commands",
        run: commands,
    },
    Export {
        name: c"cronNext",
        run: cron_next,
    },
    Export {
        name: c"vmCreate",
        run: vm_create,
    },
    Export {
        name: c"vmCall",
        run: vm_call,
    },
    Export {
        name: c"vmCallNow",
        run: vm_call_now,
    },
    Export {
        name: c"vmExec",
        run: vm_exec,
    },
    Export {
        name: c"vmDispose",
        run: vm_dispose,
    },
    Export {
        name: c"vmRelease",
        run: vm_release,
    },
    Export {
        name: c"vmMount",
        run: vm_mount,
    },
    Export {
        name: c"vmUnmount",
        run: vm_unmount,
    },
    Export {
        name: c"vmAddSoftware",
        run: vm_add_software,
    },
    Export {
        name: c"vmMounts",
        run: vm_mounts,
    },
    Export {
        name: c"vmFork",
        run: vm_fork,
    },
    Export {
        name: c"vmArchive",
        run: vm_archive,
    },
    Export {
        name: c"vmExplain",
        run: vm_explain,
    },
    Export {
        name: c"vmUsage",
        run: vm_usage,
    },
    Export {
        name: c"vmAwake",
        run: vm_awake,
    },
    Export {
        name: c"sessionEvents",
        run: session_events,
    },
    Export {
        name: c"sessionTail",
        run: session_tail,
    },
    Export {
        name: c"vmFetch",
        run: vm_fetch,
    },
    Export {
        name: c"fetchBegin",
        run: fetch_begin,
    },
    Export {
        name: c"fetchWrite",
        run: fetch_write,
    },
    Export {
        name: c"fetchRead",
        run: fetch_read,
    },
    Export {
        name: c"fetchClose",
        run: fetch_close,
    },
];

/// Opens the environment of this thread; `drain` is called on it whenever there are letters.
fn open(call: &mut Call) -> Given {
    let drain = call
        .raw()
        .ok_or_else(|| Fault::Misuse("open needs a function".to_owned()))?;
    task::open(Bell::new(call.env(), drain)?)?;
    abi::on_exit(call.env(), closed)?;
    Ok(Value::Undefined)
}

/// Ends the environment of this thread.
///
/// # Safety
/// Only Node-API calls it, on the thread of the environment that ends.
unsafe extern "C" fn closed(_: *mut c_void) {
    task::close();
}

/// Reads letters.
fn drain(_: &mut Call) -> Given {
    Ok(Value::Array(task::drain()?))
}

/// Answers a call of a function.
fn settle(call: &mut Call) -> Given {
    let (number, ok, value) = (call.number()?, call.flag()?, call.value()?);
    callback::settle(number, ok, value);
    Ok(Value::Undefined)
}

/// Gives a call up.
fn cancel(call: &mut Call) -> Given {
    task::cancel(call.number()?);
    Ok(Value::Undefined)
}

/// Creates a VM, from the bytes of a snapshot if there are any; its number.
fn vm_create(call: &mut Call) -> Given {
    // The first VM of a process starts the engine and unpacks the programs, which takes a while.
    static WARM: AtomicBool = AtomicBool::new(false);
    let (id, given) = (call.number()?, call.value()?);
    let mailbox = task::mailbox()?;
    let snapshot = call.value()?;
    let options = options::from_script(given, &mailbox)?;
    let blocks = options.blocks;
    let warm = WARM.swap(true, Ordering::Relaxed);
    let mut builder = options.into_builder();
    let mut place = if warm && !blocks { Place::Inline } else { Place::Pooled };
    if let Value::Bytes(archive) | Value::ArrayBuffer(archive) = snapshot {
        builder = builder.snapshot(archive);
        place = Place::Pooled;
    }
    start(id, place, vm::create(builder, blocks, mailbox))
}

/// Gives back memory that starting needed once.
fn rest(_: &mut Call) -> Given {
    memory::give_back_code();
    Ok(Value::Undefined)
}

/// Calls an action of a VM; with a true last argument, without the policy.
fn vm_call(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let (name, args, host) = (call.text()?, call.items()?, call.flag()?);
    let place = vm.place(&name, &args);
    let work = match host {
        false => vm.embedded.call(&name, args),
        true => vm.embedded.call_as_host(&name, args),
    };
    start(id, place, work)
}

/// Calls an action and waits for it here; for `spawn` and `openShell`, which give their ids at once, and for what is kept of
/// sessions. They wait for nothing but the compilation of a program that runs for the first time.
fn vm_call_now(call: &mut Call) -> Given {
    let vm = vm::find(call.number()?)?;
    let (name, args) = (call.text()?, call.items()?);
    Ok(crate::runtime::handle()?.block_on(vm.embedded.call(&name, args))?)
}

/// Runs a command whose output is shown as events `execOutput`.
fn vm_exec(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let (argv, args) = (call.flag()?, call.items()?);
    start(id, vm.place("exec", &[]), vm.exec(id, argv, args))
}

/// Disposes a VM.
fn vm_dispose(call: &mut Call) -> Given {
    let (number, id) = (call.number()?, call.number()?);
    start(id, Place::Inline, vm::dispose(number))
}

/// Ends a VM that was collected.
fn vm_release(call: &mut Call) -> Given {
    vm::release(call.number()?);
    Ok(Value::Undefined)
}

/// Mounts a filesystem in its native form.
fn vm_mount(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let json = options::json(call.value()?)?;
    let blocks = options::may_block(&json);
    let mut drivers = options::ScriptDrivers::new(task::mailbox()?, vm.embedded.vm().limits());
    let mount = agentos_server::mount_from_json(json, &mut drivers)
        .map_err(|invalid| vm::invalid_config(&invalid.to_string()))?;
    if blocks {
        vm.set_blocks();
    }
    start(id, vm.place("", &[]), mounting(Arc::clone(&vm), mount))
}

fn mounting(vm: Arc<Vm>, mount: Mount) -> Work {
    Box::pin(async move {
        vm.embedded.vm().mount(mount).await.map_err(vm::config_error)?;
        Ok(Value::Undefined)
    })
}

/// Removes a mount.
fn vm_unmount(call: &mut Call) -> Given {
    let (vm, id, path) = (vm::find(call.number()?)?, call.number()?, call.text()?);
    let place = vm.place("", &[]);
    let work: Work = Box::pin(async move {
        vm.embedded.vm().unmount(&path).await.map_err(client_error)?;
        Ok(Value::Undefined)
    });
    start(id, place, work)
}

/// Gives a VM software of this user's store.
fn vm_add_software(call: &mut Call) -> Given {
    let (vm, id, name) = (vm::find(call.number()?)?, call.number()?, call.text()?);
    let work: Work = Box::pin(async move {
        let package = agentos_server::stored_software(&name)?;
        let added = vm.embedded.vm().add_software(package).await.map_err(client_error)?;
        let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::from).collect());
        let mut object = Object::new();
        object.insert("commands", texts(added.commands));
        if let Some(agent) = added.agent {
            object.insert("agent", agent);
        }
        object.insert("kept", texts(added.kept));
        Ok(Value::Object(object))
    });
    // The store is on the host's disk.
    start(id, Place::Pooled, work)
}

/// The mounts of a VM.
fn vm_mounts(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let work: Work = Box::pin(async move {
        let mounts = vm.embedded.vm().list_mounts().await.into_iter().map(|mount| {
            Value::object([
                ("path", Value::from(mount.guest)),
                ("kind", Value::from(mount.kind)),
                ("readOnly", Value::from(mount.read_only)),
            ])
        });
        Ok(Value::Array(mounts.collect()))
    });
    start(id, Place::Inline, work)
}

/// A second VM with the same files, from a moment's copy; its number.
fn vm_fork(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let blocks = vm.blocks();
    let fork = async move { vm.embedded.vm().fork().await };
    start(
        id,
        Place::Inline,
        vm::adopt(vm::number(), blocks, task::mailbox()?, fork),
    )
}

/// The files of a VM as the bytes of a snapshot.
fn vm_archive(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let work: Work = Box::pin(async move {
        let snapshot = vm.embedded.vm().snapshot().await.map_err(client_error)?;
        Ok(Value::Bytes(snapshot.to_archive().map_err(client_error)?))
    });
    start(id, Place::Pooled, work)
}

/// How a request would be decided, and by what.
fn vm_explain(call: &mut Call) -> Given {
    let vm = vm::find(call.number()?)?;
    let (scope, operation, resources) = (call.text()?, call.text()?, call.items()?);
    let resources: Vec<&str> = resources.iter().filter_map(Value::as_str).collect();
    let explained = vm.embedded.vm().policy().explain(&scope, &operation, &resources);
    let json = explained.map_err(client_error)?.to_json();
    Value::from_serialize(&json).map_err(|error| Fault::Misuse(error.to_string()))
}

/// What a VM uses now, and its limits.
fn vm_usage(call: &mut Call) -> Given {
    let vm = vm::find(call.number()?)?;
    let usage = vm.embedded.vm().usage();
    let count = |count: u64| Value::number(count as f64); // counters stay far below 2^53
    let mut object = Object::new();
    object.insert("processes", count(usage.processes));
    object.insert("processesStarted", count(usage.processes_started));
    object.insert("openFds", count(usage.open_fds));
    object.insert("filesystemBytes", count(usage.filesystem_bytes));
    object.insert("inodes", count(usage.inodes));
    object.insert("memoryBytes", count(usage.memory_bytes));
    object.insert("peakMemoryBytes", count(usage.peak_memory_bytes));
    object.insert("cpuTimeMs", Value::number(usage.cpu_time.as_secs_f64() * 1000.0));
    object.insert("limits", vm.embedded.limits());
    Ok(Value::Object(object))
}

/// What goes on in a VM.
fn vm_awake(call: &mut Call) -> Given {
    let reasons = vm::find(call.number()?)?.embedded.awake_because();
    Ok(Value::Array(reasons.into_iter().map(Value::from).collect()))
}

/// A page of a session's events from a number on. They are in memory, so that nothing is waited for.
fn session_events(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.text()?);
    let since = sequence_number(call)?;
    Ok(crate::runtime::handle()?.block_on(vm.session_events(&id, since))?)
}

/// The number of the first of a session's last events that have so many bytes together.
fn session_tail(call: &mut Call) -> Given {
    let (vm, id, most) = (vm::find(call.number()?)?, call.text()?, call.number()?);
    let tail = vm.embedded.session_tail(&id, most as usize); // 32 bits
    let first = crate::runtime::handle()?.block_on(tail)?;
    Ok(Value::number(first as f64)) // as many events as fit into memory
}

/// The number of an event.
fn sequence_number(call: &mut Call) -> Result<u64, Fault> {
    let value = call.value()?;
    let number = value.as_int().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| {
        let metadata = Value::object([
            ("path", "from"),
            ("expected", "a whole number from 0 on"),
            ("received", value.kind()),
        ]);
        let text = format!(
            "invalid argument from: expected a whole number from 0 on, got {}",
            value.kind()
        );
        Fault::Known(ActorError::agentos("invalid_argument", text).with_metadata(metadata))
    })
}

/// Sends a request. The body is bytes, nothing, or the number of a body that was begun.
fn vm_fetch(call: &mut Call) -> Given {
    let (vm, id) = (vm::find(call.number()?)?, call.number()?);
    let (port, head, body) = (call.number()?, call.value()?, call.value()?);
    let port = u16::try_from(port).map_err(|_| Fault::Misuse("a port has 16 bits".to_owned()))?;
    let text = |name: &str| head.get(name).and_then(Value::as_str).unwrap_or_default();
    let pairs = head.get("headers").and_then(Value::as_array).unwrap_or_default();
    let pair = |pair: &Value| match pair.as_array() {
        Some([Value::Text(name), Value::Text(value)]) => Some((name.clone(), value.clone())),
        _ => None,
    };
    let body = match body {
        Value::Bytes(bytes) => RequestBody::from(bytes),
        Value::Int(begun) => vm.bodies.take_request(u32::try_from(begun).unwrap_or(u32::MAX)),
        _ => RequestBody::from(()),
    };
    let headers = pairs.iter().filter_map(pair).collect();
    let request = fetch::request(text("method"), text("target"), headers, body)?;
    start(id, Place::Inline, Box::pin(fetch::send(vm, port, request)))
}

/// Begins a body that is sent piece by piece; its number.
fn fetch_begin(call: &mut Call) -> Given {
    Ok(vm::find(call.number()?)?.bodies.begin_request().into())
}

/// Sends a piece of a request, or the text of why there is no more; without either, ends it. False when nobody takes it any
/// more.
fn fetch_write(call: &mut Call) -> Given {
    let (vm, id, body) = (vm::find(call.number()?)?, call.number()?, call.number()?);
    let piece = match call.value()? {
        Value::Bytes(piece) => Ok(piece),
        Value::Text(reason) => Err(reason),
        _ => {
            vm.bodies.end_request(body);
            return Ok(Value::Bool(true));
        }
    };
    let sender = vm.bodies.sender(body);
    let work: Work = Box::pin(async move {
        let sent = match sender {
            Some(sender) => sender.send(piece).await.is_ok(),
            None => false,
        };
        Ok(Value::Bool(sent))
    });
    start(id, Place::Inline, work)
}

/// The next piece of an answer.
fn fetch_read(call: &mut Call) -> Given {
    let (vm, id, body) = (vm::find(call.number()?)?, call.number()?, call.number()?);
    start(id, Place::Inline, Box::pin(fetch::read(vm, body)))
}

/// Gives an answer up.
fn fetch_close(call: &mut Call) -> Given {
    let (number, body) = (call.number()?, call.number()?);
    if let Ok(vm) = vm::find(number) {
        vm.bodies.close(body);
    }
    Ok(Value::Undefined)
}

/// The next time of a schedule after a time, in ms.
fn cron_next(call: &mut Call) -> Given {
    let (schedule, timezone, after) = (call.text()?, call.text()?, call.float()?);
    let after = after as i64; // whole ms, far below 2^53
    let at = agentos_server::next_time(&schedule, &timezone, after)?;
    Ok(Value::number(at as f64)) // as far below
}

/// Names of the bundled commands.
fn commands(_: &mut Call) -> Given {
    Ok(agentos::commands().map_err(client_error)?.into())
}

fn start(id: u32, place: Place, work: Work) -> Given {
    let outcome: Option<Outcome> = task::start(id, place, work)?;
    match outcome {
        Some(Ok(value)) => Ok(value),
        Some(Err(failure)) => Err(failure.into()),
        None => Ok(Value::Null),
    }
}
