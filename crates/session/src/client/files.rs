//! Files, as agents read and write them.

use super::{count, invalid, refused, text};
use crate::agent::message::{Answer, INTERNAL, RpcError};
use crate::computer::Computer;
use crate::limits::MAX_FILE_BYTES;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

/// `fs/read_text_file`, and `fs/read` with an encoding.
pub(super) async fn read(computer: &dyn Computer, params: &Value, short: bool) -> Answer {
    let path = absolute(params)?;
    let (line, limit) = (count(params, "line")?, count(params, "limit")?);
    let content = computer.read(path, MAX_FILE_BYTES).await.map_err(refused)?;
    if short && encoding(params)? {
        return Ok(json!({"content": STANDARD.encode(&content)}));
    }
    let content = match std::str::from_utf8(&content) {
        Ok(content) => lines(content, line, limit).to_owned(),
        Err(_) => return Err(RpcError::new(INTERNAL, "the file is not UTF-8 text")),
    };
    Ok(json!({"content": content}))
}

/// `fs/write_text_file`, and `fs/write` with an encoding.
pub(super) async fn write(computer: &dyn Computer, params: &Value, short: bool) -> Answer {
    let path = absolute(params)?;
    let content = text(params, "content")?;
    let content = match short && encoding(params)? {
        true => STANDARD.decode(content).map_err(|_| invalid("content is not base64"))?,
        false => content.as_bytes().to_vec(),
    };
    if content.len() > MAX_FILE_BYTES {
        return Err(invalid(&format!("content has more than {MAX_FILE_BYTES} bytes")));
    }
    computer.write(path, Bytes::from(content)).await.map_err(refused)?;
    Ok(json!({}))
}

/// `fs/readDir`.
pub(super) async fn read_dir(computer: &dyn Computer, params: &Value) -> Answer {
    let path = absolute(params)?;
    let entries = computer.read_dir(path).await.map_err(refused)?;
    Ok(json!({"entries": entries}))
}

fn absolute(params: &Value) -> Result<&str, RpcError> {
    let path = text(params, "path")?;
    match path.starts_with('/') {
        true => Ok(path),
        false => Err(invalid("path must be absolute")),
    }
}

/// Whether the content is in base64.
fn encoding(params: &Value) -> Result<bool, RpcError> {
    match params.get("encoding") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::String(name)) if name == "base64" => Ok(true),
        Some(Value::String(name)) if name == "utf8" || name == "utf-8" => Ok(false),
        Some(_) => Err(invalid("encoding must be utf8 or base64")),
    }
}

/// The lines from `line` on, which counts from 1, at most `limit`.
fn lines(content: &str, line: Option<u64>, limit: Option<u64>) -> &str {
    let skip = usize::try_from(line.unwrap_or(1).saturating_sub(1)).unwrap_or(usize::MAX);
    let take = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut ends = content.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some(*at)
    });
    let start = match skip {
        0 => 0,
        skip => ends.nth(skip - 1).unwrap_or(content.len()),
    };
    let end = match take {
        0 => start,
        take => ends.nth(take - 1).unwrap_or(content.len()),
    };
    content.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_count_from_one() {
        let text = "a\nb\nc";
        assert_eq!(lines(text, None, None), text);
        assert_eq!(lines(text, Some(0), Some(1)), "a\n");
        assert_eq!(lines(text, Some(1), Some(1)), "a\n");
        assert_eq!(lines(text, Some(2), Some(1)), "b\n");
        assert_eq!(lines(text, Some(3), Some(9)), "c");
        assert_eq!(lines(text, Some(4), None), "");
        assert_eq!(lines(text, Some(u64::MAX), Some(u64::MAX)), "");
        assert_eq!(lines(text, Some(2), Some(0)), "");
    }
}
