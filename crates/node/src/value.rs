//! Values between JavaScript and Rust, without any text in between.
//!
//! Every argument and result of a function of the addon is a [`Value`]. Everything that it knows keeps its kind: `undefined`, `null`, booleans, numbers, BigInts, strings, `Uint8Array`s (and `Buffer`s, which are such), `ArrayBuffer`s,
//! `Date`s, arrays, plain objects, `Set`s and `Map`s. Functions, symbols, promises and other typed arrays are refused with the
//! place where they stand.
//!
//! Bytes are copied on the way in, because a script may write to its buffer at any time or give it to another thread. That is the
//! only copy of a large file: it becomes the file, and when it is read the script gets a view of the same memory, private to it
//! (see [`memory`]). Others are handed over with their memory on the way out; small ones are copied, which is faster than having
//! memory collected.

use crate::abi::{Fault, check};
use crate::memory;
use agentos_value::{ActorError, Object, Value};
use bytes::Bytes;
use napi_sys as sys;
use num_bigint::{BigInt, Sign};
use std::ffi::c_void;
use std::ptr::null_mut;

type Result<T> = std::result::Result<T, Fault>;

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 64;
/// Most values that one argument may consist of.
const COUNT_MAX: usize = 1 << 20;

/// Reads a value of JavaScript.
///
/// # Errors
/// It holds something that cannot travel, or a getter threw.
pub(crate) fn read(env: sys::napi_env, raw: sys::napi_value) -> Result<Value> {
    Reader { env, count: 0 }.read(raw, 0)
}

/// Calls a function of Node-API that gives a result through its last argument.
///
/// SAFETY (of every use): `env` is the environment in whose callback we are, the values were made in it during this callback,
/// and the places for results are live locals of the right type.
macro_rules! ask {
    ($init:expr, $function:ident($env:expr $(, $argument:expr)*)) => {{
        let mut result = $init;
        // SAFETY: see above.
        check(unsafe { sys::$function($env $(, $argument)*, &mut result) })?;
        result
    }};
}

mod out;

pub(crate) use out::write;

struct Reader {
    env: sys::napi_env,
    count: usize,
}

impl Reader {
    fn read(&mut self, raw: sys::napi_value, depth: usize) -> Result<Value> {
        self.count += 1;
        if depth > DEPTH_MAX || self.count > COUNT_MAX {
            let text = format!("a value nested deeper than {DEPTH_MAX} levels or of more than {COUNT_MAX} parts");
            return Err(refused(&text));
        }
        let env = self.env;
        match ask!(0, napi_typeof(env, raw)) {
            sys::ValueType::napi_undefined => Ok(Value::Undefined),
            sys::ValueType::napi_null => Ok(Value::Null),
            sys::ValueType::napi_boolean => Ok(Value::Bool(ask!(false, napi_get_value_bool(env, raw)))),
            sys::ValueType::napi_number => Ok(Value::number(ask!(0.0, napi_get_value_double(env, raw)))),
            sys::ValueType::napi_string => self.text(raw).map(Value::Text),
            sys::ValueType::napi_bigint => self.bigint(raw),
            sys::ValueType::napi_object => self.object(raw, depth),
            sys::ValueType::napi_function => Err(refused("a function where plain data belongs")),
            sys::ValueType::napi_symbol => Err(refused("a symbol where plain data belongs")),
            _ => Err(refused("a value of an unknown kind")),
        }
    }

    fn text(&self, raw: sys::napi_value) -> Result<String> {
        let env = self.env;
        let length = ask!(0, napi_get_value_string_utf8(env, raw, null_mut(), 0));
        // One byte more for the NUL that Node-API appends.
        let mut buffer = vec![0_u8; length + 1];
        let written = ask!(
            0,
            napi_get_value_string_utf8(env, raw, buffer.as_mut_ptr().cast(), buffer.len())
        );
        buffer.truncate(written);
        // Node-API writes valid UTF-8; should it not, nothing is lost but the text.
        Ok(String::from_utf8(buffer).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn bigint(&self, raw: sys::napi_value) -> Result<Value> {
        let mut words = 0;
        // SAFETY: asking for the number of words only; the two null pointers are allowed together.
        check(unsafe { sys::napi_get_value_bigint_words(self.env, raw, null_mut(), &mut words, null_mut()) })?;
        let (mut negative, mut digits) = (0, vec![0_u64; words]);
        // SAFETY: `digits` has room for `words` words.
        check(unsafe {
            sys::napi_get_value_bigint_words(self.env, raw, &mut negative, &mut words, digits.as_mut_ptr())
        })?;
        let digits: Vec<u32> = digits
            .iter()
            .flat_map(|word| [*word as u32, (*word >> 32) as u32]) // the two halves of a word
            .collect();
        let sign = if negative == 0 { Sign::Plus } else { Sign::Minus };
        Ok(Value::BigInt(BigInt::from_slice(sign, &digits)))
    }

    fn object(&mut self, raw: sys::napi_value, depth: usize) -> Result<Value> {
        let env = self.env;
        if ask!(false, napi_is_array(env, raw)) {
            return self.items(raw, depth).map(Value::Array);
        }
        if ask!(false, napi_is_typedarray(env, raw)) {
            return self.typed_array(raw).map(Value::Bytes);
        }
        if ask!(false, napi_is_arraybuffer(env, raw)) {
            return self.array_buffer(raw).map(Value::ArrayBuffer);
        }
        if ask!(false, napi_is_date(env, raw)) {
            return Ok(Value::Date(ask!(0.0, napi_get_date_value(env, raw))));
        }
        if ask!(false, napi_is_promise(env, raw)) {
            return Err(refused("a promise where plain data belongs; await it first"));
        }
        if ask!(false, napi_has_named_property(env, raw, c"size".as_ptr())) {
            if self.is_a(raw, c"Map")? {
                return self.map(raw, depth);
            }
            if self.is_a(raw, c"Set")? {
                let items = self.iterable(raw)?;
                return self.items(items, depth).map(Value::Set);
            }
        }
        self.members(raw, depth)
    }

    fn items(&mut self, raw: sys::napi_value, depth: usize) -> Result<Vec<Value>> {
        let length = ask!(0, napi_get_array_length(self.env, raw));
        if length as usize > COUNT_MAX {
            return Err(refused(&format!("an array of more than {COUNT_MAX} items")));
        }
        let mut items = Vec::with_capacity(length as usize);
        for at in 0..length {
            let item = ask!(null_mut(), napi_get_element(self.env, raw, at));
            items.push(self.read(item, depth + 1)?);
        }
        Ok(items)
    }

    fn members(&mut self, raw: sys::napi_value, depth: usize) -> Result<Value> {
        let env = self.env;
        let names = ask!(
            null_mut(),
            napi_get_all_property_names(
                env,
                raw,
                sys::KeyCollectionMode::own_only,
                sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols,
                sys::KeyConversion::numbers_to_strings
            )
        );
        let length = ask!(0, napi_get_array_length(env, names));
        let mut object = Object::with_capacity(length.min(1024) as usize);
        for at in 0..length {
            let key = ask!(null_mut(), napi_get_element(env, names, at));
            let member = ask!(null_mut(), napi_get_property(env, raw, key));
            let name = self.text(key)?;
            let value = self.read(member, depth + 1)?;
            // The names of one object's members are all different.
            object.push_new(name, value);
        }
        Ok(Value::Object(object))
    }

    fn map(&mut self, raw: sys::napi_value, depth: usize) -> Result<Value> {
        let pairs = self.iterable(raw)?;
        let mut entries = Vec::new();
        for pair in self.items(pairs, depth)? {
            match pair {
                Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
                    Ok([key, value]) => entries.push((key, value)),
                    Err(_) => return Err(refused("a Map with an entry that is no pair")),
                },
                _ => return Err(refused("a Map with an entry that is no pair")),
            }
        }
        Ok(Value::Map(entries))
    }

    /// `Array.from(raw)`.
    fn iterable(&self, raw: sys::napi_value) -> Result<sys::napi_value> {
        let env = self.env;
        let array = self.global(c"Array")?;
        let from = ask!(null_mut(), napi_get_named_property(env, array, c"from".as_ptr()));
        Ok(ask!(
            null_mut(),
            napi_call_function(env, array, from, 1, &raw const raw)
        ))
    }

    fn is_a(&self, raw: sys::napi_value, class: &std::ffi::CStr) -> Result<bool> {
        let class = self.global(class)?;
        Ok(ask!(false, napi_instanceof(self.env, raw, class)))
    }

    fn global(&self, name: &std::ffi::CStr) -> Result<sys::napi_value> {
        let global = ask!(null_mut(), napi_get_global(self.env));
        Ok(ask!(
            null_mut(),
            napi_get_named_property(self.env, global, name.as_ptr())
        ))
    }

    fn typed_array(&self, raw: sys::napi_value) -> Result<Bytes> {
        let (mut kind, mut length, mut data, mut buffer, mut offset) = (0, 0, null_mut(), null_mut(), 0);
        // SAFETY: `raw` is a typed array, as was just asked; every place is a live local of the right type.
        check(unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                raw,
                &mut kind,
                &mut length,
                &mut data,
                &mut buffer,
                &mut offset,
            )
        })?;
        let bytes = [
            sys::TypedarrayType::uint8_array,
            sys::TypedarrayType::uint8_clamped_array,
        ];
        match bytes.contains(&kind) {
            true => Ok(copied(data, length)),
            false => Err(refused("a typed array that is no Uint8Array")),
        }
    }

    fn array_buffer(&self, raw: sys::napi_value) -> Result<Bytes> {
        let (mut data, mut length) = (null_mut(), 0);
        // SAFETY: `raw` is an array buffer, as was just asked; both places are live locals.
        check(unsafe { sys::napi_get_arraybuffer_info(self.env, raw, &mut data, &mut length) })?;
        Ok(copied(data, length))
    }
}

/// A copy of a script's memory.
fn copied(data: *const c_void, length: usize) -> Bytes {
    if data.is_null() || length == 0 {
        return Bytes::new();
    }
    if let Some(sealed) = memory::sealed_copy(data.cast(), length) {
        return sealed;
    }
    let mut copy = memory::room_for(length);
    // SAFETY: Node-API says that `length` bytes start at `data`; no script runs on this thread meanwhile. Shared memory may be
    // written by another thread of the script's, which then decides itself what it sends.
    copy.extend_from_slice(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) });
    copy.into()
}

fn refused(what: &str) -> Fault {
    let error = ActorError::agentos("invalid_argument", format!("agentOS cannot take {what}"));
    Fault::Known(error)
}
