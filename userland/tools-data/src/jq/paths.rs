//! Deleting by path.

use super::errors::type_name;
use jaq_json::{Error, Rc, Val};

/// Removes what is at each of `paths`, an array of paths; what does not exist is left alone.
///
/// # Errors
///
/// When a path does not fit the value.
pub fn delete_all(value: Val, paths: &Val) -> Result<Val, Error> {
    let Val::Arr(paths) = paths else {
        return Err(Error::str("Paths must be specified as an array"));
    };
    let mut paths: Vec<&Val> = paths.iter().collect();
    // From the last to the first, so that positions stay right.
    paths.sort();
    paths.dedup();
    paths.into_iter().rev().try_fold(value, |value, path| match path {
        Val::Arr(path) => delete(value, path),
        _ => Err(Error::str("Path must be specified as an array")),
    })
}

fn delete(mut value: Val, path: &[Val]) -> Result<Val, Error> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(Val::Null);
    };
    match (&mut value, key) {
        (Val::Null, _) => Ok(value),
        (Val::Obj(map), Val::TStr(_)) => {
            let map = Rc::make_mut(map);
            if rest.is_empty() {
                map.shift_remove(key);
            } else if let Some(inner) = map.get_mut(key) {
                *inner = delete(std::mem::take(inner), rest)?;
            }
            Ok(value)
        }
        (Val::Arr(items), Val::Num(index)) => {
            let items = Rc::make_mut(items);
            let Some(at) = index.as_isize().and_then(|index| position(index, items.len())) else {
                return Ok(value);
            };
            if rest.is_empty() {
                items.remove(at);
            } else {
                items[at] = delete(std::mem::take(&mut items[at]), rest)?;
            }
            Ok(value)
        }
        (Val::Arr(items), Val::Obj(range)) => {
            let bound = |name: &str, default: usize| -> usize {
                match range.get(&Val::utf8_str(name.as_bytes().to_vec())) {
                    Some(Val::Num(index)) => {
                        let index = index.as_isize().unwrap_or(0);
                        if index < 0 {
                            items.len().saturating_sub(index.unsigned_abs())
                        } else {
                            index as usize
                        }
                    }
                    _ => default,
                }
            };
            let end = bound("end", items.len()).min(items.len());
            let start = bound("start", 0).min(end);
            Rc::make_mut(items).drain(start..end);
            Ok(value)
        }
        _ => Err(Error::str(format!(
            "Cannot delete field at {} index of {}",
            type_name(key),
            type_name(&value)
        ))),
    }
}

fn position(index: isize, length: usize) -> Option<usize> {
    let at = if index < 0 {
        length.checked_sub(index.unsigned_abs())?
    } else {
        index as usize
    };
    (at < length).then_some(at)
}
