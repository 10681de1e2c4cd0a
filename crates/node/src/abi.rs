//! The border to Node-API: exported functions, their arguments, and what they throw.
//!
//! A function of the addon is `fn(&mut Call) -> Result<Value, Fault>`, listed in a table of [`Export`]s. One trampoline calls
//! them all; it reads arguments on demand, turns the result into JavaScript or throws, and lets no panic pass. With values for
//! everything there is no need for code generated per function, and with `napi-sys` alone the addon shares its build of the
//! engine with the rest of the workspace.

use crate::value;
use agentos_value::{ActorError, Value};
use napi_sys as sys;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};

/// A function that JavaScript sees.
pub(crate) struct Export {
    /// Its name.
    pub(crate) name: &'static CStr,
    /// What it does.
    pub(crate) run: fn(&mut Call) -> Result<Value, Fault>,
}

/// Why a function did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A documented error; thrown as a plain object.
    Known(ActorError),
    /// A call that the TypeScript side never makes, or a failure of Node-API; thrown as an `Error`.
    Misuse(String),
    /// An exception that a script's code threw meanwhile; it stays as it is.
    Pending,
}

impl From<ActorError> for Fault {
    fn from(error: ActorError) -> Self {
        Self::Known(error)
    }
}

/// One call of an exported function.
pub(crate) struct Call {
    env: sys::napi_env,
    arguments: [sys::napi_value; ARGUMENTS_MAX],
    given: usize,
    next: usize,
}

const ARGUMENTS_MAX: usize = 8;

impl Call {
    /// The environment that calls.
    pub(crate) fn env(&self) -> sys::napi_env {
        self.env
    }

    /// The next argument; `undefined` beyond the last.
    pub(crate) fn value(&mut self) -> Result<Value, Fault> {
        match self.raw() {
            Some(raw) => value::read(self.env, raw),
            None => Ok(Value::Undefined),
        }
    }

    /// The next argument as it is, for functions.
    pub(crate) fn raw(&mut self) -> Option<sys::napi_value> {
        let at = self.next;
        self.next += 1;
        (at < self.given).then(|| self.arguments.get(at).copied()).flatten()
    }

    /// A whole number of 32 bits.
    pub(crate) fn number(&mut self) -> Result<u32, Fault> {
        let value = self.value()?;
        let number = value.as_int().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.wrong("a whole number", &value))
    }

    /// A number.
    pub(crate) fn float(&mut self) -> Result<f64, Fault> {
        let value = self.value()?;
        value.as_f64().ok_or_else(|| self.wrong("a number", &value))
    }

    /// A boolean.
    pub(crate) fn flag(&mut self) -> Result<bool, Fault> {
        let value = self.value()?;
        value.as_bool().ok_or_else(|| self.wrong("a boolean", &value))
    }

    /// A string.
    pub(crate) fn text(&mut self) -> Result<String, Fault> {
        match self.value()? {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong("a string", &other)),
        }
    }

    /// An array.
    pub(crate) fn items(&mut self) -> Result<Vec<Value>, Fault> {
        match self.value()? {
            Value::Array(items) => Ok(items),
            other => Err(self.wrong("an array", &other)),
        }
    }

    fn wrong(&self, wanted: &str, given: &Value) -> Fault {
        let at = self.next;
        Fault::Misuse(format!(
            "argument {at} of the addon's function must be {wanted}, got {}",
            given.kind()
        ))
    }
}

/// Defines the functions as members of the addon's `exports`.
pub(crate) fn define(env: sys::napi_env, exports: sys::napi_value, table: &'static [Export]) {
    let property = |export: &'static Export| sys::napi_property_descriptor {
        utf8name: export.name.as_ptr(),
        name: null_mut(),
        method: Some(trampoline),
        getter: None,
        setter: None,
        value: null_mut(),
        attributes: sys::PropertyAttributes::enumerable,
        data: std::ptr::from_ref(export).cast_mut().cast(),
    };
    let properties: Vec<_> = table.iter().map(property).collect();
    // SAFETY: both handles were given by Node-API for this callback; the descriptors and what they point to live long enough.
    unsafe { sys::napi_define_properties(env, exports, properties.len(), properties.as_ptr()) };
}

/// Calls the function that a property was defined with.
///
/// # Safety
/// Only Node-API calls it, for properties of [`define`].
unsafe extern "C" fn trampoline(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut call = Call {
        env,
        arguments: [null_mut(); ARGUMENTS_MAX],
        given: ARGUMENTS_MAX,
        next: 0,
    };
    let mut data = null_mut();
    // SAFETY: the array has room for as many arguments as `given` says; the other places are live locals or null.
    let status = unsafe {
        let arguments = call.arguments.as_mut_ptr();
        sys::napi_get_cb_info(env, info, &mut call.given, arguments, null_mut(), &mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return null_mut();
    }
    // SAFETY: `define` put a pointer to a static `Export` there.
    let export: &'static Export = unsafe { &*data.cast::<Export>() };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let result = (export.run)(&mut call)?;
        value::write(env, result)
    }));
    let fault = match outcome {
        Ok(Ok(result)) => return result,
        Ok(Err(fault)) => fault,
        // A fault of ours; the process and its other VMs go on.
        Err(_) => Fault::Misuse("the native addon of agentOS panicked".to_owned()),
    };
    throw(env, fault);
    null_mut()
}

fn throw(env: sys::napi_env, fault: Fault) {
    let text = match fault {
        Fault::Pending => return,
        Fault::Misuse(text) => text,
        Fault::Known(error) => match value::write(env, crate::error::to_value(error)) {
            Ok(object) => {
                // SAFETY: the object was just made in this environment.
                unsafe { sys::napi_throw(env, object) };
                return;
            }
            Err(_) => "an error could not be told".to_owned(),
        },
    };
    let text = text.replace('\0', " ");
    let text = std::ffi::CString::new(text).unwrap_or_default();
    // SAFETY: the text ends with a NUL and is copied; without a code the pointer may be null.
    unsafe { sys::napi_throw_error(env, null(), text.as_ptr()) };
}

/// What the status of a call of Node-API means.
pub(crate) fn check(status: sys::napi_status) -> Result<(), Fault> {
    match status {
        sys::Status::napi_ok => Ok(()),
        sys::Status::napi_pending_exception => Err(Fault::Pending),
        other => Err(Fault::Misuse(format!(
            "a function of Node-API failed with status {other}"
        ))),
    }
}

/// Calls `hook` when the environment ends.
pub(crate) fn on_exit(env: sys::napi_env, hook: unsafe extern "C" fn(*mut c_void)) -> Result<(), Fault> {
    // SAFETY: the hook takes no notice of its argument.
    check(unsafe { sys::napi_add_env_cleanup_hook(env, Some(hook), null_mut()) })
}

/// Rings in an environment: calls a function of it, on its thread, from any thread. It does not keep the process alive.
pub(crate) struct Bell(parking_lot::Mutex<Option<Raw>>);

/// What Node-API knows the bell by.
struct Raw(sys::napi_threadsafe_function);

// SAFETY: Node-API allows calling it from any thread for as long as it exists; the mutex and `Bell::silence` see to that.
unsafe impl Send for Raw {}

impl Bell {
    /// A bell that calls `function` without arguments.
    pub(crate) fn new(env: sys::napi_env, function: sys::napi_value) -> Result<Self, Fault> {
        let name = value::write(env, Value::from("agentos"))?;
        let mut raw = null_mut();
        // SAFETY: the handles belong to this callback. Without a function of ours Node-API calls `function` itself.
        check(unsafe {
            sys::napi_create_threadsafe_function(
                env,
                function,
                null_mut(),
                name,
                0,
                1,
                null_mut(),
                None,
                null_mut(),
                None,
                &mut raw,
            )
        })?;
        // SAFETY: it was just made, in this environment.
        check(unsafe { sys::napi_unref_threadsafe_function(env, raw) })?;
        Ok(Self(parking_lot::Mutex::new(Some(Raw(raw)))))
    }

    /// Rings. Nothing happens once the environment ends.
    pub(crate) fn ring(&self) {
        let mut bell = self.0.lock();
        if let Some(Raw(raw)) = &*bell {
            // SAFETY: it exists: it is taken out below and in `silence`, before Node-API frees it.
            let status = unsafe {
                sys::napi_call_threadsafe_function(*raw, null_mut(), sys::ThreadsafeFunctionCallMode::nonblocking)
            };
            if status != sys::Status::napi_ok {
                *bell = None;
            }
        }
    }

    /// Never rings again. To be called before the environment is gone.
    pub(crate) fn silence(&self) {
        *self.0.lock() = None;
    }
}
