//! The native addon of the TypeScript SDK: the VM and the service inside a Node.js process.
//!
//! The addon is small on purpose. JavaScript sees a handful of functions that take and give values of
//! [`agentos_value::Value`]'s kinds; names, arguments and shapes are those of the actions (api.md section 4), read and made
//! by `agentos-server`. Promises, Web streams, classes and types are the work of the TypeScript packages.
//!
//! Rooms:
//!
//! * `abi`, `value`, `error`: the border, what crosses it, and how.
//! * `memory`: contents of large files, and what is given back once the first VM is there.
//! * `mailbox`: the one way from any thread into the thread of an environment, and from there to JavaScript.
//! * `task`: calls that take time. Short ones are polled on the JavaScript thread, which saves two changes of thread;
//!   those that may block are run on `runtime`'s threads.
//! * `callback`: calling a function of JavaScript from Rust, always with a deadline.
//! * `core`: the embedded VM. `registry`: VMs as actors.
//!
//! Invariants: nothing that a script does panics or hangs the process; an environment that ends (a worker thread that is
//! terminated, the process that exits) fails what waits for it and ends its VMs; a function of JavaScript is never called
//! while a lock is held.

mod abi;
mod callback;
mod core;
mod error;
mod mailbox;
mod memory;
mod registry;
mod runtime;
mod task;
mod value;

/// Called by Node.js when it loads the addon into an environment.
///
/// # Safety
/// Only Node.js calls it, with handles that are valid during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(
    env: napi_sys::napi_env,
    exports: napi_sys::napi_value,
) -> napi_sys::napi_value {
    abi::define(env, exports, core::EXPORTS);
    abi::define(env, exports, registry::EXPORTS);
    exports
}

/// The version of Node-API that the addon needs: that of Node.js 16 and later.
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    8
}
