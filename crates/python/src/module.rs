//! What Python sees: the module `_native` and its functions.
//!
//! The module is made by hand, for want of PyO3's macros (see `Cargo.toml`). Functions are closures over safe Rust; only the
//! entry point, which hands a new module to the interpreter, is unsafe.

use crate::dispatch;
use crate::failure::Failure;
use crate::objects::{Handle, release};
use crate::reply::Reply;
use crate::runtime::{self, Call};
use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyList, PyModule, PyTuple};
use std::collections::HashMap;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::AbortHandle;

/// Calls that were submitted and are not over.
static SUBMITTED: Mutex<Option<HashMap<u64, AbortHandle>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The arguments that name a call: handle, method, JSON, bytes.
type Named = (u64, String, String, Vec<u8>);

/// `(True, json, [bytes])` or `(False, json, [])`.
type Outcome = Result<Reply, Failure>;

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

/// Begins a call; `done` is called with its outcome on some thread. Gives a number for `cancel`, or the failure to begin.
fn submit<'py>(args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
    let py = args.py();
    let (handle, method, json, data, done) = args.extract::<(u64, String, String, Vec<u8>, Py<PyAny>)>()?;
    let started = begin((handle, method, json, data)).and_then(|call| Ok((call, runtime::runtime()?)));
    let (call, runtime) = match started {
        Ok(started) => started,
        Err(failure) => return tuple(py, Err(failure)),
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // The table is locked until the call is in it, so that its end finds it there.
    let mut submitted = SUBMITTED.lock();
    let task = runtime.spawn(async move {
        let outcome = call.await;
        if let Some(all) = SUBMITTED.lock().as_mut() {
            all.remove(&number);
        }
        // Python may make us wait for its lock; the threads that drive calls must not.
        tokio::task::spawn_blocking(move || tell(&done, outcome));
    });
    submitted.get_or_insert_default().insert(number, task.abort_handle());
    drop(submitted);
    tuple(py, Ok(serde_json::Value::from(number).into()))
}

/// Calls `done` with an outcome, unless the interpreter is about to end.
fn tell(done: &Py<PyAny>, outcome: Outcome) {
    Python::try_attach(|py| {
        let told = tuple(py, outcome).and_then(|outcome| done.call1(py, (outcome,)));
        if let Err(error) = told {
            error.write_unraisable(py, None);
        }
    });
}

/// Cancels a call that was submitted. `done` is not called, unless it is being called already.
fn cancel(args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let (number,) = args.extract::<(u64,)>()?;
    let task = SUBMITTED.lock().as_mut().and_then(|all| all.remove(&number));
    if let Some(task) = task {
        task.abort();
    }
    Ok(())
}

/// Lets go of what a handle stands for.
fn let_go(args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let (handle,) = args.extract::<(u64,)>()?;
    args.py().detach(|| release(Handle(handle)));
    Ok(())
}

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
    let outcome = |function: for<'py> fn(&Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>>, name| {
        PyCFunction::new_closure(
            py,
            Some(name),
            None,
            move |args: &Bound<'_, PyTuple>, _: Keywords<'_, '_>| function(args).map(Bound::unbind),
        )
    };
    module.add("call", outcome(call, c"call")?)?;
    module.add("submit", outcome(submit, c"submit")?)?;
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
