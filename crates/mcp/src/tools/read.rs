//! `read_file`: text by bytes or lines, images as images, everything else as base64.

use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::failure::{Exceeded, Failure};
use crate::limits::{READ_BYTES, bounded};
use crate::media;
use agentos::EntryKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ContentBlock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn entries() -> Vec<Entry> {
    vec![entry(
        "read_file",
        "Read a file",
        "Read a file of the VM: text as it is, an image as an image, other content as base64. A range of bytes is given by \
         offset and length, a range of lines by startLine and maxLines. The result says where the next range begins.",
        Effect::Reads,
        read,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    /// Path, absolute or below the VM's working directory.
    path: String,
    /// First byte; 0 unless given.
    offset: Option<u64>,
    /// Bytes to read; 262144 unless given.
    #[schemars(range(min = 1))]
    length: Option<u64>,
    /// First line, counted from 1, in place of offset.
    #[schemars(range(min = 1))]
    start_line: Option<u64>,
    /// Lines to read, in place of length.
    #[schemars(range(min = 1))]
    max_lines: Option<u64>,
    /// How the content is returned: "auto", which is the default, "text" or "base64".
    encoding: Option<Encoding>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Auto,
    Text,
    Base64,
}

/// What was read.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Content {
    /// Absolute path.
    path: String,
    /// Size of the file in bytes.
    size: u64,
    /// Type of the content, as far as its name and beginning tell.
    mime_type: String,
    /// What `content` is; of an image there is none, the image is part of the result.
    encoding: Form,
    /// The content, or the part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Position of the first byte that is returned.
    offset: u64,
    /// Bytes that are returned.
    length: u64,
    /// Number of the first line that is returned, if lines were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_line: Option<u64>,
    /// Where to go on: the offset of what follows, if something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// The bound for which the end is missing, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<Exceeded>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    Text,
    Base64,
    Image,
}

async fn read(call: Call, input: Read) -> Result<Reply<Content>, Failure> {
    let path = absolute(&call, "path", &input.path)?;
    let attributes = call.vm.stat(path.clone(), true).await?;
    if attributes.kind == EntryKind::Directory {
        return Err(Failure::new(
            "EISDIR",
            format!("EISDIR: {path} is a directory; list_directory shows what is in it"),
        ));
    }
    let whole =
        input.offset.is_none() && input.length.is_none() && input.start_line.is_none() && input.max_lines.is_none();
    if whole
        && input.encoding.is_none_or(|encoding| encoding == Encoding::Auto)
        && let Some(reply) = image(&call, &path, attributes.size).await?
    {
        return Ok(reply);
    }
    if input.start_line.is_some() || input.max_lines.is_some() {
        if input.offset.is_some() || input.length.is_some() {
            let problem = "startLine or maxLines is given as well; give a range of bytes or of lines";
            return Err(Failure::argument("offset", problem));
        }
        return lines(&call, path, attributes.size, &input).await;
    }
    bytes(&call, path, attributes.size, &input).await
}

/// The whole file as an image, if it is one that clients show.
async fn image(call: &Call, path: &str, size: u64) -> Result<Option<Reply<Content>>, Failure> {
    let head = call.vm.read(path.to_owned(), 0, 16).await?;
    let Some(mime_type) = image_type(&head) else {
        return Ok(None);
    };
    let cap = call.limits.max_image_bytes;
    if size > cap {
        return Err(Exceeded::new("mcp.maxImageBytes", size, cap, "path").into());
    }
    let data = call.vm.read(path.to_owned(), 0, cap).await?;
    let length = data.len() as u64;
    let about = format!("{path}: {mime_type}, {length} bytes");
    let value = Content {
        path: path.to_owned(),
        size,
        mime_type: mime_type.to_owned(),
        encoding: Form::Image,
        content: None,
        offset: 0,
        length,
        start_line: None,
        next_offset: None,
        truncated: None,
    };
    let content = vec![
        ContentBlock::image(STANDARD.encode(&data), mime_type),
        ContentBlock::text(about),
    ];
    Ok(Some(Reply { content, value }))
}

/// The type of an image that models can look at, told by its first bytes.
fn image_type(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// A range of bytes.
async fn bytes(call: &Call, path: String, size: u64, input: &Read) -> Result<Reply<Content>, Failure> {
    let cap = call.limits.max_read_bytes;
    let length = bounded("length", "mcp.maxReadBytes", input.length, READ_BYTES, cap)?;
    let offset = input.offset.unwrap_or(0);
    let data = call.vm.read(path.clone(), offset, length).await?;
    let encoding = input.encoding.unwrap_or(Encoding::Auto);
    let (form, content, offset, read) = match (encoding, text_of(&data, offset > 0)) {
        (Encoding::Auto, Some((skipped, text))) => (Form::Text, text.to_owned(), offset + skipped as u64, text.len()),
        (Encoding::Text, _) => (
            Form::Text,
            String::from_utf8_lossy(&data).into_owned(),
            offset,
            data.len(),
        ),
        (Encoding::Auto | Encoding::Base64, _) => (Form::Base64, STANDARD.encode(&data), offset, data.len()),
    };
    let end = offset.saturating_add(read as u64);
    // Files that are made while they are read have no size; a full range may not be the end of one.
    let more = end < size || (size == 0 && data.len() as u64 == length);
    let value = Content {
        mime_type: media::type_of(&path, matches!(form, Form::Text)).to_owned(),
        path,
        size,
        encoding: form,
        content: Some(content),
        offset,
        length: read as u64,
        start_line: None,
        next_offset: more.then_some(end),
        truncated: (more && input.length.is_none()).then(|| Exceeded::new("length", size, length, "content")),
    };
    Ok(told(value))
}

/// The text in bytes of which the last character may be cut, and the first if they begin `inside` of a file; and how many
/// bytes of the latter are left out.
pub(crate) fn text_of(data: &[u8], inside: bool) -> Option<(usize, &str)> {
    if data.contains(&0) {
        return None;
    }
    let cut = data.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let start = if inside { cut } else { 0 };
    let rest = data.get(start..)?;
    match std::str::from_utf8(rest) {
        Ok(text) => Some((start, text)),
        // An end that may go on is cut.
        Err(error) if error.error_len().is_none() => {
            let text = std::str::from_utf8(rest.get(..error.valid_up_to())?).ok()?;
            Some((start, text))
        }
        Err(_) => None,
    }
}

/// A range of lines.
async fn lines(call: &Call, path: String, size: u64, input: &Read) -> Result<Reply<Content>, Failure> {
    let cap = call.limits.max_edit_bytes;
    if size > cap {
        let limit = Exceeded::new("mcp.maxEditBytes", size, cap, "path");
        let message = format!("{limit}; read it by offset and length");
        return Err(Failure {
            message,
            ..Failure::from(limit)
        });
    }
    let data = call.vm.read(path.clone(), 0, cap).await?;
    let text = String::from_utf8_lossy(&data);
    let first = input.start_line.unwrap_or(1);
    let skip = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
    let most = usize::try_from(input.max_lines.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let before: usize = text.split_inclusive('\n').take(skip).map(str::len).sum();
    let room = usize::try_from(READ_BYTES.min(call.limits.max_read_bytes)).unwrap_or(usize::MAX);
    let mut content = String::new();
    let mut truncated = None;
    for line in text.split_inclusive('\n').skip(skip).take(most) {
        if content.len() + line.len() > room {
            let fits = (0..=room - content.len())
                .rev()
                .find(|at| line.is_char_boundary(*at))
                .unwrap_or(0);
            // A line longer than all that is returned is cut; the next range begins inside of it.
            if content.is_empty() {
                content.push_str(line.get(..fits).unwrap_or_default());
            }
            truncated = Some(Exceeded::new(
                "mcp.maxReadBytes",
                (text.len() - before) as u64,
                room as u64,
                "content",
            ));
            break;
        }
        content.push_str(line);
    }
    let end = before + content.len();
    let value = Content {
        mime_type: media::type_of(&path, true).to_owned(),
        path,
        size,
        encoding: Form::Text,
        offset: before as u64,
        length: content.len() as u64,
        content: Some(content),
        start_line: Some(first),
        next_offset: (end < text.len()).then_some(end as u64),
        truncated,
    };
    Ok(told(value))
}

fn told(value: Content) -> Reply<Content> {
    let mut content = vec![ContentBlock::text(value.content.clone().unwrap_or_default())];
    let (from, to) = (value.offset, value.offset.saturating_add(value.length));
    if let Some(next) = value.next_offset {
        let size = value.size;
        content.push(ContentBlock::text(format!(
            "[bytes {from} to {to} of {size}; go on with offset {next}]"
        )));
    }
    if matches!(value.encoding, Form::Base64) {
        let (length, mime_type) = (value.length, &value.mime_type);
        content.push(ContentBlock::text(format!("[{length} bytes of {mime_type} as base64]")));
    }
    Reply { content, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_range_cuts_are_left_out() {
        let euro = "a\u{20ac}b".as_bytes();
        assert_eq!(text_of(euro, false), Some((0, "a\u{20ac}b")));
        assert_eq!(text_of(&euro[..2], false), Some((0, "a")));
        assert_eq!(text_of(&euro[..3], false), Some((0, "a")));
        assert_eq!(text_of(&euro[2..], true), Some((2, "b")));
        assert_eq!(text_of(&euro[2..], false), None);
        assert_eq!(text_of(b"", false), Some((0, "")));
        assert_eq!(text_of(b"a\xff b", true), None);
        assert_eq!(text_of(b"a\0b", true), None);
    }

    #[test]
    fn images_are_told_by_their_beginning() {
        assert_eq!(image_type(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(image_type(b"GIF89a"), Some("image/gif"));
        assert_eq!(image_type(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(image_type(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(image_type(b""), None);
    }
}
