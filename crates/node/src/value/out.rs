//! Values of Rust as values of JavaScript.

use super::{Result, refused};
use crate::abi::check;
use crate::memory;
use agentos_value::{Object, Value};
use bytes::Bytes;
use napi_sys as sys;
use num_bigint::{BigInt, Sign};
use std::ffi::c_void;
use std::ptr::null_mut;

/// From here on bytes are handed over instead of copied.
const EXTERNAL_FROM: usize = 64 << 10;

/// Makes a value of JavaScript.
///
/// # Errors
/// Node-API refuses, for lack of memory or because a script's code threw.
pub(crate) fn write(env: sys::napi_env, value: Value) -> Result<sys::napi_value> {
    Ok(match value {
        Value::Undefined => ask!(null_mut(), napi_get_undefined(env)),
        Value::Null => ask!(null_mut(), napi_get_null(env)),
        Value::Bool(flag) => ask!(null_mut(), napi_get_boolean(env, flag)),
        Value::Int(number) => ask!(null_mut(), napi_create_int64(env, number)),
        Value::Float(number) => ask!(null_mut(), napi_create_double(env, number)),
        Value::BigInt(number) => write_bigint(env, &number)?,
        Value::Text(text) => write_text(env, &text)?,
        Value::Bytes(bytes) => write_bytes(env, bytes)?,
        Value::ArrayBuffer(bytes) => write_buffer(env, bytes)?,
        Value::Date(ms) => ask!(null_mut(), napi_create_date(env, ms)),
        Value::Array(items) => write_items(env, items)?,
        Value::Object(object) => write_object(env, object)?,
        Value::Set(items) => {
            let items = write_items(env, items)?;
            construct(env, c"Set", items)?
        }
        Value::Map(entries) => {
            let pairs = entries.into_iter().map(|(key, value)| Value::Array(vec![key, value]));
            let pairs = write_items(env, pairs.collect())?;
            construct(env, c"Map", pairs)?
        }
    })
}

fn write_text(env: sys::napi_env, text: &str) -> Result<sys::napi_value> {
    let length = length_of(text.len())?;
    Ok(ask!(
        null_mut(),
        napi_create_string_utf8(env, text.as_ptr().cast(), length)
    ))
}

/// Node-API takes lengths as signed numbers.
fn length_of(length: usize) -> Result<isize> {
    isize::try_from(length).map_err(|_| refused("so long a text"))
}

fn write_bigint(env: sys::napi_env, number: &BigInt) -> Result<sys::napi_value> {
    let (sign, words) = number.to_u64_digits();
    let negative = i32::from(sign == Sign::Minus);
    Ok(ask!(
        null_mut(),
        napi_create_bigint_words(env, negative, words.len(), words.as_ptr())
    ))
}

fn write_items(env: sys::napi_env, items: Vec<Value>) -> Result<sys::napi_value> {
    let array = ask!(null_mut(), napi_create_array_with_length(env, items.len()));
    for (at, item) in (0_u32..).zip(items) {
        let item = write(env, item)?;
        // SAFETY: both values were made in this environment in this callback.
        check(unsafe { sys::napi_set_element(env, array, at, item) })?;
    }
    Ok(array)
}

fn write_object(env: sys::napi_env, members: Object) -> Result<sys::napi_value> {
    let object = ask!(null_mut(), napi_create_object(env));
    for (name, member) in members {
        let key = write_text(env, &name)?;
        let member = write(env, member)?;
        // SAFETY: the three values were made in this environment in this callback.
        check(unsafe { sys::napi_set_property(env, object, key, member) })?;
    }
    Ok(object)
}

fn construct(env: sys::napi_env, class: &std::ffi::CStr, argument: sys::napi_value) -> Result<sys::napi_value> {
    let global = ask!(null_mut(), napi_get_global(env));
    let class = ask!(null_mut(), napi_get_named_property(env, global, class.as_ptr()));
    Ok(ask!(null_mut(), napi_new_instance(env, class, 1, &raw const argument)))
}

fn write_bytes(env: sys::napi_env, bytes: Bytes) -> Result<sys::napi_value> {
    let length = bytes.len();
    let buffer = write_buffer(env, bytes)?;
    Ok(ask!(
        null_mut(),
        napi_create_typedarray(env, sys::TypedarrayType::uint8_array, length, buffer, 0)
    ))
}

fn write_buffer(env: sys::napi_env, bytes: Bytes) -> Result<sys::napi_value> {
    if bytes.len() < EXTERNAL_FROM {
        return copy_out(env, &bytes);
    }
    if let Some(buffer) = memory::view(&bytes).and_then(|view| lend(env, view)) {
        return Ok(buffer);
    }
    // Bytes that nobody else holds become a vector without being copied.
    match hand_over(env, own(bytes)) {
        Ok(buffer) => Ok(buffer),
        // A host without external buffers.
        Err(bytes) => copy_out(env, &bytes),
    }
}

/// The bytes as a vector of its own, which is a copy where others hold them too.
fn own(bytes: Bytes) -> Vec<u8> {
    if bytes.is_unique() {
        return bytes.into();
    }
    let mut copy = memory::room_for(bytes.len());
    copy.extend_from_slice(&bytes);
    copy
}

fn copy_out(env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
    let (mut data, mut buffer) = (null_mut(), null_mut());
    // SAFETY: both places are live locals.
    check(unsafe { sys::napi_create_arraybuffer(env, bytes.len(), &mut data, &mut buffer) })?;
    if !data.is_null() && !bytes.is_empty() {
        // SAFETY: the new buffer has `bytes.len()` bytes, and no script has seen it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast::<u8>(), bytes.len()) };
    }
    Ok(buffer)
}

/// Gives the memory itself to JavaScript, which gives it back through [`collected`]; or gives it back here if that is refused.
fn hand_over(env: sys::napi_env, bytes: Vec<u8>) -> std::result::Result<sys::napi_value, Vec<u8>> {
    let mut owner = Box::new(bytes);
    let (data, length) = (owner.as_mut_ptr(), owner.len());
    let owner = Box::into_raw(owner);
    let mut buffer = null_mut();
    // SAFETY: `data` stays where it is for as long as the vector lives, and only `collected` ends it. Nobody else has it.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(env, data.cast(), length, Some(collected), owner.cast(), &mut buffer)
    };
    if status == sys::Status::napi_ok {
        return Ok(buffer);
    }
    // SAFETY: the call failed, so the vector is still ours and `collected` will not be called.
    Err(*unsafe { Box::from_raw(owner) })
}

/// Gives a view to JavaScript, which gives it back through [`closed`]; `None` if that is refused.
fn lend(env: sys::napi_env, view: memory::View) -> Option<sys::napi_value> {
    let (start, length) = (view.start(), view.length());
    let view = Box::into_raw(Box::new(view));
    let mut buffer = null_mut();
    // SAFETY: the view is mapped until `closed` ends it, at a place where no other buffer is. Nobody else has it.
    let status =
        unsafe { sys::napi_create_external_arraybuffer(env, start, length, Some(closed), view.cast(), &mut buffer) };
    if status == sys::Status::napi_ok {
        return Some(buffer);
    }
    // SAFETY: the call failed, so the view is still ours and `closed` will not be called.
    drop(unsafe { Box::from_raw(view) });
    None
}

/// Ends a view.
///
/// # Safety
/// Only Node-API calls it, once, with what [`lend`] gave it.
unsafe extern "C" fn closed(_env: sys::napi_env, _data: *mut c_void, view: *mut c_void) {
    // SAFETY: `view` is the box that `lend` leaked, and this is the only call.
    drop(unsafe { Box::from_raw(view.cast::<memory::View>()) });
}

/// Ends memory that was handed over.
///
/// # Safety
/// Only Node-API calls it, once, with what [`hand_over`] gave it.
unsafe extern "C" fn collected(_env: sys::napi_env, _data: *mut c_void, owner: *mut c_void) {
    // SAFETY: `owner` is the box that `hand_over` leaked, and this is the only call.
    drop(unsafe { Box::from_raw(owner.cast::<Vec<u8>>()) });
}
