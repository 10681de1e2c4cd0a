//! What Python sees: the module `_native` and its functions.
//!
//! The module is made by hand, for want of PyO3's macros (see `Cargo.toml`). Functions are closures over safe Rust; only the
//! entry point, which hands a new module to the interpreter, is unsafe.

use crate::desk::Desk;
use crate::dispatch;
use crate::failure::Failure;
use crate::objects::{Handle, Object, find, keep, release};
use crate::queue::{Outcome, Queue};
use crate::reply::Reply;
use crate::runtime::{self, Call};
use bytes::Bytes;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyList, PyModule, PyTuple};
use serde_json::{Value, json};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The arguments that name a call: handle, method, JSON, bytes.
type Named = (u64, String, String, Vec<u8>);

fn begin((handle, method, args, data): Named) -> Result<Call, Failure> {
    dispatch::call(Handle(handle), &method, &args, Bytes::from(data))
}

/// Runs a call to its end.
fn call<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let py = args.py();
    let outcome = match begin(args.extract()?) {
        Ok(call) => runtime::wait(py, call)?,
        Err(failure) => Err(failure),
    };
    tuple(py, outcome)
}

/// Opens a queue of outcomes; `{"handle", "fd"}`. The caller closes the socket `fd`, and releases the handle.
fn open_queue<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let (queue, fd) = Queue::open()?;
    let Handle(handle) = keep(Object::Queue(queue));
    tuple(args.py(), Ok(json!({ "handle": handle, "fd": fd }).into()))
}

/// Begins a call whose outcome goes to a queue. Gives the call's number, or the failure to begin.
fn submit<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let (queue, handle, method, json, data) = args.extract::<(u64, u64, String, String, Vec<u8>)>()?;
    let begun = find_queue(queue).and_then(|queue| {
        let call = begin((handle, method, json, data))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        queue.expect(number);
        let told = Arc::downgrade(&queue);
        let task = runtime::runtime()?.spawn(async move {
            let outcome = call.await;
            if let Some(queue) = told.upgrade() {
                queue.tell(number, outcome);
            }
        });
        queue.begun(number, task.abort_handle());
        Ok(Value::from(number).into())
    });
    tuple(args.py(), begun)
}

/// Takes the outcomes that are in a queue: `[(number, outcome)]`.
fn take<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let py = args.py();
    let (queue,) = args.extract::<(u64,)>()?;
    let over = find_queue(queue).map(|queue| queue.take()).unwrap_or_default();
    let outcomes: PyResult<Vec<_>> = over
        .into_iter()
        .map(|(number, outcome)| Ok((number, tuple(py, outcome)?)))
        .collect();
    PyTuple::new(py, outcomes?)
}

/// Cancels a call that was submitted. Its outcome will not be in the queue, unless it is there already.
fn cancel(args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let (queue, number) = args.extract::<(u64, u64)>()?;
    if let Ok(queue) = find_queue(queue) {
        queue.cancel(number);
    }
    Ok(())
}

/// Opens a desk for calls of tools; `{"handle", "fd"}`. The caller closes the socket `fd`, and releases the handle.
fn open_desk<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let (desk, fd) = Desk::open()?;
    let Handle(handle) = keep(Object::Desk(desk));
    tuple(args.py(), Ok(json!({ "handle": handle, "fd": fd }).into()))
}

/// Takes what is on a desk: texts of JSON.
fn take_calls<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let (desk,) = args.extract::<(u64,)>()?;
    let letters = match find(Handle(desk)) {
        Ok(Object::Desk(desk)) => desk.take(),
        _ => Vec::new(),
    };
    PyTuple::new(args.py(), letters)
}

/// Says what a call of a tool came to.
fn settle(args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let (desk, number, outcome) = args.extract::<(u64, u64, String)>()?;
    if let Ok(Object::Desk(desk)) = find(Handle(desk)) {
        desk.settle(number, &outcome);
    }
    Ok(())
}

fn find_queue(handle: u64) -> Result<Arc<Queue>, Failure> {
    match find(Handle(handle))? {
        Object::Queue(queue) => Ok(queue),
        _ => Err(Failure::invalid("not a queue")),
    }
}

/// Lets go of what a handle stands for.
fn let_go(args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let (handle,) = args.extract::<(u64,)>()?;
    args.py().detach(|| release(Handle(handle)));
    Ok(())
}

/// `(True, json, [bytes])` or `(False, json, [])`.
fn tuple(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyTuple>> {
    match outcome {
        Ok(Reply { json, blobs }) => {
            let blobs = PyList::new(py, blobs.iter().map(|blob| PyBytes::new(py, blob)))?;
            (true, json.to_string(), blobs).into_pyobject(py)
        }
        Err(failure) => (false, failure.to_json(), PyList::empty(py)).into_pyobject(py),
    }
}

fn fill(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    type Keywords<'a, 'py> = Option<&'a Bound<'py, PyDict>>;
    let text = |function: fn(&Bound<'_, PyTuple>) -> PyResult<()>, name| {
        PyCFunction::new_closure(
            py,
            Some(name),
            None,
            move |args: &Bound<'_, PyTuple>, _: Keywords<'_, '_>| function(args),
        )
    };
    module.add("cancel", text(cancel, c"cancel")?)?;
    module.add("release", text(let_go, c"release")?)?;
    module.add("settle", text(settle, c"settle")?)?;
    let outcome = |function: for<'py> fn(&Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>>, name| {
        PyCFunction::new_closure(
            py,
            Some(name),
            None,
            move |args: &Bound<'_, PyTuple>, _: Keywords<'_, '_>| function(args).map(Bound::unbind),
        )
    };
    module.add("call", outcome(call, c"call")?)?;
    module.add("open_queue", outcome(open_queue, c"open_queue")?)?;
    module.add("submit", outcome(submit, c"submit")?)?;
    module.add("take", outcome(take, c"take")?)?;
    module.add("open_desk", outcome(open_desk, c"open_desk")?)?;
    module.add("take_calls", outcome(take_calls, c"take_calls")?)?;
    module.add("version", env!("CARGO_PKG_VERSION"))
}

/// Called by Python when the package imports its native module.
///
/// # Safety
/// Only Python calls it, with the interpreter's lock held.
#[unsafe(no_mangle)]
unsafe extern "C" fn PyInit__native() -> *mut ffi::PyObject {
    // The interpreter writes into the definition and keeps it for as long as it runs, so it is made anew and given away.
    let definition = Box::leak(Box::new(ffi::PyModuleDef {
        m_base: ffi::PyModuleDef_HEAD_INIT,
        m_name: c"_native".as_ptr(),
        m_doc: c"The native half of agentos; use the package.".as_ptr(),
        m_size: -1,
        m_methods: null_mut(),
        m_slots: null_mut(),
        m_traverse: None,
        m_clear: None,
        m_free: None,
    }));
    // SAFETY: the interpreter's lock is held, which is what a token stands for; the definition is valid and lives for ever;
    // the object that was made, if any, is a new reference, which the guard owns until it is given to the caller.
    unsafe {
        let py = Python::assume_attached();
        let module = ffi::PyModule_Create2(definition, ffi::PYTHON_ABI_VERSION);
        let Ok(module) = Bound::from_owned_ptr_or_err(py, module) else {
            return null_mut();
        };
        let filled = module.cast::<PyModule>().map_err(PyErr::from).and_then(fill);
        match filled {
            Ok(()) => module.into_ptr(),
            Err(error) => {
                error.restore(py);
                null_mut()
            }
        }
    }
}
